//! Prometheus metrics of this process. docs/OPERATIONS.md, "Monitoring", explains each.
//!
//! Labels have few values, all known in advance. They never hold an id, a path with an id, or a person.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use license_manager_adapters::calls::CallListener;
use license_manager_adapters::pool::PoolUse;
use license_manager_adapters::postgres::ReplicaUse;
use license_manager_domain::delivery::DeliveryResult;
use license_manager_domain::model::JobKind;
use license_manager_domain::operations::{OperationSchedule, RunOutcome};
use license_manager_domain::outbox::Topic;
use license_manager_domain::queue::{Backlog, Queue};
use license_manager_domain::webhooks::WebhookBacklog;
use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, Result,
    TextEncoder,
};

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = prometheus::TEXT_FORMAT;

/// The upper bounds of the histogram buckets for requests and calls, in seconds.
const LATENCIES: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The metrics of one process.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_durations: HistogramVec,
    pub(super) requests_in_flight: IntGauge,
    requests_waiting: IntGauge,
    deliveries: IntCounterVec,
    webhook_deliveries: IntCounterVec,
    calls: IntCounterVec,
    call_durations: HistogramVec,
}

/// The state of the database when the metrics are read.
#[derive(Debug, Default)]
pub struct Observation {
    /// Its connection pools.
    pub pools: Vec<PoolUse>,
    /// Its replica, if it has one.
    pub replica: Option<ReplicaUse>,
    /// What was read from it; `None` if it did not answer.
    pub stored: Option<Stored>,
}

/// The part of [`Metrics::text`] that is read from the database.
#[derive(Debug)]
pub struct Stored {
    /// The time of the reading.
    pub now: DateTime<Utc>,
    /// The outbox, per queue.
    pub backlog: Vec<(Queue, Backlog)>,
    /// The webhook deliveries.
    pub webhooks: WebhookBacklog,
    /// The number of unfinished jobs of each kind.
    pub jobs: Vec<(JobKind, i64)>,
    /// The schedule of recurring operations; empty if this process does not run it.
    pub schedule: Vec<OperationSchedule>,
}

impl Stored {
    /// The age of a time in whole seconds; 0 for `None`.
    fn seconds_since(&self, moment: Option<DateTime<Utc>>) -> i64 {
        moment.map_or(0, |moment| (self.now - moment).num_seconds()).max(0)
    }
}

