//! `unlink-expired-licenses`: unlinks learners from the customer long after their licenses expired.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::run::{OperationSummary, Run, Supervisor};
use super::tasks::Tasks;
use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::{CustomerId, LicenseId, PlanId};
use crate::ports::{StoreExt, UNLINKED_LEARNERS_PER_CALL, Undelivered, Unlinking};
use crate::use_cases::manager::LicenseManager;

/// The mark of a license whose holder was unlinked.
pub const UNLINKED_EVENT: &str = "edx.server.license-manager.expired.license.unlinked";

/// The time from the expiration of a plan to unlinking.
const AFTER: Duration = Duration::days(90);

impl LicenseManager {
    /// Unlinks the holders of live licenses without a renewal, of plans that expired over 90 days ago and are
    /// processed: enrollments of an unlinked learner cannot be ended. Learners with another live license of an active,
    /// current plan of the customer stay. `customers` override the settings.
    ///
    /// The summary lists the marked licenses. It counts `licenses`, and the `learners` who held them.
    pub async fn unlink_expired_licenses(
        &self,
        customers: Option<&[CustomerId]>,
        dry_run: bool,
        supervisor: &dyn Supervisor,
    ) -> OperationSummary {
        let customers = customers.unwrap_or(&self.settings.operations.unlink_customers);
        self.unlink_of(customers, &[], dry_run, supervisor).await
    }

    /// The same, with more plans whose expiration counts as processed.
    pub(super) async fn unlink_of(
        &self,
        customers: &[CustomerId],
        ended: &[PlanId],
        dry_run: bool,
        supervisor: &dyn Supervisor,
    ) -> OperationSummary {
        let counts = ["licenses", "learners"];
        let mut run = Run::new(self, supervisor, "unlink-expired-licenses", dry_run, &counts);
        let outcome = self.unlink_of_customers(&mut run, customers, ended).await;
        run.end(outcome)
    }

    async fn unlink_of_customers(
        &self,
        run: &mut Run<'_>,
        customers: &[CustomerId],
        ended: &[PlanId],
    ) -> Result<(), Error> {
        run.supervisor.found(customers.len() as u64);
        let mut tasks = Tasks::new(customers.iter().map(|customer| customer.0));
        while let Some((key, _)) = tasks.next(run).await? {
            let unlinked = self.unlink_of_customer(run, CustomerId(key), ended).await;
            if !run.dry_run() {
                // Each license is marked, so the next run continues with the rest.
                run.finish(key).await?;
            }
            if let Err(error) = unlinked {
                run.summary.fail(format!("customer {key}"), error);
            }
            run.supervisor.advanced(1);
        }
        Ok(())
    }

    async fn unlink_of_customer(&self, run: &mut Run<'_>, customer: CustomerId, ended: &[PlanId]) -> Result<(), Error> {
        let before = run.started - AFTER;
        let ended = ended.to_vec();
        let plans = move |manager: &Self| {
            manager.store.read(|unit| {
                let more = unit.due_work().plan_ends(&ended)?;
                let more = more.into_iter().filter(|end| end.customer == customer && end.expiration_date < before);
                let mut plans = unit.due_work().plans_to_unlink(customer, before)?;
                plans.extend(more.map(|end| end.plan));
                plans.sort_unstable();
                plans.dedup();
                Ok(plans)
            })
        };
        for plan in self.blocking(plans).await? {
            if !self.unlink_of_plan(run, customer, plan).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// `false` if another run must process the customer's other plans.
    async fn unlink_of_plan(&self, run: &mut Run<'_>, customer: CustomerId, plan: PlanId) -> Result<bool, Error> {
        let mut after = None;
        loop {
            if run.stops() {
                return Ok(false);
            }
            let now: DateTime<Utc> = self.now();
            let unlinking = Unlinking { customer, now, event_name: UNLINKED_EVENT };
            // Read right before the call: learners with a new license stay linked.
            let due = move |manager: &Self| {
                let limit = UNLINKED_LEARNERS_PER_CALL as i64;
                manager.store.read(|unit| unit.due_work().licenses_to_unlink(plan, unlinking, after, limit))
            };
            let due = self.blocking(due).await?;
            let Some(&(last, _)) = due.last() else { return Ok(true) };
            after = Some(last);
            if run.dry_run() {
                run.note_unlinked(&due);
            } else if !self.unlink(run, customer, due).await? {
                return Ok(false);
            }
        }
    }

    /// Unlinks learners in one call. If the LMS refuses them, one may be the cause, so halves are tried. `false` if the
    /// LMS failed and must not be called again.
    async fn unlink(
        &self,
        run: &mut Run<'_>,
        customer: CustomerId,
        due: Vec<(LicenseId, Email)>,
    ) -> Result<bool, Error> {
        let mut groups = vec![due];
        while let Some(group) = groups.pop() {
            run.keep_now(customer.0, None).await?;
            let mut learners: Vec<Email> = group.iter().map(|(_, email)| email.clone()).collect();
            learners.sort_unstable();
            learners.dedup();
            match self.learners.unlink(customer, &learners).await {
                Ok(()) => {
                    let ids: Vec<LicenseId> = group.iter().map(|&(id, _)| id).collect();
                    let mark = move |manager: &Self| {
                        let now = manager.now();
                        manager.store.write(|unit| unit.operations().mark_licenses(&ids, UNLINKED_EVENT, now))
                    };
                    self.blocking(mark).await?;
                    run.note_unlinked(&group);
                }
                Err(Undelivered::Refused(_)) if group.len() > 1 => {
                    let (first, second) = group.split_at(group.len() / 2);
                    groups.extend([second.to_vec(), first.to_vec()]);
                }
                Err(Undelivered::Refused(reason)) => {
                    let license = group.first().map_or(customer.0, |(id, _)| id.0);
                    run.summary.fail(format!("license {license}"), format!("The LMS {reason}."));
                }
                Err(error) => {
                    run.summary.fail(format!("customer {customer}"), format!("The LMS {error}."));
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

impl Run<'_> {
    fn note_unlinked(&mut self, group: &[(LicenseId, Email)]) {
        let learners: std::collections::HashSet<&Email> = group.iter().map(|(_, email)| email).collect();
        self.summary.count("licenses", group.len());
        self.summary.count("learners", learners.len());
        self.summary.uuids.extend(group.iter().map(|(id, _)| -> Uuid { id.0 }));
    }
}
