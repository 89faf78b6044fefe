//! Leased work: messages of the outbox, and events for webhooks.

use std::sync::Arc;
use std::time::Duration;

use license_manager_domain::delivery::{Batch, Deliveries, DeliveryResult, DeliverySettings, Outcome};
use license_manager_domain::queue::{Queue, QueueKind};
use license_manager_domain::{Error, LicenseManager};
use opentelemetry::context::FutureExt;
use tokio::sync::{Notify, watch};

use super::queue::{self, Background, Concurrency, LeasedWork, RETRY_PAUSE};
use crate::config::Config;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces;

/// Webhooks served at once, per unit of `concurrency`. Most of the time they wait for an answer.
const WEBHOOKS: usize = 8;

/// Starts to deliver until `stop` becomes true. Leases are prolonged by the use cases of `prolonging`.
pub fn start(
    manager: &LicenseManager,
    prolonging: &LicenseManager,
    config: &Config,
    metrics: Arc<Metrics>,
    stop: watch::Receiver<bool>,
) -> Background {
    let of_kind = |kind| DeliveryWork {
        deliveries: manager.deliveries(settings(config)),
        prolonging: prolonging.deliveries(settings(config)),
        kind,
        concurrency: config.worker.concurrency,
        metrics: metrics.clone(),
    };
    let (messages, webhooks) = (of_kind(QueueKind::Messages), of_kind(QueueKind::Webhooks));
    Background::start("deliveries", config.server.shutdown_timeout(), async move {
        tokio::join!(
            queue::run_until_stopped(messages, Arc::<Notify>::default(), stop.clone()),
            queue::run_until_stopped(webhooks, Arc::<Notify>::default(), stop)
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
    /// What prolongs their leases.
    prolonging: Deliveries,
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

    fn concurrency(&self) -> Concurrency {
        match self.kind {
            QueueKind::Webhooks => Concurrency { per_queue: 1, total: WEBHOOKS * self.concurrency },
            _ => Concurrency { per_queue: self.concurrency, total: usize::MAX },
        }
    }

    fn lease(&self) -> Duration {
        self.deliveries.lease().to_std().unwrap_or(RETRY_PAUSE)
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
        self.prolonging.prolong(&batch.batch)
    }

    async fn run(&self, batch: Arc<TracedBatch>) -> Outcome {
        let outcome = self.deliveries.deliver(&batch.batch).with_context(batch.trace.context()).await;
        self.count(&batch, &outcome);
        outcome
    }

    fn failed(&self, batch: &TracedBatch) -> Outcome {
        let outcome = self.deliveries.panicked_outcome(&batch.batch, "its delivery ended unexpectedly");
        self.count(batch, &outcome);
        outcome
    }

    fn settle(&self, batch: &TracedBatch, outcome: &Outcome) -> Result<(), Error> {
        // Spans and messages written here belong to the same trace.
        let _traced = batch.trace.context().attach();
        self.deliveries.settle(&batch.batch, outcome)
    }

    fn pause(&self, outcome: &Outcome) -> Option<Duration> {
        outcome.pause_until().map(|until| self.deliveries.duration_until(until))
    }
}

impl DeliveryWork {
    fn count(&self, batch: &TracedBatch, outcome: &Outcome) {
        let TracedBatch { batch, trace } = batch;
        self.metrics.delivered(batch.queue(), outcome.results(batch));
        trace.failed(outcome.results(batch).filter(|(_, result)| *result != DeliveryResult::Delivered).count());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::turns::PATIENCE;

    /// What was sent is not sent again because its settlement waits: its lease is prolonged in time. On Postgres those who
    /// asked before for a connection have it, or gave up, after the patience of requests. Then the statements end that run.
    #[test]
    fn a_lease_lasts_longer_than_it_takes_to_prolong_it() {
        let config = Config::default();
        let lease = settings(&config).lease.to_std().unwrap();
        let statement = config.database.statement_timeout().unwrap();
        let prolonged = queue::prolonged_after(lease) + PATIENCE + statement + config.database.connect_timeout();
        assert!(prolonged < lease, "{prolonged:?} of {lease:?}");
    }
}
