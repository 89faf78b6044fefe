//! Storage in Postgres, version 15 or later.
//!
//! [`PostgresStore`] runs units of work. A `PostgresUnit` is one unit of work and implements every repository, here or in
//! `rows`, one file for each. `error` says what database errors mean, `pool` makes and drops connections, `replica` reads
//! from a standby.
//!
//! A change of any number of rows is one statement, which also writes their history (`recording`).

// A method of a repository that is missing here would fail at run time: the ports have defaults for other stores.
#![warn(clippy::missing_trait_methods)]

mod agreements;
mod arrays;
mod due_work;
mod enrollment_jobs;
mod error;
mod history;
mod idempotency;
mod license_pages;
mod licenses;
mod options;
mod outbox;
mod plans;
mod pool;
mod products;
mod purge;
mod queue;
mod recent_writes;
mod recording;
mod renewals;
mod replica;
mod retirement;
mod staff_records;
mod store;
mod transfers;
pub(crate) mod unit;
mod utilization;
mod webhooks;

pub(crate) use error::DEADLOCK;
pub use options::{PostgresOptions, StatementListener};
pub(crate) use pool::english;
pub use replica::{Replica, ReplicaProblem, ReplicaUse};
pub use store::{Examination, PostgresStore};
