use super::{MemoryUnit, replace};
use crate::error::Error;
use crate::operations::schedule::{OperationSchedule, RecurringOperation};
use crate::ports::ScheduleRepository;

impl ScheduleRepository for MemoryUnit<'_> {
    fn list(&mut self) -> Result<Vec<OperationSchedule>, Error> {
        Ok(self.tables.schedule.values().cloned().collect())
    }

    fn is_importing(&mut self) -> Result<bool, Error> {
        Ok(false)
    }

    fn lock_or_add(&mut self, operation: RecurringOperation) -> Result<OperationSchedule, Error> {
        let schedule = &mut self.written()?.schedule;
        Ok(schedule.entry(operation).or_insert_with(|| OperationSchedule::new(operation)).clone())
    }

    fn save(&mut self, schedule: &OperationSchedule) -> Result<(), Error> {
        replace(&mut self.written()?.schedule, &schedule.operation, schedule, "schedule")
    }
}
