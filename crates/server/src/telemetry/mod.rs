//! What the service tells of itself: logs, metrics, traces, health.

pub mod logging;
pub mod metrics;
pub mod monitor;
pub mod request_metrics;
pub mod traces;
