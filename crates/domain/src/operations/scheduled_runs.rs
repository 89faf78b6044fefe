//! The scheduler: runs operations by their schedule, each on one machine at a time.
//!
//! Storage keeps the next run of each operation. A server that finds an operation due claims it, sets the next run, and
//! runs it. Runs that were missed while no server was up are made up for by one run. If a server dies, another one
//! takes the run over when its lease ends (`docs/adr/0010` of the repository).

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::expire::Expiration;
use super::run::{OperationSummary, Supervisor};
use crate::error::Error;
use crate::history::Actor;
use crate::model::staff_action::StaffActionKind;
use crate::operations::schedule::{
    CronExpression, FinishedRun, OperationSchedule, RecurringOperation, RunOutcome, RunSummary, Timetable,
};
use crate::ports::{StoreExt, Task, TaskClaim, UnitOfWork};
use crate::queue::{Claim, Lease, Settlement};
use crate::saturating_time;
use crate::use_cases::manager::LicenseManager;
use crate::use_cases::staff_actions::Done;

/// A claimed run. Its holder keeps it during the work, then finishes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledRun {
    /// The operation.
    pub operation: RecurringOperation,
    /// When it began.
    pub started: DateTime<Utc>,
    /// The time up to which previous runs were complete, if known.
    pub done_until: Option<DateTime<Utc>>,
    owner: Uuid,
}

impl ScheduledRun {
    fn lease(&self) -> Lease {
        Lease { id: self.owner, queue: whole(self.operation).queue() }
    }
}

/// The task of the whole operation. No plan, customer or agreement has its key.
fn whole(operation: RecurringOperation) -> Task {
    Task { operation: operation.as_str(), key: Uuid::nil() }
}

impl LicenseManager {
    /// The schedule and the last run of every operation, in the order of [`RecurringOperation::ALL`].
    pub fn schedule(&self) -> Result<Vec<OperationSchedule>, Error> {
        let kept = self.store.read(|unit| unit.schedule().list())?;
        let of = |operation| {
            let known = kept.iter().find(|schedule| schedule.operation == operation).cloned();
            known.unwrap_or_else(|| OperationSchedule::new(operation))
        };
        Ok(RecurringOperation::ALL.into_iter().map(of).collect())
    }

    /// Schedules the operations of the timetable, and no others. An operation that is new or has another expression
    /// waits for its next time, unless a run is already due. Returns the operations that changed.
    pub fn set_timetable(&self, timetable: &Timetable) -> Result<Vec<OperationSchedule>, Error> {
        let follows = |kept: &OperationSchedule| {
            let expression = timetable.get(&kept.operation).map(CronExpression::as_str);
            kept.expression.as_deref() == expression && kept.next_run.is_some() == expression.is_some()
        };
        let others = self.schedule()?.into_iter().filter(|kept| !follows(kept));
        let others: Vec<RecurringOperation> = others.map(|kept| kept.operation).collect();
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.now();
        self.store.write(|unit| {
            let mut changed = Vec::new();
            for &operation in &others {
                let mut schedule = unit.schedule().lock_or_add(operation)?;
                let expression = timetable.get(&operation);
                match expression {
                    None => {
                        (schedule.scheduled_since, schedule.next_run, schedule.running_since) = (None, None, None);
                    }
                    Some(_) if schedule.is_due(now) => {}
                    Some(expression) => schedule.next_run = expression.next_after(now),
                }
                if expression.is_some() {
                    schedule.scheduled_since.get_or_insert(now);
                }
                schedule.expression = expression.map(ToString::to_string);
                unit.schedule().save(&schedule)?;
                changed.push(schedule);
            }
            Ok(changed)
        })
    }

    /// Asks for a run of an operation as soon as a server that runs the schedule is free, scheduled or not. The next
    /// scheduled run stays. Returns `false` if somebody asked already.
    pub fn request_run(&self, actor: &Actor, operation: RecurringOperation) -> Result<bool, Error> {
        self.store.write(|unit| {
            let mut schedule = unit.schedule().lock_or_add(operation)?;
            if schedule.requested.is_some() {
                return Ok(false);
            }
            schedule.requested = Some(self.now());
            unit.schedule().save(&schedule)?;
            self.record(unit, actor, StaffActionKind::RunRequested, Done::to(operation.as_str()))?;
            Ok(true)
        })
    }

