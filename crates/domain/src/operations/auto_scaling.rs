//! `process-auto-scalable-plans`: adds licenses to plans as their agreements allow.

use chrono::Duration;

use super::run::{OperationSummary, Run, Supervisor};
use crate::error::Error;
use crate::history::{Actor, Change};
use crate::model::agreement::AutoScaling;
use crate::model::ids::{AgreementId, PlanId};
use crate::model::plan::{ChangeReason, LicenseCounts, SubscriptionPlan};
use crate::ports::{StoreExt, Task, TaskClaim, UnitOfWork};
use crate::queue::{Claim, Lease};
use crate::use_cases::manager::{LicenseManager, count_licenses, find_agreement, lock_plan};

/// The shortest time between two growths of an agreement's plan. Runs that start together on several machines count
/// once.
const REST: Duration = Duration::hours(1);

impl AutoScaling {
    /// The number of licenses to add to a plan: 0 if fewer are allocated than the threshold says, the plan has its largest
    /// size, it is frozen, or licenses are still being added; otherwise at least 1.
    pub fn growth(&self, plan: &SubscriptionPlan, counts: &LicenseCounts) -> i64 {
        let (Some(most), Some(threshold), Some(increment)) =
            (self.max_licenses, self.threshold_percentage, self.increment_percentage)
        else {
            return 0;
        };
        let total = counts.total();
        let is_used_up = total > 0 && counts.allocated() * 100 >= total * i64::from(threshold);
        let is_settled = plan.last_freeze_timestamp.is_none() && plan.licenses_to_provision(counts) == 0;
        if !self.enabled || !is_used_up || !is_settled {
            return 0;
        }
        let limit = if plan.for_internal_use_only { i32::MAX } else { SubscriptionPlan::MAX_LICENSES };
        (total * i64::from(increment) / 100).max(1).min(i64::from(most.min(limit)) - total).max(0)
    }
}

impl LicenseManager {
    /// Adds licenses to the current plan of each agreement with auto-scaling: of those that are active and current, the
    /// one that started last. It grows where the share of allocated licenses is at or above the threshold, at most once
    /// an hour. A frozen plan, and one whose licenses are still being added, stay as they are.
    ///
    /// The summary lists the plans that grew. It counts `agreements`, `plans` and `licenses`.
    pub fn process_auto_scalable_plans(&self, dry_run: bool, supervisor: &dyn Supervisor) -> OperationSummary {
        let counts = ["agreements", "plans", "licenses"];
        let mut run = Run::new(self, supervisor, "process-auto-scalable-plans", dry_run, &counts);
        let outcome = self.scale_agreements(&mut run);
        run.end(outcome)
    }

    fn scale_agreements(&self, run: &mut Run<'_>) -> Result<(), Error> {
        let agreements = self.store.read(|unit| unit.due_work().auto_scaling_agreements())?;
        run.supervisor.found(agreements.len() as u64);
        for agreement in agreements {
            if run.stops() {
                break;
            }
            let scaled = if run.dry_run() {
                self.store.read(|unit| self.growing_plan(unit, agreement))
            } else {
                self.store.write(|unit| self.scale(unit, run, agreement))
            };
            run.summary.count("agreements", 1);
            match scaled {
                Ok(Some((plan, growth))) => {
                    run.summary.count("plans", 1);
                    run.summary.count("licenses", usize::try_from(growth).unwrap_or(0));
                    run.summary.uuids.push(plan.id.0);
                }
                Ok(None) => {}
                Err(error) => run.summary.fail(format!("agreement {agreement}"), error),
            }
            run.supervisor.advanced(1);
        }
        Ok(())
    }

    /// The agreement's plan to grow, and the number of licenses to add.
    fn growing_plan(
        &self,
        unit: &mut dyn UnitOfWork,
        agreement: AgreementId,
    ) -> Result<Option<(SubscriptionPlan, i64)>, Error> {
        let now = self.now();
        let agreement = find_agreement(unit, agreement)?;
        let plans = unit.plans().find_by_agreements(&[agreement.id])?;
        let usable = |plan: &SubscriptionPlan| plan.is_active && plan.is_current(now);
        // They are sorted by latest start.
        let Some(details) = plans.into_iter().find(|details| usable(&details.plan)) else { return Ok(None) };
        let growth = agreement.auto_scaling.growth(&details.plan, &count_licenses(unit, details.plan.id)?);
        Ok((growth > 0).then_some((details.plan, growth)))
    }

    fn scale(
        &self,
        unit: &mut dyn UnitOfWork,
        run: &Run<'_>,
        agreement: AgreementId,
    ) -> Result<Option<(SubscriptionPlan, i64)>, Error> {
        let (now, task) = (self.now(), Task { operation: run.operation(), key: agreement.0 });
        let lease = Lease { id: self.ids.next(), queue: task.queue() };
        let claim = Claim { lease, now, until: now + REST, limit: 1 };
        if let TaskClaim::HeldUntil(_) = unit.queue().claim_task(task, &claim)? {
            return Ok(None);
        }
        let grown = match self.growing_plan(unit, agreement)? {
            Some((plan, _)) => self.grow(unit, agreement, plan.id)?,
            None => None,
        };
        Ok(grown)
    }

    fn grow(
        &self,
        unit: &mut dyn UnitOfWork,
        agreement: AgreementId,
        plan: PlanId,
    ) -> Result<Option<(SubscriptionPlan, i64)>, Error> {
        let now = self.now();
        let mut details = lock_plan(unit, plan)?;
        let plan = &mut details.plan;
        let scaling = find_agreement(unit, agreement)?.auto_scaling;
        // Computed again, now that the plan is locked.
        let counts = count_licenses(unit, plan.id)?;
        let growth = scaling.growth(plan, &counts);
        if growth == 0 {
            return Ok(None);
        }
        plan.desired_num_licenses = i32::try_from(counts.total() + growth).ok();
        plan.modified = now;
        let actor = Actor::service();
        unit.plans().save(plan, &Change { reason: Some(ChangeReason::Other.into()), ..actor.change(now) })?;
        self.provision(unit, &details, counts, &actor)?;
        Ok(Some((details.plan, growth)))
    }
}
