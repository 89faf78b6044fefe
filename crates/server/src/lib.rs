//! The server: HTTP, authentication, configuration, command line and wiring. The business rules are in
//! `license-manager-domain`, storage in `license-manager-adapters`.

pub mod api;
pub mod app;
pub mod auth;
pub mod background;
pub mod cli;
pub mod config;
pub mod console;
pub mod database;
pub mod http;
pub mod lists;
pub mod openapi;
pub mod serve;
pub mod state;
pub mod system;
pub mod telemetry;
pub mod upstreams;
