use crate::error::Error;
use crate::operations::schedule::{OperationSchedule, RecurringOperation};

/// How recurring operations are scheduled. Who runs one at the moment is a [`super::Task`].
pub trait ScheduleRepository {
    /// What is kept of operations that this version knows, in the order of [`RecurringOperation::ALL`].
    fn list(&mut self) -> Result<Vec<OperationSchedule>, Error>;

    /// What is kept of one, locked: whoever else wants to lock it waits until this transaction ends. MUST add
    /// [`OperationSchedule::new`] where nothing is kept.
    fn lock_or_add(&mut self, operation: RecurringOperation) -> Result<OperationSchedule, Error>;

    /// Writes what is kept, of an operation that was locked before.
    fn save(&mut self, schedule: &OperationSchedule) -> Result<(), Error>;
}
