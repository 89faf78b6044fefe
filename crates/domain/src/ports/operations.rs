use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::Error;
use crate::model::ids::{LicenseId, PlanId};

/// A piece of work that only one run of an operation does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// The operation, such as `expire-subscriptions`.
    pub operation: &'static str,
    /// The id of the plan, agreement or customer that the work is about.
    pub key: Uuid,
}

/// The result of claiming a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskClaim {
    /// The caller has it; with the position that a previous owner saved, if any.
    Taken(Option<String>),
    /// Another owner has it, at least until this time unless it finishes earlier.
    HeldUntil(DateTime<Utc>),
}

/// Leases of tasks, and marks of completed work.
pub trait OperationRepository {
    /// Claims a task that has no owner, whose lease has expired, or that is the caller's. Of concurrent callers, one
    /// gets it.
    fn take(&mut self, task: Task, owner: Uuid, now: DateTime<Utc>, until: DateTime<Utc>) -> Result<TaskClaim, Error>;

    /// Renews the lease and saves the position. MUST change nothing and return `false` if the owner has changed.
    fn keep(&mut self, task: Task, owner: Uuid, until: DateTime<Utc>, position: Option<&str>) -> Result<bool, Error>;

    /// Ends the lease so that others can claim the task; the position stays. Changes nothing if the owner has changed.
    fn give_back(&mut self, task: Task, owner: Uuid, now: DateTime<Utc>) -> Result<(), Error>;

    /// Removes a finished task and its position. Changes nothing if the owner has changed.
    fn finish(&mut self, task: Task, owner: Uuid) -> Result<(), Error>;

    /// Marks plans with a name, and returns those that were not marked. Of concurrent callers, one gets each plan.
    fn mark_plans(&mut self, plans: &[PlanId], name: &str, now: DateTime<Utc>) -> Result<Vec<PlanId>, Error>;

    /// Marks licenses like [`super::LicenseEventRepository::add`], and returns those that were not marked, sorted by
    /// id. Of concurrent callers, one gets each license.
    fn mark_licenses(
        &mut self,
        licenses: &[LicenseId],
        event_name: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<LicenseId>, Error>;
}
