//! The loop that works on leased work of every kind: it asks what is due, claims it, does it, settles it, and prolongs
//! the lease until then. Any number of processes share the work.
//!
//! One cheap read asks which queues have due work. Each piece of work is a task of its own, so a slow queue delays no
//! other. The amount of work that is claimed at once limits the memory.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use license_manager_domain::Error;
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

/// The pause before storage is tried again after it failed.
pub(super) const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How often it is tried to settle work. What is not settled is done again when its lease ends.
const SETTLE_TRIES: u32 = 10;

/// When a lease of this length is prolonged. The rest of it is for whoever prolongs it: they wait for their turn at the
/// database.
pub(super) fn prolonged_after(lease: Duration) -> Duration {
    lease / 6
}

/// The most batches that are worked on at once.
pub(super) struct Concurrency {
    pub(super) per_queue: usize,
    pub(super) total: usize,
}

/// A kind of leased work. What uses storage blocks its thread.
pub(super) trait LeasedWork: Clone + Send + Sync + 'static {
    /// What names a queue.
    type Queue: Copy + Debug + Eq + Hash + Send + Sync;
    /// What is claimed together.
    type Batch: Send + Sync + 'static;
    /// The outcome of a batch.
    type Outcome: Send + Sync + 'static;

    /// Its name in the log.
    const NAME: &'static str;
    /// How often it is asked what is due.
    const POLL: Duration;

    /// How many batches are worked on at once.
    fn concurrency(&self) -> Concurrency;

    /// How long a lease lasts.
    fn lease(&self) -> Duration;

    /// The queues with due work, in the order to serve them.
    fn due(&self) -> Result<Vec<Self::Queue>, Error>;

    /// Claims a batch; `None` where there is nothing any more.
    fn claim(&self, queue: Self::Queue) -> Result<Option<Self::Batch>, Error>;

    /// Whether the queue may hold more than a batch that was claimed.
    fn may_have_more(&self, _: &Self::Batch) -> bool {
        false
    }

    /// Prolongs the lease of a batch.
    fn prolong(&self, batch: &Self::Batch) -> Result<(), Error>;

    /// Works on a batch. A panic ends it without an outcome.
    fn run(&self, batch: Arc<Self::Batch>) -> impl Future<Output = Self::Outcome> + Send;

    /// The outcome of a batch that ended without one.
    fn failed(&self, batch: &Self::Batch) -> Self::Outcome;

    /// Settles a batch.
    fn settle(&self, batch: &Self::Batch, outcome: &Self::Outcome) -> Result<(), Error>;

    /// How long the queue is to be paused after a batch.
    fn pause(&self, _: &Self::Outcome) -> Option<Duration> {
        None
    }
}

/// Work that goes on until the process stops.
pub struct Background {
    task: JoinHandle<()>,
    patience: Duration,
    name: &'static str,
}

impl Background {
    pub(super) fn start(
        name: &'static str,
        patience: Duration,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self { task: tokio::spawn(work), patience, name }
    }

    /// Waits until the work under way is done. Work that takes too long is given up, and done again when its lease
    /// ends.
    pub async fn finish(self) {
        let (abort, name) = (self.task.abort_handle(), self.name);
        match timeout(self.patience, self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(name, %error, "work in the background ended unexpectedly"),
            Err(_) => {
                abort.abort();
                tracing::warn!(name, "work in progress was stopped; it is done again when its lease ends");
            }
        }
    }
}

