//! The schedule of recurring operations.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Nullable, Text};
use license_manager_domain::Error;
use license_manager_domain::operations::{FinishedRun, OperationSchedule, RecurringOperation};
use license_manager_domain::ports::ScheduleRepository;

use super::unit::SqliteUnit;
use crate::rows::schedule::{ScheduleRow, in_order, summary_text};
use crate::sql_types::SqlTimestamp;

impl ScheduleRepository for SqliteUnit<'_> {
    fn list(&mut self) -> Result<Vec<OperationSchedule>, Error> {
        in_order(self.read(|connection| sql_query("SELECT * FROM operation_schedule").load(connection))?)
    }

    // Only one unit of work writes at a time.
    fn lock_or_add(&mut self, operation: RecurringOperation) -> Result<OperationSchedule, Error> {
        let statement = sql_query("INSERT INTO operation_schedule (operation) VALUES (?1) ON CONFLICT DO NOTHING")
            .bind::<Text, _>(operation.as_str());
        self.write(|connection| statement.execute(connection))?;
        let query =
            sql_query("SELECT * FROM operation_schedule WHERE operation = ?1").bind::<Text, _>(operation.as_str());
        let row: ScheduleRow = self.write(|connection| query.get_result(connection))?;
        Ok(row.schedule()?.unwrap_or_else(|| OperationSchedule::new(operation)))
    }

    fn save(&mut self, schedule: &OperationSchedule) -> Result<(), Error> {
        let last: Option<&FinishedRun> = schedule.last_run.as_ref();
        let statement = sql_query(
            "UPDATE operation_schedule
             SET expression = ?2, next_run = ?3, running_since = ?4, started = ?5, finished = ?6, outcome = ?7, summary = ?8,
                 last_complete = ?9, scheduled_since = ?10
             WHERE operation = ?1",
        )
        .bind::<Text, _>(schedule.operation.as_str())
        .bind::<Nullable<Text>, _>(schedule.expression.as_deref())
        .bind::<Nullable<SqlTimestamp>, _>(schedule.next_run)
        .bind::<Nullable<SqlTimestamp>, _>(schedule.running_since)
        .bind::<Nullable<SqlTimestamp>, _>(last.map(|run| run.started))
        .bind::<Nullable<SqlTimestamp>, _>(last.map(|run| run.finished))
        .bind::<Nullable<Text>, _>(last.map(|run| run.outcome.as_str()))
        .bind::<Nullable<Text>, _>(summary_text(last)?)
        .bind::<Nullable<SqlTimestamp>, _>(schedule.last_complete)
        .bind::<Nullable<SqlTimestamp>, _>(schedule.scheduled_since);
        let written = self.write(|connection| statement.execute(connection))?;
        match written {
            1 => Ok(()),
            _ => Err(Error::internal("this operation is not there to be written")),
        }
    }
}
