//! Calls to webhook endpoints.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::TimeDelta;
use license_manager_adapters::http::{Timeouts, WebhookClient};
use license_manager_domain::MessageId;
use license_manager_domain::ports::{WebhookFailure, WebhookRequest, WebhookSender};
use license_manager_domain::webhooks::WebhookSecret;
use uuid::Uuid;
use wiremock::ResponseTemplate;

use crate::{always, clock, nobody_s_address, now, patient, short};

const BODY: &str = r#"{"type":"some.event","timestamp":"2027-01-15T08:00:00.000000Z","data":{"name":"Grüß Gott"}}"#;

/// The signature as the receiver computes it.
fn signature(secret: &str, signed: &str) -> String {
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    format!("v1,{}", BASE64_STANDARD.encode(hmac::sign(&key, signed.as_bytes())))
}

async fn post_with(url: &str, timeouts: Timeouts, allow_private: bool) -> Result<u16, WebhookFailure> {
    let client = WebhookClient::new(timeouts, clock(), allow_private).unwrap();
    let secret = WebhookSecret::of_key(b"a key of thirty-two random bytes");
    let before = WebhookSecret::of_key(b"the key that was there before it");
    let request =
        WebhookRequest { url, secrets: &[&secret, &before], id: MessageId(Uuid::from_u128(5)), at: now(), body: BODY };
    client.post(&request).await
}

async fn post(url: &str) -> Result<u16, WebhookFailure> {
    post_with(url, patient(), true).await
}

fn failed(status: impl Into<Option<u16>>, problem: &str) -> Result<u16, WebhookFailure> {
    Err(WebhookFailure { status: status.into(), problem: problem.to_owned(), pause_until: None })
}

#[tokio::test]
async fn an_event_is_posted_as_standard_webhooks_specifies() {
    let server = always(ResponseTemplate::new(204)).await;
    assert_eq!(post(&format!("{}/hooks/licenses?of=acme", server.uri())).await, Ok(204));
    let request = server.received_requests().await.unwrap().remove(0);
    assert_eq!(request.method.as_str(), "POST");
    assert_eq!((request.url.path(), request.url.query()), ("/hooks/licenses", Some("of=acme")));
    assert_eq!(std::str::from_utf8(&request.body).unwrap(), BODY);
    let header = |name: &str| request.headers[name].to_str().unwrap();
    let id = "00000000-0000-0000-0000-000000000005";
    assert_eq!(header("content-type"), "application/json");
    assert_eq!((header("webhook-id"), header("webhook-timestamp")), (id, "1800000000"));
    let signed = format!("{id}.1800000000.{BODY}");
    let signatures = [b"a key of thirty-two random bytes", b"the key that was there before it"]
        .map(|key| signature(WebhookSecret::of_key(key).expose(), &signed));
    assert_eq!(header("webhook-signature"), signatures.join(" "), "one for each secret");
    assert!(!request.headers.contains_key("authorization"));
}

#[test]
fn the_signature_is_the_one_of_the_specification() {
    // The example of the specification's own libraries.
    let signed = r#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
    let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert_eq!(signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", signed), expected);
}

#[tokio::test]
async fn every_2xx_is_a_success_whatever_its_body() {
    for answer in [
        ResponseTemplate::new(200).set_body_string("<html>"),
        ResponseTemplate::new(202),
        ResponseTemplate::new(200).set_body_bytes(vec![b'x'; 4 * 1024 * 1024]),
    ] {
        assert!(post(&always(answer).await.uri()).await.is_ok());
    }
}

#[tokio::test]
async fn failures_of_an_endpoint_are_distinguished() {
    for (status, said) in [
        (500, "answered 500 Internal Server Error"),
        (503, "answered 503 Service Unavailable"),
        (429, "answered 429 Too Many Requests"),
        (410, "answered 410 Gone"),
        (404, "answered 404 Not Found"),
        (400, "answered 400 Bad Request"),
    ] {
        assert_eq!(post(&always(ResponseTemplate::new(status)).await.uri()).await, failed(status, said));
    }
    for (status, pauses) in [(429, true), (503, true), (500, false), (400, false)] {
        let server = always(ResponseTemplate::new(status).insert_header("Retry-After", "7")).await;
        let failure = post(&server.uri()).await.unwrap_err();
        assert_eq!(failure.pause_until, pauses.then(|| now() + TimeDelta::seconds(7)), "{status}");
    }
    let silent = always(ResponseTemplate::new(200).set_delay(std::time::Duration::from_secs(30))).await;
    assert_eq!(post_with(&silent.uri(), short(), true).await, failed(None, "did not answer in time"));
    assert_eq!(post(&nobody_s_address()).await, failed(None, "cannot be reached"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = always(ResponseTemplate::new(200)).await;
    for status in [301, 302, 307, 308] {
        let server = always(ResponseTemplate::new(status).insert_header("Location", target.uri())).await;
        let failure = post(&server.uri()).await.unwrap_err();
        assert_eq!((failure.status, failure.pause_until), (Some(status), None));
    }
    assert_eq!(target.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn private_addresses_are_called_only_if_allowed() {
    let server = always(ResponseTemplate::new(200)).await;
    let port = server.address().port();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f000001"] {
        let failure = post_with(&format!("https://{host}:{port}/"), patient(), false).await.unwrap_err();
        assert!(failure.problem.starts_with("its address is refused: This leads to a private address"), "{host}");
    }
    let failure = post_with(&server.uri(), patient(), false).await.unwrap_err();
    assert!(failure.problem.contains("https"), "{failure:?}");
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
    assert_eq!(post(&format!("http://localhost:{port}/")).await, Ok(200), "a name is looked up");
}
