//! The license manager's outer layer: HTTP, authentication, configuration, command line and wiring. The business itself lives in
//! `license-manager-domain`, storage in `license-manager-adapters`.

pub mod access;
pub mod answer;
pub mod app;
pub mod auth;
pub mod body;
pub mod cli;
pub mod config;
pub mod cors;
pub mod csrf;
pub mod demo;
pub mod error;
pub mod idempotency;
pub mod identity;
pub mod jobs;
pub mod listing;
pub mod logging;
pub mod metrics;
pub mod monitor;
pub mod neighbours;
pub mod openapi;
pub mod operations;
pub mod outbox;
pub mod present;
pub mod problem;
pub mod routes;
pub mod schedule;
pub mod serve;
pub mod storage;
pub mod support;
pub mod system;
pub mod throttle;
pub mod traces;
mod webhooks;
pub mod wire;
pub mod worker;
