//! `retire-old-licenses`: licenses forget their holders when the time the agreement keeps personal data is over.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};

use super::run::{OperationSummary, Run, Supervisor};
use crate::error::Error;
use crate::history::Actor;
use crate::model::email::Email;
use crate::model::ids::LicenseId;
use crate::model::license::License;
use crate::ports::{DeletedLicense, Purge, StoreExt, UnitOfWork};
use crate::use_cases::manager::LicenseManager;

/// The most licenses of one transaction: storage holds each with its history and messages.
const AT_ONCE: i64 = 5_000;

/// Licenses that were deleted are in the history alone, and nothing is left of them to revoke or to free.
const DELETED: &str = "deleted";

impl LicenseManager {
    /// Lets licenses forget their holders: those of plans that ended long ago are revoked with it; those revoked long ago stay
    /// so; those assigned long ago and never activated are free again. Of those deleted long ago, the history forgets the holder.
    /// History, sources, messages that wait and what webhooks are told forget them too; bulk enrollments forget whoever holds
    /// and held no other license. Nobody is told: an event would carry what is to be forgotten.
    ///
    /// The summary's uuids are the licenses. It counts those of each kind: `plan_expired`, `revoked`, `never_activated`, `deleted`.
    pub fn retire_old_licenses(&self, dry_run: bool, supervisor: &dyn Supervisor) -> OperationSummary {
        let counts: Vec<&str> = Purge::ALL.map(Purge::as_str).into_iter().chain([DELETED]).collect();
        let mut run = Run::new(self, supervisor, "retire-old-licenses", dry_run, &counts);
        let outcome = Purge::ALL
            .into_iter()
            .try_for_each(|purge| self.purge(&mut run, purge))
            .and_then(|()| self.purge_deleted(&mut run));
        run.end(outcome)
    }

    fn purge(&self, run: &mut Run<'_>, purge: Purge) -> Result<(), Error> {
        let due = run.started;
        self.in_batches(
            run,
            purge.as_str(),
            |unit, after, batch| Ok(ids(&unit.purge().due_after(purge, due, after, batch)?)),
            |unit, batch| self.purge_batch(unit, purge, due, batch),
        )
    }

    fn purge_deleted(&self, run: &mut Run<'_>) -> Result<(), Error> {
        let due = run.started;
        let ids = |deleted: &[DeletedLicense]| deleted.iter().map(|license| license.id).collect();
        self.in_batches(
            run,
            DELETED,
            |unit, after, batch| Ok(ids(&unit.purge().deleted_after(due, after, batch)?)),
            |unit, batch| {
                let deleted = unit.purge().lock_deleted(due, batch)?;
                let ids: Vec<LicenseId> = ids(&deleted);
                let emails = deleted.into_iter().filter_map(|license| license.email).collect();
                self.forget_traces(unit, &ids, emails, self.now())?;
                Ok(ids)
            },
        )
    }

    /// Goes through licenses in transactions of their own. A dry run reads those after a license, the real one writes and finds
    /// no more what it has done.
    fn in_batches(
        &self,
        run: &mut Run<'_>,
        name: &'static str,
        read: impl Fn(&mut dyn UnitOfWork, Option<LicenseId>, i64) -> Result<Vec<LicenseId>, Error>,
        write: impl Fn(&mut dyn UnitOfWork, i64) -> Result<Vec<LicenseId>, Error>,
    ) -> Result<(), Error> {
        let batch = self.batch_size().min(AT_ONCE);
        let mut after: Option<LicenseId> = None;
        while !run.stops() {
            let ids = if run.dry_run() {
                self.store.read(|unit| read(unit, after, batch))?
            } else {
                self.store.write(|unit| write(unit, batch))?
            };
            run.supervisor.found(ids.len() as u64);
            run.supervisor.advanced(ids.len() as u64);
            run.summary.count(name, ids.len());
            run.summary.uuids.extend(ids.iter().map(|id| id.0));
            after = ids.last().copied();
            // One license can be due for two reasons; a dry run tells it under the first, as the real one does.
            if (ids.len() as i64) < batch {
                break;
            }
        }
        Ok(())
    }

    fn purge_batch(
        &self,
        unit: &mut dyn UnitOfWork,
        purge: Purge,
        due: DateTime<Utc>,
        batch: i64,
    ) -> Result<Vec<LicenseId>, Error> {
        let now = self.now();
        let licenses = unit.purge().lock_due(purge, due, batch)?;
        if licenses.is_empty() {
            return Ok(Vec::new());
        }
        let emails: BTreeSet<Email> = licenses.iter().filter_map(License::holder_email).cloned().collect();
        let ids = ids(&licenses);
        let forgotten: Vec<License> = licenses
            .into_iter()
            .map(|license| match purge {
                Purge::PlanExpired => license.purge(now),
                Purge::Revoked | Purge::NeverActivated => license.retire(now),
            })
            .collect();
        unit.licenses().save(&forgotten, &Actor::service().change(now))?;
        self.forget_traces(unit, &ids, emails, now)?;
        Ok(ids)
    }

    /// Forgets what is told of the holders of licenses, who had these addresses.
    fn forget_traces(
        &self,
        unit: &mut dyn UnitOfWork,
        licenses: &[LicenseId],
        emails: BTreeSet<Email>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        if licenses.is_empty() {
            return Ok(());
        }
        // Whoever holds or held another license is still known by it, and what waits for them is wanted.
        let emails: Vec<Email> = emails.into_iter().collect();
        let known: HashSet<Email> = unit.purge().addresses_in_use(&emails)?.into_iter().collect();
        let gone: Vec<Email> = emails.into_iter().filter(|email| !known.contains(email)).collect();
        unit.purge().erase_traces(licenses, &gone)?;
        self.forget_in_enrollments(unit, &gone, now)
    }
}

fn ids(licenses: &[License]) -> Vec<LicenseId> {
    licenses.iter().map(|license| license.id).collect()
}
