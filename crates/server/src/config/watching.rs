//! The sections of metrics and traces.

use std::net::SocketAddr;

use super::read::{optional_socket_address, optional_web_address, ratio, text};
use super::section::section;
use super::value::Secret;

section! {
    /// `[metrics]`: Prometheus metrics.
    struct MetricsConfig;

    /// Whether `/metrics` is served.
    enabled: bool = true;
    /// The bearer token required to read the metrics; `None`: none.
    token: Option<Secret>;
    /// The IP address and port where the server serves `/metrics` and `/health/` besides, and then `/metrics` nowhere
    /// else; `None`: `server.listen` serves them.
    #[serde(deserialize_with = "optional_socket_address")]
    listen: Option<SocketAddr>;
    /// The IP address and port where `license-manager worker` serves `/metrics` and `/health/`; `None`: nowhere. A
    /// server uses `server.listen`.
    #[serde(deserialize_with = "optional_socket_address")]
    worker_listen: Option<SocketAddr>;
}

section! {
    /// `[telemetry]`: OpenTelemetry traces.
    struct TelemetryConfig;

    /// The URL of a collector for OTLP over HTTP, such as `http://localhost:4318`; spans are posted to `/v1/traces`
    /// below it. `None`: no traces are recorded.
    #[serde(deserialize_with = "optional_web_address")]
    otlp_endpoint: Option<String>;
    /// Headers that authenticate at the collector: comma-separated `name=value` pairs.
    otlp_headers: Option<Secret>;
    /// The name of this service in traces.
    #[serde(deserialize_with = "text")]
    service_name: String = "license-manager".to_owned();
    /// The ratio of new traces that are recorded, from 0 to 1. A trace continued from a caller follows the caller's
    /// decision.
    #[serde(deserialize_with = "ratio")]
    sample_ratio: f64 = 1.0;
}
