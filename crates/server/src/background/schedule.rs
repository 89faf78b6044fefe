//! The scheduler: recurring operations run by themselves, until it is told to stop. Any number of servers and workers share the runs.
//!
//! Every few seconds one cheap read asks which operations are due. Each run has a thread of its own, because an operation blocks it
//! while the database works, and a task beside it that says it is still alive.

use std::collections::HashMap;
use std::iter::successors;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use license_manager_domain::LicenseManager;
use license_manager_domain::operations::{
    CronExpression, OperationSummary, RecurringOperation, ScheduledRun, Supervisor, Timetable,
};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::background::worker::{REST, SETTLE_TRIES, blocking};
use crate::config::Config;
use crate::http::time;

/// How often it is asked what is due. Cron expressions name minutes.
const POLL: Duration = Duration::from_secs(2);

/// How many runs to come are looked at for gaps: a month of four a day.
const EXAMINED_RUNS: usize = 124;

/// A scheduler at work.
pub struct Scheduler {
    task: JoinHandle<()>,
    patience: Duration,
}

impl Scheduler {
    /// Starts to run operations until `stop` becomes true; `None` where that is not enabled.
    pub fn start(manager: &LicenseManager, config: &Config, stop: watch::Receiver<bool>) -> Option<Self> {
        if !config.schedule.enabled {
            return None;
        }
        let mut timetable = config.schedule.timetable();
        if config.catalog.url.is_none() {
            timetable.remove(&RecurringOperation::ValidateNumCatalogQueries);
        }
        warn_of_gaps(manager, &timetable);
        let task = tokio::spawn(work(manager.clone(), timetable, stop));
        Some(Self { task, patience: config.server.shutdown_timeout() })
    }

    /// Waits until the batches under way are done. Runs that take too long are given up; others take them over when their leases have
    /// passed.
    pub async fn finish(self) {
        let abort = self.task.abort_handle();
        match timeout(self.patience, self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the scheduler ended unexpectedly"),
            Err(_) => {
                abort.abort();
                tracing::warn!("scheduled runs under way were given up; they go on elsewhere or at the next start");
            }
        }
    }
}

/// Tells of renewals that would be passed by, because their runs are further apart than one looks ahead.
fn warn_of_gaps(manager: &LicenseManager, timetable: &Timetable) {
    let Some(expression) = timetable.get(&RecurringOperation::ProcessRenewals) else { return };
    let window = manager.settings().renewal_lock;
    let gap = widest_gap(expression, manager.now());
    if gap > window {
        // Rounded up, so that it is told to be wider than what the runs look ahead, which is set in hours.
        let (hours, ahead) = ((gap + TimeDelta::minutes(59)).num_hours(), window.num_hours());
        tracing::warn!(
            "schedule.process_renewals leaves up to {hours} hours between two runs, and each looks {ahead} hours ahead: renewals in \
             between are left to hands"
        );
    }
}

/// The longest time from one run to the next, of the runs after `now`. Expressions name whole minutes.
fn widest_gap(expression: &CronExpression, now: DateTime<Utc>) -> TimeDelta {
    let runs = successors(expression.next_after(now), |&run| expression.next_after(run)).take(EXAMINED_RUNS);
    let runs: Vec<_> = runs.collect();
    runs.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

async fn work(manager: LicenseManager, timetable: Timetable, mut stop: watch::Receiver<bool>) {
    enter(&manager, Arc::new(timetable), &mut stop).await;
    let mut busy: HashMap<Id, RecurringOperation> = HashMap::new();
    let mut under_way = JoinSet::new();
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stop.borrow() {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(ended) = under_way.join_next_with_id() => free(&mut busy, ended),
            _ = stop.changed() => continue,
        }
        loop {
            let (asker, running) = (manager.clone(), busy.values().copied().collect::<Vec<_>>());
            match blocking(move || asker.take_due_run(&running)).await {
                Ok(None) => break,
                Ok(Some(run)) => {
                    let operation = run.operation;
                    let task = under_way.spawn(carry_out(manager.clone(), run, stop.clone()));
                    busy.insert(task.id(), operation);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot ask which operations are due; it is asked again");
                    sleep(REST).await;
                    break;
                }
            }
        }
    }
    // Each sees the end for itself, after its batch.
    while under_way.join_next().await.is_some() {}
}

