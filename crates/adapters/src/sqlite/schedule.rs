//! The schedule of recurring operations.

use diesel::prelude::*;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::sql_query;
use diesel::sql_types::Text;
use license_manager_domain::Error;
use license_manager_domain::operations::{OperationSchedule, RecurringOperation};
use license_manager_domain::ports::ScheduleRepository;

use super::unit::SqliteUnit;
use crate::rows::schedule::{self, ScheduleRow, UNFINISHED_IMPORTS, in_order};
use crate::rows::shared::NumberRow;

impl ScheduleRepository for SqliteUnit<'_> {
    fn list(&mut self) -> Result<Vec<OperationSchedule>, Error> {
        in_order(self.read(|connection| sql_query("SELECT * FROM operation_schedule").load(connection))?)
    }

    fn is_importing(&mut self) -> Result<bool, Error> {
        let found: NumberRow = self.read(|connection| sql_query(UNFINISHED_IMPORTS).get_result(connection))?;
        Ok(found.number > 0)
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

    fn save(&mut self, saved: &OperationSchedule) -> Result<(), Error> {
        let statement = schedule::save(saved)?;
        self.write_rows(1, "operations", |connection| ExecuteDsl::execute(statement, connection))
    }
}
