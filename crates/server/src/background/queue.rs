//! The loop that works on leased work of every kind: it asks what is due, claims it, prolongs the lease while it works,
//! and settles it. Any number of processes share the work.
//!
//! One cheap read asks which queues have due work. Each piece of work is a task of its own, so a slow queue delays no
//! other. The amount of work that is claimed at once limits the memory.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
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
    let outcome = Arc::new(run_leased(&work, &batch).await);
    let pause = work.pause(&outcome);
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
    pause
}

/// Works on a batch, and prolongs its lease as long as that takes.
async fn run_leased<W: LeasedWork>(work: &W, batch: &Arc<W::Batch>) -> W::Outcome {
    let mut running = JoinSet::new();
    let (worker, own) = (work.clone(), batch.clone());
    running.spawn(async move { worker.run(own).await });
    loop {
        match timeout(work.lease() / 3, running.join_next()).await {
            Ok(Some(Ok(outcome))) => return outcome,
            Ok(Some(Err(error))) => {
                tracing::error!(name = W::NAME, %error, "a batch ended unexpectedly");
                return work.failed(batch);
            }
            Ok(None) => return work.failed(batch),
            // Still running: prolong the lease.
            Err(_) => {
                let (holder, held) = (work.clone(), batch.clone());
                if let Err(error) = blocking(move || holder.prolong(&held)).await {
                    tracing::warn!(name = W::NAME, %error, "a lease could not be prolonged");
                }
            }
        }
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
