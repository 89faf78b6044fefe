//! Posts events to webhooks, signed as Standard Webhooks specifies. Private networks are out of reach.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use license_manager_domain::ports::{Clock, WebhookFailure, WebhookRequest, WebhookSender};
use license_manager_domain::webhooks::{WebhookSecret, check_url, is_public};
use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::CONTENT_TYPE;

use super::client::{Timeouts, client_builder, no_answer};
use super::service::Failure;
use super::traced::{self, Shown};

/// How much of an answer's body is read, so that the connection can be reused. The content is ignored.
const READ_BYTES: usize = 64 * 1024;

/// Posts to webhooks over HTTP.
pub struct WebhookClient {
    client: Client,
    clock: Arc<dyn Clock>,
    allow_private: bool,
}

impl WebhookClient {
    /// A client with these timeouts, which reaches private addresses only if `allow_private` is set. It uses no proxy,
    /// because a proxy would resolve names itself.
    ///
    /// # Errors
    /// When the system has no usable certificates.
    pub fn new(timeouts: Timeouts, clock: Arc<dyn Clock>, allow_private: bool) -> Result<Self, String> {
        Self::with_resolver(timeouts, clock, allow_private, Arc::new(SystemResolver))
    }

    fn with_resolver(
        timeouts: Timeouts,
        clock: Arc<dyn Clock>,
        allow_private: bool,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, String> {
        let resolver = Resolver { inner: resolver, allow_private };
        let builder = client_builder(timeouts).no_proxy().dns_resolver(Arc::new(resolver));
        let client = builder
            .build()
            .map_err(|error| format!("cannot create an HTTP client: {}", super::client::chain(&error)))?;
        Ok(Self { client, clock, allow_private })
    }
}

/// The value of `webhook-signature`: one signature for each secret.
fn signatures(request: &WebhookRequest<'_>, timestamp: i64) -> String {
    let signed = format!("{}.{timestamp}.{}", request.id, request.body);
    let signature = |secret: &&WebhookSecret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret.key());
        format!("v1,{}", BASE64_STANDARD.encode(hmac::sign(&key, signed.as_bytes())))
    };
    request.secrets.iter().map(signature).collect::<Vec<_>>().join(" ")
}

fn not_sent(problem: impl Into<String>) -> WebhookFailure {
    WebhookFailure { status: None, problem: problem.into(), pause_until: None }
}

#[async_trait]
impl WebhookSender for WebhookClient {
    async fn post(&self, request: &WebhookRequest<'_>) -> Result<u16, WebhookFailure> {
        // Checked again here: an IP address in the URL is not resolved, and the rule may be stricter than at
        // registration.
        let url = check_url(request.url, self.allow_private)
            .map_err(|problem| not_sent(format!("its address is refused: {problem}")))?;
        let timestamp = request.at.timestamp();
        let post = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", request.id.to_string())
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signatures(request, timestamp))
            .body(request.body.to_owned());
        let mut answer =
            traced::send("webhook", Shown::Host, post).await.map_err(|error| not_sent(unreached(&error)))?;
        let status = answer.status();
        if !status.is_success() {
            let failure = Failure::status(&answer);
            let pause_until = failure.retry_at(self.clock.now());
            return Err(WebhookFailure { status: Some(status.as_u16()), problem: failure.problem, pause_until });
        }
        let mut read = 0;
        while let Ok(Some(chunk)) = answer.chunk().await {
            read += chunk.len();
            if read > READ_BYTES {
                break;
            }
        }
        Ok(status.as_u16())
    }
}

/// All addresses of the name are private.
#[derive(Debug, thiserror::Error)]
#[error("resolves to a private address")]
struct PrivateAddress;

fn unreached(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let mut causes = causes.skip(1);
    if causes.any(|cause| cause.is::<PrivateAddress>()) {
        return "its name leads to a private address, which is not allowed".to_owned();
    }
    no_answer(error)
}

/// Resolves names and drops private addresses. The connection uses exactly the addresses that were checked.
struct Resolver {
    inner: Arc<dyn Resolve>,
    allow_private: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (found, allow_private) = (self.inner.resolve(name), self.allow_private);
        Box::pin(async move {
            let found = found.await?;
            if allow_private {
                return Ok(found);
            }
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() { Err(PrivateAddress.into()) } else { Ok(Box::new(public.into_iter()) as Addrs) }
        })
    }
}

/// The system's resolver.
struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found = tokio::task::spawn_blocking(move || (name.as_str(), 0).to_socket_addrs()).await??;
            Ok(Box::new(found) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use license_manager_domain::MessageId;
    use license_manager_domain::ports::FixedClock;
    use uuid::Uuid;

    use super::*;

    /// A name server that somebody else controls.
    struct Leading(Vec<SocketAddr>);

    impl Resolve for Leading {
        fn resolve(&self, _: Name) -> Resolving {
            let addresses = self.0.clone();
            Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) })
        }
    }

    fn leading(addresses: &[&str]) -> Arc<Leading> {
        Arc::new(Leading(addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect()))
    }

    async fn resolved(addresses: &[&str], allow_private: bool) -> Option<Vec<String>> {
        let resolver = Resolver { inner: leading(addresses), allow_private };
        let found = resolver.resolve("hooks.example.com".parse().unwrap()).await;
        Some(found.ok()?.map(|address| address.ip().to_string()).collect())
    }

    #[tokio::test]
    async fn private_addresses_of_a_name_are_dropped() {
        let mixed = ["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1"];
        assert_eq!(resolved(&mixed, false).await.unwrap(), ["1.1.1.1", "2606:4700::1"]);
        assert_eq!(resolved(&mixed, true).await.unwrap(), mixed);
        for private in ["127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "fd00::1"] {
            assert_eq!(resolved(&[private], false).await, None, "{private}");
        }
    }

    #[tokio::test]
    async fn a_name_with_only_private_addresses_is_not_called() {
        let clock = Arc::new(FixedClock::new(DateTime::UNIX_EPOCH));
        let (secret, id) = (WebhookSecret::of_key(&[7; 32]), MessageId(Uuid::from_u128(1)));
        let url = "https://hooks.example.com:9/";
        let request = WebhookRequest { url, secrets: &[&secret], id, at: DateTime::UNIX_EPOCH, body: "{}" };
        let inside = leading(&["127.0.0.1"]);
        let client = WebhookClient::with_resolver(Timeouts::default(), clock.clone(), false, inside.clone()).unwrap();
        let problem = client.post(&request).await.unwrap_err().problem;
        assert_eq!(problem, "its name leads to a private address, which is not allowed");
        let client = WebhookClient::with_resolver(Timeouts::default(), clock, true, inside).unwrap();
        assert_eq!(client.post(&request).await.unwrap_err().problem, "cannot be reached");
    }
}
