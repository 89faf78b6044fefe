use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::{HistoryEntry, MemoryUnit, Tables, part};
use crate::error::Error;
use crate::history::{ChangeKind, EntityRef, Row, Value, Version};
use crate::model::ids::{ActivationKey, AgreementId, LicenseId, LmsUserId, PlanId, ProductId, RenewalId};
use crate::model::license_columns::LicenseColumns;
use crate::ports::{HistoryRepository, LimitOffset};

impl HistoryEntry {
    /// Removes the holder of a license, except this LMS user id and this activation key.
    pub(super) fn forget(&mut self, user: Option<LmsUserId>, key: Option<ActivationKey>) {
        let Some(columns) = &mut self.license else { return };
        columns.user_email = None;
        columns.lms_user_id.take_if(|id| Some(*id) != user);
        columns.activation_key.take_if(|held| Some(*held) != key);
        let is_gone = |name: &str| match name {
            "user_email" => true,
            "lms_user_id" => columns.lms_user_id.is_none(),
            "activation_key" => columns.activation_key.is_none(),
            _ => false,
        };
        let left =
            |(name, value): (&'static str, &Value)| (name, if is_gone(name) { Value::Empty } else { value.clone() });
        self.row = self.row.iter().map(left).collect();
    }
}

impl Tables {
    /// The newest version of each of these licenses.
    pub(super) fn newest_of(&self, licenses: &[LicenseId]) -> HashMap<String, LicenseColumns> {
        let mut newest: HashMap<String, Option<&LicenseColumns>> =
            licenses.iter().map(|license| (license.to_string(), None)).collect();
        for entry in self.history.iter().filter(|entry| entry.table == "license") {
            if let Some(last) = newest.get_mut(&entry.id) {
                *last = entry.license.as_ref();
            }
        }
        newest.into_iter().filter_map(|(id, columns)| Some((id, columns?.clone()))).collect()
    }

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
