//! What this process counts and measures for Prometheus. What each number means is in docs/OPERATIONS.md, "Monitoring".
//!
//! A label holds one of a few values that are known beforehand: never an id, a path with one in it, or a person.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use license_manager_adapters::calls::CallListener;
use license_manager_adapters::pool::PoolUse;
use license_manager_domain::delivery::{Backlog, Lane};
use license_manager_domain::delivery::{DeliveryResult, WebhookResult};
use license_manager_domain::model::JobKind;
use license_manager_domain::operations::{OperationSchedule, RunOutcome};
use license_manager_domain::outbox::Topic;
use license_manager_domain::webhooks::WebhookBacklog;
use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, Result, TextEncoder,
};

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = prometheus::TEXT_FORMAT;

/// Up to when a request or a call is counted as how fast, in seconds.
const LATENCIES: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The numbers of one process.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_durations: HistogramVec,
    pub(super) requests_in_flight: IntGauge,
    deliveries: IntCounterVec,
    webhook_deliveries: IntCounterVec,
    calls: IntCounterVec,
    call_durations: HistogramVec,
}

/// How the database is found at the moment somebody looks.
#[derive(Debug, Default)]
pub struct Observation {
    /// Its connections.
    pub pools: Vec<PoolUse>,
    /// What it says; `None` where it does not answer.
    pub stored: Option<Stored>,
}

/// What is read from the database for [`Metrics::text`].
#[derive(Debug)]
pub struct Stored {
    /// When that was.
    pub now: DateTime<Utc>,
    /// How the outbox stands.
    pub backlog: Vec<Backlog>,
    /// How deliveries to webhooks stand.
    pub webhooks: WebhookBacklog,
    /// How many jobs of each kind wait.
    pub jobs: Vec<(JobKind, i64)>,
    /// How recurring operations are scheduled; empty where this process runs none by itself.
    pub schedule: Vec<OperationSchedule>,
}

impl Stored {
    /// How long ago a moment was, in whole seconds; 0 where there is none.
    fn seconds_since(&self, moment: Option<DateTime<Utc>>) -> i64 {
        moment.map_or(0, |moment| (self.now - moment).num_seconds()).max(0)
    }
}