    /// Whether an import is repeated until it is finished. Until then the other system runs the operations.
    pub fn is_importing(&self) -> Result<bool, Error> {
        self.store.read(|unit| unit.schedule().is_importing())
    }

    /// The operations that are due, asked for or still running, longest due first; during an import
    /// only backups.
    pub fn due_runs(&self) -> Result<Vec<RecurringOperation>, Error> {
        let now = self.now();
        let mut due = self.store.read(|unit| unit.schedule().list())?;
        due.retain(|schedule| is_to_run(schedule, now));
        if due.iter().any(|schedule| rests_during_imports(schedule.operation)) && self.is_importing()? {
            due.retain(|schedule| !rests_during_imports(schedule.operation));
        }
        due.sort_by_key(|schedule| schedule.requested.or(schedule.next_run));
        Ok(due.into_iter().map(|schedule| schedule.operation).collect())
    }

    /// Claims a run of an operation that is due. Of concurrent callers, one gets it.
    pub fn claim_run(&self, operation: RecurringOperation) -> Result<Option<ScheduledRun>, Error> {
        self.store.write(|unit| self.claim_run_within(unit, operation))
    }

    fn claim_run_within(
        &self,
        unit: &mut dyn UnitOfWork,
        operation: RecurringOperation,
    ) -> Result<Option<ScheduledRun>, Error> {
        let mut schedule = unit.schedule().lock_or_add(operation)?;
        let (now, owner) = (self.now(), self.ids.next());
        if !is_to_run(&schedule, now) || (rests_during_imports(operation) && unit.schedule().is_importing()?) {
            return Ok(None);
        }
        let lease = Lease { id: owner, queue: whole(operation).queue() };
        let until = saturating_time::after(now, self.settings.operations.lease);
        let claim = Claim { lease, now, until, limit: 1 };
        if let TaskClaim::HeldUntil(_) = unit.queue().claim_task(whole(operation), &claim)? {
            return Ok(None);
        }
        if schedule.is_due(now) {
            schedule.next_run = next_run(&schedule, now);
        }
        schedule.running_since = Some(now);
        unit.schedule().save(&schedule)?;
        // Until a run is complete, the range of the first run stays open.
        let first = schedule.scheduled_since.map(|since| since - Expiration::SPAN);
        let done_until = schedule.last_complete.or(first);
        Ok(Some(ScheduledRun { operation, started: now, done_until, owner }))
    }

    /// Prolongs a run; call it several times within [`crate::operations::OperationSettings::lease`]. Returns `false` if
    /// another server has the run: then stop.
    pub fn prolong_run(&self, run: &ScheduledRun) -> Result<bool, Error> {
        let kept = self.store.write(|unit| {
            let until = saturating_time::after(self.now(), self.settings.operations.lease);
            unit.queue().prolong(run.lease(), &[Uuid::nil()], until)
        })?;
        Ok(kept > 0)
    }

