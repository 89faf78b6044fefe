//! What runs by itself: each rule of crates/domain/RULES.md, "Recurring operations", as a story with a clock that moves.

mod auto_scaling;
mod catalog_queries;
mod clean_history;
mod expiration;
mod renewals;
mod retirement;
mod schedule;
mod trigger_events;
mod unlinking;
mod utilization;
pub mod world;
