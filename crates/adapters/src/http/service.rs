//! An HTTP service: how it is called and how its answers are read.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use license_manager_domain::ports::Undelivered;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::client::{Client, no_answer, read};
use super::tokens::AccessTokens;
use super::traced::{self, Shown};
use crate::calls::{CallOutcome, observed};

/// How long to wait after a 429 without `Retry-After`.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// The shortest and the longest wait, whatever the service asks for. A wrong clock there causes neither a flood nor a
/// standstill.
const MIN_WAIT: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_secs(60 * 60);
/// The longest wait for calls that people wait for.
const MAX_WAIT_FOR_CALLERS: Duration = Duration::from_secs(10 * 60);

/// How this service authenticates.
#[derive(Clone)]
pub(super) enum Credential {
    /// Not at all.
    None,
    /// A `JWT` access token of an OAuth client.
    Tokens(Arc<AccessTokens>),
    /// A `Bearer` key.
    Bearer(String),
    /// HTTP basic authentication with a user and no password.
    User(String),
}

/// An HTTP service.
#[derive(Clone)]
pub(super) struct Service {
    /// Its name in logs and metrics.
    name: &'static str,
    base: String,
    client: Client,
    credential: Credential,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("name", &self.name).field("base", &self.base).finish_non_exhaustive()
    }
}

/// A request.
pub(super) struct Call<'a> {
    method: Method,
    path: &'a str,
    query: Vec<(&'a str, &'a str)>,
    body: Option<String>,
    timeout: Option<Duration>,
    also_an_answer: Option<StatusCode>,
    may_be_missing: bool,
}

impl<'a> Call<'a> {
    fn new(method: Method, path: &'a str) -> Self {
        let (query, body, timeout, also_an_answer) = (Vec::new(), None, None, None);
        Self { method, path, query, body, timeout, also_an_answer, may_be_missing: false }
    }

    /// GET with a query.
    pub(super) fn get(path: &'a str, query: &[(&'a str, &'a str)]) -> Self {
        Self { query: query.to_vec(), ..Self::new(Method::GET, path) }
    }

    /// POST with a JSON body.
    pub(super) fn post(path: &'a str, body: &Value) -> Self {
        Self { body: Some(body.to_string()), ..Self::new(Method::POST, path) }
    }

    /// Overrides the client's timeout.
    pub(super) fn within(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Treats this status as success.
    pub(super) fn or_status(self, status: StatusCode) -> Self {
        Self { also_an_answer: Some(status), ..self }
    }

    /// Does not log that the resource is missing (404) or elsewhere (a redirect).
    pub(super) fn allow_missing(self) -> Self {
        Self { may_be_missing: true, ..self }
    }
}

/// Why a call failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// What happened, as a text that follows the service's name. It names no person.
    pub(super) problem: String,
    /// The HTTP status, if there was an answer.
    pub(super) status: Option<StatusCode>,
    /// When the service wants to be called again, if it said so.
    retry: Option<RetryAfter>,
}

#[derive(Debug, Clone, Copy)]
enum RetryAfter {
    For(Duration),
    Until(DateTime<Utc>),
}

impl Failure {
    /// No answer, or one that cannot be used.
    pub(super) fn unusable(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), status: None, retry: None }
    }

    /// An answer with a status other than success.
    pub(super) fn status(answer: &Response) -> Self {
        let status = answer.status();
        Self { problem: format!("answered {status}"), status: Some(status), retry: retry_after(answer.headers()) }
    }

    /// When to call again after a 429 or 503, if the service said so.
    pub(super) fn retry_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let busy = matches!(self.status, Some(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE));
        self.retry.filter(|_| busy).map(|retry| until(Some(retry), now))
    }

    /// How long a 429 asked callers to wait, at most ten minutes; `None` unless it names a number of seconds.
    pub(super) fn retry_after_for_callers(&self) -> Option<Duration> {
        match (self.status, self.retry) {
            (Some(StatusCode::TOO_MANY_REQUESTS), Some(RetryAfter::For(duration))) => {
                Some(duration.clamp(MIN_WAIT, MAX_WAIT_FOR_CALLERS))
            }
            _ => None,
        }
    }

    /// What the failure means for a delivery.
    pub(super) fn undelivered(self, now: DateTime<Utc>) -> Undelivered {
        match self.status {
            Some(StatusCode::TOO_MANY_REQUESTS) => Undelivered::Busy(until(self.retry, now)),
            // A timeout, or a credential that an operator can correct: the delivery itself is not at fault.
            Some(StatusCode::REQUEST_TIMEOUT | StatusCode::UNAUTHORIZED) => Undelivered::Unavailable(self.problem),
            Some(status) if status.is_client_error() => Undelivered::Refused(self.problem),
            _ => Undelivered::Unavailable(self.problem),
        }
    }
}

/// Reads `Retry-After` (seconds or a date), otherwise `X-RateLimit-Reset` (seconds since 1970).
fn retry_after(headers: &HeaderMap) -> Option<RetryAfter> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let from_header = text(RETRY_AFTER.as_str()).and_then(|text| match text.parse() {
        Ok(seconds) => Some(RetryAfter::For(Duration::from_secs(seconds))),
        Err(_) => DateTime::parse_from_rfc2822(text).ok().map(|date| RetryAfter::Until(date.to_utc())),
    });
    from_header.or_else(|| {
        let whole_seconds = text("x-ratelimit-reset")?.split('.').next()?.parse().ok()?;
        DateTime::from_timestamp(whole_seconds, 0).map(RetryAfter::Until)
    })
}

