//! The worker: delivers what the outbox holds, until it is told to stop. Any number of them share the work.
//!
//! Twice a second one cheap read asks which lanes have something due. Each lane has runners of its own, so an upstream that is
//! slow holds up nobody else's messages; a runner claims one batch, delivers it, writes what came of it, and takes the next one.
//! What is in memory is bounded by lanes × runners × the size of a batch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use license_manager_domain::delivery::{Batch, Deliveries, DeliveryResult, DeliverySettings, Outcome};
use license_manager_domain::delivery::{Lane, RetryPolicy};
use license_manager_domain::{Error, LicenseManager};
use opentelemetry::context::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::config::Config;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces;

/// How often the lanes are asked whether something is due.
pub(crate) const POLL: Duration = Duration::from_millis(500);

/// How long to rest after storage failed.
pub(crate) const REST: Duration = Duration::from_secs(1);

/// How often it is tried to write what came of a batch. What is not written is delivered again when the claim ends.
pub(crate) const SETTLE_TRIES: u32 = 10;

/// What the runners of a lane share.
#[derive(Default)]
struct LaneState {
    wake: Notify,
    /// Until when the lane's upstream wants to be left alone.
    rest_until: Mutex<Option<Instant>>,
}

impl LaneState {
    /// How long the lane still rests.
    fn rest(&self) -> Option<Duration> {
        let until = *self.rest_until.lock().unwrap_or_else(PoisonError::into_inner);
        until?.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())
    }

    fn rest_for(&self, rest: Duration) {
        *self.rest_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + rest);
    }
}

/// Every lane with what its runners share.
type Lanes = BTreeMap<Lane, LaneState>;

/// A worker at work.
pub struct Worker {
    task: JoinHandle<()>,
    patience: Duration,
}

impl Worker {
    /// Starts to deliver until `stop` becomes true.
    pub fn start(
        manager: &LicenseManager,
        config: &Config,
        metrics: Arc<Metrics>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let deliveries = manager.deliveries(settings(config));
        let patience = config.server.shutdown_timeout();
        let (concurrency, webhooks) = (config.worker.concurrency, deliveries.clone());
        let task = tokio::spawn(async move {
            tokio::join!(
                work(deliveries, concurrency, metrics.clone(), stop.clone()),
                crate::background::webhooks::work(webhooks, concurrency, metrics, stop)
            );
        });
        Self { task, patience }
    }

    /// Waits until the batches under way are done; those that take too long are given up, and delivered again when their claims
    /// end.
    pub async fn finish(self) {
        let abort = self.task.abort_handle();
        match timeout(self.patience, self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the worker ended unexpectedly"),
            Err(_) => {
                abort.abort();
                tracing::warn!("deliveries under way were given up; they are made again when their claims end");
            }
        }
    }
}

/// How the configuration wants messages delivered.
pub fn settings(config: &Config) -> DeliverySettings {
    DeliverySettings {
        lease: chrono::Duration::seconds(i64::from(config.worker.lease_seconds)),
        retries: RetryPolicy { base: chrono::Duration::seconds(i64::from(config.worker.retry_base_seconds)) },
        learner_portal: config.portals.learner_url.clone(),
        admin_portal: config.portals.admin_url.clone(),
        customer_success: config.mail.customer_success_email.clone(),
    }
}

async fn work(deliveries: Deliveries, concurrency: usize, metrics: Arc<Metrics>, mut stop: watch::Receiver<bool>) {
    let mut runners = JoinSet::new();
    let lanes: Arc<Lanes> = Arc::new(Lane::ALL.into_iter().map(|lane| (lane, LaneState::default())).collect());
    for lane in Lane::ALL {
        for _ in 0..concurrency {
            runners.spawn(run(deliveries.clone(), lane, lanes.clone(), metrics.clone(), stop.clone()));
        }
    }
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stop.borrow() {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.changed() => continue,
        }
        let poller = deliveries.clone();
        match blocking(move || poller.due()).await {
            Ok(due) => due.iter().for_each(|lane| wake(&lanes, *lane)),
            Err(error) => {
                tracing::warn!(%error, "cannot ask what is to be delivered; it is asked again");
                sleep(REST).await;
            }
        }
    }
    // Each sees the end for itself, at its next batch or in its sleep.
    while let Some(ended) = runners.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a runner ended unexpectedly");
        }
    }
}

