//! OpenTelemetry traces: which request led to which delivery, and which delivery to which call.
//!
//! A request continues its caller's trace or starts one. Messages it stores carry the trace
//! ([`license_manager_adapters::traces`]), so that their delivery continues it or links to it; calls to other services
//! pass it on. `work_traces` records work that is not part of a request. docs/OPERATIONS.md, "Traces", lists what spans
//! contain and never contain. Without a configured collector, nothing is recorded.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use license_manager_adapters::traces::{SCOPE, TRACE_PARENT};
use opentelemetry::context::FutureExt;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Link, SpanBuilder, SpanKind, Status, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SamplingResult, SdkTracerProvider, ShouldSample, SpanData, SpanExporter};
use reqwest::header::{HeaderName, HeaderValue};

use crate::config::{Secret, TelemetryConfig};
use crate::telemetry::metrics::method_label;
use crate::telemetry::monitor::is_watched;

/// The time limit for sending a batch of spans, retries included.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the process waits at its end for the last spans to be sent.
const LAST_EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The most requests that a delivery's span links to.
const MOST_LINKS: u32 = 128;

/// The provider of spans, once set up.
static RECORDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Keeps traces running. Sends the remaining spans when dropped.
#[must_use = "traces end with it"]
pub struct Traces(());

impl Drop for Traces {
    fn drop(&mut self) {
        if let Some(Err(error)) = RECORDER.get().map(|recorder| recorder.shutdown_with_timeout(LAST_EXPORT_TIMEOUT)) {
            tracing::warn!(%error, "sending the last traces failed");
        }
    }
}

/// Starts recording traces if a collector is configured. Call it outside of any runtime, once per process.
///
/// # Errors
/// When the configuration is invalid; one line that names the setting.
pub fn start(config: &TelemetryConfig) -> Result<Traces, String> {
    let Some(endpoint) = &config.otlp_endpoint else {
        return match config.otlp_headers {
            Some(_) => {
                Err("telemetry.otlp_headers is set, and telemetry.otlp_endpoint is not: set it, or leave both out"
                    .to_owned())
            }
            None => Ok(Traces(())),
        };
    };
    // Unlike the exporter's own client, this one follows no redirects, so the headers go only to the collector.
    let client = reqwest::blocking::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|error| format!("cannot create an HTTP client: {error}"))?;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_headers(headers(config.otlp_headers.as_ref())?)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|error| format!("telemetry.otlp_endpoint: {error}"))?;
    let resource = Resource::builder()
        .with_service_name(config.service_name.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let root = Sampler::TraceIdRatioBased(config.sample_ratio);
    let recorder = SdkTracerProvider::builder()
        .with_batch_exporter(Exporter { exporter, failing: AtomicBool::new(false) })
        .with_sampler(Sampling(Sampler::ParentBased(Box::new(root))))
        .with_max_links_per_span(MOST_LINKS)
        .with_resource(resource)
        .build();
    RECORDER.set(recorder.clone()).map_err(|_| "traces are already set up".to_owned())?;
    global::set_tracer_provider(recorder);
    Ok(Traces(()))
}

/// Parses headers such as `name=value,name=value`.
fn headers(text: Option<&Secret>) -> Result<HashMap<String, String>, String> {
    let pairs = text.map_or("", Secret::expose).split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            let sound = name.parse::<HeaderName>().is_ok() && value.parse::<HeaderValue>().is_ok();
            sound.then(|| (name.to_owned(), value.to_owned()))
        })
        .collect::<Option<_>>()
        .ok_or_else(|| "telemetry.otlp_headers: write headers as name=value, with commas between them".to_owned())
}

