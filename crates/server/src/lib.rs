//! The license manager's outer layer: configuration, command line, authentication, log, and the helpers that speak the
//! wire format. The business itself lives in `license-manager-domain`.

pub mod auth;
pub mod cli;
pub mod config;
pub mod logging;
pub mod wire;
