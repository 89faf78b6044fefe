//! `expire-subscriptions`: processes expired plans.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::run::{OperationSummary, Run, Supervisor};
use super::tasks::{Holder, Tasks};
use crate::error::{Entity, Error};
use crate::history::{Actor, Change};
use crate::model::ids::{LicenseId, PlanId};
use crate::model::license::License;
use crate::model::plan::{ChangeReason, SubscriptionPlan};
use crate::model::renewal::RenewalChains;
use crate::outbox::{EventName, OutboxBuilder};
use crate::ports::{EXPIRED_LICENSES_PER_CALL, ExpirationProgress, ExpirationStep, PlanEnd, StoreExt};
use crate::saturating_time;
use crate::use_cases::manager::{LicenseManager, find_agreement, find_plan, lock_plan};

/// Of plans that expired longer ago, enrollments modified since the expiration stay.
const LATE: Duration = Duration::days(1);

/// The number of licenses per read while enrollments end.
const READ_AT_ONCE: i64 = 5_000;

/// Selects expired plans to process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiration {
    /// Plans that expired at this time or later.
    pub expired_after: DateTime<Utc>,
    /// And at this time or earlier; never later than now.
    pub expired_before: DateTime<Utc>,
    /// These plans, instead of the time range, also if they were processed.
    pub plans: Option<Vec<PlanId>>,
    /// Whether to process plans of the time range again that were processed.
    pub force: bool,
    /// Whether to change nothing and only report.
    pub dry_run: bool,
}

impl Expiration {
    /// The default time range.
    pub const SPAN: Duration = Duration::days(1);

    /// Plans that expired within [`Expiration::SPAN`] before a time.
    pub fn before(moment: DateTime<Utc>) -> Self {
        let expired_after = saturating_time::before(moment, Self::SPAN);
        Self { expired_after, expired_before: moment, plans: None, force: false, dry_run: false }
    }
}

/// How the processing of a plan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// All of it is done.
    Done,
    /// The run was stopped.
    Interrupted,
    /// A call to the LMS failed; the summary has the failure.
    Failed,
}

impl LicenseManager {
    /// Processes expired plans without a renewal, each after the plans that it renewed. Ends the enrollments of their
    /// live licenses in the LMS, adds an event for each live license without a renewal, and marks the plan as
    /// processed. If a call fails, the plan and those that renewed it stay unmarked; others continue.
    ///
    /// Then unlinks learners, as [`LicenseManager::unlink_expired_licenses`] does; if plans are named, of their
    /// customers only.
    ///
    /// The summary lists the marked plans. It counts `plans`, `licenses` whose enrollments ended, `events`,
    /// `unlinked_licenses` and `unlinked_learners`.
    pub async fn expire_subscriptions(&self, request: &Expiration, supervisor: &dyn Supervisor) -> OperationSummary {
        let counts = ["plans", "licenses", "events", "unlinked_licenses", "unlinked_learners"];
        let mut run = Run::new(self, supervisor, "expire-subscriptions", request.dry_run, &counts);
        let outcome = self.expire_due_plans(&mut run, request).await;
        let mut summary = run.end(outcome);
        if !summary.interrupted {
            self.unlink_after(&mut summary, request, supervisor).await;
        }
        summary
    }

    /// Unlinks learners after their enrollments have ended.
    async fn unlink_after(&self, summary: &mut OperationSummary, request: &Expiration, supervisor: &dyn Supervisor) {
        let plans: Vec<PlanId> = summary.uuids.iter().copied().map(PlanId).collect();
        let named = request.plans.clone().unwrap_or_else(|| plans.clone());
        let ends = move |manager: &Self| manager.store.read(|unit| unit.due_work().plan_ends(&named));
        let ends = match self.blocking(ends).await {
            Ok(ends) => ends,
            Err(error) => return summary.fail(summary.operation, error),
        };
        let mut customers = self.settings.operations.unlink_customers.clone();
        if request.plans.is_some() {
            customers.retain(|customer| ends.iter().any(|end| end.customer == *customer));
        }
        // A dry run has not marked the plans, but counts them as marked.
        let ended = if request.dry_run { plans } else { Vec::new() };
        let unlinked = self.unlink_of(&customers, &ended, request.dry_run, supervisor).await;
        for (name, theirs) in [("unlinked_licenses", "licenses"), ("unlinked_learners", "learners")] {
            summary.counts.insert(name, unlinked.counts.get(theirs).copied().unwrap_or_default());
        }
        summary.errors.extend(unlinked.errors);
        summary.interrupted |= unlinked.interrupted;
    }