/// Wakes a runner of a lane, or keeps the next one from falling asleep.
fn wake(lanes: &Lanes, lane: Lane) {
    if let Some(state) = lanes.get(&lane) {
        state.wake.notify_one();
    }
}

/// Delivers one batch of a lane after another, and sleeps where there is none.
async fn run(
    deliveries: Deliveries,
    lane: Lane,
    lanes: Arc<Lanes>,
    metrics: Arc<Metrics>,
    mut stop: watch::Receiver<bool>,
) {
    let Some(state) = lanes.get(&lane) else { return };
    while !*stop.borrow() {
        if let Some(rest) = state.rest() {
            tokio::select! {
                () = sleep(rest) => {}
                _ = stop.changed() => {}
            }
            continue;
        }
        let claimer = deliveries.clone();
        match blocking(move || claimer.claim(lane)).await {
            Ok(batch) if batch.is_empty() => {
                tokio::select! {
                    () = state.wake.notified() => {}
                    _ = stop.changed() => {}
                }
            }
            Ok(batch) => {
                if batch.len() == lane.batch_size() {
                    // There may be more, for another runner.
                    state.wake.notify_one();
                }
                if let Some(rest) = deliver(&deliveries, Arc::new(batch), lane, &lanes, &metrics, &stop).await {
                    state.rest_for(rest);
                }
            }
            Err(error) => {
                tracing::warn!(lane = lane.as_str(), %error, "cannot claim what is to be delivered; it is tried again");
                tokio::select! {
                    () = sleep(REST) => {}
                    _ = stop.changed() => {}
                }
            }
        }
    }
}

/// Delivers a batch and writes what came of it. Returns how long the lane's upstream wants to be left alone.
async fn deliver(
    deliveries: &Deliveries,
    batch: Arc<Batch>,
    lane: Lane,
    lanes: &Lanes,
    metrics: &Metrics,
    stop: &watch::Receiver<bool>,
) -> Option<Duration> {
    let mut delivery = JoinSet::new();
    let (deliverer, parcels) = (deliveries.clone(), batch.clone());
    let trace = traces::Delivery::begin(lane.as_str(), batch.len(), &batch.trace_parents());
    delivery.spawn(async move { deliverer.deliver(&parcels).await }.with_context(trace.context()));
    let lease = deliveries.lease().to_std().unwrap_or(REST);
    let outcome = loop {
        match timeout(lease / 3, delivery.join_next()).await {
            Ok(Some(Ok(outcome))) => break outcome,
            Ok(Some(Err(error))) => {
                tracing::error!(lane = lane.as_str(), %error, "a delivery ended unexpectedly");
                break Outcome::failed(&batch, "its delivery ended unexpectedly");
            }
            Ok(None) => break Outcome::failed(&batch, "its delivery ended unexpectedly"),
            // It takes its time: nobody else is to begin anew.
            Err(_) => {
                let (holder, held) = (deliveries.clone(), batch.clone());
                if let Err(error) = blocking(move || holder.extend(&held)).await {
                    tracing::warn!(lane = lane.as_str(), %error, "a claim could not be prolonged");
                }
            }
        }
    };
    metrics.delivered(lane, outcome.results(&batch));
    trace.failed(outcome.results(&batch).filter(|(_, result)| *result != DeliveryResult::Delivered).count());
    let rest = outcome.rest_until().map(|until| deliveries.until(until));
    let outcome = Arc::new(outcome);
    for attempt in 1.. {
        let (settler, batch, outcome) = (deliveries.clone(), batch.clone(), outcome.clone());
        let context = trace.context();
        let settle = move || {
            // What is promised here is a part of it too.
            let _traced = context.attach();
            settler.settle(&batch, &outcome)
        };
        match blocking(settle).await {
            Ok(due) => {
                due.into_iter().for_each(|lane| wake(lanes, lane));
                break;
            }
            Err(error) if attempt < SETTLE_TRIES && !*stop.borrow() => {
                tracing::warn!(lane = lane.as_str(), %error, "what was delivered could not be noted; it is tried again");
                sleep(REST).await;
            }
            Err(error) => {
                tracing::error!(lane = lane.as_str(), %error, "what was delivered could not be noted; it goes out again");
                break;
            }
        }
    }
    rest
}

/// Does work on storage on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::internal(format!("work on storage ended unexpectedly: {error}"))),
    }
}