/// Sends spans. Logs when sending starts to fail and when it works again, not every failure.
#[derive(Debug)]
struct Exporter<E> {
    exporter: E,
    failing: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Exporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        match (&sent, self.failing.swap(sent.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => {
                tracing::warn!(%error, "the collector does not take traces; they are lost until it does")
            }
            (Ok(()), true) => tracing::info!("the collector takes traces again"),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Decides which spans are recorded: a span with a parent as its parent, a delivery for several traces if one of them
/// is recorded.
#[derive(Debug, Clone)]
struct Sampling(Sampler);

impl ShouldSample for Sampling {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let has_parent = parent.is_some_and(|parent| parent.span().span_context().is_valid());
        let sampler = match links {
            [] => &self.0,
            _ if has_parent => &self.0,
            links if links.iter().any(|link| link.span_context.is_sampled()) => &Sampler::AlwaysOn,
            _ => &Sampler::AlwaysOff,
        };
        sampler.should_sample(parent, trace_id, name, kind, attributes, links)
    }
}

/// A context with the span that a [`TRACE_PARENT`] value names; without a span if it names none.
fn named(parent: Option<&str>) -> Context {
    // The vendors' tracestate could hold anything and is not passed on.
    let carrier: HashMap<String, String> =
        parent.map(|parent| (TRACE_PARENT.to_owned(), parent.to_owned())).into_iter().collect();
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}

/// Whether spans are recorded.
pub(super) fn is_recording() -> bool {
    RECORDER.get().is_some()
}

/// Starts a span below the one of a context, and returns its context.
pub(super) fn begin(span: SpanBuilder, parent: &Context) -> Context {
    let span = span.start_with_context(&global::tracer(SCOPE), parent);
    parent.with_span(span)
}

/// The id of the current trace.
pub fn current_trace_id() -> Option<String> {
    Context::map_current(|context| {
        let span = context.span();
        let span = span.span_context();
        span.is_valid().then(|| span.trace_id().to_string())
    })
}

/// Middleware for `from_fn`, outermost: records the request by its route's pattern, never by its path. Monitoring
/// requests are not recorded.
pub async fn trace(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let path = request.path().trim_end_matches('/');
    if !is_recording() || is_watched(path) {
        return next.call(request).await;
    }
    let (name, method) = match method_label(request.method()) {
        "other" => ("HTTP".to_owned(), "_OTHER".to_owned()),
        known => (known.to_owned(), known.to_owned()),
    };
    // Routes are registered with a trailing slash, which is added to the request further in.
    let route = request.match_pattern();
    let span = SpanBuilder::from_name(name.clone()).with_kind(SpanKind::Server).with_attributes([
        KeyValue::new("http.request.method", method),
        KeyValue::new("url.scheme", if request.app_config().secure() { "https" } else { "http" }),
    ]);
    let context = begin(span, &caller(&request));
    let answer = next.call(request).with_context(context.clone()).await;
    let (route, status) = match &answer {
        Ok(response) => (route.or_else(|| response.request().match_pattern()), response.status()),
        Err(error) => (route, error.as_response_error().status_code()),
    };
    answered(&context, &name, route, status);
    answer
}

/// The span named by the request's caller.
fn caller(request: &ServiceRequest) -> Context {
    let mut named_by_caller = request.headers().get_all(TRACE_PARENT);
    match (named_by_caller.next(), named_by_caller.next()) {
        (Some(parent), None) => named(parent.to_str().ok()),
        _ => Context::new(),
    }
}

fn answered(context: &Context, name: &str, route: Option<String>, status: StatusCode) {
    let span = context.span();
    if let Some(route) = route {
        span.update_name(format!("{name} {route}"));
        span.set_attribute(KeyValue::new("http.route", route));
    }
    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    if status.is_server_error() {
        span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
        span.set_status(Status::error(""));
    }
}

/// The span of a delivery. It ends when this and all contexts made from it are dropped.
pub struct Delivery(Context);

impl Delivery {
    /// Starts the span of a batch of `messages` for `destination`. `parents` are the requests that stored the messages.
    ///
    /// If these belong to one trace, the span becomes part of it. Otherwise it starts a trace and links to them.
    pub fn begin(destination: &'static str, messages: usize, parents: &BTreeSet<&str>) -> Self {
        if !is_recording() {
            return Self(Context::new());
        }
        let parents: Vec<Context> =
            parents.iter().take(MOST_LINKS as usize).map(|parent| named(Some(parent))).collect();
        let trace_of = |context: &Context| context.span().span_context().trace_id();
        let (parent, linked) = match parents.split_first() {
            Some((first, rest)) if rest.iter().all(|other| trace_of(other) == trace_of(first)) => (first.clone(), rest),
            _ => (Context::new(), parents.as_slice()),
        };
        let links = linked.iter().map(|context| Link::with_context(context.span().span_context().clone()));
        let span = SpanBuilder::from_name(format!("deliver {destination}"))
            .with_kind(SpanKind::Consumer)
            .with_links(links.filter(|link| link.span_context.is_valid()).collect())
            .with_attributes([
                KeyValue::new("messaging.system", "license_manager"),
                KeyValue::new("messaging.operation.name", "deliver"),
                KeyValue::new("messaging.operation.type", "process"),
                KeyValue::new("messaging.destination.name", destination),
                KeyValue::new("messaging.batch.message_count", i64::try_from(messages).unwrap_or(i64::MAX)),
            ]);
        Self(begin(span, &parent))
    }

    /// The context to run the delivery in.
    pub fn context(&self) -> Context {
        self.0.clone()
    }

    /// Records how many messages were not delivered.
    pub fn failed(&self, messages: usize) {
        if messages > 0 {
            let span = self.0.span();
            span.set_attribute(KeyValue::new(
                "license_manager.undelivered",
                i64::try_from(messages).unwrap_or(i64::MAX),
            ));
            span.set_status(Status::error(""));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::SamplingDecision;

    use super::*;

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const NOT_SAMPLED: &str = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    fn link(parent: &str) -> Link {
        Link::with_context(named(Some(parent)).span().span_context().clone())
    }

    fn is_sampled(ratio: f64, parent: Option<&str>, links: &[Link]) -> bool {
        let sampling = Sampling(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))));
        let parent = named(parent);
        let result = sampling.should_sample(Some(&parent), TraceId::from(7), "", &SpanKind::Server, &[], links);
        result.decision == SamplingDecision::RecordAndSample
    }

    #[test]
    fn a_caller_decides_whether_its_trace_is_recorded() {
        assert!(is_sampled(1.0, None, &[]) && !is_sampled(0.0, None, &[]));
        assert!(is_sampled(0.0, Some(SAMPLED), &[]) && !is_sampled(1.0, Some(NOT_SAMPLED), &[]));
    }

    #[test]
    fn a_delivery_is_recorded_with_any_request_that_it_is_for() {
        assert!(is_sampled(0.0, None, &[link(NOT_SAMPLED), link(SAMPLED)]));
        assert!(!is_sampled(1.0, None, &[link(NOT_SAMPLED)]));
        assert!(!is_sampled(1.0, Some(NOT_SAMPLED), &[link(SAMPLED)]));
    }

    #[test]
    fn an_invalid_trace_parent_is_ignored() {
        let (of_no_version, shouted) = (SAMPLED.replacen("00", "ff", 1), SAMPLED.to_uppercase());
        for nonsense in ["", "amy@example.com", "00-0-0-01", &SAMPLED[..52], &of_no_version, &shouted] {
            assert!(!named(Some(nonsense)).span().span_context().is_valid(), "{nonsense}");
        }
        assert!(!named(None).span().span_context().is_valid());
        assert!(named(Some(SAMPLED)).span().span_context().is_remote());
    }

    #[test]
    fn headers_are_pairs() {
        let parsed = |text: &str| headers(Some(&text.to_owned().try_into().unwrap()));
        assert_eq!(headers(None), Ok(HashMap::new()));
        let expected = [("api-key", "hunter2"), ("authorization", "Basic YTpi=")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parsed("api-key=hunter2, authorization=Basic YTpi="), Ok(HashMap::from(expected)));
        for wrong in ["hunter2", "api key=hunter2", "api-key=a,hunter2", "=hunter2"] {
            let problem = parsed(wrong).unwrap_err();
            assert!(problem.starts_with("telemetry.otlp_headers: ") && !problem.contains("hunter2"), "{problem}");
        }
    }

    /// A collector that fails for a number of batches.
    #[derive(Debug)]
    struct Away(std::sync::atomic::AtomicUsize);

    impl SpanExporter for Away {
        fn export(&self, _: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
            let left = self.0.load(Ordering::Relaxed);
            self.0.store(left.saturating_sub(1), Ordering::Relaxed);
            ready(if left > 0 { Err(OTelSdkError::InternalFailure("away".to_owned())) } else { Ok(()) })
        }
    }

    #[tokio::test]
    async fn whether_the_collector_fails_is_remembered() {
        let exporter = Exporter { exporter: Away(3.into()), failing: AtomicBool::new(false) };
        for (failed, failing) in [(true, true), (true, true), (true, true), (false, false)] {
            assert_eq!(exporter.export(Vec::new()).await.is_err(), failed);
            assert_eq!(exporter.failing.load(Ordering::Relaxed), failing);
        }
    }
}
