//! `retire-old-licenses`: licenses forget their holders when the time the agreement keeps personal data is over.

use std::collections::{BTreeSet, HashSet};

use super::{OperationSummary, Run, Supervisor};
use crate::email::Email;
use crate::error::Error;
use crate::history::Actor;
use crate::ids::LicenseId;
use crate::license::License;
use crate::ports::{Purge, StoreExt, UnitOfWork};
use crate::services::LicenseManager;

/// The most licenses of one transaction: storage holds each with its history and messages.
const AT_ONCE: i64 = 5_000;

fn name(purge: Purge) -> &'static str {
    match purge {
        Purge::PlanExpired => "plan_expired",
        Purge::Revoked => "revoked",
        Purge::NeverActivated => "never_activated",
    }
}

impl LicenseManager {
    /// Lets licenses forget their holders: those of plans that ended long ago are revoked with it; those revoked long ago stay
    /// so; those assigned long ago and never activated are free again. History, sources and messages that wait forget them too;
    /// bulk enrollments forget whoever holds and held no other license. Nobody is told: an event would carry what is to be
    /// forgotten.
    ///
    /// The summary's uuids are the licenses. It counts those of each kind: `plan_expired`, `revoked`, `never_activated`.
    pub fn retire_old_licenses(&self, dry_run: bool, supervisor: &dyn Supervisor) -> OperationSummary {
        let counts = Purge::ALL.map(name);
        let mut run = Run::new(self, supervisor, "retire-old-licenses", dry_run, &counts);
        let outcome = Purge::ALL.into_iter().try_for_each(|purge| self.purge(&mut run, purge));
        run.end(outcome)
    }

    fn purge(&self, run: &mut Run<'_>, purge: Purge) -> Result<(), Error> {
        let batch = self.settings.batch_size.min(AT_ONCE);
        let mut after: Option<LicenseId> = None;
        while !run.stops() {
            let ids = if run.dry_run() {
                self.store.read(|unit| Ok(ids(&unit.purge().due_after(purge, run.started, after, batch)?)))?
            } else {
                self.store.write(|unit| self.purge_batch(unit, purge, run.started, batch))?
            };
            run.supervisor.found(ids.len() as u64);
            run.supervisor.advanced(ids.len() as u64);
            run.summary.count(name(purge), ids.len());
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
        due: chrono::DateTime<chrono::Utc>,
        batch: i64,
    ) -> Result<Vec<LicenseId>, Error> {
        let now = self.now();
        let licenses = unit.purge().lock_due(purge, due, batch)?;
        if licenses.is_empty() {
            return Ok(Vec::new());
        }
        let emails: BTreeSet<Email> = licenses.iter().filter_map(|license| license.columns().user_email).collect();
        let ids = ids(&licenses);
        let forgotten: Vec<License> = licenses
            .into_iter()
            .map(|license| match purge {
                Purge::PlanExpired => license.purge(now),
                Purge::Revoked | Purge::NeverActivated => license.retire(now),
            })
            .collect();
        unit.licenses().save(&forgotten, &Actor::service().change(now))?;

        // Whoever holds or held another license is still known by it, and what waits for them is wanted.
        let emails: Vec<Email> = emails.into_iter().collect();
        let known: HashSet<Email> = unit.purge().addresses_in_use(&emails)?.into_iter().collect();
        let gone: Vec<Email> = emails.into_iter().filter(|email| !known.contains(email)).collect();
        unit.purge().erase_traces(&ids, &gone)?;
        self.forget_in_enrollments(unit, &gone, now)?;
        Ok(ids)
    }
}

fn ids(licenses: &[License]) -> Vec<LicenseId> {
    licenses.iter().map(|license| license.id).collect()
}
