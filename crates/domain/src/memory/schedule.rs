use super::MemoryUnit;
use crate::error::Error;
use crate::operations::schedule::{OperationSchedule, RecurringOperation};
use crate::ports::ScheduleRepository;

impl ScheduleRepository for MemoryUnit<'_> {
    fn list(&mut self) -> Result<Vec<OperationSchedule>, Error> {
        Ok(self.tables.schedule.values().cloned().collect())
    }

    fn lock_or_add(&mut self, operation: RecurringOperation) -> Result<OperationSchedule, Error> {
        let schedule = &mut self.written()?.schedule;
        Ok(schedule.entry(operation).or_insert_with(|| OperationSchedule::new(operation)).clone())
    }

    fn save(&mut self, schedule: &OperationSchedule) -> Result<(), Error> {
        match self.written()?.schedule.get_mut(&schedule.operation) {
            Some(kept) => kept.clone_from(schedule),
            None => return Err(Error::internal("this operation is not there to be written")),
        }
        Ok(())
    }
}