    /// Runs an operation with the defaults of its command. Expired plans are processed since the last complete run, or
    /// since the day before the schedule began, so failed and missed ones are included.
    ///
    /// The supervisor is shared, because operations that only use the store run as a whole where
    /// [`crate::ports::Blocking`] says.
    pub async fn execute_run(&self, run: &ScheduledRun, supervisor: Arc<dyn Supervisor>) -> OperationSummary {
        use RecurringOperation as Operation;
        let shared = supervisor.clone();
        let supervisor = supervisor.as_ref();
        let stored: fn(&Self, &dyn Supervisor) -> OperationSummary = match run.operation {
            Operation::ProcessRenewals => {
                return self.process_renewals(self.settings.renewal_lock, false, supervisor).await;
            }
            Operation::ExpireSubscriptions => {
                let mut request = Expiration::before(self.now());
                if let Some(done_until) = run.done_until {
                    request.expired_after = request.expired_after.min(done_until);
                }
                return self.expire_subscriptions(&request, supervisor).await;
            }
            Operation::UnlinkExpiredLicenses => return self.unlink_expired_licenses(None, false, supervisor).await,
            Operation::ValidateNumCatalogQueries => return self.validate_num_catalog_queries(false, supervisor).await,
            Operation::Backup => return self.back_up(supervisor).await,
            Operation::RetireOldLicenses => |manager, supervisor| manager.retire_old_licenses(false, supervisor),
            Operation::ProcessAutoScalablePlans => {
                |manager, supervisor| manager.process_auto_scalable_plans(false, supervisor)
            }
            Operation::SendLicenseUtilizationEmails => {
                |manager, supervisor| manager.send_license_utilization_emails(false, supervisor)
            }
            Operation::TriggerEventForLicenses => {
                |manager, supervisor| manager.trigger_event_for_licenses(None, false, supervisor)
            }
        };
        let summary = self.blocking(move |manager| Ok(stored(manager, shared.as_ref()))).await;
        summary.unwrap_or_else(|_| OperationSummary::ended_unexpectedly(run.operation))
    }

    /// Records the result of a run. An interrupted run is due again at once. Returns `false` and records nothing if
    /// another server has the run.
    pub fn finish_run(&self, run: &ScheduledRun, summary: &OperationSummary) -> Result<bool, Error> {
        let now = self.now();
        self.store.write(|unit| {
            let mut schedule = unit.schedule().lock_or_add(run.operation)?;
            if unit.queue().held(run.lease(), &[Uuid::nil()])?.is_empty() {
                return Ok(false);
            }
            unit.queue().settle(run.lease(), &[Settlement::completed(Uuid::nil(), now)])?;
            let outcome = outcome(summary);
            match outcome {
                RunOutcome::Complete => schedule.last_complete = Some(run.started),
                RunOutcome::Interrupted if schedule.expression.is_some() => schedule.next_run = Some(now),
                RunOutcome::Interrupted | RunOutcome::Failed => {}
            }
            // A request lasts until a run has ended that began after it: also if its server died.
            if outcome != RunOutcome::Interrupted {
                schedule.requested.take_if(|requested| *requested <= run.started);
            }
            schedule.running_since = None;
            schedule.last_run =
                Some(FinishedRun { started: run.started, finished: now, outcome, summary: told(summary) });
            unit.schedule().save(&schedule)?;
            Ok(true)
        })
    }
}

/// Whether an operation rests while the database is imported again. A backup only reads.
fn rests_during_imports(operation: RecurringOperation) -> bool {
    operation != RecurringOperation::Backup
}

/// Whether it is due, asked for or was started. Its lease tells whether the run is still going on.
fn is_to_run(schedule: &OperationSchedule, now: DateTime<Utc>) -> bool {
    schedule.is_wanted(now) || (schedule.running_since.is_some() && schedule.expression.is_some())
}

fn next_run(schedule: &OperationSchedule, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let expression = schedule.expression.as_deref()?.parse::<CronExpression>();
    let next = expression.ok().and_then(|expression| expression.next_after(now));
    Some(next.unwrap_or_else(|| {
        // Another version, or other time zone data, wrote the expression.
        let operation = schedule.operation.as_str();
        tracing::error!(
            operation,
            "this version finds no next run in the stored cron expression: the operation runs again in an hour"
        );
        now + Duration::hours(1)
    }))
}

fn outcome(summary: &OperationSummary) -> RunOutcome {
    match summary {
        summary if summary.is_complete() => RunOutcome::Complete,
        summary if summary.interrupted => RunOutcome::Interrupted,
        _ => RunOutcome::Failed,
    }
}

fn told(summary: &OperationSummary) -> RunSummary {
    RunSummary {
        counts: summary.counts.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect(),
        failure_count: summary.errors.len() as u64,
        failures: summary.errors.iter().take(RunSummary::SHOWN_FAILURES).cloned().collect(),
    }
}
