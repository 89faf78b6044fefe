//! Leased work: jobs on whole plans. Also the removal of old rows.

use std::sync::Arc;
use std::time::Duration;

use license_manager_domain::queue::{ClaimedJob, Queue};
use license_manager_domain::use_cases::JOB_LEASE;
use license_manager_domain::{Error, LicenseManager};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::queue::{self, Concurrency, LeasedWork, RETRY_PAUSE, blocking};
use crate::config::DatabaseUrl;
use crate::telemetry::work_traces::Work;

/// Starts to run jobs, one batch at a time, until `stop` becomes true; the batch under way is finished first. `wake`
/// has it look for jobs at once. Leases are prolonged by the use cases of `prolonging`.
pub fn start(
    manager: LicenseManager,
    prolonging: LicenseManager,
    wake: Arc<Notify>,
    stop: watch::Receiver<bool>,
) -> JoinHandle<()> {
    tokio::spawn(queue::run_until_stopped(JobWork { manager, prolonging }, wake, stop))
}

#[derive(Clone)]
struct JobWork {
    manager: LicenseManager,
    /// What prolongs their leases: a batch that loses its lease is undone.
    prolonging: LicenseManager,
}

impl LeasedWork for JobWork {
    type Queue = Queue;
    type Batch = ClaimedJob;
    type Outcome = Result<(), Error>;

    const NAME: &'static str = "jobs";
    const POLL: Duration = Duration::from_secs(2);

    fn concurrency(&self) -> Concurrency {
        Concurrency { per_queue: 1, total: 1 }
    }

    fn lease(&self) -> Duration {
        JOB_LEASE.to_std().unwrap_or(RETRY_PAUSE)
    }

    fn due(&self) -> Result<Vec<Queue>, Error> {
        self.manager.due_jobs()
    }

    fn claim(&self, queue: Queue) -> Result<Option<ClaimedJob>, Error> {
        self.manager.claim_job(queue)
    }

    fn prolong(&self, job: &ClaimedJob) -> Result<(), Error> {
        self.prolonging.prolong_job(job)
    }

    async fn run(&self, job: Arc<ClaimedJob>) -> Result<(), Error> {
        let manager = self.manager.clone();
        blocking(move || {
            let trace = Work::job(job.lease.queue.as_str(), job.plan);
            let _traced = trace.context().attach();
            let done = manager.run_job(&job);
            match &done {
                Ok(licenses) => trace.count([("licenses", *licenses)]),
                Err(_) => trace.failed(),
            }
            done.map(drop)
        })
        .await
    }

    fn failed(&self, _: &ClaimedJob) -> Result<(), Error> {
        Err(Error::internal("the job ended unexpectedly"))
    }

    fn settle(&self, job: &ClaimedJob, outcome: &Result<(), Error>) -> Result<(), Error> {
        match outcome {
            // It was settled in the transaction that did the work.
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "a job failed; retrying");
                self.manager.postpone_job(job, error)
            }
        }
    }
}

/// The time between two clean-ups.
const SWEEP: Duration = Duration::from_secs(10 * 60);

/// The time between two sums of the recent seat counts of plans with many. Until then, each statement that changed seats is
/// a row to add up.
const FOLD_RECENT: Duration = Duration::from_secs(20);

/// The time between two sums of all seat counts. Until then, each plan has a few rows to add up.
const FOLD_ALL: Duration = Duration::from_secs(60 * 60);

/// Starts to remove expired answers to requests with idempotency keys, old events of webhooks, and old records of what
/// people did, until `stop` becomes true.
pub fn start_sweeping(manager: LicenseManager, stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(repeat("clean-up", SWEEP, stop, move || sweep(&manager)))
}

