//! A small HTTP client for JSON.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::Person;

/// The client's timeout.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A caller of a server.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    authorization: Option<String>,
}

impl Client {
    /// A caller without credentials. `base` is the server's URL, such as `http://127.0.0.1:8080`.
    pub fn anonymous(base: impl Into<String>) -> Self {
        Self { base: base.into(), authorization: None }
    }

    /// A caller with a new token of this person.
    pub fn of(base: impl Into<String>, person: &Person) -> Self {
        Self::with_authorization(base, person.authorization())
    }

    /// A caller with this `Authorization` header, valid or not.
    pub fn with_authorization(base: impl Into<String>, authorization: impl Into<String>) -> Self {
        Self { base: base.into(), authorization: Some(authorization.into()) }
    }

    /// GET.
    pub fn get(&self, path: &str) -> Response {
        self.send(Request::new("GET", path))
    }

    /// POST with JSON.
    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.send(Request::new("POST", path).json(body))
    }

    /// PATCH with JSON.
    pub fn patch(&self, path: &str, body: &Value) -> Response {
        self.send(Request::new("PATCH", path).json(body))
    }

    /// Sends a request. Panics without an answer.
    pub fn send(&self, request: Request) -> Response {
        let line = request.line();
        self.try_send(request).unwrap_or_else(|error| panic!("{line}: no answer: {error:?}"))
    }

    /// Sends a request.
    ///
    /// # Errors
    /// Without an answer, for example when the server is not running.
    pub fn try_send(&self, request: Request) -> reqwest::Result<Response> {
        let line = request.line();
        let mut headers = HeaderMap::from_iter([(ACCEPT, "application/json".parse().unwrap())]);
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, header_value(authorization));
        }
        // One by one, because extending a header map by another keeps both values.
        for (name, value) in &request.headers {
            headers.insert(name, value.clone());
        }
        let mut outgoing =
            connections().request(request.method, format!("{}{}", self.base, request.path)).headers(headers);
        if let Some(body) = request.body {
            outgoing = outgoing.body(body);
        }
        let response = outgoing.send()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Response { request: line, status, headers, body: parse(response.text()?) })
    }
}

/// JSON; null for an empty body; otherwise text.
fn parse(body: String) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(&body).unwrap_or(Value::String(body))
}

/// Does not keep connections: after a server's restart they would fail the next request.
fn connections() -> &'static reqwest::blocking::Client {
    static CONNECTIONS: OnceLock<reqwest::blocking::Client> = OnceLock::new();
    CONNECTIONS.get_or_init(|| {
        reqwest::blocking::Client::builder()
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()
            .expect("an HTTP client is built")
    })
}

fn header_value(text: &str) -> HeaderValue {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no value of a header"))
}

/// A request builder.
#[derive(Clone, Debug)]
pub struct Request {
    method: reqwest::Method,
    path: String,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A request without a body. `path` may contain a query.
    pub fn new(method: &str, path: impl Into<String>) -> Self {
        Self {
            method: method.parse().expect("an HTTP method"),
            path: path.into(),
            headers: HeaderMap::new(),
            body: None,
        }
    }

    /// Sets a header, replacing the one that is sent by default.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap_or_else(|_| panic!("{name:?} is no name of a header"));
        self.headers.insert(name, header_value(value));
        self
    }

    /// Sets a JSON body, with the content type unless one is set.
    pub fn json(mut self, body: &Value) -> Self {
        self.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        self.body = Some(body.to_string().into_bytes());
        self
    }

    /// Sets a body without a content type.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A server's response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The request's method and path, for messages.
    pub request: String,
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: JSON, null if empty, otherwise text.
    pub body: Value,
}

impl Response {
    /// The body, provided that the response has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.request, self.body);
        self.body
    }

    /// A header's value; empty if missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
