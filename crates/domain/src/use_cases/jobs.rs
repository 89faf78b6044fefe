//! Jobs: work on a whole plan, one batch and one transaction at a time.

use std::collections::BTreeMap;

use chrono::Duration;

use super::manager::{LicenseManager, lock_plan};
use crate::error::Error;
use crate::history::Actor;
use crate::model::jobs::{Job, JobKind};
use crate::ports::{LicenseFilter, StoreExt, UnitOfWork};

/// How long a job that failed is left alone.
const REST_AFTER_FAILURE: Duration = Duration::minutes(1);

impl LicenseManager {
    /// Does one batch of the job that waits longest and that nobody else works on; `false` where there is none. A job that
    /// fails rests for a minute and lets the others pass.
    pub fn run_next_job(&self) -> Result<bool, Error> {
        let mut claimed = None;
        let done = self.store.write(|unit| {
            claimed = unit.jobs().claim(self.now())?;
            let Some(job) = &claimed else { return Ok(false) };
            let finished = match job.kind {
                JobKind::Provision => self.provision_batch(unit, job)?,
                JobKind::RevokeAll => self.revoke_batch(unit, job)?,
            };
            if finished {
                unit.jobs().remove(job.plan, job.kind)?;
            }
            Ok(true)
        });
        if let (Err(_), Some(job)) = (&done, claimed) {
            let until = self.now() + REST_AFTER_FAILURE;
            self.store.write(|unit| unit.jobs().postpone(job.plan, job.kind, until))?;
        }
        done
    }

    /// How many jobs of each kind are not done yet.
    pub fn waiting_jobs(&self) -> Result<BTreeMap<JobKind, i64>, Error> {
        self.store.read(|unit| unit.jobs().counts())
    }

    fn provision_batch(&self, unit: &mut dyn UnitOfWork, job: &Job) -> Result<bool, Error> {
        let plan = lock_plan(unit, job.plan)?.plan;
        let counts = unit.licenses().counts(&[plan.id])?.remove(&plan.id).unwrap_or_default();
        let lacking = plan.licenses_to_provision(&counts);
        let batch = lacking.min(self.batch_size());
        if batch > 0 {
            let change = actor(job).change(self.now());
            unit.licenses().add_unassigned(plan.id, &self.new_license_ids(batch), &change)?;
        }
        Ok(batch == lacking)
    }

    fn revoke_batch(&self, unit: &mut dyn UnitOfWork, job: &Job) -> Result<bool, Error> {
        let plan = lock_plan(unit, job.plan)?.plan;
        if plan.is_revocation_cap_enabled {
            // The cap came after the request, which it forbids.
            return Ok(true);
        }
        // What was assigned after the request was not meant by it.
        let meant = LicenseFilter { assigned_until: Some(job.requested_at), ..LicenseFilter::default() };
        let revoked = self.revoke_live(unit, &actor(job), plan, &meant, self.batch_size())?;
        Ok((revoked as i64) < self.batch_size())
    }
}

fn actor(job: &Job) -> Actor {
    Actor { username: job.requested_by.clone() }
}
