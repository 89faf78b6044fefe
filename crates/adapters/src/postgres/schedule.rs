//! How recurring operations are scheduled.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Nullable, Text, Timestamptz};
use license_manager_domain::Error;
use license_manager_domain::operations::{FinishedRun, OperationSchedule, RecurringOperation};
use license_manager_domain::ports::ScheduleRepository;

use super::PostgresUnit;
use crate::schedule::{finished_run, in_order, summary_text};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    operation: String,
    #[diesel(sql_type = Nullable<Text>)]
    expression: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    scheduled_since: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    next_run: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    running_since: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    started: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    finished: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    outcome: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    summary: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    last_complete: Option<DateTime<Utc>>,
}

impl Row {
    /// `None` for an operation that another version knows.
    fn schedule(self) -> Result<Option<OperationSchedule>, Error> {
        let Some(operation) = RecurringOperation::from_name(&self.operation) else { return Ok(None) };
        Ok(Some(OperationSchedule {
            operation,
            expression: self.expression,
            scheduled_since: self.scheduled_since,
            next_run: self.next_run,
            running_since: self.running_since,
            last_run: finished_run(self.started, self.finished, self.outcome, self.summary)?,
            last_complete: self.last_complete,
        }))
    }
}

impl ScheduleRepository for PostgresUnit<'_> {
    fn list(&mut self) -> Result<Vec<OperationSchedule>, Error> {
        let query = sql_query("SELECT * FROM operation_schedule");
        let rows: Vec<Row> = self.read(|connection| query.load(connection))?;
        in_order(rows.into_iter().map(Row::schedule))
    }

    fn lock_or_add(&mut self, operation: RecurringOperation) -> Result<OperationSchedule, Error> {
        let statement = sql_query("INSERT INTO operation_schedule (operation) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind::<Text, _>(operation.as_str());
        self.write(|connection| statement.execute(connection))?;
        let query = sql_query("SELECT * FROM operation_schedule WHERE operation = $1 FOR UPDATE")
            .bind::<Text, _>(operation.as_str());
        let row: Row = self.write(|connection| query.get_result(connection))?;
        Ok(row.schedule()?.unwrap_or_else(|| OperationSchedule::new(operation)))
    }

    fn save(&mut self, schedule: &OperationSchedule) -> Result<(), Error> {
        let last: Option<&FinishedRun> = schedule.last_run.as_ref();
        let statement = sql_query(
            "UPDATE operation_schedule
             SET expression = $2, next_run = $3, running_since = $4, started = $5, finished = $6, outcome = $7, summary = $8,
                 last_complete = $9, scheduled_since = $10
             WHERE operation = $1",
        )
        .bind::<Text, _>(schedule.operation.as_str())
        .bind::<Nullable<Text>, _>(schedule.expression.as_deref())
        .bind::<Nullable<Timestamptz>, _>(schedule.next_run)
        .bind::<Nullable<Timestamptz>, _>(schedule.running_since)
        .bind::<Nullable<Timestamptz>, _>(last.map(|run| run.started))
        .bind::<Nullable<Timestamptz>, _>(last.map(|run| run.finished))
        .bind::<Nullable<Text>, _>(last.map(|run| run.outcome.as_str()))
        .bind::<Nullable<Text>, _>(summary_text(last)?)
        .bind::<Nullable<Timestamptz>, _>(schedule.last_complete)
        .bind::<Nullable<Timestamptz>, _>(schedule.scheduled_since);
        self.write_rows(1, "operations", |connection| statement.execute(connection))
    }
}
