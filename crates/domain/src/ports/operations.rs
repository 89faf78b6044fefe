use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::Error;
use crate::model::ids::{LicenseId, PlanId};
use crate::ports::queue::{ExpirationProgress, Task};

/// What operations note: how far they are, and what was done once and for all. Who has a task at the moment says
/// [`super::QueueRepository`].
pub trait OperationRepository {
    /// Notes how far a task is. MUST change nothing where `owner` does not hold it.
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
