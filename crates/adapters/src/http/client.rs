//! The HTTP client: timeouts, limits, connections.

use std::time::Duration;

use reqwest::{ClientBuilder, Method, RequestBuilder};

use crate::calls::CallListener;
use crate::certificates::refusal;

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

pub(super) fn client_builder(timeouts: Timeouts) -> ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.answer)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("license-manager/", env!("CARGO_PKG_VERSION")))
}

/// An HTTP client. Clones are cheap and share the connections.
#[derive(Clone)]
pub struct Client {
    pub(super) client: reqwest::Client,
    pub(super) on_call: Option<CallListener>,
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

    pub(super) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }
}

/// Why there was no answer, without the URL: its query may hold personal data.
pub(super) fn no_answer(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "did not answer in time".to_owned();
    }
    if error.is_connect() {
        return refusal(error).unwrap_or_else(|| "cannot be reached".to_owned());
    }
    "broke off its answer".to_owned()
}

/// Reads the body of an answer, up to the limit.
pub(super) async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, String> {
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
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