/// Tells the database when operations are to run.
async fn enter(manager: &LicenseManager, timetable: Arc<Timetable>, stop: &mut watch::Receiver<bool>) {
    while !*stop.borrow() {
        let (entering, entered) = (manager.clone(), timetable.clone());
        match blocking(move || entering.set_timetable(&entered)).await {
            Ok(changed) => {
                for schedule in changed {
                    let operation = schedule.operation.as_str();
                    let expression = schedule.expression.as_deref().unwrap_or("off");
                    let next_run = schedule.next_run.map(|next| time::format(&next)).unwrap_or_default();
                    tracing::info!(operation, expression, next_run, "scheduled anew");
                }
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot note when operations are to run; it is tried again");
                tokio::select! {
                    () = sleep(REST) => {}
                    _ = stop.changed() => {}
                }
            }
        }
    }
}

/// Notes that an operation may run here again.
fn free(busy: &mut HashMap<Id, RecurringOperation>, ended: Result<(Id, ()), JoinError>) {
    let task = ended.map_or_else(
        |error| {
            tracing::error!(%error, "a scheduled run ended unexpectedly");
            error.id()
        },
        |(task, ())| task,
    );
    busy.remove(&task);
}

/// Does a run, keeps it meanwhile, and notes how it ended.
async fn carry_out(manager: LicenseManager, run: ScheduledRun, stop: watch::Receiver<bool>) {
    let operation = run.operation.as_str();
    tracing::info!(operation, "a scheduled run begins");
    let supervisor = Arc::new(RunSupervisor { stop, lost: AtomicBool::new(false) });
    let mut ended = begin(&manager, &run, &supervisor);
    let lease = manager.settings().operations.lease.to_std().unwrap_or(REST);
    let summary = loop {
        match timeout(lease / 3, &mut ended).await {
            Ok(Ok(summary)) => break summary,
            Ok(Err(_)) => break OperationSummary::ended_unexpectedly(run.operation),
            Err(_) => {
                let (keeper, kept) = (manager.clone(), run.clone());
                match blocking(move || keeper.keep_run(&kept)).await {
                    Ok(true) => {}
                    Ok(false) => supervisor.lost.store(true, Ordering::Relaxed),
                    Err(error) => tracing::warn!(operation, %error, "a scheduled run's lease could not be prolonged"),
                }
            }
        }
    };
    let (counts, failures, interrupted) = (format!("{:?}", summary.counts), summary.errors.len(), summary.interrupted);
    tracing::info!(operation, counts, failures, interrupted, "a scheduled run ended");
    let (run, summary) = (Arc::new(run), Arc::new(summary));
    for attempt in 1.. {
        let (finisher, run, summary) = (manager.clone(), run.clone(), summary.clone());
        match blocking(move || finisher.finish_run(&run, &summary)).await {
            Ok(true) => return,
            Ok(false) => return tracing::warn!(operation, "another server took this run over: it took too long here"),
            Err(error) if attempt < SETTLE_TRIES && !supervisor.is_stopping() => {
                tracing::warn!(operation, %error, "how a scheduled run ended could not be noted; it is tried again");
                sleep(REST).await;
            }
            Err(error) => {
                return tracing::error!(operation, %error, "how a scheduled run ended could not be noted; it runs again");
            }
        }
    }
}

/// Begins a run on a thread of its own. The end of the process does not wait for that.
fn begin(
    manager: &LicenseManager,
    run: &ScheduledRun,
    supervisor: &Arc<RunSupervisor>,
) -> oneshot::Receiver<OperationSummary> {
    let (ending, ended) = oneshot::channel();
    let (manager, run, supervisor) = (manager.clone(), run.clone(), supervisor.clone());
    let (operation, runtime) = (run.operation.as_str(), Handle::current());
    let thread = std::thread::Builder::new().name(operation.to_owned()).spawn(move || {
        // Nobody waits any more where the run was given up.
        let _ = ending.send(runtime.block_on(manager.do_run(&run, &*supervisor)));
    });
    if let Err(error) = thread {
        tracing::error!(operation, %error, "a scheduled run got no thread");
    }
    ended
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