impl Metrics {
    /// With nothing counted yet.
    ///
    /// # Errors
    /// Where two have one name, which tests rule out.
    pub fn new() -> Result<Self> {
        let registry = Registry::new();
        let build = gauges("build_info", "The version that runs; always 1.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registered(&registry, build)?;
        let requests = counters("http_requests_total", "Requests that were answered.", &["method", "route", "status"])?;
        let durations = histograms(
            "http_request_duration_seconds",
            "How long requests took until their answer began.",
            &["method", "route"],
        )?;
        let in_flight = IntGauge::with_opts(opts("http_requests_in_flight", "Requests that are being answered."))?;
        let deliveries = counters(
            "deliveries_total",
            "Messages of the outbox that a delivery was tried of, once for each try.",
            &["lane", "topic", "result"],
        )?;
        let webhook_deliveries = counters(
            "webhook_deliveries_total",
            "Events that a delivery to a webhook was tried of, once for each try.",
            &["result"],
        )?;
        let calls = counters("neighbour_calls_total", "Calls to other services.", &["neighbour", "outcome"])?;
        let call_durations = histograms(
            "neighbour_call_duration_seconds",
            "How long calls to other services took, their answers included.",
            &["neighbour"],
        )?;
        Ok(Self {
            requests: registered(&registry, requests)?,
            request_durations: registered(&registry, durations)?,
            requests_in_flight: registered(&registry, in_flight)?,
            deliveries: registered(&registry, deliveries)?,
            webhook_deliveries: registered(&registry, webhook_deliveries)?,
            calls: registered(&registry, calls)?,
            call_durations: registered(&registry, call_durations)?,
            registry,
        })
    }

    /// Counts what came of a delivery.
    pub fn delivered(&self, lane: Lane, results: impl Iterator<Item = (Topic, DeliveryResult)>) {
        for (topic, result) in results {
            self.deliveries.with_label_values(&[lane.as_str(), topic.as_str(), result.as_str()]).inc();
        }
    }

    /// Counts what came of deliveries to a webhook.
    pub fn told_webhook(&self, results: impl Iterator<Item = WebhookResult>) {
        for result in results {
            self.webhook_deliveries.with_label_values(&[result.as_str()]).inc();
        }
    }

    /// Counts calls to other services.
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

    /// Everything, in Prometheus's text format.
    ///
    /// # Errors
    /// Where a number has no text, which tests rule out.
    pub fn text(&self, observation: &Observation) -> Result<String> {
        let mut families = self.registry.gather();
        families.extend(observed(observation)?.gather());
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}

/// What is observed, as numbers of the moment. What the database did not tell is left out.
fn observed(observation: &Observation) -> Result<Registry> {
    let registry = Registry::new();
    let up = IntGauge::with_opts(opts("database_up", "Whether the database answered just now."))?;
    up.set(i64::from(observation.stored.is_some()));
    registered(&registry, up)?;
    let connections =
        gauges("database_connections", "Open connections to the database by what they do.", &["pool", "state"])?;
    let limits = gauges("database_connections_limit", "How many connections a pool may open.", &["pool"])?;
    for pool in &observation.pools {
        connections.with_label_values(&[pool.name, "idle"]).set(pool.idle.into());
        connections.with_label_values(&[pool.name, "in_use"]).set(pool.open.saturating_sub(pool.idle).into());
        limits.with_label_values(&[pool.name]).set(pool.limit.into());
    }
    registered(&registry, connections)?;
    registered(&registry, limits)?;
    let Some(stored) = &observation.stored else { return Ok(registry) };
    let waiting = gauges("outbox_messages", "Messages that wait to be delivered, up to a limit.", &["lane"])?;
    let parked = gauges("outbox_parked_messages", "Messages that nobody tries any more, up to a limit.", &["lane"])?;
    let age = gauges(
        "outbox_oldest_due_seconds",
        "How long the message waits that could have been claimed first; 0 where none could be.",
        &["lane"],
    )?;
    for backlog in &stored.backlog {
        let lane = [backlog.lane.as_str()];
        waiting.with_label_values(&lane).set(backlog.waiting);
        parked.with_label_values(&lane).set(backlog.parked);
        age.with_label_values(&lane).set(stored.seconds_since(backlog.due_since));
    }
    for (name, help, number) in [
        (
            "webhook_waiting_deliveries",
            "Events that wait to be told to a webhook, up to a limit.",
            stored.webhooks.waiting,
        ),
        (
            "webhook_parked_deliveries",
            "Events that nobody tells a webhook any more, up to a limit.",
            stored.webhooks.parked,
        ),
        (
            "webhook_oldest_due_seconds",
            "How long the event waits that could have been told to a webhook first; 0 where none could be.",
            stored.seconds_since(stored.webhooks.due_since),
        ),
    ] {
        let gauge = IntGauge::with_opts(opts(name, help))?;
        gauge.set(number);
        registered(&registry, gauge)?;
    }
    let jobs = gauges("jobs", "Work on whole plans that is not done yet.", &["kind"])?;
    stored.jobs.iter().for_each(|(kind, count)| jobs.with_label_values(&[kind.as_str()]).set(*count));
    for gauges in [waiting, parked, age, jobs] {
        registered(&registry, gauges)?;
    }
    if !stored.schedule.is_empty() {
        scheduled(&registry, stored)?;
    }
    Ok(registry)
}

/// When operations run by themselves, and how the last runs went.
fn scheduled(registry: &Registry, stored: &Stored) -> Result<()> {
    let gauges =
        |name: &str, help: &str| registered(registry, gauges(&format!("schedule_{name}"), help, &["operation"])?);
    let next = gauges("next_run_timestamp_seconds", "When an operation is to run next.")?;
    let running = gauges("running_seconds", "How long the run under way takes; 0 where there is none.")?;
    let last = gauges("last_run_timestamp_seconds", "When the last run that ended began.")?;
    let duration = gauges("last_run_duration_seconds", "How long the last run that ended took.")?;
    let success = gauges("last_run_success", "Whether the last run that ended did all there was to do.")?;
    let counts = opts("schedule_last_run_count", "How many of what the last run that ended tells of.");
    let counts = registered(registry, IntGaugeVec::new(counts, &["operation", "of"])?)?;
    let complete = gauges("last_success_timestamp_seconds", "When the last run began that did all there was to do.")?;
    // Those that are off have nothing to be alerted of.
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

/// The name of a method that HTTP knows, else `other`: a client may make up methods, and each would be a series of its own.
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
    use license_manager_domain::operations::{FinishedRun, RecurringOperation, RunSummary};

    use super::*;

    fn text(metrics: &Metrics, observation: &Observation) -> String {
        metrics.text(observation).unwrap()
    }

    #[test]
    fn what_happened_is_counted_by_what_it_was() {
        let metrics = Metrics::new().unwrap();
        metrics.answered(&Method::GET, "/plans/{plan}/", StatusCode::OK, Duration::from_millis(20));
        metrics.answered(&Method::from_bytes(b"MADEUP").unwrap(), "unmatched", StatusCode::NOT_FOUND, Duration::ZERO);
        let results = [(Topic::Assignment, DeliveryResult::Delivered), (Topic::Assignment, DeliveryResult::Failed)];
        metrics.delivered(Lane::Mail, results.into_iter());
        metrics.delivered(Lane::Mail, results.into_iter().take(1));
        metrics.told_webhook([WebhookResult::Delivered, WebhookResult::Parked, WebhookResult::Delivered].into_iter());
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
    fn what_the_database_says_is_shown() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let due_since = Some(now - chrono::Duration::seconds(90));
        let backlog = |lane, due_since| Backlog { lane, waiting: 7, parked: 2, due_since };
        let observation = Observation {
            pools: vec![PoolUse { name: "all", limit: 8, open: 5, idle: 3 }],
            stored: Some(Stored {
                now,
                backlog: vec![backlog(Lane::Mail, due_since), backlog(Lane::Lms, None)],
                webhooks: WebhookBacklog { waiting: 5, parked: 3, due_since },
                jobs: vec![(JobKind::Provision, 1)],
                schedule: Vec::new(),
            }),
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
            "license_manager_webhook_parked_deliveries 3",
            "license_manager_webhook_oldest_due_seconds 90",
            r#"license_manager_jobs{kind="provision"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn operations_that_run_by_themselves_are_shown() {
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
            webhooks: WebhookBacklog { waiting: 0, parked: 0, due_since: None },
            jobs: Vec::new(),
            schedule: vec![renewals, off],
        };
        let text = text(&Metrics::new().unwrap(), &Observation { pools: Vec::new(), stored: Some(stored) });
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