fn until(retry: Option<RetryAfter>, now: DateTime<Utc>) -> DateTime<Utc> {
    let asked_for = match retry {
        Some(RetryAfter::For(duration)) => now + duration.min(MAX_WAIT),
        Some(RetryAfter::Until(moment)) => moment,
        None => now + DEFAULT_WAIT,
    };
    asked_for.clamp(now + MIN_WAIT, now + MAX_WAIT)
}

impl CallOutcome {
    /// The outcome for an HTTP status other than success; `None` means that there was no answer.
    pub(super) fn of_status(status: Option<StatusCode>) -> Self {
        match status {
            None => Self::NoAnswer,
            Some(StatusCode::TOO_MANY_REQUESTS) => Self::Busy,
            Some(status) if status.is_server_error() => Self::Failed,
            Some(_) => Self::Refused,
        }
    }
}

impl Service {
    /// The service at `base`, a URL without a trailing slash.
    pub(super) fn new(name: &'static str, base: String, client: Client, credential: Credential) -> Self {
        Self { name, base, client, credential }
    }

    /// Makes a call and reads the answer as JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Failure> {
        let path = call.path;
        let body = self.bytes(call).await?;
        serde_json::from_slice(&body).map_err(|error| {
            // Only the position: the answer may hold personal data.
            let problem = format!("answered something unexpected (line {}, column {})", error.line(), error.column());
            self.logged(path, Failure::unusable(problem))
        })
    }

    /// Makes a call whose answer does not matter. It must be empty or JSON: anything else may be a page at a wrong URL.
    pub(super) async fn done(&self, call: Call<'_>) -> Result<(), Failure> {
        let path = call.path;
        let body = self.bytes(call).await?;
        match body.is_empty() || serde_json::from_slice::<IgnoredAny>(&body).is_ok() {
            true => Ok(()),
            false => {
                Err(self.logged(path, Failure::unusable("answered something unexpected, which is no JSON".to_owned())))
            }
        }
    }

    /// Logs a failure and returns it.
    pub(super) fn logged(&self, path: &str, failure: Failure) -> Failure {
        tracing::warn!(upstream = self.name, path, problem = failure.problem, "a call to an upstream service failed");
        failure
    }

    async fn bytes(&self, call: Call<'_>) -> Result<Vec<u8>, Failure> {
        let missing = |failure: &Failure| {
            let elsewhere = |status: StatusCode| status == StatusCode::NOT_FOUND || status.is_redirection();
            call.may_be_missing && failure.status.is_some_and(elsewhere)
        };
        let outcome = |failure: &Failure| match missing(failure) {
            true => CallOutcome::Answered,
            false => CallOutcome::of_status(failure.status),
        };
        let result = observed(self.client.on_call.as_ref(), self.name, self.exchange(&call), outcome).await;
        result.map_err(|failure| if missing(&failure) { failure } else { self.logged(call.path, failure) })
    }

    async fn exchange(&self, call: &Call<'_>) -> Result<Vec<u8>, Failure> {
        let mut answer = self.send(call).await?;
        if let (StatusCode::UNAUTHORIZED, Credential::Tokens(tokens)) = (answer.status(), &self.credential) {
            // A token may be revoked before it expires, so try once with a new one.
            tokens.forget().await;
            answer = self.send(call).await?;
        }
        let status = answer.status();
        if !status.is_success() && call.also_an_answer != Some(status) {
            return Err(Failure::status(&answer));
        }
        read(answer).await.map_err(Failure::unusable)
    }

    async fn send(&self, call: &Call<'_>) -> Result<Response, Failure> {
        let mut request = self.client.request(call.method.clone(), &format!("{}{}", self.base, call.path));
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        if let Some(timeout) = call.timeout {
            request = request.timeout(timeout);
        }
        request = match &self.credential {
            Credential::None => request,
            Credential::Tokens(tokens) => {
                let token = tokens.current().await.map_err(|problem| {
                    Failure::unusable(format!("cannot be asked, because the access token service {problem}"))
                })?;
                request.header(AUTHORIZATION, format!("JWT {token}"))
            }
            Credential::Bearer(key) => request.bearer_auth(key),
            Credential::User(name) => request.basic_auth(name, Some("")),
        };
        let sent = traced::send(self.name, Shown::Path, request).await;
        sent.map_err(|error| Failure::unusable(no_answer(&error)))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn wait(headers: &[(&'static str, &str)]) -> TimeDelta {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        until(retry_after(&headers), now()) - now()
    }

    #[test]
    fn a_busy_service_is_left_alone_as_long_as_it_asks_within_limits() {
        assert_eq!(wait(&[]), TimeDelta::seconds(60));
        assert_eq!(wait(&[("retry-after", "7")]), TimeDelta::seconds(7));
        assert_eq!(wait(&[("retry-after", "Fri, 15 Jan 2027 08:00:30 GMT")]), TimeDelta::seconds(30));
        assert_eq!(wait(&[("x-ratelimit-reset", "1800000090")]), TimeDelta::seconds(90));
        assert_eq!(wait(&[("x-ratelimit-reset", "1800000090.0")]), TimeDelta::seconds(90));
        assert_eq!(wait(&[("retry-after", "7"), ("x-ratelimit-reset", "1800000090")]), TimeDelta::seconds(7));
        assert_eq!(wait(&[("retry-after", "soon")]), TimeDelta::seconds(60));
        for (name, value) in [("retry-after", "0"), ("x-ratelimit-reset", "1"), ("x-ratelimit-reset", "-1")] {
            assert_eq!(wait(&[(name, value)]), TimeDelta::seconds(1), "{name}: {value}");
        }
        for (name, value) in [("retry-after", "18446744073709551615"), ("x-ratelimit-reset", "1900000000")] {
            assert_eq!(wait(&[(name, value)]), TimeDelta::hours(1), "{name}: {value}");
        }
    }
}