    /// The expiration of these plans.
    ///
    /// # Errors
    /// [`Error::NotFound`] if one does not exist.
    pub fn plan_ends(&self, plans: &[PlanId]) -> Result<Vec<PlanEnd>, Error> {
        let ends = self.store.read(|unit| unit.due_work().plan_ends(plans))?;
        let is_known = |plan: &PlanId| ends.iter().any(|end| end.plan == *plan);
        if plans.iter().all(is_known) { Ok(ends) } else { Err(Error::NotFound(Entity::Plan)) }
    }

    async fn expire_due_plans(&self, run: &mut Run<'_>, request: &Expiration) -> Result<(), Error> {
        let force = request.force || request.plans.is_some();
        let due = match &request.plans {
            Some(named) => self.named_plans(run, named.clone()).await?,
            None => {
                let (from, until, force) =
                    (request.expired_after, request.expired_before.min(run.started), request.force);
                let expired =
                    move |manager: &Self| manager.store.read(|unit| unit.due_work().expired_plans(from, until, force));
                self.blocking(expired).await?
            }
        };
        run.supervisor.found(due.len() as u64);
        let mut tasks = Tasks::new(due.iter().map(|plan| plan.0));
        while let Some((key, progress)) = tasks.next(run).await? {
            let ended = self.expire_chain(run, PlanId(key), progress, force).await;
            if !run.dry_run() {
                match ended {
                    Ok(Ended::Done) => run.finish(key).await?,
                    Ok(Ended::Interrupted | Ended::Failed) | Err(_) => run.give_back(key).await?,
                }
            }
            if let Err(error) = ended {
                run.summary.fail(format!("plan {key}"), error);
            }
            run.supervisor.advanced(1);
        }
        Ok(())
    }

    /// The named plans that can be processed. The others are failures.
    async fn named_plans(&self, run: &mut Run<'_>, named: Vec<PlanId>) -> Result<Vec<PlanId>, Error> {
        let mut due = Vec::new();
        for end in self.blocking(move |manager| manager.plan_ends(&named)).await? {
            let about = format!("plan {}", end.plan);
            if end.expiration_date > run.started {
                run.summary.fail(about, format!("It has not ended yet: it runs until {}.", end.expiration_date));
            } else if end.has_renewal {
                run.summary.fail(about, "It was renewed: it expires with the plan that follows it.");
            } else {
                due.push(end.plan);
            }
        }
        Ok(due)
    }

    /// Processes the plans that this one renewed, earliest first, then this one. It is thus found again if one of them
    /// fails.
    async fn expire_chain(
        &self,
        run: &mut Run<'_>,
        last: PlanId,
        progress: Option<ExpirationProgress>,
        force: bool,
    ) -> Result<Ended, Error> {
        let earlier = move |manager: &Self| {
            manager.store.read(|unit| {
                let agreement = find_plan(unit, last)?.plan.agreement;
                let chains = RenewalChains::new(unit.renewals().find_by_agreements(&[agreement])?);
                Ok(chains.earlier(last).iter().map(|link| link.prior_plan).collect::<Vec<_>>())
            })
        };
        let mut plans = self.blocking(earlier).await?;
        plans.push(last);
        for plan in plans {
            match self.expire_plan(run, plan, last.0, progress, force).await? {
                Ended::Done => {}
                ended => return Ok(ended),
            }
        }
        Ok(Ended::Done)
    }

    async fn expire_plan(
        &self,
        run: &mut Run<'_>,
        id: PlanId,
        task: Uuid,
        progress: Option<ExpirationProgress>,
        force: bool,
    ) -> Result<Ended, Error> {
        let plan = self.blocking(move |manager| manager.store.read(|unit| find_plan(unit, id))).await?.plan;
        // With force, concurrent runs together process a plan once more, not each of them.
        let is_done = plan.expiration_processed && !(force && plan.modified < run.started);
        if is_done || plan.expiration_date > run.started {
            return Ok(Ended::Done);
        }
        let progress = progress.filter(|at| at.plan == id && at.expiration_date == plan.expiration_date);
        let (step, mut after) = progress.map_or((ExpirationStep::Enrollments, None), |at| (at.step, Some(at.after)));
        if step == ExpirationStep::Enrollments {
            match self.end_enrollments(run, &plan, task, after).await? {
                Ended::Done => after = None,
                ended => return Ok(ended),
            }
        }
        if self.add_expired_events(run, plan, task, after).await? {
            run.summary.uuids.push(id.0);
            run.summary.count("plans", 1);
            return Ok(Ended::Done);
        }
        Ok(Ended::Interrupted)
    }

