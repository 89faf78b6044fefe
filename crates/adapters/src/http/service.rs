//! One service over HTTP: how it is asked, and what its answers are taken for.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use license_manager_domain::ports::Undelivered;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::traced::{self, Shown};
use super::{AccessTokens, Client, no_answer, read};
use crate::calls::{CallOutcome, told};

/// How long a service that has had enough is left alone where it does not say.
const REST: Duration = Duration::from_secs(60);
/// The shortest and the longest such rest: a service whose clock is wrong is neither hammered nor forgotten.
const SHORTEST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60 * 60);
/// The longest where people wait for an answer.
const LONGEST_REST_OF_PEOPLE: Duration = Duration::from_secs(10 * 60);

/// What a service knows its callers by.
#[derive(Clone)]
pub(super) enum Credential {
    /// Nothing.
    None,
    /// `JWT` tokens of an OAuth client.
    Tokens(Arc<AccessTokens>),
    /// A `Bearer` key.
    Bearer(String),
    /// The user of HTTP's basic authentication, who has no password.
    User(String),
}

/// One service.
#[derive(Clone)]
pub(super) struct Service {
    /// Its name in the log.
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

/// What is asked of a service.
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

    /// What is at a path.
    pub(super) fn get(path: &'a str, query: &[(&'a str, &'a str)]) -> Self {
        Self { query: query.to_vec(), ..Self::new(Method::GET, path) }
    }

    /// A body of JSON sent to a path.
    pub(super) fn post(path: &'a str, body: &Value) -> Self {
        Self { body: Some(body.to_string()), ..Self::new(Method::POST, path) }
    }

    /// The same, which may take this long instead of what the client allows.
    pub(super) fn within(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// The same, where this status is no failure.
    pub(super) fn or_status(self, status: StatusCode) -> Self {
        Self { also_an_answer: Some(status), ..self }
    }

    /// The same, where finding nothing (404), or that it is elsewhere, is not worth a warning.
    pub(super) fn perhaps(self) -> Self {
        Self { may_be_missing: true, ..self }
    }
}

/// Why a call came to nothing.
#[derive(Debug)]
pub(super) struct Failure {
    /// To follow the service's name; it names nobody.
    pub(super) problem: String,
    /// The status of the answer, where there was one.
    pub(super) status: Option<StatusCode>,
    /// When the service wants to be asked again, where it said so.
    rest: Option<Rest>,
}

#[derive(Debug, Clone, Copy)]
enum Rest {
    For(Duration),
    Until(DateTime<Utc>),
}

impl Failure {
    /// No answer, or one that makes no sense.
    pub(super) fn unusable(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), status: None, rest: None }
    }

    /// An answer that is no success.
    pub(super) fn status(answer: &Response) -> Self {
        let status = answer.status();
        Self { problem: format!("answered {status}"), status: Some(status), rest: rest(answer.headers()) }
    }

    /// Until when whoever has had enough, or is overloaded, wants to be left alone, where they say so.
    pub(super) fn rest_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let busy = matches!(self.status, Some(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE));
        self.rest.filter(|_| busy).map(|rest| until(Some(rest), now))
    }

    /// How long a service that has had enough wants not to be asked by people who wait for an answer, at most ten minutes; `None` where
    /// it names no number of seconds, since people are kept waiting for nothing else.
    pub(super) fn rest_asked_for(&self) -> Option<Duration> {
        match (self.status, self.rest) {
            (Some(StatusCode::TOO_MANY_REQUESTS), Some(Rest::For(duration))) => {
                Some(duration.clamp(SHORTEST_REST, LONGEST_REST_OF_PEOPLE))
            }
            _ => None,
        }
    }

    /// What it means for a delivery that fails now.
    pub(super) fn undelivered(self, now: DateTime<Utc>) -> Undelivered {
        match self.status {
            Some(StatusCode::TOO_MANY_REQUESTS) => Undelivered::Busy(until(self.rest, now)),
            // Not the delivery is at fault, but the time it took or the credential, which an operator can set right.
            Some(StatusCode::REQUEST_TIMEOUT | StatusCode::UNAUTHORIZED) => Undelivered::Unavailable(self.problem),
            Some(status) if status.is_client_error() => Undelivered::Refused(self.problem),
            _ => Undelivered::Unavailable(self.problem),
        }
    }
}

