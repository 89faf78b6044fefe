//! Records HTTP calls as spans, with the attributes of OpenTelemetry's HTTP conventions.

use opentelemetry::KeyValue;
use reqwest::header::HeaderValue;
use reqwest::{RequestBuilder, Response, Url};

use crate::traces::{CallSpan, TRACE_PARENT};

/// How much of a URL is recorded. Queries never are: they may hold email addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Host and path.
    Path,
    /// The host only: the path of a webhook often holds a secret.
    Host,
}

/// Sends a request. Within a trace, records a span that ends with the answer's headers, and sends the trace's ids
/// along.
pub(super) async fn send(peer: &'static str, shown: Shown, request: RequestBuilder) -> reqwest::Result<Response> {
    let (client, request) = request.build_split();
    let mut request = request?;
    let attributes = || {
        let url = request.url();
        let mut attributes = vec![
            KeyValue::new("http.request.method", request.method().to_string()),
            KeyValue::new("url.full", address(url, shown)),
            KeyValue::new("server.address", url.host_str().unwrap_or_default().to_owned()),
            KeyValue::new("peer.service", peer),
        ];
        attributes.extend(url.port_or_known_default().map(|port| KeyValue::new("server.port", i64::from(port))));
        attributes
    };
    let Some(span) = CallSpan::start(format!("{} {peer}", request.method()), attributes) else {
        return client.execute(request).await;
    };
    if let Some(parent) = span.parent().and_then(|parent| HeaderValue::from_str(&parent).ok()) {
        request.headers_mut().insert(TRACE_PARENT, parent);
    }
    let ended = client.execute(request).await;
    match &ended {
        Ok(answer) => {
            let status = answer.status();
            span.note(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
            if status.is_client_error() || status.is_server_error() {
                span.failed(status.as_str().to_owned());
            }
        }
        Err(error) if error.is_timeout() => span.failed("timeout"),
        Err(error) if error.is_connect() => span.failed("connection"),
        Err(_) => span.failed("_OTHER"),
    }
    ended
}

/// The part of a URL that may be recorded.
fn address(url: &Url, shown: Shown) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // These fail only for URLs that cannot have a user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    if shown == Shown::Host {
        url.set_path("");
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_urls_hold_nothing_private() {
        let url =
            Url::parse("https://user:hunter2@lms.example.com:8443/api/accounts?email=amy@example.com#top").unwrap();
        assert_eq!(address(&url, Shown::Path), "https://lms.example.com:8443/api/accounts");
        assert_eq!(address(&url, Shown::Host), "https://lms.example.com:8443/");
    }
}
