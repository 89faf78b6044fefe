//! Delivery: messages of the outbox go to the upstreams, and events to webhooks.
//!
//! The use cases are in `deliveries.rs`; why it is done so is in docs/adr/0008.

mod builder;
mod context;
mod customers;
mod deliveries;
mod enrollment;
mod files;
mod mails;
mod outbound;
mod settlement;
mod webhooks;

pub use deliveries::{Batch, Deliveries, DeliveryResult, DeliverySettings, Outcome};
