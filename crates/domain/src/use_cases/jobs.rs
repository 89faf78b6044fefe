//! Jobs: work on a whole plan, one batch and one transaction at a time.

use std::collections::BTreeMap;

use chrono::Duration;

use super::manager::{LicenseManager, count_licenses, lock_plan};
use crate::error::Error;
use crate::history::Actor;
use crate::model::jobs::{Job, JobKind};
use crate::model::plan::SubscriptionPlan;
use crate::ports::{LicenseFilter, StoreExt, UnitOfWork};
use crate::queue::{Claim, ClaimedJob, Lease, Queue, QueueKind, Settlement};
use crate::saturating_time;

/// How long a job that failed is left alone.
const REST_AFTER_FAILURE: Duration = Duration::minutes(1);

/// How long a lease of a job lasts that nobody prolongs: its other batches wait for so long where a process dies.
pub const JOB_LEASE: Duration = Duration::seconds(15);

impl LicenseManager {
    /// The queues of jobs in which something can be claimed now, the one first in which a job waits longest.
    pub fn due_jobs(&self) -> Result<Vec<Queue>, Error> {
        self.store.read(|unit| unit.queue().due(QueueKind::PlanJobs, self.now()))
    }

    /// Claims the job of a queue that waits longest; `None` where somebody else was faster.
    pub fn claim_job(&self, queue: Queue) -> Result<Option<ClaimedJob>, Error> {
        let lease = Lease { id: self.ids.next(), queue };
        self.store.write(|unit| {
            let now = self.now();
            let claim = Claim { lease, now, until: saturating_time::after(now, JOB_LEASE), limit: queue.batch_size() };
            unit.queue().claim_job(&claim)
        })
    }

    /// Prolongs the lease of a job.
    pub fn prolong_job(&self, claimed: &ClaimedJob) -> Result<(), Error> {
        let until = saturating_time::after(self.now(), JOB_LEASE);
        self.store.write(|unit| unit.queue().prolong(claimed.lease, &[claimed.plan.0], until))?;
        Ok(())
    }

    /// Does one batch of a job, and settles it in the same transaction: it is gone, or due again in its turn.
    ///
    /// # Errors
    /// The batch failed and nothing of it was written; [`LicenseManager::postpone_job`] lets the job rest.
    pub fn run_job(&self, claimed: &ClaimedJob) -> Result<(), Error> {
        let (lease, id) = (claimed.lease, claimed.plan.0);
        self.store.write(|unit| {
            // Whoever asks for a job holds the plan: from here on the request stays as it is.
            let plan = lock_plan(unit, claimed.plan)?.plan;
            let Queue::PlanJobs(kind) = lease.queue else { return Ok(()) };
            let Some(job) = unit.jobs().find(plan.id, kind)? else { return Ok(()) };
            let finished = match kind {
                JobKind::Provision => self.provision_batch(unit, &job, &plan)?,
                JobKind::RevokeAll => self.revoke_batch(unit, &job, plan)?,
            };
            if unit.queue().held(lease, &[id])?.is_empty() {
                return Err(Error::internal("another server took this job over: it took too long here"));
            }
            let settlement =
                if finished { Settlement::completed(id, self.now()) } else { Settlement::due(id, claimed.due) };
            unit.queue().settle(lease, &[settlement])
        })
    }

    /// Lets a job that failed rest for a minute, so that others pass.
    pub fn postpone_job(&self, claimed: &ClaimedJob, error: &Error) -> Result<(), Error> {
        let due = saturating_time::after(self.now(), REST_AFTER_FAILURE);
        let (attempts, error) = (claimed.attempts.saturating_add(1), Some(error.to_string()));
        let settlement = Settlement { attempts, error, ..Settlement::due(claimed.plan.0, due) };
        self.store.write(|unit| unit.queue().settle(claimed.lease, std::slice::from_ref(&settlement)))
    }

    /// Does one batch of the job that waits longest and that nobody else works on; `false` where there is none. A job that
    /// fails rests for a minute and lets the others pass.
    pub fn run_next_job(&self) -> Result<bool, Error> {
        for queue in self.due_jobs()? {
            if let Some(claimed) = self.claim_job(queue)? {
                self.run_job(&claimed).or_else(|error| {
                    self.postpone_job(&claimed, &error)?;
                    Err(error)
                })?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many jobs of each kind are not done yet.
    pub fn waiting_jobs(&self) -> Result<BTreeMap<JobKind, i64>, Error> {
        self.store.read(|unit| unit.jobs().counts())
    }

    fn provision_batch(&self, unit: &mut dyn UnitOfWork, job: &Job, plan: &SubscriptionPlan) -> Result<bool, Error> {
        let counts = count_licenses(unit, plan.id)?;
        let lacking = plan.licenses_to_provision(&counts);
        let batch = lacking.min(self.batch_size());
        if batch > 0 {
            let change = actor(job).change(self.now());
            unit.licenses().add_unassigned(plan.id, &self.new_license_ids(batch), &change)?;
        }
        Ok(batch == lacking)
    }

    fn revoke_batch(&self, unit: &mut dyn UnitOfWork, job: &Job, plan: SubscriptionPlan) -> Result<bool, Error> {
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
