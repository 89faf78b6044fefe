//! Neighbouring services, asked over HTTP.
//!
//! [`HttpNeighbour`] is what all have in common: one address, limits on how long an answer may take and how large it may be,
//! and an access token where the service wants one ([`AccessTokens`]). An answer that is late, an error or nonsense becomes
//! [`Error::Neighbour`], and its cause goes to the log.

mod catalog;
mod directory;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use license_manager_domain::{Error, Neighbour};
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, StatusCode};
use serde::de::DeserializeOwned;

pub use catalog::HttpCatalog;
pub use directory::HttpDirectory;
pub use tokens::{AccessTokens, Credentials};

/// Far above any real answer; one beyond it is not read further.
const ANSWER_LIMIT_BYTES: usize = 1024 * 1024;

/// How long neighbours may take.
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
    Client::builder()
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.answer)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("license-manager/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| format!("cannot make an HTTP client: {}", chain(&error)))
}

/// One neighbouring service.
#[derive(Clone)]
pub struct HttpNeighbour {
    neighbour: Neighbour,
    base: String,
    client: Client,
    tokens: Option<Arc<AccessTokens>>,
}

impl std::fmt::Debug for HttpNeighbour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpNeighbour").field("neighbour", &self.neighbour).field("base", &self.base).finish()
    }
}

impl HttpNeighbour {
    /// The service at this address, which has no slash at its end. Requests carry a token where there are any.
    pub fn new(
        neighbour: Neighbour,
        base: impl Into<String>,
        client: Client,
        tokens: Option<Arc<AccessTokens>>,
    ) -> Self {
        Self { neighbour, base: base.into(), client, tokens }
    }

    /// What is at a path, as JSON.
    async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, Error> {
        self.ask(path, |client, url| client.get(url).query(query)).await
    }

    /// What is answered to a body, as JSON.
    async fn post<T: DeserializeOwned>(&self, path: &str, body: &serde_json::Value) -> Result<T, Error> {
        self.ask(path, |client, url| client.post(url).json(body)).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        request: impl Fn(&Client, String) -> reqwest::RequestBuilder,
    ) -> Result<T, Error> {
        let answer = match self.send(path, &request).await? {
            // A token may be withdrawn before it expires; another one tells whether that was it.
            answer if answer.status() == StatusCode::UNAUTHORIZED && self.tokens.is_some() => {
                if let Some(tokens) = &self.tokens {
                    tokens.forget().await;
                }
                self.send(path, &request).await?
            }
            answer => answer,
        };
        let status = answer.status();
        if !status.is_success() {
            return Err(self.fails(format!("answered {status}"), path));
        }
        let body = read(answer).await.map_err(|problem| self.fails(problem, path))?;
        serde_json::from_slice(&body).map_err(|error| {
            // The answer may hold personal data; so no more than the place of the mistake is told.
            self.fails(
                format!("answered something unexpected (line {}, column {})", error.line(), error.column()),
                path,
            )
        })
    }

    async fn send(
        &self,
        path: &str,
        request: impl Fn(&Client, String) -> reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, Error> {
        let mut request = request(&self.client, format!("{}{path}", self.base));
        if let Some(tokens) = &self.tokens {
            let token = tokens.current().await.map_err(|problem| {
                self.fails(format!("cannot be asked, because the access token service {problem}"), path)
            })?;
            request = request.header(AUTHORIZATION, format!("JWT {token}"));
        }
        request.send().await.map_err(|error| self.fails(no_answer(&error), path))
    }

    fn fails(&self, problem: String, path: &str) -> Error {
        tracing::warn!(neighbour = ?self.neighbour, path, problem, "a neighbouring service failed");
        Error::Neighbour { neighbour: self.neighbour, problem }
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
