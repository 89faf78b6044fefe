//! Storage in one SQLite file, for installations without a database server.
//!
//! [`SqliteStore`] runs units of work. A `SqliteUnit` is one unit of work and implements every repository, here or in
//! `rows`, one file for each. `recording` writes history, `connections` opens the file.
//!
//! The file is in WAL mode, so readers never wait. Writers take turns: writers of this process wait for the one
//! connection that writes, writers of other processes wait for the file's lock. A statement over many rows gets them as
//! one JSON text (`json`), so the number of statements does not depend on the number of rows.

// A method of a repository that is missing here would fail at run time: the ports have defaults for other stores.
#![warn(clippy::missing_trait_methods)]

mod agreements;
mod backup;
#[cfg(feature = "http")]
mod backups;
mod connections;
mod due_work;
mod enrollment_jobs;
mod error;
mod history;
mod idempotency;
mod json;
mod license_pages;
mod licenses;
mod options;
mod outbox;
mod plans;
mod products;
mod purge;
mod queue;
mod recording;
mod renewals;
mod retirement;
mod staff_records;
mod store;
mod transfers;
pub(crate) mod unit;
mod utilization;
mod webhooks;

pub use backup::{BackupError, backup};
#[cfg(feature = "http")]
pub use backups::SqliteBackups;
pub use connections::OpenError;
pub use options::{OnStatement, SqliteOptions, Synchronous};
pub use store::SqliteStore;
