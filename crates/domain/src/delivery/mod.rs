//! Delivery: sends messages of the outbox to upstreams, and events to webhooks.
//!
//! The use cases are in `deliveries.rs`. docs/adr/0008 gives the reasons.

mod builder;
mod context;
mod customers;
mod deliveries;
mod enrollment;
mod files;
mod mails;
mod outbound;
mod owed;
mod plan_use;
mod results;
mod settlement;
mod webhooks;
mod work;

pub use deliveries::{Batch, Deliveries, DeliveryResult, DeliverySettings, Outcome};
