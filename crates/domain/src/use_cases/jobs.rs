//! Jobs: work on whole plans, in one transaction per batch.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::Duration;

use super::manager::{LicenseManager, count_licenses, lock_plan};
use super::staff_actions::Done;
use crate::error::Error;
use crate::history::Actor;
use crate::model::ids::{LicenseId, PlanId};
use crate::model::jobs::{Job, JobKind};
use crate::model::plan::{LicenseCounts, PlanDetails, SubscriptionPlan};
use crate::model::staff_action::StaffActionKind;
use crate::ports::{LicenseFilter, StoreExt, UnitOfWork};
use crate::queue::{Claim, ClaimedJob, Lease, Queue, QueueKind, Settlement};
use crate::saturating_time;

/// The pause of a job after a failure.
const REST_AFTER_FAILURE: Duration = Duration::minutes(1);

/// The most licenses that a job adds in one transaction. Other writers to SQLite wait for it, and larger batches are
/// hardly faster.
const PROVISIONING_BATCH: i64 = 2_000;

/// The lease of a job. If a process dies, the job waits this long.
pub const JOB_LEASE: Duration = Duration::seconds(15);

impl LicenseManager {
    /// The queues with a job to claim, the longest due first.
    pub fn due_jobs(&self) -> Result<Vec<Queue>, Error> {
        self.store.read(|unit| unit.queue().due(QueueKind::PlanJobs, self.now()))
    }

    /// Claims the job of a queue that is longest due; `None` if there is none.
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
        self.store.write(|unit| {
            let until = saturating_time::after(self.now(), JOB_LEASE);
            unit.queue().prolong(claimed.lease, &[claimed.plan.0], until)
        })?;
        Ok(())
    }

    /// Runs one batch of a job and settles the job in the same transaction: it is completed, or due again. Returns how
    /// many licenses the batch added, revoked or deleted, or for how many it added reminders.
    ///
    /// # Errors
    /// The batch failed and wrote nothing. Call [`LicenseManager::postpone_job`].
    pub fn run_job(&self, claimed: &ClaimedJob) -> Result<i64, Error> {
        let (lease, id) = (claimed.lease, claimed.plan.0);
        self.store.write(|unit| {
            // Requests for a job lock the plan, so the job cannot change from here on.
            let plan = lock_plan(unit, claimed.plan)?;
            let Queue::PlanJobs(kind) = lease.queue else { return Ok(0) };
            let Some(job) = unit.jobs().find(plan.plan.id, kind)? else { return Ok(0) };
            let (finished, licenses) = match kind {
                JobKind::Provision => self.provision_batch(unit, &job, &plan)?,
                JobKind::RevokeAll => self.revoke_batch(unit, &job, plan)?,
                JobKind::Freeze => self.freeze_by_job(unit, &job, plan)?,
                JobKind::DeleteRevoked => self.delete_revoked_batch(unit, &job, &plan)?,
                JobKind::Remind => self.remind_batch(unit, &job, &plan)?,
            };
            if unit.queue().held(lease, &[id])?.is_empty() {
                return Err(Error::internal("another server took this job over: it took too long here"));
            }
            let settlement =
                if finished { Settlement::completed(id, self.now()) } else { Settlement::due(id, claimed.due) };
            unit.queue().settle(lease, &[settlement])?;
            Ok(licenses)
        })
    }

    /// Adds a job for each of these plans that needs the job and permits it. Returns these plans, sorted by id. Each
    /// job is for one plan, so a refused one stops no other. No plan gets a job of [`JobKind::Remind`]:
    /// [`LicenseManager::remind_all`] adds it, with the texts of the mail.
    ///
    /// The number of statements does not depend on the number of plans.
    pub fn request_jobs(&self, actor: &Actor, kind: JobKind, plans: &[PlanId]) -> Result<Vec<PlanId>, Error> {
        self.store.write(|unit| {
            let locked = unit.plans().lock_all(plans)?;
            let ids: Vec<PlanId> = locked.iter().map(|details| details.plan.id).collect();
            let counts = unit.licenses().counts(&ids)?;
            let is_asked =
                |plan: &&SubscriptionPlan| has_work(kind, plan, &counts.get(&plan.id).copied().unwrap_or_default());
            let asked: Vec<PlanId> =
                locked.iter().map(|details| &details.plan).filter(is_asked).map(|plan| plan.id).collect();
            if !asked.is_empty() {
                unit.jobs().add_to_plans(&asked, kind, &actor.change(self.now()))?;
            }
            Ok(asked)
        })
    }

    /// Adds a job to a plan that is locked.
    pub(crate) fn add_job(
        &self,
        unit: &mut dyn UnitOfWork,
        plan: PlanId,
        kind: JobKind,
        actor: &Actor,
    ) -> Result<(), Error> {
        unit.jobs().add(&self.new_job(plan, kind, actor))
    }

    /// A job that the actor requests now.
    pub(crate) fn new_job(&self, plan: PlanId, kind: JobKind, actor: &Actor) -> Job {
        let reason = actor.reason.as_deref().map(str::to_owned);
        Job { requested_by: actor.username.clone(), reason, ..Job::new(plan, kind, self.now()) }
    }

    /// Makes waiting jobs due at once, such as those that failed, and returns their number. Running jobs do not change.
    pub fn retry_jobs(&self, actor: &Actor, kind: JobKind, plans: &[PlanId]) -> Result<usize, Error> {
        self.store.write(|unit| {
            unit.plans().lock_all(plans)?;
            let number = unit.jobs().hurry(plans, kind, self.now())?;
            self.record_of_jobs(unit, actor, StaffActionKind::JobsRetried, (kind, plans), number)
        })
    }

    /// Cancels jobs, and returns their number. Their finished batches stay.
    pub fn cancel_jobs(&self, actor: &Actor, kind: JobKind, plans: &[PlanId]) -> Result<usize, Error> {
        self.store.write(|unit| {
            // Waits for the batches under way.
            unit.plans().lock_all(plans)?;
            let number = unit.jobs().remove(plans, kind)?;
            self.record_of_jobs(unit, actor, StaffActionKind::JobsCanceled, (kind, plans), number)
        })
    }

    fn record_of_jobs(
        &self,
        unit: &mut dyn UnitOfWork,
        actor: &Actor,
        action: StaffActionKind,
        (kind, plans): (JobKind, &[PlanId]),
        number: usize,
    ) -> Result<usize, Error> {
        if number > 0 {
            let subject = match plans {
                [plan] => format!("{} {plan}", kind.as_str()),
                _ => kind.as_str().to_owned(),
            };
            self.record(unit, actor, action, Done { number, ..Done::to(subject) })?;
        }
        Ok(number)
    }

    /// Postpones a job that failed by a minute, so that other jobs run first.
    pub fn postpone_job(&self, claimed: &ClaimedJob, error: &Error) -> Result<(), Error> {
        let due = saturating_time::after(self.now(), REST_AFTER_FAILURE);
        let (attempts, error) = (claimed.attempts.saturating_add(1), Some(error.to_string()));
        let settlement = Settlement { attempts, error, ..Settlement::due(claimed.plan.0, due) };
        self.store.write(|unit| unit.queue().settle(claimed.lease, std::slice::from_ref(&settlement)))
    }

    /// Claims the job that is longest due and runs one batch of it; `false` if there is none. A job that fails is
    /// postponed.
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

    /// The number of unfinished jobs of each kind.
    pub fn waiting_jobs(&self) -> Result<BTreeMap<JobKind, i64>, Error> {
        self.store.read(|unit| unit.jobs().counts())
    }

    /// Whether the job is finished, and how many licenses were added.
    fn provision_batch(
        &self,
        unit: &mut dyn UnitOfWork,
        job: &Job,
        details: &PlanDetails,
    ) -> Result<(bool, i64), Error> {
        let plan = &details.plan;
        let counts = count_licenses(unit, plan.id)?;
        let lacking = plan.licenses_to_provision(&counts);
        let batch = lacking.min(self.batch_size()).min(PROVISIONING_BATCH);
        if batch > 0 {
            let change = actor(job).change(self.now());
            self.add_unassigned(unit, details, batch, &change)?;
        }
        Ok((batch == lacking, batch.max(0)))
    }

    /// Whether the job is finished, and how many licenses were deleted.
    fn freeze_by_job(&self, unit: &mut dyn UnitOfWork, job: &Job, plan: PlanDetails) -> Result<(bool, i64), Error> {
        let mut plan = plan.plan;
        if !plan.can_freeze_unused_licenses {
            // It was forbidden after the request.
            return Ok((true, 0));
        }
        self.freeze_batch(unit, job, &mut plan)
    }

    /// Whether the job is finished, and how many licenses were revoked.
    fn revoke_batch(&self, unit: &mut dyn UnitOfWork, job: &Job, plan: PlanDetails) -> Result<(bool, i64), Error> {
        if plan.plan.is_revocation_cap_enabled {
            // The cap was enabled after the request and forbids it.
            return Ok((true, 0));
        }
        // The request does not include licenses assigned after it.
        let meant = LicenseFilter { assigned_until: Some(job.requested_at), ..LicenseFilter::default() };
        let batch = self.batch_size();
        let revoked = self.revoke_live(unit, &actor(job), plan, &meant, (job.read_until, batch))?;
        let last = revoked.last().map(|revoked| revoked.license);
        let number = revoked.len() as i64;
        Ok((end_batch(unit, job, last.filter(|_| number == batch))?, number))
    }
}

