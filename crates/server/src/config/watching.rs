//! The sections about how the service is watched.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::read::{optional_socket_address, optional_web_address, ratio, text};
use super::value::Secret;

/// `[metrics]`: the numbers at `/metrics`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// Whether `/metrics` is there.
    pub enabled: bool,
    /// What must be sent as `Authorization: Bearer …` to read them; `None`: nothing.
    pub token: Option<Secret>,
    /// The IP address and port at which `license-manager worker` answers `/metrics` and `/health/`; `None`: it answers nobody.
    /// A server does so at `server.listen`.
    #[serde(deserialize_with = "optional_socket_address")]
    pub worker_listen: Option<SocketAddr>,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { enabled: true, token: None, worker_listen: None }
    }
}

/// `[telemetry]`: traces for OpenTelemetry.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// The address of a collector that takes OTLP over HTTP, such as `http://localhost:4318`; spans are posted to `/v1/traces` below
    /// it. `None`: no traces are recorded.
    #[serde(deserialize_with = "optional_web_address")]
    pub otlp_endpoint: Option<String>,
    /// What the collector wants to know its clients by: headers as `name=value`, with commas between them.
    pub otlp_headers: Option<Secret>,
    /// The name this service has in traces.
    #[serde(deserialize_with = "text")]
    pub service_name: String,
    /// Which part of the traces that begin here is recorded, from 0 to 1. A caller who names a trace decides for it.
    #[serde(deserialize_with = "ratio")]
    pub sample_ratio: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { otlp_endpoint: None, otlp_headers: None, service_name: "license-manager".to_owned(), sample_ratio: 1.0 }
    }
}
