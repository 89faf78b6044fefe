//! `trigger-event-for-licenses`: adds events of licenses 180 days after activation.

use std::collections::HashMap;

use chrono::Duration;

use super::run::{OperationSummary, Run, Supervisor};
use crate::error::Error;
use crate::model::agreement::CustomerAgreement;
use crate::model::ids::{CustomerId, LicenseId, PlanId};
use crate::model::license::License;
use crate::model::plan::SubscriptionPlan;
use crate::outbox::{EventName, OutboxBuilder, write_messages};
use crate::ports::{StoreExt, UnitOfWork};
use crate::use_cases::manager::LicenseManager;

/// The time from activation to the event.
const AFTER: Duration = Duration::days(180);

impl LicenseManager {
    /// Adds the event of each license of active plans that was activated over 180 days ago, once for each. `customers`
    /// override the settings.
    ///
    /// The summary lists and counts the `licenses`.
    pub fn trigger_event_for_licenses(
        &self,
        customers: Option<&[CustomerId]>,
        dry_run: bool,
        supervisor: &dyn Supervisor,
    ) -> OperationSummary {
        let customers = customers.unwrap_or(&self.settings.operations.custom_event_customers);
        let mut run = Run::new(self, supervisor, "trigger-event-for-licenses", dry_run, &["licenses"]);
        let outcome = customers.iter().try_for_each(|&customer| self.trigger_for_customer(&mut run, customer));
        run.end(outcome)
    }

    fn trigger_for_customer(&self, run: &mut Run<'_>, customer: CustomerId) -> Result<(), Error> {
        let Some(agreement) = self.store.read(|unit| unit.agreements().find_by_customer(customer))? else {
            return Ok(());
        };
        let (batch, before) = (self.batch_size(), run.started - AFTER);
        let mut after: Option<LicenseId> = None;
        while !run.stops() {
            let find = |unit: &mut dyn UnitOfWork| {
                let name = EventName::Activated180DaysAgo.as_str();
                unit.due_work().licenses_activated_before(agreement.id, before, name, after, batch)
            };
            let (found, told) = if run.dry_run() {
                let found = self.store.read(find)?;
                (found.clone(), found)
            } else {
                self.store.write(|unit| {
                    let found = find(unit)?;
                    let told = self.add_events(unit, &agreement, &found)?;
                    Ok((found, told))
                })?
            };
            run.supervisor.found(told.len() as u64);
            run.supervisor.advanced(told.len() as u64);
            run.summary.count("licenses", told.len());
            run.summary.uuids.extend(told.iter().map(|license| license.id.0));
            after = found.last().map(|license| license.id);
            if (found.len() as i64) < batch {
                break;
            }
        }
        Ok(())
    }

    /// Marks the licenses and adds their events. Returns those that were not marked before.
    fn add_events(
        &self,
        unit: &mut dyn UnitOfWork,
        agreement: &CustomerAgreement,
        found: &[License],
    ) -> Result<Vec<License>, Error> {
        let now = self.now();
        let ids: Vec<LicenseId> = found.iter().map(|license| license.id).collect();
        let marked = unit.operations().mark_licenses(&ids, EventName::Activated180DaysAgo.as_str(), now)?;
        // Both are sorted by id.
        let told: Vec<License> =
            found.iter().filter(|license| marked.binary_search(&license.id).is_ok()).cloned().collect();
        let plans = unit.plans().find_by_agreements(&[agreement.id])?;
        let plans: HashMap<PlanId, SubscriptionPlan> =
            plans.into_iter().map(|details| (details.plan.id, details.plan)).collect();
        let mut messages = Vec::with_capacity(told.len());
        for license in &told {
            if let Some(plan) = plans.get(&license.plan) {
                let mut outbox = OutboxBuilder::new(agreement, plan, self.ids.as_ref(), now);
                outbox.event(EventName::Activated180DaysAgo, license);
                messages.append(&mut outbox.unwritten());
            }
        }
        write_messages(unit, &messages)?;
        Ok(told)
    }
}
