//! The scheduler: recurring operations run by themselves, until it is told to stop. Any number of servers and workers
//! share the runs.
//!
//! Every few seconds one cheap read asks which operations are due. Each run has a thread of its own, because an
//! operation blocks its thread while the database works. A task next to it extends the lease of the run.

use std::iter::successors;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use license_manager_domain::operations::{
    CronExpression, OperationSummary, RecurringOperation, ScheduledRun, Supervisor, Timetable,
};
use license_manager_domain::ports::Inline;
use license_manager_domain::{Error, LicenseManager};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::sleep;

use super::queue::{self, Background, Concurrency, LeasedWork, RETRY_PAUSE, blocking};
use crate::config::Config;
use crate::http::time;
use crate::telemetry::work_traces::Work;

/// How many runs to come are looked at for gaps: a month of four a day.
const EXAMINED_RUNS: usize = 124;

/// Starts to run operations until `stop` becomes true; `None` where that is not enabled.
pub fn start(manager: &LicenseManager, config: &Config, stop: watch::Receiver<bool>) -> Option<Background> {
    if !config.schedule.enabled {
        return None;
    }
    let mut timetable = config.schedule.timetable();
    if config.catalog.url.is_none() {
        timetable.remove(&RecurringOperation::ValidateNumCatalogQueries);
    }
    if !config.backup.is_set() {
        timetable.remove(&RecurringOperation::Backup);
    }
    warn_of_gaps(manager, &timetable);
    let (manager, timetable) = (manager.clone(), Arc::new(timetable));
    Some(Background::start("schedule", config.server.shutdown_timeout(), async move {
        say_if_importing(&manager).await;
        store_timetable(&manager, timetable, &mut stop.clone()).await;
        queue::run_until_stopped(ScheduleWork { manager, stop: stop.clone() }, Arc::<Notify>::default(), stop).await;
    }))
}

/// Warns of renewals that would be missed, because their runs are further apart than one looks ahead.
fn warn_of_gaps(manager: &LicenseManager, timetable: &Timetable) {
    let Some(expression) = timetable.get(&RecurringOperation::ProcessRenewals) else { return };
    let window = manager.settings().renewal_lock;
    let gap = widest_gap(expression, manager.now());
    if gap > window {
        // Rounded up, so that the reported gap is longer than the look-ahead.
        let (hours, ahead) = ((gap + TimeDelta::minutes(59)).num_hours(), window.num_hours());
        tracing::warn!(
            "schedule.process_renewals leaves up to {hours} hours between two runs, and each looks {ahead} hours ahead: renewals in \
             between must be processed by hand"
        );
    }
}

