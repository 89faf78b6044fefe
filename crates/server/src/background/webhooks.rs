//! The worker's part for webhooks: events go to the endpoints that want them.
//!
//! One read tells which endpoints have something due. Each of them gets one batch at a time from this worker, and several endpoints
//! get theirs at once, so one that is slow holds up no other. What is in memory is bounded by the endpoints at once × the size of a
//! batch.

use std::collections::HashMap;
use std::sync::Arc;

use license_manager_domain::WebhookId;
use license_manager_domain::delivery::{Deliveries, WebhookBatch, WebhookOutcome, WebhookResult};
use opentelemetry::context::FutureExt;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::background::worker::{POLL, REST, SETTLE_TRIES, blocking};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces;

/// How many endpoints get a batch at once, for each runner that a lane has. Most of them wait for an answer most of the time.
const ENDPOINTS: usize = 8;

/// Delivers until `stop` becomes true.
pub(crate) async fn work(
    deliveries: Deliveries,
    concurrency: usize,
    metrics: Arc<Metrics>,
    mut stop: watch::Receiver<bool>,
) {
    let mut busy: HashMap<Id, WebhookId> = HashMap::new();
    let mut under_way = JoinSet::new();
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stop.borrow() {
        tokio::select! {
            _ = ticks.tick() => {}
            // There may be more for the endpoint, or for one that found no place.
            Some(ended) = under_way.join_next_with_id() => free(&mut busy, ended),
            _ = stop.changed() => continue,
        }
        while let Some(ended) = under_way.try_join_next_with_id() {
            free(&mut busy, ended);
        }
        let poller = deliveries.clone();
        let due = match blocking(move || poller.due_webhooks()).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "cannot ask what webhooks are to be told; it is asked again");
                sleep(REST).await;
                continue;
            }
        };
        for webhook in due {
            if busy.len() >= ENDPOINTS * concurrency {
                break;
            }
            if !busy.values().any(|served| *served == webhook) {
                let (deliveries, metrics, stop) = (deliveries.clone(), metrics.clone(), stop.clone());
                let task = under_way.spawn(async move { deliver(&deliveries, webhook, &metrics, &stop).await });
                busy.insert(task.id(), webhook);
            }
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// Notes that an endpoint may have its next batch.
fn free(busy: &mut HashMap<Id, WebhookId>, ended: Result<(Id, ()), JoinError>) {
    let task = ended.map_or_else(
        |error| {
            tracing::error!(%error, "a delivery to a webhook ended unexpectedly");
            error.id()
        },
        |(task, ())| task,
    );
    busy.remove(&task);
}

/// Delivers one batch to an endpoint and writes what came of it.
async fn deliver(deliveries: &Deliveries, webhook: WebhookId, metrics: &Metrics, stop: &watch::Receiver<bool>) {
    let claimer = deliveries.clone();
    let batch = match blocking(move || claimer.claim_webhook(webhook)).await {
        // Another worker was faster, and may be at it still.
        Ok(batch) if batch.is_empty() => return sleep(POLL).await,
        Ok(batch) => Arc::new(batch),
        Err(error) => {
            tracing::warn!(%webhook, %error, "cannot claim what a webhook is to be told; it is tried again");
            return sleep(REST).await;
        }
    };
    let trace = traces::Delivery::begin("webhooks", batch.len(), &batch.trace_parents());
    let outcome = Arc::new(post(deliveries, batch.clone(), &trace).await);
    metrics.told_webhook(outcome.results(&batch));
    trace.failed(outcome.results(&batch).filter(|result| *result != WebhookResult::Delivered).count());
    for attempt in 1.. {
        let (settler, batch, outcome) = (deliveries.clone(), batch.clone(), outcome.clone());
        match blocking(move || settler.settle_webhook(&batch, &outcome)).await {
            Ok(()) => return,
            Err(error) if attempt < SETTLE_TRIES && !*stop.borrow() => {
                tracing::warn!(%webhook, %error, "what a webhook was told could not be noted; it is tried again");
                sleep(REST).await;
            }
            Err(error) => {
                return tracing::error!(%webhook, %error, "what a webhook was told could not be noted; it is told again");
            }
        }
    }
}

/// Posts a batch, and prolongs its claim as long as that takes.
async fn post(deliveries: &Deliveries, batch: Arc<WebhookBatch>, trace: &traces::Delivery) -> WebhookOutcome {
    let mut posting = JoinSet::new();
    let (poster, posted) = (deliveries.clone(), batch.clone());
    posting.spawn(async move { poster.post_webhook(&posted).await }.with_context(trace.context()));
    let lease = deliveries.lease().to_std().unwrap_or(REST);
    loop {
        match timeout(lease / 3, posting.join_next()).await {
            Ok(Some(Ok(outcome))) => return outcome,
            Ok(Some(Err(error))) => {
                tracing::error!(%error, "a delivery to a webhook ended unexpectedly");
                return deliveries.failed_webhook(&batch);
            }
            Ok(None) => return deliveries.failed_webhook(&batch),
            // It takes its time: nobody else is to begin anew.
            Err(_) => prolong(deliveries, batch.clone()).await,
        }
    }
}

async fn prolong(deliveries: &Deliveries, batch: Arc<WebhookBatch>) {
    let holder = deliveries.clone();
    if let Err(error) = blocking(move || holder.extend_webhook(&batch)).await {
        tracing::warn!(%error, "a claim to what a webhook is told could not be prolonged");
    }
}