impl Metrics {
    /// Registers all metrics.
    ///
    /// # Errors
    /// When two have the same name, which tests rule out.
    pub fn new() -> Result<Self> {
        let registry = Registry::new();
        let build = gauges("build_info", "The running version; always 1.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registered(&registry, build)?;
        let requests = counters("http_requests_total", "Answered requests.", &["method", "route", "status"])?;
        let durations = histograms(
            "http_request_duration_seconds",
            "Time until the answer to a request began.",
            &["method", "route"],
        )?;
        let in_flight = IntGauge::with_opts(opts("http_requests_in_flight", "Requests in progress."))?;
        let waiting =
            IntGauge::with_opts(opts("http_requests_waiting", "Requests that wait for their turn at the database."))?;
        let deliveries =
            counters("deliveries_total", "Attempts to deliver a message of the outbox.", &["lane", "topic", "result"])?;
        let webhook_deliveries =
            counters("webhook_deliveries_total", "Attempts to deliver an event to a webhook.", &["result"])?;
        let calls = counters("neighbour_calls_total", "Calls to upstream services.", &["neighbour", "outcome"])?;
        let call_durations = histograms(
            "neighbour_call_duration_seconds",
            "Time of calls to upstream services, reading the answer included.",
            &["neighbour"],
        )?;
        Ok(Self {
            requests: registered(&registry, requests)?,
            request_durations: registered(&registry, durations)?,
            requests_in_flight: registered(&registry, in_flight)?,
            requests_waiting: registered(&registry, waiting)?,
            deliveries: registered(&registry, deliveries)?,
            webhook_deliveries: registered(&registry, webhook_deliveries)?,
            calls: registered(&registry, calls)?,
            call_durations: registered(&registry, call_durations)?,
            registry,
        })
    }

    /// The number of requests that wait for their turn at the database.
    pub fn requests_waiting(&self) -> IntGauge {
        self.requests_waiting.clone()
    }

    /// Counts the results of a batch of outbox messages.
    pub fn delivered(&self, queue: Queue, results: impl Iterator<Item = (Topic, DeliveryResult)>) {
        for (topic, result) in results {
            match (queue, result) {
                (Queue::Webhook(_), DeliveryResult::Refused) => {
                    self.webhook_deliveries.with_label_values(&["parked"]).inc();
                }
                (Queue::Webhook(_), result) => self.webhook_deliveries.with_label_values(&[result.as_str()]).inc(),
                _ => self.deliveries.with_label_values(&[queue.as_str(), topic.as_str(), result.as_str()]).inc(),
            }
        }
    }

    /// A listener that counts calls to upstreams.
    pub fn call_listener(&self) -> CallListener {
        let (calls, durations) = (self.calls.clone(), self.call_durations.clone());
        Arc::new(move |upstream, outcome, took| {
            calls.with_label_values(&[upstream, outcome.as_str()]).inc();
            durations.with_label_values(&[upstream]).observe(took.as_secs_f64());
        })
    }

    pub(super) fn answered(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = method_label(method);
        self.requests.with_label_values(&[method, route, status.as_str()]).inc();
        self.request_durations.with_label_values(&[method, route]).observe(took.as_secs_f64());
    }

    /// All metrics in Prometheus's text format.
    ///
    /// # Errors
    /// When a metric cannot be written, which tests rule out.
    pub fn text(&self, observation: &Observation) -> Result<String> {
        let mut families = self.registry.gather();
        families.extend(observed(observation)?.gather());
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}

/// The observed values as gauges. Values that could not be read are left out.
fn observed(observation: &Observation) -> Result<Registry> {
    let registry = Registry::new();
    let up = IntGauge::with_opts(opts("database_up", "1 if the database answered, otherwise 0."))?;
    up.set(i64::from(observation.stored.is_some()));
    registered(&registry, up)?;
    connected(&registry, &observation.pools)?;
    if let Some(replica) = &observation.replica {
        replicated(&registry, replica)?;
    }
    if let Some(stored) = &observation.stored {
        waiting(&registry, stored)?;
        told(&registry, stored)?;
        if !stored.schedule.is_empty() {
            scheduled(&registry, stored)?;
        }
    }
    Ok(registry)
}

/// The connections to the database.
fn connected(registry: &Registry, pools: &[PoolUse]) -> Result<()> {
    let connections = gauges("database_connections", "Open database connections by state.", &["pool", "state"])?;
    let limits = gauges("database_connections_limit", "The maximum number of connections of a pool.", &["pool"])?;
    for pool in pools {
        connections.with_label_values(&[pool.name, "idle"]).set(pool.idle.into());
        connections.with_label_values(&[pool.name, "in_use"]).set(pool.open.saturating_sub(pool.idle).into());
        limits.with_label_values(&[pool.name]).set(pool.limit.into());
    }
    registered(registry, connections)?;
    registered(registry, limits)?;
    Ok(())
}

/// The messages of the outbox and the jobs.
fn waiting(registry: &Registry, stored: &Stored) -> Result<()> {
    let waiting = gauges("outbox_messages", "Messages that wait or are being delivered, up to 10,000.", &["lane"])?;
    let parked =
        gauges("outbox_parked_messages", "Dead-lettered messages, which are not retried, up to 10,000.", &["lane"])?;
    let age = gauges(
        "outbox_oldest_due_seconds",
        "Time since the oldest due message became due; 0 if none is due.",
        &["lane"],
    )?;
    for (queue, backlog) in &stored.backlog {
        let lane = [queue.as_str()];
        waiting.with_label_values(&lane).set(backlog.waiting);
        parked.with_label_values(&lane).set(backlog.dead_lettered);
        age.with_label_values(&lane).set(stored.seconds_since(backlog.due_since));
    }
    let jobs = gauges("jobs", "Unfinished jobs on whole plans.", &["kind"])?;
    stored.jobs.iter().for_each(|(kind, count)| jobs.with_label_values(&[kind.as_str()]).set(*count));
    for gauges in [waiting, parked, age, jobs] {
        registered(registry, gauges)?;
    }
    Ok(())
}

/// The webhooks and their deliveries.
fn told(registry: &Registry, stored: &Stored) -> Result<()> {
    let webhooks = &stored.webhooks;
    for (name, help, number) in [
        (
            "webhook_waiting_deliveries",
            "Events waiting for delivery to an active webhook, up to 10,000.",
            webhooks.deliveries.waiting,
        ),
        ("webhook_kept_deliveries", "Events kept for webhooks that are switched off, up to 10,000.", webhooks.kept),
        (
            "webhook_dropped_deliveries",
            "Events dropped because their webhook was switched off for too long.",
            webhooks.dropped,
        ),
        ("webhooks_switched_off", "Webhooks that are switched off.", webhooks.off),
        (
            "webhook_parked_deliveries",
            "Dead-lettered webhook deliveries, which are not retried, up to 10,000.",
            webhooks.deliveries.dead_lettered,
        ),
        (
            "webhook_oldest_due_seconds",
            "Time since the oldest due webhook delivery became due; 0 if none is due.",
            stored.seconds_since(webhooks.deliveries.due_since),
        ),
    ] {
        let gauge = IntGauge::with_opts(opts(name, help))?;
        gauge.set(number);
        registered(registry, gauge)?;
    }
    Ok(())
}

/// How the replica is used. The lag is left out while it is not known.
fn replicated(registry: &Registry, replica: &ReplicaUse) -> Result<()> {
    let reads = counters("list_reads_total", "Reads that a replica may answer, by answering database.", &["target"])?;
    reads.with_label_values(&["replica"]).inc_by(replica.answered);
    reads.with_label_values(&["primary"]).inc_by(replica.passed_on);
    registered(registry, reads)?;
    let used = IntGauge::with_opts(opts("replica_used", "1 if the replica answers reads, otherwise 0."))?;
    used.set(i64::from(replica.is_used));
    registered(registry, used)?;
    if let Some(lag) = replica.lag {
        let gauge = Gauge::with_opts(opts("replica_lag_seconds", "The most seconds that the replica is behind."))?;
        gauge.set(lag.as_secs_f64());
        registered(registry, gauge)?;
    }
    Ok(())
}

/// The schedule of operations and their last runs.
fn scheduled(registry: &Registry, stored: &Stored) -> Result<()> {
    let gauges =
        |name: &str, help: &str| registered(registry, gauges(&format!("schedule_{name}"), help, &["operation"])?);
    let next = gauges("next_run_timestamp_seconds", "When the operation runs next, in seconds since 1970.")?;
    let running = gauges("running_seconds", "How long the current run has taken, in seconds; 0 if there is none.")?;
    let last = gauges("last_run_timestamp_seconds", "When the last finished run began, in seconds since 1970.")?;
    let duration = gauges("last_run_duration_seconds", "How long the last finished run took, in seconds.")?;
    let success = gauges("last_run_success", "1 if the last finished run did all its work, otherwise 0.")?;
    let counts = opts("schedule_last_run_count", "The counts in the summary of the last finished run.");
    let counts = registered(registry, IntGaugeVec::new(counts, &["operation", "of"])?)?;
    let complete =
        gauges("last_success_timestamp_seconds", "When the last run without a failure began, in seconds since 1970.")?;
    // Operations that are off need no alert.
    for schedule in stored.schedule.iter().filter(|schedule| schedule.expression.is_some()) {
        let operation = [schedule.operation.as_str()];
        let since = schedule.running_since.map_or(0, |since| (stored.now - since).num_seconds());
        running.with_label_values(&operation).set(since.max(0));
        if let Some(moment) = schedule.next_run {
            next.with_label_values(&operation).set(moment.timestamp());
        }
        if let Some(run) = &schedule.last_run {
            last.with_label_values(&operation).set(run.started.timestamp());
            duration.with_label_values(&operation).set((run.finished - run.started).num_seconds().max(0));
            success.with_label_values(&operation).set(i64::from(run.outcome == RunOutcome::Complete));
            for (of, number) in &run.summary.counts {
                counts.with_label_values(&[operation[0], of.as_str()]).set(*number);
            }
        }
        if let Some(moment) = schedule.last_complete {
            complete.with_label_values(&operation).set(moment.timestamp());
        }
    }
    Ok(())
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("license_manager")
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec> {
    IntGaugeVec::new(opts(name, help), labels)
}

fn counters(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
    IntCounterVec::new(opts(name, help), labels)
}

fn histograms(name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec> {
    let opts = HistogramOpts { common_opts: opts(name, help), buckets: LATENCIES.to_vec() };
    HistogramVec::new(opts, labels)
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

/// The name of a standard HTTP method, otherwise `other`: a client can invent methods, and each would become a time
/// series.
pub(crate) fn method_label(method: &Method) -> &str {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::CONNECT,
        Method::TRACE,
    ];
    if known.contains(method) { method.as_str() } else { "other" }
}

#[cfg(test)]
mod tests {
    use license_manager_domain::WebhookId;
    use license_manager_domain::operations::{FinishedRun, RecurringOperation, RunSummary};
    use uuid::Uuid;

    use super::*;

    fn text(metrics: &Metrics, observation: &Observation) -> String {
        metrics.text(observation).unwrap()
    }

    #[test]
    fn events_are_counted_by_their_labels() {
        let metrics = Metrics::new().unwrap();
        metrics.answered(&Method::GET, "/plans/{plan}/", StatusCode::OK, Duration::from_millis(20));
        metrics.answered(&Method::from_bytes(b"MADEUP").unwrap(), "unmatched", StatusCode::NOT_FOUND, Duration::ZERO);
        let results = [(Topic::Assignment, DeliveryResult::Delivered), (Topic::Assignment, DeliveryResult::Failed)];
        metrics.delivered(Queue::Mail, results.into_iter());
        metrics.delivered(Queue::Mail, results.into_iter().take(1));
        let webhook = Queue::Webhook(WebhookId(Uuid::nil()));
        let results = [DeliveryResult::Delivered, DeliveryResult::Refused, DeliveryResult::Delivered];
        metrics.delivered(webhook, results.into_iter().map(|result| (Topic::LicenseEvent, result)));
        metrics.call_listener()("lms", license_manager_adapters::calls::CallOutcome::Busy, Duration::from_secs(1));
        let text = text(&metrics, &Observation::default());
        for line in [
            r#"license_manager_http_requests_total{method="GET",route="/plans/{plan}/",status="200"} 1"#,
            r#"license_manager_http_requests_total{method="other",route="unmatched",status="404"} 1"#,
            r#"license_manager_http_request_duration_seconds_bucket{method="GET",route="/plans/{plan}/",le="0.025"} 1"#,
            r#"license_manager_http_request_duration_seconds_bucket{method="GET",route="/plans/{plan}/",le="0.01"} 0"#,
            r#"license_manager_deliveries_total{lane="mail",result="delivered",topic="assignment"} 2"#,
            r#"license_manager_deliveries_total{lane="mail",result="failed",topic="assignment"} 1"#,
            r#"license_manager_webhook_deliveries_total{result="delivered"} 2"#,
            r#"license_manager_webhook_deliveries_total{result="parked"} 1"#,
            r#"license_manager_neighbour_calls_total{neighbour="lms",outcome="busy"} 1"#,
            r#"license_manager_neighbour_call_duration_seconds_count{neighbour="lms"} 1"#,
            "license_manager_database_up 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        for unknown in ["license_manager_outbox", "license_manager_webhook_waiting"] {
            assert!(!text.contains(unknown), "nobody knows: {text}");
        }
    }

    #[test]
    fn values_from_the_database_are_shown() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let due_since = Some(now - chrono::Duration::seconds(90));
        let backlog = |queue, due_since| (queue, Backlog { waiting: 7, dead_lettered: 2, due_since });
        let observation = Observation {
            pools: vec![PoolUse { name: "all", limit: 8, open: 5, idle: 3 }],
            stored: Some(Stored {
                now,
                backlog: vec![backlog(Queue::Mail, due_since), backlog(Queue::Lms, None)],
                webhooks: WebhookBacklog {
                    deliveries: Backlog { waiting: 5, dead_lettered: 3, due_since },
                    kept: 4,
                    off: 1,
                    dropped: 6,
                },
                jobs: vec![(JobKind::Provision, 1)],
                schedule: Vec::new(),
            }),
            replica: None,
        };
        let text = text(&Metrics::new().unwrap(), &observation);
        for line in [
            "license_manager_database_up 1",
            r#"license_manager_database_connections{pool="all",state="idle"} 3"#,
            r#"license_manager_database_connections{pool="all",state="in_use"} 2"#,
            r#"license_manager_database_connections_limit{pool="all"} 8"#,
            r#"license_manager_outbox_messages{lane="mail"} 7"#,
            r#"license_manager_outbox_parked_messages{lane="lms"} 2"#,
            r#"license_manager_outbox_oldest_due_seconds{lane="mail"} 90"#,
            r#"license_manager_outbox_oldest_due_seconds{lane="lms"} 0"#,
            "license_manager_webhook_waiting_deliveries 5",
            "license_manager_webhook_kept_deliveries 4",
            "license_manager_webhook_dropped_deliveries 6",
            "license_manager_webhooks_switched_off 1",
            "license_manager_webhook_parked_deliveries 3",
            "license_manager_webhook_oldest_due_seconds 90",
            r#"license_manager_jobs{kind="provision"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_replica_is_shown_with_its_lag_once_that_is_known() {
        let pool = PoolUse { name: "replica", limit: 8, open: 1, idle: 1 };
        let unknown = ReplicaUse { pool, answered: 0, passed_on: 4, lag: None, is_used: false };
        let known = ReplicaUse { answered: 3, lag: Some(Duration::from_millis(1_500)), is_used: true, ..unknown };
        let shown =
            |replica| text(&Metrics::new().unwrap(), &Observation { replica: Some(replica), ..Observation::default() });
        for line in [
            r#"license_manager_list_reads_total{target="replica"} 3"#,
            r#"license_manager_list_reads_total{target="primary"} 4"#,
            "license_manager_replica_used 1",
            "license_manager_replica_lag_seconds 1.5",
        ] {
            assert!(shown(known).lines().any(|found| found == line), "{line}\n{}", shown(known));
        }
        let text = shown(unknown);
        assert!(text.contains("license_manager_replica_used 0\n") && !text.contains("lag_seconds"), "{text}");
    }

    #[test]
    fn scheduled_operations_are_shown() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let ago = |seconds| now - chrono::Duration::seconds(seconds);
        let last_run = FinishedRun {
            started: ago(500),
            finished: ago(440),
            outcome: RunOutcome::Failed,
            summary: RunSummary::default(),
        };
        let renewals = OperationSchedule {
            expression: Some("0 */6 * * *".to_owned()),
            next_run: Some(now),
            running_since: Some(ago(7)),
            last_run: Some(last_run),
            last_complete: Some(ago(900)),
            ..OperationSchedule::new(RecurringOperation::ProcessRenewals)
        };
        let off = OperationSchedule::new(RecurringOperation::RetireOldLicenses);
        let stored = Stored {
            now,
            backlog: Vec::new(),
            webhooks: WebhookBacklog::default(),
            jobs: Vec::new(),
            schedule: vec![renewals, off],
        };
        let text = text(&Metrics::new().unwrap(), &Observation { stored: Some(stored), ..Observation::default() });
        for (name, number) in [
            ("next_run_timestamp_seconds", 1_800_000_000),
            ("running_seconds", 7),
            ("last_run_timestamp_seconds", 1_799_999_500),
            ("last_run_duration_seconds", 60),
            ("last_run_success", 0),
            ("last_success_timestamp_seconds", 1_799_999_100),
        ] {
            let line = format!(r#"license_manager_schedule_{name}{{operation="process-renewals"}} {number}"#);
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("retire-old-licenses"), "{text}");
    }
}