/// Works until `stop` becomes true; the batches under way are finished first. `wake` polls at once.
pub(super) async fn run_until_stopped<W: LeasedWork>(work: W, wake: Arc<Notify>, mut stop: watch::Receiver<bool>) {
    let mut running: HashMap<Id, W::Queue> = HashMap::new();
    let mut paused: HashMap<W::Queue, Instant> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut ticks = interval(W::POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let Concurrency { per_queue, total } = work.concurrency();
    while !*stop.borrow() {
        tokio::select! {
            _ = ticks.tick() => {}
            () = wake.notified() => {}
            // A place is free: poll again.
            Some(ended) = tasks.join_next_with_id() => note_end::<W>(&mut running, &mut paused, ended),
            _ = stop.changed() => continue,
        }
        while let Some(ended) = tasks.try_join_next_with_id() {
            note_end::<W>(&mut running, &mut paused, ended);
        }
        paused.retain(|_, until| *until > Instant::now());
        let poller = work.clone();
        let due = match blocking(move || poller.due()).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(name = W::NAME, %error, "cannot read due work; retrying");
                sleep(RETRY_PAUSE).await;
                continue;
            }
        };
        for queue in due {
            if running.len() >= total {
                break;
            }
            if paused.contains_key(&queue) || running.values().filter(|own| **own == queue).count() >= per_queue {
                continue;
            }
            let task = tasks.spawn(work_on_one(work.clone(), queue, wake.clone(), stop.clone()));
            running.insert(task.id(), queue);
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Notes that a queue has one batch fewer, and how long it is paused.
fn note_end<W: LeasedWork>(
    running: &mut HashMap<Id, W::Queue>,
    paused: &mut HashMap<W::Queue, Instant>,
    ended: Result<(Id, Option<Duration>), JoinError>,
) {
    let (task, pause) = ended.unwrap_or_else(|error| {
        tracing::error!(name = W::NAME, %error, "the task of a batch ended unexpectedly");
        (error.id(), None)
    });
    if let (Some(queue), Some(pause)) = (running.remove(&task), pause) {
        paused.insert(queue, Instant::now() + pause);
    }
}

/// Claims a batch, works on it and settles it. Returns how long the queue is to be paused.
async fn work_on_one<W: LeasedWork>(
    work: W,
    queue: W::Queue,
    wake: Arc<Notify>,
    stop: watch::Receiver<bool>,
) -> Option<Duration> {
    let claimer = work.clone();
    let batch = match blocking(move || claimer.claim(queue)).await {
        Ok(Some(batch)) => Arc::new(batch),
        // Another process claimed it.
        Ok(None) => return Some(W::POLL),
        Err(error) => {
            tracing::warn!(name = W::NAME, ?queue, %error, "cannot claim work; retrying");
            return Some(RETRY_PAUSE);
        }
    };
    if work.may_have_more(&batch) {
        wake.notify_one();
    }
    let done = async {
        let outcome = Arc::new(run(&work, &batch).await);
        settle(&work, queue, &batch, &outcome, &stop).await;
        work.pause(&outcome)
    };
    keep_lease(&work, &batch, done).await
}

/// Works on a batch in a task of its own, so that a panic ends only this task.
async fn run<W: LeasedWork>(work: &W, batch: &Arc<W::Batch>) -> W::Outcome {
    let mut running = JoinSet::new();
    let (worker, own) = (work.clone(), batch.clone());
    running.spawn(async move { worker.run(own).await });
    match running.join_next().await {
        Some(Ok(outcome)) => return outcome,
        Some(Err(error)) => tracing::error!(name = W::NAME, %error, "a batch ended unexpectedly"),
        None => {}
    }
    work.failed(batch)
}

/// Settles a batch, and tries again if that fails.
async fn settle<W: LeasedWork>(
    work: &W,
    queue: W::Queue,
    batch: &Arc<W::Batch>,
    outcome: &Arc<W::Outcome>,
    stop: &watch::Receiver<bool>,
) {
    for attempt in 1.. {
        let (settler, batch, outcome) = (work.clone(), batch.clone(), outcome.clone());
        match blocking(move || settler.settle(&batch, &outcome)).await {
            Ok(()) => break,
            Err(error) if attempt < SETTLE_TRIES && !*stop.borrow() => {
                tracing::warn!(name = W::NAME, ?queue, %error, "cannot store the outcome; retrying");
                sleep(RETRY_PAUSE).await;
            }
            Err(error) => {
                tracing::error!(name = W::NAME, ?queue, %error, "cannot store the outcome; the work will be repeated when its lease ends");
                break;
            }
        }
    }
}

/// Prolongs the lease of a batch until it is done: worked on and settled. Work that is done and waits to be settled must
/// not be claimed again, because it would be done twice.
async fn keep_lease<W: LeasedWork, T>(work: &W, batch: &Arc<W::Batch>, done: impl Future<Output = T>) -> T {
    let mut done = pin!(done);
    let usual = prolonged_after(work.lease());
    let mut pause = usual;
    loop {
        let (holder, held) = (work.clone(), batch.clone());
        let prolonging = async move {
            sleep(pause).await;
            blocking(move || holder.prolong(&held)).await
        };
        // The work goes on while the lease waits to be prolonged.
        let prolonged = tokio::select! {
            outcome = &mut done => return outcome,
            prolonged = prolonging => prolonged,
        };
        pause = match prolonged {
            Ok(()) => usual,
            Err(error) => {
                tracing::warn!(name = W::NAME, %error, "a lease could not be prolonged; retrying");
                usual.min(RETRY_PAUSE)
            }
        };
    }
}

/// Does work on storage on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::internal(format!("work on storage ended unexpectedly: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Work that is settled only after its lease was prolonged, for which the first attempt fails.
    #[derive(Clone, Default)]
    struct LateToSettle {
        prolonged: Arc<AtomicUsize>,
        settled: Arc<AtomicUsize>,
    }

    impl LeasedWork for LateToSettle {
        type Queue = u8;
        type Batch = u8;
        type Outcome = u8;

        const NAME: &'static str = "late to settle";
        const POLL: Duration = Duration::from_secs(1);

        fn concurrency(&self) -> Concurrency {
            Concurrency { per_queue: 1, total: 1 }
        }

        fn lease(&self) -> Duration {
            Duration::from_millis(120)
        }

        fn due(&self) -> Result<Vec<u8>, Error> {
            Ok(vec![1])
        }

        fn claim(&self, queue: u8) -> Result<Option<u8>, Error> {
            Ok(Some(queue))
        }

        fn prolong(&self, _: &u8) -> Result<(), Error> {
            match self.prolonged.fetch_add(1, Ordering::SeqCst) {
                0 => Err(Error::Unavailable),
                _ => Ok(()),
            }
        }

        async fn run(&self, batch: Arc<u8>) -> u8 {
            *batch
        }

        fn failed(&self, _: &u8) -> u8 {
            0
        }

        /// Blocks its thread, as who waits for a turn does.
        fn settle(&self, _: &u8, _: &u8) -> Result<(), Error> {
            for _ in 0..1_000 {
                if self.prolonged.load(Ordering::SeqCst) >= 3 {
                    self.settled.fetch_add(1, Ordering::SeqCst);
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_lease_is_prolonged_until_the_work_is_settled() {
        let work = LateToSettle::default();
        let (_stop, stopped) = watch::channel(false);
        assert_eq!(work_on_one(work.clone(), 1, Arc::default(), stopped).await, None);
        assert_eq!(work.settled.load(Ordering::SeqCst), 1);
    }
}
