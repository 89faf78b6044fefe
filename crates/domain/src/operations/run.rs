//! A run of an operation: what it is told, whom it tells, and what it sums up.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::schedule::{OperationFailure, RecurringOperation};
use crate::error::Error;
use crate::model::ids::{CatalogId, CustomerId};
use crate::use_cases::manager::LicenseManager;

/// What an operator can set of the recurring operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationSettings {
    /// How long a run that gives no sign of life keeps its tasks to itself; longer than a call to an upstream takes.
    pub lease: Duration,
    /// The customers whose learners are unlinked when their licenses are long expired.
    pub unlink_customers: Vec<CustomerId>,
    /// The customers whose licenses are told of 180 days after their activation.
    pub custom_event_customers: Vec<CustomerId>,
    /// The catalogs whose queries need not be standard ones.
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

/// Whoever runs an operation: hears how far it is, and may end it. [`Unsupervised`] does neither.
#[async_trait]
pub trait Supervisor: Send + Sync {
    /// So many more things were found to do.
    fn found(&self, _number: u64) {}

    /// So many of them were looked after, whether that went well or not.
    fn advanced(&self, _number: u64) {}

    /// Whether to end after the batch under way.
    fn is_stopping(&self) -> bool {
        false
    }

    /// Waits for so long, or until [`Supervisor::is_stopping`].
    async fn pause(&self, duration: std::time::Duration);
}

/// Nobody: an operation runs to its end. Its pauses, each a second at most, block the thread, as the database does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unsupervised;

#[async_trait]
impl Supervisor for Unsupervised {
    async fn pause(&self, duration: std::time::Duration) {
        std::thread::sleep(duration);
    }
}

/// What an operation did or, in a dry run, would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationSummary {
    /// Its name.
    pub operation: &'static str,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// How many of what; each operation has its own names, and always all of them.
    pub counts: BTreeMap<&'static str, i64>,
    /// What it was done to; each operation says in its documentation of what kind they are.
    pub uuids: Vec<Uuid>,
    /// What went wrong.
    pub errors: Vec<OperationFailure>,
    /// Whether it was ended before everything was done.
    pub interrupted: bool,
}

impl OperationSummary {
    /// Of a run that has done nothing yet and counts what these names say.
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

    /// Of a run of which nobody knows more than that it ended.
    pub fn ended_unexpectedly(operation: RecurringOperation) -> Self {
        let mut summary = Self::new(operation.as_str(), false, &[]);
        summary.fail(operation.as_str(), "The run ended unexpectedly.");
        summary
    }

    /// Whether everything there was to do was done.
    pub fn is_complete(&self) -> bool {
        self.errors.is_empty() && !self.interrupted
    }

    /// Counts more of what the name says.
    pub fn count(&mut self, name: &'static str, number: usize) {
        *self.counts.entry(name).or_default() += number as i64;
    }

    /// Notes, and logs, what could not be done.
    pub fn fail(&mut self, about: impl std::fmt::Display, error: impl std::fmt::Display) {
        tracing::warn!(operation = self.operation, %about, %error, "failed");
        self.errors.push(OperationFailure { about: about.to_string(), message: error.to_string() });
    }
}

/// One run of an operation.
pub(super) struct Run<'a> {
    pub(super) manager: &'a LicenseManager,
    pub(super) supervisor: &'a dyn Supervisor,
    /// Who has this run's tasks.
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

    /// Whether to end here; the summary says so.
    pub(super) fn stops(&mut self) -> bool {
        self.summary.interrupted |= self.supervisor.is_stopping();
        self.summary.interrupted
    }

    /// The summary; what ended the run as a whole is told in it.
    pub(super) fn end(mut self, outcome: Result<(), Error>) -> OperationSummary {
        if let Err(error) = outcome {
            let operation = self.operation();
            self.summary.fail(operation, error);
        }
        self.summary
    }
}
