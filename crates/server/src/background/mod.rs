//! What runs beside requests: deliveries, webhooks, jobs and the schedule.

pub mod jobs;
pub mod schedule;
pub mod webhooks;
pub mod worker;
