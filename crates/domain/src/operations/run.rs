//! Runs of operations: settings, supervision and summaries.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::schedule::{OperationFailure, RecurringOperation};
use crate::error::Error;
use crate::model::ids::{CatalogId, CustomerId};
use crate::use_cases::manager::LicenseManager;

/// The settings of the recurring operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationSettings {
    /// How long the lease of a task lasts; longer than a call to an upstream.
    pub lease: Duration,
    /// The customers whose learners are unlinked long after their licenses expired.
    pub unlink_customers: Vec<CustomerId>,
    /// The customers with an event 180 days after activation of a license.
    pub custom_event_customers: Vec<CustomerId>,
    /// The catalogs that may have non-standard queries.
    pub catalog_allow_list: Vec<CatalogId>,
}

impl Default for OperationSettings {
    fn default() -> Self {
        Self {
            lease: Duration::minutes(3),
            unlink_customers: Vec::new(),
            custom_event_customers: Vec::new(),
            catalog_allow_list: Vec::new(),
        }
    }
}

/// Observes the progress of an operation and can stop it. [`Unsupervised`] does neither.
#[async_trait]
pub trait Supervisor: Send + Sync {
    /// More items were found.
    fn found(&self, _number: u64) {}

    /// Items were processed, with or without success.
    fn advanced(&self, _number: u64) {}

    /// Whether to stop after the current batch.
    fn is_stopping(&self) -> bool {
        false
    }

    /// Waits for this time, or until [`Supervisor::is_stopping`].
    async fn pause(&self, duration: std::time::Duration);
}

/// Never stops an operation. Its pauses block the thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unsupervised;

#[async_trait]
impl Supervisor for Unsupervised {
    async fn pause(&self, duration: std::time::Duration) {
        std::thread::sleep(duration);
    }
}

/// The result of an operation; of a dry run, what it would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationSummary {
    /// The name of the operation.
    pub operation: &'static str,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Numbers by name. Each operation documents its names, and always has all of them.
    pub counts: BTreeMap<&'static str, i64>,
    /// The affected items. Each operation documents their kind.
    pub uuids: Vec<Uuid>,
    /// The failures.
    pub errors: Vec<OperationFailure>,
    /// Whether it was stopped early.
    pub interrupted: bool,
}

impl OperationSummary {
    /// The summary of a new run that counts under these names.
    pub fn new(operation: &'static str, dry_run: bool, counts: &[&'static str]) -> Self {
        Self {
            operation,
            dry_run,
            counts: counts.iter().map(|&name| (name, 0)).collect(),
            uuids: Vec::new(),
            errors: Vec::new(),
            interrupted: false,
        }
    }

    /// The summary of a run that ended without one.
    pub fn ended_unexpectedly(operation: RecurringOperation) -> Self {
        let mut summary = Self::new(operation.as_str(), false, &[]);
        summary.fail(operation.as_str(), "The run ended unexpectedly.");
        summary
    }

    /// Whether everything was done.
    pub fn is_complete(&self) -> bool {
        self.errors.is_empty() && !self.interrupted
    }

    /// Adds to a number.
    pub fn count(&mut self, name: &'static str, number: usize) {
        *self.counts.entry(name).or_default() += number as i64;
    }

    /// Adds and logs a failure.
    pub fn fail(&mut self, about: impl std::fmt::Display, error: impl std::fmt::Display) {
        tracing::warn!(operation = self.operation, %about, %error, "an operation failed for a record; the others go on");
        self.errors.push(OperationFailure { about: about.to_string(), message: error.to_string() });
    }
}

/// One run of an operation.
pub(super) struct Run<'a> {
    pub(super) manager: &'a LicenseManager,
    pub(super) supervisor: &'a dyn Supervisor,
    /// The id of its lease.
    pub(super) owner: Uuid,
    pub(super) started: DateTime<Utc>,
    pub(super) summary: OperationSummary,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        manager: &'a LicenseManager,
        supervisor: &'a dyn Supervisor,
        operation: &'static str,
        dry_run: bool,
        counts: &[&'static str],
    ) -> Self {
        let summary = OperationSummary::new(operation, dry_run, counts);
        Self { manager, supervisor, owner: manager.ids.next(), started: manager.now(), summary }
    }

    pub(super) fn operation(&self) -> &'static str {
        self.summary.operation
    }

    pub(super) fn dry_run(&self) -> bool {
        self.summary.dry_run
    }

    /// Whether to stop. The summary records it.
    pub(super) fn stops(&mut self) -> bool {
        self.summary.interrupted |= self.supervisor.is_stopping();
        self.summary.interrupted
    }

    /// The summary, with the error that ended the run.
    pub(super) fn end(mut self, outcome: Result<(), Error>) -> OperationSummary {
        if let Err(error) = outcome {
            let operation = self.operation();
            self.summary.fail(operation, error);
        }
        self.summary
    }
}
