//! Upstream services as fake servers.

mod asked;
mod braze;
mod cache;
mod learners;
mod log;
mod result_files;
mod smtp;
mod traces;
mod tracking;
mod untrusted;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use license_manager_adapters::http::Timeouts;
use license_manager_domain::ports::{FixedClock, Undelivered};
use license_manager_domain::{CustomerId, Email};
use serde_json::{Value, json};
use uuid::Uuid;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

const CUSTOMER: CustomerId = CustomerId(Uuid::from_u128(6));

fn short() -> Timeouts {
    Timeouts { connect: Duration::from_secs(2), answer: Duration::from_millis(300) }
}

fn patient() -> Timeouts {
    Timeouts { connect: Duration::from_secs(30), answer: Duration::from_secs(30) }
}

/// A URL where nothing listens.
fn nobody_s_address() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{free}")
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::new(now()))
}

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

/// The path and body of each request, in order.
async fn received(server: &MockServer) -> Vec<(String, Value)> {
    let requests = server.received_requests().await.unwrap();
    requests.iter().map(|call| (call.url.path().to_owned(), call.body_json().unwrap_or_default())).collect()
}

/// A server that gives the same answer to every request.
async fn always(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

/// Checks what each kind of failure means for a delivery. `deliver` gets the service's URL and its timeouts.
async fn failures_are_told_apart(deliver: impl AsyncFn(String, Timeouts) -> Result<(), Undelivered>) {
    failures_for_now_are_tried_again("", &deliver).await;
    for (status, said) in [(400, "answered 400 Bad Request"), (404, "answered 404 Not Found")] {
        let server = always(ResponseTemplate::new(status)).await;
        assert_eq!(deliver(server.uri(), patient()).await, Err(Undelivered::Refused(said.to_owned())));
    }
    for (name, value, seconds) in [("Retry-After", "7", 7), ("X-RateLimit-Reset", "1800000009", 9), ("X-None", "", 60)]
    {
        let server = always(ResponseTemplate::new(429).insert_header(name, value)).await;
        let moment = now() + TimeDelta::seconds(seconds);
        assert_eq!(deliver(server.uri(), patient()).await, Err(Undelivered::Busy(moment)), "{name}");
    }
}

/// Checks failures that a delivery should be retried after. `who` precedes the messages.
async fn failures_for_now_are_tried_again(
    who: &str,
    deliver: impl AsyncFn(String, Timeouts) -> Result<(), Undelivered>,
) {
    let unavailable = |text: &str| Err(Undelivered::Unavailable(format!("{who}{text}")));
    for (status, said) in [
        (500, "answered 500 Internal Server Error"),
        (503, "answered 503 Service Unavailable"),
        (401, "answered 401 Unauthorized"),
        (408, "answered 408 Request Timeout"),
        (302, "answered 302 Found"),
    ] {
        let server = always(ResponseTemplate::new(status)).await;
        assert_eq!(deliver(server.uri(), patient()).await, unavailable(said));
    }
    let silent = always(ResponseTemplate::new(200).set_delay(Duration::from_secs(30))).await;
    assert_eq!(deliver(silent.uri(), short()).await, unavailable("did not answer in time"));
    assert_eq!(deliver(nobody_s_address(), patient()).await, unavailable("cannot be reached"));
}

/// Checks that a delivery whose answer matters does not accept an invalid one.
async fn nonsense_is_no_success(deliver: impl AsyncFn(String, Timeouts) -> Result<(), Undelivered>) {
    for nonsense in [
        ResponseTemplate::new(200).set_body_string("<html>"),
        ResponseTemplate::new(200),
        ResponseTemplate::new(200).set_body_json(json!({ "message": "no", "success": false })),
    ] {
        let server = always(nonsense).await;
        let outcome = deliver(server.uri(), patient()).await;
        assert!(
            matches!(&outcome, Err(Undelivered::Unavailable(said)) if said.starts_with("answered ")),
            "{outcome:?}"
        );
    }
}
