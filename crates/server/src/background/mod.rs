//! The work in the background: deliveries, webhooks, jobs and the schedule. Its transactions take turns ([`store`]).

pub mod deliveries;
pub mod jobs;
pub mod queue;
pub mod schedule;
pub mod store;
