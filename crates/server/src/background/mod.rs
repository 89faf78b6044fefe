//! The work in the background: deliveries, webhooks, jobs and the schedule.

pub mod deliveries;
pub mod jobs;
pub mod queue;
pub mod schedule;
