//! Traces of calls.

use license_manager_adapters::http::{HttpCatalog, HttpUpstream, WebhookClient, client};
use license_manager_domain::ports::{ContentCatalog, WebhookRequest, WebhookSender};
use license_manager_domain::webhooks::WebhookSecret;
use license_manager_domain::{CatalogId, MessageId, Upstream};
use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use serde_json::json;
use uuid::Uuid;
use wiremock::{MockServer, ResponseTemplate};

use crate::{always, clock, now, patient};

fn trace(flags: TraceFlags) -> Context {
    let span = SpanContext::new(TraceId::from(0xabc), SpanId::from(0xdef), flags, true, TraceState::default());
    Context::new().with_remote_span_context(span)
}

/// The requests' `traceparent`.
async fn parents(server: &MockServer) -> Vec<Option<String>> {
    let requests = server.received_requests().await.unwrap();
    let parent = |value: &wiremock::http::HeaderValue| value.to_str().unwrap().to_owned();
    requests.iter().map(|request| request.headers.get("traceparent").map(parent)).collect()
}

#[tokio::test]
async fn a_call_passes_its_trace_on() {
    let server = always(ResponseTemplate::new(200).set_body_json(json!({ "contains_content_items": true }))).await;
    let upstream = HttpUpstream::new(Upstream::Catalog, server.uri(), client(patient()).unwrap(), None);
    let catalog = HttpCatalog::new(upstream);
    let courses = ["course-v1:edX+DemoX+T1".to_owned()];
    let ask = || catalog.contains(CatalogId(Uuid::from_u128(5)), &courses);
    ask().await.unwrap();
    ask().with_context(trace(TraceFlags::SAMPLED)).await.unwrap();
    ask().with_context(trace(TraceFlags::default())).await.unwrap();
    let name = |flags: &str| Some(format!("00-00000000000000000000000000000abc-0000000000000def-{flags}"));
    assert_eq!(parents(&server).await, [None, name("01"), name("00")]);
}

#[tokio::test]
async fn an_event_for_a_webhook_passes_its_trace_on() {
    let server = always(ResponseTemplate::new(204)).await;
    let client = WebhookClient::new(patient(), clock(), true).unwrap();
    let (url, secret) = (server.uri(), WebhookSecret::of_key(&[7; 32]));
    let request =
        WebhookRequest { url: &url, secrets: &[&secret], id: MessageId(Uuid::from_u128(5)), at: now(), body: "{}" };
    client.post(&request).with_context(trace(TraceFlags::SAMPLED)).await.unwrap();
    let name = "00-00000000000000000000000000000abc-0000000000000def-01".to_owned();
    assert_eq!(parents(&server).await, [Some(name)]);
}