/// The longest time from one run to the next, of the runs after `now`. Expressions name whole minutes.
fn widest_gap(expression: &CronExpression, now: DateTime<Utc>) -> TimeDelta {
    let runs = successors(expression.next_after(now), |&run| expression.next_after(run)).take(EXAMINED_RUNS);
    let runs: Vec<_> = runs.collect();
    runs.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

/// Says in the log that nothing but backups runs until an import is finished.
async fn say_if_importing(manager: &LicenseManager) {
    let asking = manager.clone();
    if let Ok(true) = blocking(move || asking.is_importing()).await {
        tracing::warn!(
            "nothing but backups runs on schedule: this database is imported again until `license-manager import --finish`"
        );
    }
}

/// Stores the timetable.
async fn store_timetable(manager: &LicenseManager, timetable: Arc<Timetable>, stop: &mut watch::Receiver<bool>) {
    while !*stop.borrow() {
        let (entering, entered) = (manager.clone(), timetable.clone());
        match blocking(move || entering.set_timetable(&entered)).await {
            Ok(changed) => {
                for schedule in changed {
                    let operation = schedule.operation.as_str();
                    let expression = schedule.expression.as_deref().unwrap_or("off");
                    let next_run = schedule.next_run.map(|next| time::format(&next)).unwrap_or_default();
                    tracing::info!(operation, expression, next_run, "schedule changed");
                }
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot store the schedule; retrying");
                tokio::select! {
                    () = sleep(RETRY_PAUSE) => {}
                    _ = stop.changed() => {}
                }
            }
        }
    }
}

#[derive(Clone)]
struct ScheduleWork {
    manager: LicenseManager,
    stop: watch::Receiver<bool>,
}

/// A run, and what may end it.
struct SupervisedRun {
    run: ScheduledRun,
    supervisor: Arc<RunSupervisor>,
}

impl LeasedWork for ScheduleWork {
    type Queue = RecurringOperation;
    type Batch = SupervisedRun;
    type Outcome = OperationSummary;

    const NAME: &'static str = "schedule";
    /// Cron expressions have a resolution of a minute.
    const POLL: Duration = Duration::from_secs(2);

    fn concurrency(&self) -> Concurrency {
        Concurrency { per_queue: 1, total: usize::MAX }
    }

    fn lease(&self) -> Duration {
        self.manager.settings().operations.lease.to_std().unwrap_or(RETRY_PAUSE)
    }

    fn due(&self) -> Result<Vec<RecurringOperation>, Error> {
        self.manager.due_runs()
    }

    fn claim(&self, operation: RecurringOperation) -> Result<Option<SupervisedRun>, Error> {
        let run = self.manager.claim_run(operation)?;
        let supervisor = Arc::new(RunSupervisor { stop: self.stop.clone(), lost: AtomicBool::new(false) });
        Ok(run.map(|run| SupervisedRun { run, supervisor }))
    }

    fn prolong(&self, SupervisedRun { run, supervisor }: &SupervisedRun) -> Result<(), Error> {
        if !self.manager.prolong_run(run)? {
            supervisor.lost.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Runs on a thread of its own, and blocks it while the database works. The process does not wait for this thread
    /// when it stops, as it would for the runtime's threads for blocking work.
    async fn run(&self, run: Arc<SupervisedRun>) -> OperationSummary {
        let operation = run.run.operation;
        tracing::info!(operation = operation.as_str(), "a scheduled run begins");
        let trace = Work::scheduled(operation.as_str());
        let (ending, ended) = oneshot::channel();
        let (manager, runtime) = (self.manager.clone().with_blocking(Arc::new(Inline)), Handle::current());
        let context = trace.context();
        let thread = std::thread::Builder::new().name(operation.as_str().to_owned()).spawn(move || {
            let _traced = context.attach();
            // The receiver is gone if the run was abandoned.
            let _ = ending.send(runtime.block_on(manager.execute_run(&run.run, run.supervisor.clone())));
        });
        if let Err(error) = thread {
            tracing::error!(operation = operation.as_str(), %error, "could not start a thread for a scheduled run");
        }
        let summary = ended.await.unwrap_or_else(|_| OperationSummary::ended_unexpectedly(operation));
        trace.count(summary.counts.iter().map(|(&name, &number)| (name, number)));
        if !summary.errors.is_empty() {
            trace.failed();
        }
        let (counts, failures) = (format!("{:?}", summary.counts), summary.errors.len());
        let (operation, interrupted) = (operation.as_str(), summary.interrupted);
        tracing::info!(operation, counts, failures, interrupted, "a scheduled run ended");
        summary
    }

    fn failed(&self, run: &SupervisedRun) -> OperationSummary {
        OperationSummary::ended_unexpectedly(run.run.operation)
    }

    fn settle(&self, SupervisedRun { run, .. }: &SupervisedRun, summary: &OperationSummary) -> Result<(), Error> {
        if !self.manager.finish_run(run, summary)? {
            let operation = run.operation.as_str();
            tracing::warn!(operation, "the lease was lost to another process");
        }
        Ok(())
    }
}

/// Ends a run when the process stops, or when another one has taken it over.
struct RunSupervisor {
    stop: watch::Receiver<bool>,
    lost: AtomicBool,
}

#[async_trait]
impl Supervisor for RunSupervisor {
    fn is_stopping(&self) -> bool {
        *self.stop.borrow() || self.lost.load(Ordering::Relaxed)
    }

    async fn pause(&self, duration: Duration) {
        let mut stop = self.stop.clone();
        tokio::select! {
            // An error says that the process is at its end.
            _ = stop.wait_for(|stop| *stop) => {}
            () = sleep(duration) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_gap_lies_between_two_runs_and_not_before_the_first() {
        let noon = DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::hours(12);
        for (expression, hours) in [
            ("0 0 * * *", 24),
            ("30 */12 * * *", 12),
            ("0 1,2,10 * * *", 15),
            ("0 0 * * 1-5", 72),
            // The clocks of the zone go back in October.
            ("0 0 * * * Europe/Berlin", 25),
        ] {
            let gap = widest_gap(&expression.parse().unwrap(), noon);
            assert_eq!(gap, TimeDelta::hours(hours), "{expression}");
        }
    }
}
