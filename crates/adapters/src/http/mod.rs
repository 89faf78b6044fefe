//! Upstream services, asked over HTTP.
//!
//! [`HttpUpstream`] is what all have in common: one address, limits on how long an answer may take and how large it may be,
//! and an access token where the service wants one ([`AccessTokens`]). An answer that is late, an error or nonsense becomes
//! [`Error::Upstream`], or [`Undelivered`](license_manager_domain::ports::Undelivered) where something was to be delivered,
//! and its cause goes to the log.

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

/// Far above any real answer; one beyond it is not read further.
const ANSWER_LIMIT_BYTES: usize = 1024 * 1024;

/// How long upstreams may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// To accept a connection.
    pub connect: Duration,
    /// To answer, the connection included.
    pub answer: Duration,
}

impl Default for Timeouts {
    /// 3 seconds to accept a connection, 10 to answer.
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), answer: Duration::from_secs(10) }
    }
}

/// An HTTP client that keeps to the limits and follows no redirect: a token is for the service it was sent to.
///
/// # Errors
/// Where the system has no usable certificates.
pub fn client(timeouts: Timeouts) -> Result<Client, String> {
    let client = client_builder(timeouts).build();
    let client = client.map_err(|error| format!("cannot make an HTTP client: {}", chain(&error)))?;
    Ok(Client { client, on_call: None })
}

fn client_builder(timeouts: Timeouts) -> ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.answer)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("license-manager/", env!("CARGO_PKG_VERSION")))
}

/// What calls are made with. Cheap to clone; its clones share the connections.
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
    /// The same, which tells this one of every call.
    pub fn told_to(self, listener: CallListener) -> Self {
        Self { on_call: Some(listener), ..self }
    }

    fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }
}

/// One upstream service.
#[derive(Debug, Clone)]
pub struct HttpUpstream {
    upstream: Upstream,
    service: Service,
    /// Until when it wants not to be asked.
    rest_until: Arc<Mutex<Option<Instant>>>,
}

impl HttpUpstream {
    /// The service at this address, which has no slash at its end. Requests carry a token where there are any.
    pub fn new(upstream: Upstream, base: impl Into<String>, client: Client, tokens: Option<Arc<AccessTokens>>) -> Self {
        let name = match upstream {
            Upstream::Catalog => "catalog",
            Upstream::Lms => "lms",
        };
        let credential = tokens.map_or(Credential::None, Credential::Tokens);
        let service = Service::new(name, base.into(), client, credential);
        Self { upstream, service, rest_until: Arc::default() }
    }

    /// The answer to a call, as JSON, for somebody who waits for it.
    async fn ask<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Error> {
        self.answer(call).await.map_err(|failure| self.error(failure))
    }

    /// As [`HttpUpstream::ask`]; `None` where the service finds nothing there.
    async fn find<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<Option<T>, Error> {
        match self.answer(call.perhaps()).await {
            Ok(answer) => Ok(Some(answer)),
            Err(failure) if failure.status == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(failure) => Err(self.error(failure)),
        }
    }

    /// The answer, unless the service has had enough and said for how long.
    async fn answer<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Failure> {
        let rest_until = *self.rest();
        if rest_until.is_some_and(|until| Instant::now() < until) {
            return Err(Failure::unusable("wants not to be asked for now"));
        }
        let answer = self.service.json(call).await;
        if let Err(failure) = &answer
            && let Some(rest) = failure.rest_asked_for()
        {
            *self.rest() = Some(Instant::now() + rest);
        }
        answer
    }

    fn rest(&self) -> MutexGuard<'_, Option<Instant>> {
        self.rest_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, failure: Failure) -> Error {
        Error::Upstream { upstream: self.upstream, problem: failure.problem }
    }
}

/// Why there is no answer, without the address, whose query may hold personal data.
fn no_answer(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "did not answer in time".to_owned();
    }
    if error.is_connect() {
        return "cannot be reached".to_owned();
    }
    "broke off its answer".to_owned()
}

/// The body of an answer, up to the limit.
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

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
