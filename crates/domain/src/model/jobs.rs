//! Work on whole plans that is too large for a request, or on many of them at once.
//!
//! A job is a row until its work is done. A run does one batch in one transaction, so a crash loses at most one batch,
//! and any number of processes can share the jobs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::ids::{LicenseId, PlanId};

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobKind {
    /// Creates the plan's missing licenses.
    Provision,
    /// Revokes all live licenses.
    RevokeAll,
    /// Freezes the plan.
    Freeze,
    /// Deletes the plan's revoked licenses.
    DeleteRevoked,
    /// Reminds learners to activate their licenses.
    Remind,
}

names!(JobKind {
    Provision => "provision",
    RevokeAll => "revoke_all",
    Freeze => "freeze",
    DeleteRevoked => "delete_revoked",
    Remind => "remind",
});

/// A job on a plan. A plan has at most one of each kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The plan.
    pub plan: PlanId,
    /// What to do.
    pub kind: JobKind,
    /// Who requested it; recorded in the licenses' history.
    pub requested_by: Option<String>,
    /// When it was requested.
    pub requested_at: DateTime<Utc>,
    /// Why, if they said so; recorded in the licenses' history.
    pub reason: Option<String>,
    /// Whom it reminds, and how; only of [`JobKind::Remind`].
    pub reminders: Option<Reminders>,
    /// The last license that the finished batches have read, sorted by id: the next batch begins after it. `None` if the
    /// next batch begins with the first license, and of [`JobKind::Provision`].
    pub read_until: Option<LicenseId>,
}

impl Job {
    /// A job that the service itself requests.
    pub fn new(plan: PlanId, kind: JobKind, requested_at: DateTime<Utc>) -> Self {
        Self { plan, kind, requested_by: None, requested_at, reason: None, reminders: None, read_until: None }
    }
}

/// The reminders of a job: to the learners with an assigned license that matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reminders {
    /// Only licenses whose email address contains all of these words. More addresses than a request reminds contain
    /// them, so they name nobody.
    pub email_words: Vec<String>,
    /// Only licenses that were assigned at this time or before.
    pub assigned_until: Option<DateTime<Utc>>,
    /// Only licenses that were written at this time or later.
    pub modified_since: Option<DateTime<Utc>>,
    /// The text before the mail's own text.
    pub greeting: String,
    /// The text after the mail's own text.
    pub closing: String,
}
