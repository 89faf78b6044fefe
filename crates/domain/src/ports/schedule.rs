use crate::error::Error;
use crate::operations::schedule::{OperationSchedule, RecurringOperation};

/// The schedule of recurring operations. A [`super::Task`] is the lease of a current run.
pub trait ScheduleRepository {
    /// The stored schedules of operations that this version knows, in the order of [`RecurringOperation::ALL`].
    fn list(&mut self) -> Result<Vec<OperationSchedule>, Error> {
        not_provided!("schedule.list")
    }

    /// The schedule of an operation, locked: other transactions that lock it wait until this one ends. MUST add
    /// [`OperationSchedule::new`] if there is none.
    fn lock_or_add(&mut self, operation: RecurringOperation) -> Result<OperationSchedule, Error> {
        not_provided!("schedule.lock_or_add", operation)
    }

    /// Whether an import from another system is repeated until it is finished. Until then only backups run on schedule.
    fn is_importing(&mut self) -> Result<bool, Error> {
        not_provided!("schedule.is_importing")
    }

    /// Writes a schedule that was locked before. MUST fail if [`ScheduleRepository::lock_or_add`] never added it.
    fn save(&mut self, schedule: &OperationSchedule) -> Result<(), Error> {
        not_provided!("schedule.save", schedule)
    }
}
