//! Leased work: messages of the outbox, and events for webhooks.

use std::sync::Arc;
use std::time::Duration;

use license_manager_domain::delivery::{Batch, Deliveries, DeliveryResult, DeliverySettings, Outcome};
use license_manager_domain::queue::{Queue, QueueKind};
use license_manager_domain::{Error, LicenseManager};
use opentelemetry::context::FutureExt;
use tokio::sync::{Notify, watch};

use super::queue::{self, Background, LeasedWork, REST};
use crate::config::Config;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces;

/// How many webhooks get a batch at once, for each batch that a queue of messages gets. Most of them wait for an answer most of the
/// time.
const WEBHOOKS: usize = 8;

/// Starts to deliver until `stop` becomes true.
pub fn start(
    manager: &LicenseManager,
    config: &Config,
    metrics: Arc<Metrics>,
    stop: watch::Receiver<bool>,
) -> Background {
    let of_kind = |kind| DeliveryWork {
        deliveries: manager.deliveries(settings(config)),
        kind,
        concurrency: config.worker.concurrency,
        metrics: metrics.clone(),
    };
    let (messages, webhooks) = (of_kind(QueueKind::Messages), of_kind(QueueKind::Webhooks));
    Background::start("deliveries", config.server.shutdown_timeout(), async move {
        tokio::join!(
            queue::work(messages, Arc::<Notify>::default(), stop.clone()),
            queue::work(webhooks, Arc::<Notify>::default(), stop)
        );
    })
}

/// How the configuration wants messages delivered.
pub fn settings(config: &Config) -> DeliverySettings {
    DeliverySettings {
        lease: chrono::Duration::seconds(i64::from(config.worker.lease_seconds)),
        retry_base: chrono::Duration::seconds(i64::from(config.worker.retry_base_seconds)),
        learner_portal: config.portals.learner_url.clone(),
        admin_portal: config.portals.admin_url.clone(),
        customer_success: config.mail.customer_success_email.clone(),
    }
}

#[derive(Clone)]
struct DeliveryWork {
    deliveries: Deliveries,
    kind: QueueKind,
    concurrency: usize,
    metrics: Arc<Metrics>,
}

/// A batch, and its delivery as a span.
struct TracedBatch {
    batch: Batch,
    trace: traces::Delivery,
}

impl LeasedWork for DeliveryWork {
    type Queue = Queue;
    type Batch = TracedBatch;
    type Outcome = Outcome;

    const NAME: &'static str = "deliveries";
    const POLL: Duration = Duration::from_millis(500);

    fn at_once(&self) -> (usize, usize) {
        match self.kind {
            QueueKind::Webhooks => (1, WEBHOOKS * self.concurrency),
            _ => (self.concurrency, usize::MAX),
        }
    }

    fn lease(&self) -> Duration {
        self.deliveries.lease().to_std().unwrap_or(REST)
    }

    fn due(&self) -> Result<Vec<Queue>, Error> {
        self.deliveries.due(self.kind)
    }

    fn claim(&self, queue: Queue) -> Result<Option<TracedBatch>, Error> {
        let batch = self.deliveries.claim(queue)?;
        if batch.is_empty() {
            return Ok(None);
        }
        let trace = traces::Delivery::begin(queue.as_str(), batch.len(), &batch.trace_parents());
        Ok(Some(TracedBatch { batch, trace }))
    }

    fn may_have_more(&self, batch: &TracedBatch) -> bool {
        batch.batch.len() == batch.batch.queue().batch_size()
    }

    fn prolong(&self, batch: &TracedBatch) -> Result<(), Error> {
        self.deliveries.prolong(&batch.batch)
    }

    async fn run(&self, batch: Arc<TracedBatch>) -> Outcome {
        let outcome = self.deliveries.deliver(&batch.batch).with_context(batch.trace.context()).await;
        self.count(&batch, &outcome);
        outcome
    }

    fn failed(&self, batch: &TracedBatch) -> Outcome {
        let outcome = self.deliveries.failed(&batch.batch, "its delivery ended unexpectedly");
        self.count(batch, &outcome);
        outcome
    }

    fn settle(&self, batch: &TracedBatch, outcome: &Outcome) -> Result<(), Error> {
        // Messages that are added here are a part of it too.
        let _traced = batch.trace.context().attach();
        self.deliveries.settle(&batch.batch, outcome)
    }

    fn rest(&self, outcome: &Outcome) -> Option<Duration> {
        outcome.rest_until().map(|until| self.deliveries.until(until))
    }
}

impl DeliveryWork {
    fn count(&self, batch: &TracedBatch, outcome: &Outcome) {
        let TracedBatch { batch, trace } = batch;
        self.metrics.delivered(batch.queue(), outcome.results(batch));
        trace.failed(outcome.results(batch).filter(|(_, result)| *result != DeliveryResult::Delivered).count());
    }
}
