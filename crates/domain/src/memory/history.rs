use chrono::{DateTime, Utc};

use super::{HistoryEntry, MemoryUnit, Tables, part};
use crate::error::Error;
use crate::history::{ChangeKind, EntityRef, Row, Version};
use crate::model::ids::{AgreementId, LicenseId, PlanId, ProductId, RenewalId};
use crate::ports::{HistoryRepository, LimitOffset};

impl Tables {
    /// The row with this id, or its last version if it is deleted.
    pub(super) fn row(&self, table: &str, id: &str) -> Row {
        let uuid = || id.parse::<uuid::Uuid>().ok();
        let present: Option<Row> = match table {
            "customer_agreement" => uuid().and_then(|id| self.agreements.get(&AgreementId(id))).map(Into::into),
            "subscription_plan" => uuid().and_then(|id| self.plans.get(&PlanId(id))).map(Into::into),
            "license" => uuid().and_then(|id| self.licenses.get(&LicenseId(id))).map(Into::into),
            "product" => id.parse().ok().and_then(|id| self.products.get(&ProductId(id))).map(Into::into),
            "subscription_plan_renewal" => {
                id.parse().ok().and_then(|id| self.renewals.get(&RenewalId(id))).map(Into::into)
            }
            _ => None,
        };
        let last = || self.history.iter().rev().find(|entry| entry.table == table && entry.id == id);
        present.or_else(|| last().map(|entry| entry.row.clone())).unwrap_or_default()
    }
}

fn place(of: EntityRef) -> (&'static str, String) {
    match of {
        EntityRef::Agreement(id) => ("customer_agreement", id.to_string()),
        EntityRef::Plan(id) => ("subscription_plan", id.to_string()),
        EntityRef::License(id) => ("license", id.to_string()),
        EntityRef::Product(id) => ("product", id.to_string()),
        EntityRef::Renewal(id) => ("subscription_plan_renewal", id.to_string()),
    }
}

fn version((number, entry): (usize, &HistoryEntry)) -> Version {
    Version {
        number: number as i64 + 1,
        at: entry.change.at,
        by: entry.change.by.clone(),
        kind: match entry.kind {
            '+' => ChangeKind::Added,
            '-' => ChangeKind::Deleted,
            _ => ChangeKind::Changed,
        },
        reason: entry.change.reason.as_deref().map(str::to_owned),
        row: entry.row.clone(),
    }
}

fn newest_first(tables: &Tables, of: EntityRef) -> impl Iterator<Item = Version> {
    let (table, id) = place(of);
    let entries = tables.history.iter().enumerate().rev();
    entries.filter(move |(_, entry)| entry.table == table && entry.id == id).map(version)
}

impl HistoryRepository for MemoryUnit<'_> {
    fn versions(&mut self, of: EntityRef, limit_offset: LimitOffset) -> Result<Vec<Version>, Error> {
        Ok(part(newest_first(self.tables, of).collect(), limit_offset))
    }

    fn count(&mut self, of: EntityRef) -> Result<i64, Error> {
        Ok(newest_first(self.tables, of).count() as i64)
    }

    fn as_of(&mut self, of: EntityRef, at: DateTime<Utc>) -> Result<Option<Version>, Error> {
        Ok(newest_first(self.tables, of).find(|version| version.at <= at))
    }

    fn licenses_as_of(&mut self, licenses: &[LicenseId], at: DateTime<Utc>) -> Result<Vec<Version>, Error> {
        let mut ids = licenses.to_vec();
        ids.sort_unstable();
        let found = ids.into_iter().filter_map(|id| self.as_of(EntityRef::License(id), at).transpose());
        found.collect()
    }

    fn licenses_written_after(&mut self, plan: PlanId, at: DateTime<Utc>) -> Result<Vec<LicenseId>, Error> {
        let tables = &*self.tables;
        let later = |id: &LicenseId| newest_first(tables, EntityRef::License(*id)).any(|version| version.at > at);
        let ids = tables.licenses_of(plan).map(|license| license.id);
        Ok(ids.filter(later).collect())
    }
}
