//! How recurring operations are scheduled.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use license_manager_domain::Error;
use license_manager_domain::operations::{FinishedRun, OperationSchedule, RecurringOperation};
use license_manager_domain::ports::ScheduleRepository;

use super::SqliteUnit;
use super::error::storage_error;
use super::types::SqlMoment;
use crate::schedule::{finished_run, in_order, summary_text};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    operation: String,
    #[diesel(sql_type = Nullable<Text>)]
    expression: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    scheduled_since: Option<SqlMoment>,
    #[diesel(sql_type = Nullable<BigInt>)]
    next_run: Option<SqlMoment>,
    #[diesel(sql_type = Nullable<BigInt>)]
    running_since: Option<SqlMoment>,
    #[diesel(sql_type = Nullable<BigInt>)]
    started: Option<SqlMoment>,
    #[diesel(sql_type = Nullable<BigInt>)]
    finished: Option<SqlMoment>,
    #[diesel(sql_type = Nullable<Text>)]
    outcome: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    summary: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    last_complete: Option<SqlMoment>,
}

impl Row {
    /// `None` for an operation that another version knows.
    fn schedule(self) -> Result<Option<OperationSchedule>, Error> {
        let Some(operation) = RecurringOperation::from_name(&self.operation) else { return Ok(None) };
        let moment = |stored: Option<SqlMoment>| stored.map(|moment| moment.0);
        Ok(Some(OperationSchedule {
            operation,
            expression: self.expression,
            scheduled_since: moment(self.scheduled_since),
            next_run: moment(self.next_run),
            running_since: moment(self.running_since),
            last_run: finished_run(moment(self.started), moment(self.finished), self.outcome, self.summary)?,
            last_complete: moment(self.last_complete),
        }))
    }
}

impl ScheduleRepository for SqliteUnit<'_> {
    fn list(&mut self) -> Result<Vec<OperationSchedule>, Error> {
        let rows: Vec<Row> = sql_query("SELECT * FROM operation_schedule").load(self.conn).map_err(storage_error)?;
        in_order(rows.into_iter().map(Row::schedule))
    }

    // Whoever writes has the file to itself.
    fn lock_or_add(&mut self, operation: RecurringOperation) -> Result<OperationSchedule, Error> {
        let conn = self.written()?;
        sql_query("INSERT INTO operation_schedule (operation) VALUES (?1) ON CONFLICT DO NOTHING")
            .bind::<Text, _>(operation.as_str())
            .execute(conn)
            .map_err(storage_error)?;
        let row: Row = sql_query("SELECT * FROM operation_schedule WHERE operation = ?1")
            .bind::<Text, _>(operation.as_str())
            .get_result(conn)
            .map_err(storage_error)?;
        Ok(row.schedule()?.unwrap_or_else(|| OperationSchedule::new(operation)))
    }

    fn save(&mut self, schedule: &OperationSchedule) -> Result<(), Error> {
        let moment = |moment: Option<DateTime<Utc>>| moment.map(SqlMoment);
        let last: Option<&FinishedRun> = schedule.last_run.as_ref();
        let written = sql_query(
            "UPDATE operation_schedule
             SET expression = ?2, next_run = ?3, running_since = ?4, started = ?5, finished = ?6, outcome = ?7, summary = ?8,
                 last_complete = ?9, scheduled_since = ?10
             WHERE operation = ?1",
        )
        .bind::<Text, _>(schedule.operation.as_str())
        .bind::<Nullable<Text>, _>(schedule.expression.as_deref())
        .bind::<Nullable<BigInt>, _>(moment(schedule.next_run))
        .bind::<Nullable<BigInt>, _>(moment(schedule.running_since))
        .bind::<Nullable<BigInt>, _>(moment(last.map(|run| run.started)))
        .bind::<Nullable<BigInt>, _>(moment(last.map(|run| run.finished)))
        .bind::<Nullable<Text>, _>(last.map(|run| run.outcome.as_str()))
        .bind::<Nullable<Text>, _>(summary_text(last)?)
        .bind::<Nullable<BigInt>, _>(moment(schedule.last_complete))
        .bind::<Nullable<BigInt>, _>(moment(schedule.scheduled_since))
        .execute(self.written()?)
        .map_err(storage_error)?;
        match written {
            1 => Ok(()),
            _ => Err(Error::internal("this operation is not there to be written")),
        }
    }
}