/// What the headers say about when to ask again: `Retry-After` in seconds or as a date, else `X-RateLimit-Reset` in seconds
/// since 1970.
fn rest(headers: &HeaderMap) -> Option<Rest> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let retry_after = text(RETRY_AFTER.as_str()).and_then(|text| match text.parse() {
        Ok(seconds) => Some(Rest::For(Duration::from_secs(seconds))),
        Err(_) => DateTime::parse_from_rfc2822(text).ok().map(|date| Rest::Until(date.to_utc())),
    });
    retry_after.or_else(|| {
        let whole_seconds = text("x-ratelimit-reset")?.split('.').next()?.parse().ok()?;
        DateTime::from_timestamp(whole_seconds, 0).map(Rest::Until)
    })
}

fn until(rest: Option<Rest>, now: DateTime<Utc>) -> DateTime<Utc> {
    let asked_for = match rest {
        Some(Rest::For(duration)) => now + duration.min(LONGEST_REST),
        Some(Rest::Until(moment)) => moment,
        None => now + REST,
    };
    asked_for.clamp(now + SHORTEST_REST, now + LONGEST_REST)
}

impl Service {
    /// The service at this address, which has no slash at its end.
    pub(super) fn new(name: &'static str, base: String, client: Client, credential: Credential) -> Self {
        Self { name, base, client, credential }
    }

    /// The answer, as JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Failure> {
        let path = call.path;
        let body = self.bytes(call).await?;
        serde_json::from_slice(&body).map_err(|error| {
            // The answer may hold personal data; so no more than the place of the mistake is told.
            let problem = format!("answered something unexpected (line {}, column {})", error.line(), error.column());
            self.logged(path, Failure::unusable(problem))
        })
    }

    /// Only that the service did what was asked. It answers nothing, or JSON of any kind: something else is not the service, but
    /// perhaps a page at a wrong address.
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

    /// A failure, after telling the log of it.
    pub(super) fn logged(&self, path: &str, failure: Failure) -> Failure {
        tracing::warn!(upstream = self.name, path, problem = failure.problem, "an upstream service failed");
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
        let ended = told(self.client.on_call.as_ref(), self.name, self.exchange(&call), outcome).await;
        ended.map_err(|failure| if missing(&failure) { failure } else { self.logged(call.path, failure) })
    }

    async fn exchange(&self, call: &Call<'_>) -> Result<Vec<u8>, Failure> {
        let mut answer = self.send(call).await?;
        if let (StatusCode::UNAUTHORIZED, Credential::Tokens(tokens)) = (answer.status(), &self.credential) {
            // A token may be withdrawn before it expires; another one tells whether that was it.
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

    fn rested(headers: &[(&'static str, &str)]) -> TimeDelta {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        until(rest(&headers), now()) - now()
    }

    #[test]
    fn a_service_is_left_alone_as_long_as_it_wants_within_reason() {
        assert_eq!(rested(&[]), TimeDelta::seconds(60));
        assert_eq!(rested(&[("retry-after", "7")]), TimeDelta::seconds(7));
        assert_eq!(rested(&[("retry-after", "Fri, 15 Jan 2027 08:00:30 GMT")]), TimeDelta::seconds(30));
        assert_eq!(rested(&[("x-ratelimit-reset", "1800000090")]), TimeDelta::seconds(90));
        assert_eq!(rested(&[("x-ratelimit-reset", "1800000090.0")]), TimeDelta::seconds(90));
        assert_eq!(rested(&[("retry-after", "7"), ("x-ratelimit-reset", "1800000090")]), TimeDelta::seconds(7));
        assert_eq!(rested(&[("retry-after", "soon")]), TimeDelta::seconds(60));
        for (name, value) in [("retry-after", "0"), ("x-ratelimit-reset", "1"), ("x-ratelimit-reset", "-1")] {
            assert_eq!(rested(&[(name, value)]), TimeDelta::seconds(1), "{name}: {value}");
        }
        for (name, value) in [("retry-after", "18446744073709551615"), ("x-ratelimit-reset", "1900000000")] {
            assert_eq!(rested(&[(name, value)]), TimeDelta::hours(1), "{name}: {value}");
        }
    }
}
