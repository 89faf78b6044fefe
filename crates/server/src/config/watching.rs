//! The sections on metrics and traces.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::read::{optional_socket_address, optional_web_address, ratio, text};
use super::value::Secret;

/// `[metrics]`: Prometheus metrics.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// Whether `/metrics` is served.
    pub enabled: bool,
    /// The bearer token required to read the metrics; `None`: none.
    pub token: Option<Secret>,
    /// The IP address and port where `license-manager worker` serves `/metrics` and `/health/`; `None`: nowhere. A
    /// server uses `server.listen`.
    #[serde(deserialize_with = "optional_socket_address")]
    pub worker_listen: Option<SocketAddr>,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { enabled: true, token: None, worker_listen: None }
    }
}

/// `[telemetry]`: OpenTelemetry traces.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// The URL of a collector for OTLP over HTTP, such as `http://localhost:4318`; spans are posted to `/v1/traces`
    /// below it. `None`: no traces are recorded.
    #[serde(deserialize_with = "optional_web_address")]
    pub otlp_endpoint: Option<String>,
    /// Headers that authenticate at the collector: comma-separated `name=value` pairs.
    pub otlp_headers: Option<Secret>,
    /// The name of this service in traces.
    #[serde(deserialize_with = "text")]
    pub service_name: String,
    /// The ratio of new traces that are recorded, from 0 to 1. A trace continued from a caller follows the caller's
    /// decision.
    #[serde(deserialize_with = "ratio")]
    pub sample_ratio: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { otlp_endpoint: None, otlp_headers: None, service_name: "license-manager".to_owned(), sample_ratio: 1.0 }
    }
}
