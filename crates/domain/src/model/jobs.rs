//! Work on a whole plan that is too large for a request.
//!
//! A job is a row that exists until its work is done. Each run does one batch in one transaction, so a process that dies
//! loses at most the batch it was in, and any number of processes can share the jobs.

use chrono::{DateTime, Utc};

use crate::model::ids::PlanId;

/// What is to be done with the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobKind {
    /// Bring it up to the number of licenses it is to have.
    Provision,
    /// Revoke every license in somebody's hands.
    RevokeAll,
}

names!(JobKind {
    Provision => "provision",
    RevokeAll => "revoke_all",
});

/// Work to be done on a plan. A plan has at most one job of each kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The plan.
    pub plan: PlanId,
    /// What is to be done.
    pub kind: JobKind,
    /// Who asked for it: the history of the licenses names them.
    pub requested_by: Option<String>,
    /// When they asked.
    pub requested_at: DateTime<Utc>,
}
