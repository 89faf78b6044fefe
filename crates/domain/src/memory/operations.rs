use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::queue::{QueuedWork, Work};
use super::{HistoryEntry, MemoryUnit, next, size};
use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::{LicenseId, PlanId};
use crate::model::license::{License, LicenseStatus};
use crate::ports::{
    DeletedLicense, ExpirationProgress, LicenseEventRepository, OperationRepository, Purge, PurgeRepository,
    RetirementRepository, Task,
};
use crate::saturating_time;

impl OperationRepository for MemoryUnit<'_> {
    fn note_progress(&mut self, task: Task, owner: Uuid, progress: ExpirationProgress) -> Result<(), Error> {
        let queue = &mut self.written()?.queue;
        let own = |work: &&mut QueuedWork| {
            work.queue == task.queue() && work.id == task.key && work.claimed_by == Some(owner)
        };
        queue.iter_mut().filter(own).for_each(|work| work.work = Work::Task(Some(progress)));
        Ok(())
    }

    fn mark_plans(&mut self, plans: &[PlanId], name: &str, now: DateTime<Utc>) -> Result<Vec<PlanId>, Error> {
        let marks = &mut self.written()?.plan_marks;
        let mut plans = plans.to_vec();
        plans.sort_unstable();
        plans.retain(|&plan| marks.insert((plan, name.to_owned()), now).is_none());
        Ok(plans)
    }

    fn unmark_plans(&mut self, plans: &[PlanId], name: &str) -> Result<(), Error> {
        let marks = &mut self.written()?.plan_marks;
        for &plan in plans {
            marks.remove(&(plan, name.to_owned()));
        }
        Ok(())
    }

    fn mark_licenses(
        &mut self,
        licenses: &[LicenseId],
        event_name: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<LicenseId>, Error> {
        let marks = self.written()?.license_events.values();
        let noted: HashSet<LicenseId> =
            marks.filter(|mark| mark.event_name == event_name).map(|mark| mark.license).collect();
        let mut new: Vec<LicenseId> = licenses.iter().copied().filter(|license| !noted.contains(license)).collect();
        new.sort_unstable();
        new.dedup();
        LicenseEventRepository::add(self, &new, event_name, now)?;
        Ok(new)
    }
}

impl MemoryUnit<'_> {
    fn is_due(&self, license: &License, purge: Purge, now: DateTime<Utc>) -> Option<bool> {
        let plan = self.tables.plans.get(&license.plan)?;
        let keeps = self.tables.agreements.get(&plan.agreement)?.license_duration_before_purge;
        let columns = license.columns();
        let is_named = columns.user_email.is_some();
        let past = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at < saturating_time::before(now, keeps));
        Some(match purge {
            Purge::PlanExpired => is_named && past(Some(plan.expiration_date)),
            Purge::Revoked => {
                license.status() == LicenseStatus::Revoked
                    && is_named
                    && past(columns.revoked_date)
                    && !plan.for_internal_use_only
            }
            Purge::NeverActivated => {
                license.status() == LicenseStatus::Assigned
                    && past(columns.assigned_date)
                    && !plan.for_internal_use_only
            }
        })
    }

    /// Whether this last entry of a license tells of a deletion that is long past.
    fn is_deletion_due(&self, last: &HistoryEntry, now: DateTime<Utc>) -> Option<bool> {
        let plan = self.tables.plans.get(&PlanId(last.row.uuid("subscription_plan_uuid")?))?;
        let keeps = self.tables.agreements.get(&plan.agreement)?.license_duration_before_purge;
        let kept_since = saturating_time::before(now, keeps);
        let over = !plan.for_internal_use_only || plan.expiration_date < kept_since;
        Some(last.kind == '-' && last.change.at < kept_since && over)
    }
}

impl PurgeRepository for MemoryUnit<'_> {
    fn lock_due(&mut self, purge: Purge, now: DateTime<Utc>, limit: i64) -> Result<Vec<License>, Error> {
        self.written()?;
        self.due_after(purge, now, None, limit)
    }

    fn due_after(
        &mut self,
        purge: Purge,
        now: DateTime<Utc>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        let due = self.tables.licenses.values().filter(|license| self.is_due(license, purge, now) == Some(true));
        Ok(next(due, after, limit))
    }

    fn lock_deleted(
        &mut self,
        now: DateTime<Utc>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<DeletedLicense>, Error> {
        self.written()?;
        self.deleted_after(now, after, limit)
    }

    fn deleted_after(
        &mut self,
        now: DateTime<Utc>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<DeletedLicense>, Error> {
        // The last entry of each license, and whether any of its entries has an address.
        let mut told: BTreeMap<LicenseId, (&HistoryEntry, bool)> = BTreeMap::new();
        for entry in self.tables.recorded().filter(|entry| entry.table == "license") {
            let id = LicenseId(entry.id.parse().map_err(Error::internal)?);
            let knows = entry.license.as_ref().is_some_and(|columns| columns.user_email.is_some());
            let (last, known) = told.entry(id).or_insert((entry, false));
            (*last, *known) = (entry, *known || knows);
        }
        let due = told.into_iter().filter(|(id, (last, known))| {
            *known && after.is_none_or(|after| *id > after) && self.is_deletion_due(last, now) == Some(true)
        });
        let deleted = due.map(|(id, (last, _))| DeletedLicense {
            id,
            email: last.license.as_ref().and_then(|columns| columns.user_email.clone()),
        });
        Ok(deleted.take(size(limit)).collect())
    }

    fn addresses_in_use(&mut self, emails: &[Email]) -> Result<Vec<Email>, Error> {
        let carried: HashSet<&Email> = self.tables.licenses.values().filter_map(License::holder_email).collect();
        Ok(emails.iter().filter(|email| carried.contains(email)).cloned().collect())
    }

    fn erase_traces(&mut self, licenses: &[LicenseId], gone: &[Email]) -> Result<(), Error> {
        self.erase_sources(licenses)?;
        let tables = self.written()?;
        let newest = tables.newest_of(licenses);
        for entry in tables.history.iter_mut().filter(|entry| entry.table == "license") {
            if let Some(kept) = newest.get(&entry.id) {
                entry.forget(kept.lms_user_id, kept.activation_key);
            }
        }
        tables.forget(licenses, gone);
        Ok(())
    }
}