/// Starts to add up the counts of seats, until `stop` becomes true. SQLite has one row for each plan and day, so those of
/// recent days need no adding up: it would only take turns to write.
pub fn start_folding(manager: LicenseManager, database: &DatabaseUrl, stop: watch::Receiver<bool>) -> JoinHandle<()> {
    let of_all = manager.clone();
    let all = move || of_all.fold_seat_counts().map(drop);
    let all = repeat("adding up all seat counts", FOLD_ALL, stop.clone(), all);
    if matches!(database, DatabaseUrl::Sqlite(_)) {
        return tokio::spawn(all);
    }
    let recent = move || manager.fold_recent_seat_counts().map(drop);
    let recent = repeat("adding up recent seat counts", FOLD_RECENT, stop, recent);
    tokio::spawn(async move {
        tokio::join!(recent, all);
    })
}

/// Does the work now and after each pause.
async fn repeat(
    name: &'static str,
    pause: Duration,
    mut stop: watch::Receiver<bool>,
    work: impl Fn() -> Result<(), Error> + Clone + Send + 'static,
) {
    while !*stop.borrow() {
        match tokio::task::spawn_blocking(work.clone()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, ?pause, "{name} failed; retrying after the pause"),
            Err(error) => tracing::error!(%error, ?pause, "{name} ended unexpectedly; retrying after the pause"),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
}

fn sweep(manager: &LicenseManager) -> Result<(), Error> {
    manager.remove_expired_answers()?;
    manager.remove_old_webhook_deliveries()?;
    manager.drop_kept_webhook_deliveries()?;
    manager.remove_old_staff_actions()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use license_manager_domain::memory::MemoryStore;
    use license_manager_domain::model::JobKind;
    use license_manager_domain::ports::{RandomIds, Store, SystemClock, Work};
    use license_manager_domain::queue::Lease;
    use license_manager_domain::{PlanId, Settings};
    use uuid::Uuid;

    use super::*;

    /// A store that counts transactions that write.
    #[derive(Default)]
    struct Counting {
        store: MemoryStore,
        written: AtomicUsize,
    }

    impl Store for Counting {
        fn run_write(&self, work: &mut Work<'_>) -> Result<(), Error> {
            self.written.fetch_add(1, Ordering::SeqCst);
            self.store.run_write(work)
        }

        fn run_read(&self, work: &mut Work<'_>) -> Result<(), Error> {
            self.store.run_read(work)
        }

        fn ping(&self) -> Result<(), Error> {
            self.store.ping()
        }
    }

    fn manager(store: &Arc<Counting>) -> LicenseManager {
        LicenseManager::new(store.clone(), Arc::new(SystemClock), Arc::new(RandomIds), Settings::default())
    }

    /// How many transactions write when adding up the counts of this database begins.
    async fn writes(url: &str, expected: usize) -> usize {
        let store = Arc::new(Counting::default());
        let (stop, stopped) = watch::channel(false);
        let folding = start_folding(manager(&store), &DatabaseUrl::try_from(url.to_owned()).unwrap(), stopped);
        for _ in 0..500 {
            if store.written.load(Ordering::SeqCst) >= expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Time for one more than expected.
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.send_replace(true);
        folding.await.unwrap();
        store.written.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn the_counts_of_recent_days_are_added_up_only_on_postgres() {
        assert_eq!(writes("postgres://localhost/a", 2).await, 2);
        assert_eq!(writes("sqlite:a.db", 1).await, 1, "the total of each plan");
    }

    #[test]
    fn the_lease_of_a_job_is_prolonged_in_a_turn_of_its_own() {
        let [store, prolonging] = [0, 1].map(|_| Arc::new(Counting::default()));
        let work = JobWork { manager: manager(&store), prolonging: manager(&prolonging) };
        let lease = Lease { id: Uuid::from_u128(1), queue: Queue::PlanJobs(JobKind::Remind) };
        let job = ClaimedJob { lease, plan: PlanId(Uuid::from_u128(2)), attempts: 0, due: work.manager.now() };
        assert_eq!(work.prolong(&job), Ok(()));
        assert_eq!([&store, &prolonging].map(|store| store.written.load(Ordering::SeqCst)), [0, 1]);
    }
}
