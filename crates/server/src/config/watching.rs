//! The sections about how the service is watched.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::read::optional_socket_address;
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
