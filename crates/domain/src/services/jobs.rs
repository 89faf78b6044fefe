//! Jobs: work on a whole plan, one batch and one transaction at a time.

use super::{LicenseManager, lock_plan};
use crate::error::Error;
use crate::history::Actor;
use crate::jobs::{Job, JobKind};
use crate::ports::{StoreExt, UnitOfWork};

impl LicenseManager {
    /// Does one batch of the oldest job that nobody else works on; `false` where there is none.
    pub fn run_next_job(&self) -> Result<bool, Error> {
        self.store.write(|unit| {
            let Some(job) = unit.jobs().claim()? else { return Ok(false) };
            let finished = match job.kind {
                JobKind::Provision => self.provision_batch(unit, &job)?,
                JobKind::RevokeAll => self.revoke_batch(unit, &job)?,
            };
            if finished {
                unit.jobs().remove(job.plan, job.kind)?;
            }
            Ok(true)
        })
    }

    fn provision_batch(&self, unit: &mut dyn UnitOfWork, job: &Job) -> Result<bool, Error> {
        let plan = lock_plan(unit, job.plan)?.plan;
        let counts = unit.licenses().counts(&[plan.id])?.remove(&plan.id).unwrap_or_default();
        let lacking = plan.licenses_to_provision(&counts);
        let batch = lacking.min(self.settings.batch_size);
        if batch > 0 {
            let change = actor(job).change(self.now());
            unit.licenses().add_unassigned(plan.id, &self.new_license_ids(batch), &change)?;
        }
        Ok(batch == lacking)
    }

    fn revoke_batch(&self, unit: &mut dyn UnitOfWork, job: &Job) -> Result<bool, Error> {
        let plan = lock_plan(unit, job.plan)?.plan;
        if plan.is_revocation_cap_enabled {
            // The cap came after the request, which it forbids. Failing would keep the job, and every job behind it.
            return Ok(true);
        }
        let revoked = self.revoke_live(unit, &actor(job), plan, self.settings.batch_size)?;
        Ok((revoked as i64) < self.settings.batch_size)
    }
}

fn actor(job: &Job) -> Actor {
    Actor { username: job.requested_by.clone() }
}