    /// Ends the enrollments of the plan's live licenses after `after`.
    async fn end_enrollments(
        &self,
        run: &mut Run<'_>,
        plan: &SubscriptionPlan,
        task: Uuid,
        mut after: Option<LicenseId>,
    ) -> Result<Ended, Error> {
        let unless_modified_after = (run.started - plan.expiration_date > LATE).then_some(plan.expiration_date);
        loop {
            let id = plan.id;
            let live = move |manager: &Self| {
                manager.store.read(|unit| unit.due_work().live_licenses_after(id, false, after, READ_AT_ONCE))
            };
            let ids: Vec<LicenseId> = self.blocking(live).await?.iter().map(|license| license.id).collect();
            for chunk in ids.chunks(EXPIRED_LICENSES_PER_CALL) {
                if run.stops() {
                    return Ok(Ended::Interrupted);
                }
                if !run.dry_run() {
                    let progress = |after| ExpirationProgress {
                        plan: plan.id,
                        expiration_date: plan.expiration_date,
                        step: ExpirationStep::Enrollments,
                        after,
                    };
                    if let Err(error) = self.learners.expire_enrollments(chunk, unless_modified_after).await {
                        run.summary.fail(format!("plan {}", plan.id), format!("The LMS {error}."));
                        return Ok(Ended::Failed);
                    }
                    run.keep_now(task, chunk.last().map(|&last| progress(last))).await?;
                }
                run.summary.count("licenses", chunk.len());
            }
            match ids.last() {
                Some(&last) if ids.len() as i64 == READ_AT_ONCE => after = Some(last),
                _ => return Ok(Ended::Done),
            }
        }
    }

    /// Adds the events of the plan's licenses after `after`, and marks the plan with the last batch; `false` if the run
    /// stops early.
    async fn add_expired_events(
        &self,
        run: &mut Run<'_>,
        mut plan: SubscriptionPlan,
        task: Uuid,
        mut after: Option<LicenseId>,
    ) -> Result<bool, Error> {
        let batch = self.batch_size();
        plan.expiration_processed = true;
        let plan = Arc::new(plan);
        loop {
            if run.stops() {
                return Ok(false);
            }
            let (plan, holder, dry_run) = (plan.clone(), run.holder(), run.dry_run());
            let work = move |manager: &Self| match dry_run {
                true => manager.store.read(|unit| unit.due_work().live_licenses_after(plan.id, true, after, batch)),
                false => manager.add_batch_of_expired_events(holder, &plan, task, after),
            };
            let licenses = self.blocking(work).await?;
            run.summary.count("events", licenses.len());
            if (licenses.len() as i64) < batch {
                return Ok(true);
            }
            after = licenses.last().map(|license| license.id);
        }
    }

    /// Adds the events of the next licenses, and marks the plan if they are the last ones.
    fn add_batch_of_expired_events(
        &self,
        holder: Holder,
        plan: &SubscriptionPlan,
        task: Uuid,
        after: Option<LicenseId>,
    ) -> Result<Vec<License>, Error> {
        let (batch, now) = (self.batch_size(), self.now());
        self.store.write(|unit| {
            let licenses = unit.due_work().live_licenses_after(plan.id, true, after, batch)?;
            let progress = licenses.last().map(|last| ExpirationProgress {
                plan: plan.id,
                expiration_date: plan.expiration_date,
                step: ExpirationStep::Events,
                after: last.id,
            });
            holder.keep(self, unit, task, progress)?;
            let agreement = find_agreement(unit, plan.agreement)?;
            let mut outbox = OutboxBuilder::new(&agreement, plan, self.ids.as_ref(), now);
            licenses.iter().for_each(|license| outbox.event(EventName::Expired, license));
            outbox.write(unit)?;
            if (licenses.len() as i64) < batch {
                let mut locked = lock_plan(unit, plan.id)?.plan;
                // If the plan was extended meanwhile, it has not expired.
                if locked.expiration_date == plan.expiration_date {
                    (locked.expiration_processed, locked.modified) = (true, now);
                    let change = Change { reason: Some(ChangeReason::Other.into()), ..Actor::service().change(now) };
                    unit.plans().save(&locked, &change)?;
                }
            }
            Ok(licenses)
        })
    }
}
