//! `send-license-utilization-emails`: admins are told how a plan is used that hands out licenses by itself.

use chrono::Duration;

use super::run::{OperationSummary, Run, Supervisor};
use crate::error::Error;
use crate::model::ids::PlanId;
use crate::outbox::OutboxBuilder;
use crate::ports::StoreExt;
use crate::use_cases::manager::{LicenseManager, find_agreement, find_plan};

/// The mark of a plan whose mail was promised.
const MARK: &str = "initial_utilization";

/// How long after a plan began to auto-apply its admins are told.
const AFTER: Duration = Duration::days(7);

impl LicenseManager {
    /// OutboxBuilder the mail about each plan that auto-applies its licenses, is active and current, and began to auto-apply, the last
    /// time it did, 7 days ago or longer. Once for each plan, also where it stops and begins again.
    ///
    /// The summary's uuids are the plans, which it counts.
    pub fn send_license_utilization_emails(&self, dry_run: bool, supervisor: &dyn Supervisor) -> OperationSummary {
        let mut run = Run::new(self, supervisor, "send-license-utilization-emails", dry_run, &["plans"]);
        let outcome = self.add_utilization_mails(&mut run);
        run.end(outcome)
    }

    fn add_utilization_mails(&self, run: &mut Run<'_>) -> Result<(), Error> {
        let until = run.started - AFTER;
        let due = self.store.read(|unit| unit.due_work().auto_applying_plans(run.started, until, MARK))?;
        run.supervisor.found(due.len() as u64);
        for (plan, _) in due {
            if run.stops() {
                break;
            }
            let promised = run.dry_run() || self.add_utilization_mail(plan)?;
            if promised {
                run.summary.count("plans", 1);
                run.summary.uuids.push(plan.0);
            }
            run.supervisor.advanced(1);
        }
        Ok(())
    }

    /// `false` where another run promised it.
    fn add_utilization_mail(&self, plan: PlanId) -> Result<bool, Error> {
        let now = self.now();
        self.store.write(|unit| {
            if unit.operations().mark_plans(&[plan], MARK, now)?.is_empty() {
                return Ok(false);
            }
            let plan = find_plan(unit, plan)?.plan;
            let agreement = find_agreement(unit, plan.agreement)?;
            let mut outbox = OutboxBuilder::new(&agreement, &plan, self.ids.as_ref(), now);
            outbox.initial_utilization();
            unit.outbox().add(&outbox.into_messages())?;
            Ok(true)
        })
    }
}