/// Ends a batch of a job that revokes or deletes licenses. `read_until` is the last license of a full batch: the next
/// batch begins after it, so that it does not pass what the batches before have revoked or deleted. Postgres keeps deleted
/// rows as long as an older transaction runs. After a batch that was not full, the next one begins at the first license,
/// because there may be new ones to revoke or delete.
///
/// Returns whether there is no next batch: this one began at the first license, and was not full.
pub(crate) fn end_batch(unit: &mut dyn UnitOfWork, job: &Job, read_until: Option<LicenseId>) -> Result<bool, Error> {
    let is_finished = read_until.is_none() && job.read_until.is_none();
    if !is_finished {
        unit.jobs().add(&Job { read_until, ..job.clone() })?;
    }
    Ok(is_finished)
}

/// Who requested a job.
pub(crate) fn actor(job: &Job) -> Actor {
    Actor { username: job.requested_by.clone(), reason: job.reason.clone().map(Cow::Owned) }
}

/// Whether a job would do something, and is permitted.
fn has_work(kind: JobKind, plan: &SubscriptionPlan, counts: &LicenseCounts) -> bool {
    let is_frozen = plan.last_freeze_timestamp.is_some();
    match kind {
        JobKind::Provision => plan.licenses_to_provision(counts) > 0,
        JobKind::RevokeAll => !plan.is_revocation_cap_enabled && counts.allocated() > 0,
        JobKind::Freeze => plan.can_freeze_unused_licenses && (!is_frozen || counts.unassigned > 0),
        JobKind::DeleteRevoked => counts.revoked > 0,
        // It would have no texts.
        JobKind::Remind => false,
    }
}
