//! A fake OpenTelemetry collector.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span as ProtoSpan;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;

use crate::fake_service::{Received, lock, read_request, respond, serve};

/// A collector of spans as protobuf over HTTP. Runs until the test process ends.
#[derive(Debug)]
pub struct FakeCollector {
    address: SocketAddr,
    exports: Arc<Mutex<Vec<Export>>>,
}

#[derive(Debug)]
struct Export {
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// A span, with ids as in `traceparent`.
#[derive(Debug, Clone)]
pub struct Span {
    /// The service's name.
    pub service: String,
    /// The span's name.
    pub name: String,
    /// Its kind.
    pub kind: SpanKind,
    /// Its trace's id.
    pub trace: String,
    /// Its id.
    pub id: String,
    /// The parent span's id; empty without one.
    pub parent: String,
    /// The trace and span ids of its links.
    pub links: Vec<(String, String)>,
    /// Its attributes as text.
    pub attributes: BTreeMap<String, String>,
    /// Whether its status is an error.
    pub failed: bool,
}

impl Span {
    /// An attribute as text; empty if missing.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// The `traceparent` of a request made within the span.
    pub fn as_parent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.id)
    }
}

impl FakeCollector {
    /// Starts a collector.
    pub fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts a collector at an address.
    pub fn start_at(address: SocketAddr) -> Self {
        let exports = Arc::<Mutex<Vec<Export>>>::default();
        Self { address: serve(address, &exports, take), exports }
    }

    /// The URL for `LM_TELEMETRY__OTLP_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The received spans, in order.
    pub fn spans(&self) -> Vec<Span> {
        let exports = lock(&self.exports);
        exports.iter().flat_map(|export| spans(&export.body)).collect()
    }

    /// The received spans of a trace.
    pub fn of_trace(&self, trace: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.trace == trace).collect()
    }

    /// Whether a text is anywhere in the received data.
    pub fn was_told(&self, text: &str) -> bool {
        let holds = |body: &[u8]| body.windows(text.len()).any(|part| part == text.as_bytes());
        lock(&self.exports).iter().any(|export| holds(&export.body))
    }

    /// The values of a header, one per request.
    pub fn headers(&self, name: &str) -> Vec<Option<String>> {
        lock(&self.exports).iter().map(|export| export.headers.get(name).cloned()).collect()
    }
}

/// Handles a request. Only valid ones are answered 200.
fn take(exports: &Mutex<Vec<Export>>, stream: &TcpStream) -> Option<()> {
    let Received { method, target, headers, body } = read_request(stream)?;
    let media_type = headers.get("content-type").map(String::as_str);
    let sound =
        (method.as_str(), target.as_str(), media_type) == ("POST", "/v1/traces", Some("application/x-protobuf"));
    let status = if sound { "200 OK" } else { "400 Bad Request" };
    if sound {
        lock(exports).push(Export { headers, body });
    }
    respond(stream, status, "", "")
}

fn spans(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).expect("an export is protobuf");
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        let resource = of_resource.resource.map(|resource| attributes(&resource.attributes)).unwrap_or_default();
        let service = resource.get("service.name").cloned().unwrap_or_default();
        let of_scopes = of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
        spans.extend(of_scopes.map(|span| read(&service, &span)));
    }
    spans
}

fn read(service: &str, span: &ProtoSpan) -> Span {
    Span {
        service: service.to_owned(),
        name: span.name.clone(),
        kind: span.kind(),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
        attributes: attributes(&span.attributes),
        failed: span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: Option<&AnyValue>| match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute.value.as_ref()))).collect()
}
