//! Logs, metrics, traces and health.

pub mod logging;
pub mod metrics;
pub mod monitor;
pub mod request_metrics;
pub mod shared_reading;
pub mod traces;
pub mod work_traces;
