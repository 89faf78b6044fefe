//! Clients of upstream services over HTTP.
//!
//! [`HttpUpstream`] holds what they share: a base URL, limits on the time and size of an answer, and an access token
//! ([`AccessTokens`]) where the service requires one. A failed call becomes [`Error::Upstream`], or
//! [`Undelivered`](license_manager_domain::ports::Undelivered) for a delivery. Its cause is logged.

mod accounts;
mod braze;
mod catalog;
mod directory;
mod learners;
mod result_files;
mod segment;
mod service;
mod tokens;
mod traced;
mod tracking;
mod webhooks;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use license_manager_domain::{Error, Upstream};
use reqwest::{ClientBuilder, Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;

use crate::calls::CallListener;
pub use accounts::HttpAccounts;
pub use braze::{Braze, BrazeOptions};
pub use catalog::{CachedCatalog, HttpCatalog};
pub use directory::HttpDirectory;
pub use learners::HttpLearners;
pub use result_files::{BucketOptions, BucketProblem, S3ResultFiles};
pub use segment::Segment;
use service::{Call, Credential, Failure, Service};
pub use tokens::{AccessTokens, Credentials};
pub use tracking::Tracking;
pub use webhooks::WebhookClient;

/// The most bytes read of an answer; far above any real one.
const ANSWER_LIMIT_BYTES: usize = 1024 * 1024;

/// Timeouts of calls to upstreams.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// To connect.
    pub connect: Duration,
    /// For the whole call, connecting included.
    pub answer: Duration,
}

impl Default for Timeouts {
    /// 3 seconds to connect, 10 seconds for the whole call.
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), answer: Duration::from_secs(10) }
    }
}

/// An HTTP client with these timeouts. It follows no redirects, so a token is sent only to the service it is for.
///
/// # Errors
/// When the system has no usable certificates.
pub fn client(timeouts: Timeouts) -> Result<Client, String> {
    let client = client_builder(timeouts).build();
    let client = client.map_err(|error| format!("cannot create an HTTP client: {}", chain(&error)))?;
    Ok(Client { client, on_call: None })
}

fn client_builder(timeouts: Timeouts) -> ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.answer)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("license-manager/", env!("CARGO_PKG_VERSION")))
}

/// An HTTP client. Clones are cheap and share the connections.
#[derive(Clone)]
pub struct Client {
    client: reqwest::Client,
    on_call: Option<CallListener>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// Reports every call to this listener.
    pub fn with_listener(self, listener: CallListener) -> Self {
        Self { on_call: Some(listener), ..self }
    }

    fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }
}

/// An upstream service.
#[derive(Debug, Clone)]
pub struct HttpUpstream {
    upstream: Upstream,
    service: Service,
    /// Do not call the service before this time.
    retry_at: Arc<Mutex<Option<Instant>>>,
}

impl HttpUpstream {
    /// The service at `base`, a URL without a trailing slash. Requests carry an access token if `tokens` is set.
    pub fn new(upstream: Upstream, base: impl Into<String>, client: Client, tokens: Option<Arc<AccessTokens>>) -> Self {
        let name = match upstream {
            Upstream::Catalog => "catalog",
            Upstream::Lms => "lms",
        };
        let credential = tokens.map_or(Credential::None, Credential::Tokens);
        let service = Service::new(name, base.into(), client, credential);
        Self { upstream, service, retry_at: Arc::default() }
    }

    /// Makes a call that somebody waits for, and reads the answer as JSON.
    async fn ask<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Error> {
        self.answer(call).await.map_err(|failure| self.error(failure))
    }

    /// Like [`HttpUpstream::ask`], with `None` for 404.
    async fn find<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<Option<T>, Error> {
        match self.answer(call.allow_missing()).await {
            Ok(answer) => Ok(Some(answer)),
            Err(failure) if failure.status == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(failure) => Err(self.error(failure)),
        }
    }

    /// Makes a call, unless the service asked to be left alone until later.
    async fn answer<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Failure> {
        let retry_at = *self.retry_at();
        if retry_at.is_some_and(|until| Instant::now() < until) {
            return Err(Failure::unusable("wants not to be asked for now"));
        }
        let answer = self.service.json(call).await;
        if let Err(failure) = &answer
            && let Some(retry_after) = failure.retry_after_for_callers()
        {
            *self.retry_at() = Some(Instant::now() + retry_after);
        }
        answer
    }

    fn retry_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.retry_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, failure: Failure) -> Error {
        Error::Upstream { upstream: self.upstream, problem: failure.problem }
    }
}

/// Why there was no answer, without the URL: its query may hold personal data.
fn no_answer(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "did not answer in time".to_owned();
    }
    if error.is_connect() {
        return "cannot be reached".to_owned();
    }
    "broke off its answer".to_owned()
}

/// Reads the body of an answer, up to the limit.
async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| no_answer(&error))? {
        if body.len() + chunk.len() > ANSWER_LIMIT_BYTES {
            return Err(format!("answered more than {ANSWER_LIMIT_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error and its causes, separated by colons.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
