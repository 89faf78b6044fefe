//! What both databases share, one file for each subject: rows, their conversion to domain values, the parts of queries
//! that are the same, and the repositories that are much the same. What differs of these, and the other repositories, are
//! in [`crate::postgres`] and [`crate::sqlite`].

pub(crate) mod agreements;
pub(crate) mod due_work;
pub(crate) mod enrollment_jobs;
mod history;
pub(crate) mod idempotency;
pub(crate) mod jobs;
pub(crate) mod license_filters;
mod license_page_query;
pub(crate) mod license_pages;
pub(crate) mod license_ranges;
pub(crate) mod licenses;
mod lookups;
mod operations;
pub(crate) mod outbox;
pub(crate) mod plans;
pub(crate) mod prefetched;
pub(crate) mod products;
pub(crate) mod queue;
pub(crate) mod renewals;
mod schedule;
pub(crate) mod shared;
pub(crate) mod staff_actions;
pub(crate) mod staff_records;
pub(crate) mod transfers;
pub(crate) mod users;
pub(crate) mod utilization;
pub(crate) mod webhooks;
