use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::{HistoryEntry, MemoryUnit, Tables, part, size};
use crate::error::Error;
use crate::history::{ChangeKind, EntityRef, Row, Value, Version};
use crate::model::ids::{
    ActivationKey, AgreementId, LicenseEventId, LicenseId, LmsUserId, NotificationId, PlanId, ProductId, RenewalId,
    TransferJobId,
};
use crate::model::license_columns::LicenseColumns;
use crate::ports::{HistoryPart, HistoryRepository, LimitOffset, SupersededVersions};

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
            "license_transfer_job" => {
                id.parse().ok().and_then(|id| self.transfers.get(&TransferJobId(id))).map(Into::into)
            }
            "notification" => id.parse().ok().map(NotificationId).and_then(|id| {
                let notification = self.notifications.get(&id)?;
                Some((id, notification).into())
            }),
            "license_event" => {
                id.parse().ok().and_then(|id| self.license_events.get(&LicenseEventId(id))).map(Into::into)
            }
            _ => None,
        };
        let last = || self.recorded().rev().find(|entry| entry.table == table && entry.id == id);
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
        EntityRef::TransferJob(id) => ("license_transfer_job", id.to_string()),
        EntityRef::Notification(id) => ("notification", id.to_string()),
        EntityRef::LicenseEvent(id) => ("license_event", id.to_string()),
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
    entries.filter(move |(_, entry)| !entry.removed && entry.table == table && entry.id == id).map(version)
}

/// The indexes of the superseded entries of a part with numbers up to `last`.
fn superseded(tables: &Tables, part: &HistoryPart, last: i64) -> Vec<usize> {
    let old = |index: usize| {
        let entry = &tables.history[index];
        !entry.removed && entry.table == part.table && entry.change.at <= part.until
    };
    let range = size(part.after)..size(last).min(tables.history.len());
    let is_superseded = |&index: &usize| {
        let id = &tables.history[index].id;
        old(index) && (index + 1..tables.history.len()).any(|later| old(later) && tables.history[later].id == *id)
    };
    range.filter(is_superseded).collect()
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

    fn complete_since(&mut self) -> Result<Option<DateTime<Utc>>, Error> {
        Ok(self.tables.history_complete_since)
    }

    fn set_complete_since(&mut self, moment: DateTime<Utc>) -> Result<(), Error> {
        let known = &mut self.written()?.history_complete_since;
        *known = (*known).max(Some(moment));
        Ok(())
    }

    fn tables(&mut self) -> Result<Vec<&'static str>, Error> {
        Ok([
            "customer_agreement",
            "subscription_plan",
            "license",
            "product",
            "subscription_plan_renewal",
            "license_transfer_job",
            "notification",
            "license_event",
        ]
        .to_vec())
    }

    fn superseded(&mut self, part: &HistoryPart) -> Result<SupersededVersions, Error> {
        let entries = self.tables.history.iter().enumerate().skip(size(part.after));
        let entries = entries.filter(|(_, entry)| !entry.removed && entry.table == part.table);
        let last = entries.take(size(part.limit)).last().map(|(index, _)| index as i64 + 1);
        let count = last.map_or(0, |last| superseded(self.tables, part, last).len() as i64);
        Ok(SupersededVersions { last, count })
    }

    fn remove_superseded(&mut self, part: &HistoryPart, last: i64) -> Result<usize, Error> {
        let tables = self.written()?;
        let removed = superseded(tables, part, last);
        removed.iter().for_each(|&index| tables.history[index].removed = true);
        Ok(removed.len())
    }

    fn licenses_written_after(&mut self, plan: PlanId, at: DateTime<Utc>) -> Result<Vec<LicenseId>, Error> {
        let tables = &*self.tables;
        let later = |id: &LicenseId| newest_first(tables, EntityRef::License(*id)).any(|version| version.at > at);
        let ids = tables.licenses_of(plan).map(|license| license.id);
        Ok(ids.filter(later).collect())
    }
}
