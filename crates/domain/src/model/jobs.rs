//! Work on whole plans that is too large for a request, or on many of them at once.
//!
//! A job is a row until its work is done. A run does one batch in one transaction, so a crash loses at most one batch,
//! and any number of processes can share the jobs.

use chrono::{DateTime, Utc};

use crate::model::ids::PlanId;

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
}

names!(JobKind {
    Provision => "provision",
    RevokeAll => "revoke_all",
    Freeze => "freeze",
    DeleteRevoked => "delete_revoked",
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
}
