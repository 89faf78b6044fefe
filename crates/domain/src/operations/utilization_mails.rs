//! `send-license-utilization-emails`: tells admins the utilization of auto-applying plans.

use chrono::Duration;

use super::run::{OperationSummary, Run, Supervisor};
use crate::error::Error;
use crate::model::ids::PlanId;
use crate::outbox::OutboxBuilder;
use crate::ports::StoreExt;
use crate::use_cases::manager::{LicenseManager, find_agreement, find_plan};

/// The mark of a plan whose mail was added.
pub(crate) const INITIAL_UTILIZATION: &str = "initial_utilization";

/// How long after a plan began to auto-apply licenses the mail is sent.
const AFTER: Duration = Duration::days(7);

impl LicenseManager {
    /// Adds the mail about each active and current plan that began to auto-apply licenses 7 days ago or earlier; once
    /// for each plan.
    ///
    /// The summary lists and counts the `plans`.
    pub fn send_license_utilization_emails(&self, dry_run: bool, supervisor: &dyn Supervisor) -> OperationSummary {
        let mut run = Run::new(self, supervisor, "send-license-utilization-emails", dry_run, &["plans"]);
        let outcome = self.add_utilization_mails(&mut run);
        run.end(outcome)
    }

    fn add_utilization_mails(&self, run: &mut Run<'_>) -> Result<(), Error> {
        let until = run.started - AFTER;
        let due =
            self.store.read(|unit| unit.due_work().auto_applying_plans(run.started, until, INITIAL_UTILIZATION))?;
        run.supervisor.found(due.len() as u64);
        for (plan, _) in due {
            if run.stops() {
                break;
            }
            let added = run.dry_run() || self.add_utilization_mail(plan)?;
            if added {
                run.summary.count("plans", 1);
                run.summary.uuids.push(plan.0);
            }
            run.supervisor.advanced(1);
        }
        Ok(())
    }

    /// `false` if another run added it.
    fn add_utilization_mail(&self, plan: PlanId) -> Result<bool, Error> {
        let now = self.now();
        self.store.write(|unit| {
            if unit.operations().mark_plans(&[plan], INITIAL_UTILIZATION, now)?.is_empty() {
                return Ok(false);
            }
            let plan = find_plan(unit, plan)?.plan;
            let agreement = find_agreement(unit, plan.agreement)?;
            let mut outbox = OutboxBuilder::new(&agreement, &plan, self.ids.as_ref(), now);
            outbox.initial_utilization();
            outbox.write(unit)?;
            Ok(true)
        })
    }
}
