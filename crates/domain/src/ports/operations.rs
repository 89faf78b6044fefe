use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::Error;
use crate::model::ids::{LicenseId, PlanId};
use crate::ports::queue::{ExpirationProgress, Task};

/// The records of operations: their progress, and the plans and licenses for which they are done.
/// [`super::QueueRepository`] says which run holds a task.
pub trait OperationRepository {
    /// Stores the progress of a task. MUST change nothing if `owner` does not hold the task.
    fn note_progress(&mut self, task: Task, owner: Uuid, progress: ExpirationProgress) -> Result<(), Error> {
        not_provided!("operations.note_progress", task, owner, progress)
    }

    /// Marks plans with a name, and returns those that were not marked. Of concurrent callers, one gets each plan.
    fn mark_plans(&mut self, plans: &[PlanId], name: &str, now: DateTime<Utc>) -> Result<Vec<PlanId>, Error> {
        not_provided!("operations.mark_plans", plans, name, now)
    }

    /// Removes a mark of those of the plans that have it.
    fn unmark_plans(&mut self, plans: &[PlanId], name: &str) -> Result<(), Error> {
        not_provided!("operations.unmark_plans", plans, name)
    }

    /// Marks licenses like [`super::LicenseEventRepository::add`], and returns those that were not marked, sorted by
    /// id. Of concurrent callers, one gets each license.
    fn mark_licenses(
        &mut self,
        licenses: &[LicenseId],
        event_name: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<LicenseId>, Error> {
        not_provided!("operations.mark_licenses", licenses, event_name, now)
    }
}
