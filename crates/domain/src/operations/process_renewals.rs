//! `process-renewals`: processes renewals that take effect soon.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::run::{OperationSummary, Run, Supervisor};
use super::tasks::Tasks;
use crate::error::{Entity, Error};
use crate::history::Actor;
use crate::model::ids::{PlanId, RenewalId};
use crate::model::plan::PlanDetails;
use crate::ports::StoreExt;
use crate::saturating_time;
use crate::use_cases::manager::{LicenseManager, count_licenses, find_plan, lock_plan};
use crate::use_cases::renewal_outlook::{RenewalOutlook, outlook};
use crate::use_cases::renewals::{RenewedBy, find_renewal};

impl LicenseManager {
    /// Processes the renewals that take effect within `window` from now and are not exempt. A failure does not stop the
    /// others. Overdue renewals are counted; they are processed manually. Plans of processed renewals that start within
    /// the window are brought in line with their prior plans once more.
    ///
    /// The summary lists the prior plans. It counts `renewals`, their `licenses` with those brought in line, and
    /// `overdue` renewals.
    pub async fn process_renewals(
        &self,
        window: Duration,
        dry_run: bool,
        supervisor: &dyn Supervisor,
    ) -> OperationSummary {
        let counts = ["renewals", "licenses", "overdue"];
        let mut run = Run::new(self, supervisor, "process-renewals", dry_run, &counts);
        let outcome = self.process_due_renewals(&mut run, window).await;
        run.end(outcome)
    }

    async fn process_due_renewals(&self, run: &mut Run<'_>, window: Duration) -> Result<(), Error> {
        let now = self.now();
        let until = saturating_time::after(now, window);
        let found = move |manager: &Self| {
            manager
                .store
                .read(|unit| Ok((unit.due_work().renewals(now, until)?, unit.due_work().count_renewals_before(now)?)))
        };
        let (due, overdue) = self.blocking(found).await?;
        run.summary.count("overdue", usize::try_from(overdue).unwrap_or(0));
        run.supervisor.found(due.len() as u64);
        let mut tasks = Tasks::new(due.iter().map(|due| due.prior_plan.0));
        while let Some((plan, _)) = tasks.next(run).await? {
            if let Some(due) = due.iter().find(|due| due.prior_plan.0 == plan) {
                self.process_due(run, due.renewal, plan).await?;
            }
            run.supervisor.advanced(1);
        }
        self.follow_before_start(run, until).await
    }

    /// Brings the plans that start by then in line with their prior plans once more.
    async fn follow_before_start(&self, run: &mut Run<'_>, until: DateTime<Utc>) -> Result<(), Error> {
        let started = run.started;
        let starting =
            move |manager: &Self| manager.store.read(|unit| unit.due_work().renewals_starting(started, until));
        let processed = self.blocking(starting).await?;
        let mut plans: Vec<Uuid> = processed.iter().map(|due| due.prior_plan.0).collect();
        plans.retain(|plan| !run.summary.uuids.contains(plan));
        run.supervisor.found(plans.len() as u64);
        let mut tasks = Tasks::new(plans);
        while let Some((plan, _)) = tasks.next(run).await? {
            let dry_run = run.dry_run();
            let outcome = self.blocking(move |manager| manager.follow_or_preview(started, dry_run, PlanId(plan))).await;
            if !run.dry_run() {
                run.finish(plan).await?;
            }
            match outcome {
                Ok(0) | Err(Error::NotFound(Entity::Plan)) => {}
                Ok(licenses) => {
                    run.summary.uuids.push(plan);
                    run.summary.count("licenses", licenses);
                }
                Err(error) => run.summary.fail(format!("the plan that follows plan {plan}"), error),
            }
            run.supervisor.advanced(1);
        }
        Ok(())
    }

    /// The number of licenses of the following plan that were, or would be, changed.
    fn follow_or_preview(&self, started: DateTime<Utc>, dry_run: bool, prior: PlanId) -> Result<usize, Error> {
        // At its start the plan follows for the last time.
        let following = |details: PlanDetails| details.following.filter(|plan| started <= plan.start_date);
        if dry_run {
            return self.store.read(|unit| match following(find_plan(unit, prior)?) {
                Some(following) => Ok(self.out_of_line(unit, prior, &following)?.len()),
                None => Ok(0),
            });
        }
        self.store.write(|unit| {
            let Some(following) = following(lock_plan(unit, prior)?) else { return Ok(0) };
            let change = Actor::service().change(self.now());
            let followed = self.follow_whole_plan(unit, prior, &following, RenewedBy::Schedule, &change)?;
            Ok(followed.copies)
        })
    }

    async fn process_due(&self, run: &mut Run<'_>, renewal: RenewalId, plan: Uuid) -> Result<(), Error> {
        let dry_run = run.dry_run();
        let work = move |manager: &Self| match dry_run {
            true => manager.preview_renewal(renewal).map(Some),
            false => match manager.process_renewal(&Actor::service(), renewal, RenewedBy::Schedule)?.newly {
                true => manager.carried_over(PlanId(plan)).map(Some),
                false => Ok(None),
            },
        };
        let outcome = self.blocking(work).await;
        if !dry_run {
            run.finish(plan).await?;
        }
        match outcome {
            Ok(Some(licenses)) => {
                run.summary.uuids.push(plan);
                run.summary.count("renewals", 1);
                run.summary.count("licenses", usize::try_from(licenses).unwrap_or(0));
            }
            // It was processed or deleted since it was found.
            Ok(None) | Err(Error::NotFound(Entity::Renewal)) => {}
            Err(error) => run.summary.fail(format!("renewal {renewal} of plan {plan}"), error),
        }
        Ok(())
    }

    /// The number of live licenses of the renewed plan.
    fn carried_over(&self, prior: PlanId) -> Result<i64, Error> {
        self.store.read(|unit| {
            let renewal = unit.renewals().find_by_plans(prior, None)?.pop();
            let Some(plan) = renewal.and_then(|found| found.renewal.terms.renewed_plan) else { return Ok(0) };
            Ok(count_licenses(unit, plan)?.allocated())
        })
    }

    /// The number of licenses that processing would copy.
    ///
    /// # Errors
    /// The same as of processing.
    fn preview_renewal(&self, id: RenewalId) -> Result<i64, Error> {
        self.store.read(|unit| {
            let terms = find_renewal(unit, id)?.renewal.terms;
            let RenewalOutlook { copied, refusal, .. } = outlook(unit, &terms)?;
            refusal.map_or(Ok(copied), Err)
        })
    }
}
