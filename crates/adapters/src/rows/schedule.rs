//! The schedule of recurring operations.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Nullable, Text};
use diesel::{QueryableByName, RunQueryDsl};
use license_manager_domain::Error;
use license_manager_domain::operations::{FinishedRun, OperationSchedule, RecurringOperation, RunOutcome};
use license_manager_domain::ports::ScheduleRepository;

use super::shared::{NumberRow, for_both_databases};
use crate::prepared::prepared_sql;
use crate::sql_types::SqlTimestamp;

#[derive(QueryableByName)]
struct ScheduleRow {
    #[diesel(sql_type = Text)]
    operation: String,
    #[diesel(sql_type = Nullable<Text>)]
    expression: Option<String>,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    scheduled_since: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    next_run: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    running_since: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    requested: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    started: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    finished: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    outcome: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    summary: Option<String>,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    last_complete: Option<DateTime<Utc>>,
}

/// The columns of a [`ScheduleRow`].
const COLUMNS: &str = "operation, expression, scheduled_since, next_run, running_since, requested, started, finished,
    outcome, summary, last_complete";

impl ScheduleRow {
    /// `None` for an operation that this version does not know.
    fn schedule(self) -> Result<Option<OperationSchedule>, Error> {
        let Some(operation) = RecurringOperation::from_name(&self.operation) else { return Ok(None) };
        Ok(Some(OperationSchedule {
            operation,
            expression: self.expression,
            scheduled_since: self.scheduled_since,
            next_run: self.next_run,
            requested: self.requested,
            running_since: self.running_since,
            last_run: finished_run(self.started, self.finished, self.outcome, self.summary)?,
            last_complete: self.last_complete,
        }))
    }
}

/// Builds the last run from its columns; `None` when there was no run.
///
/// # Errors
/// A stored outcome or summary that cannot be read.
fn finished_run(
    started: Option<DateTime<Utc>>,
    finished: Option<DateTime<Utc>>,
    outcome: Option<String>,
    summary: Option<String>,
) -> Result<Option<FinishedRun>, Error> {
    let (Some(started), Some(finished), Some(outcome), Some(summary)) = (started, finished, outcome, summary) else {
        return Ok(None);
    };
    let outcome =
        RunOutcome::from_name(&outcome).ok_or_else(|| Error::internal("the stored outcome of a run is unknown"))?;
    let summary = serde_json::from_str(&summary).map_err(Error::internal)?;
    Ok(Some(FinishedRun { started, finished, outcome, summary }))
}

for_both_databases! {
    impl ScheduleRepository for Unit {
        fn list(&mut self) -> Result<Vec<OperationSchedule>, Error> {
            let query = prepared_sql(format!("SELECT {COLUMNS} FROM operation_schedule"));
            let rows = self.read(|connection| query.load::<ScheduleRow>(connection))?;
            let known = rows.into_iter().filter_map(|row| row.schedule().transpose());
            let mut schedule: Vec<OperationSchedule> = known.collect::<Result<_, _>>()?;
            schedule.sort_by_key(|schedule| schedule.operation);
            Ok(schedule)
        }

        fn is_importing(&mut self) -> Result<bool, Error> {
            // An import is repeated until it is finished.
            let query = prepared_sql("SELECT count(*) AS number FROM imported_versions WHERE finished_at IS NULL");
            Ok(self.read(|connection| query.get_result::<NumberRow>(connection))?.number > 0)
        }

        fn lock_or_add(&mut self, operation: RecurringOperation) -> Result<OperationSchedule, Error> {
            let statement =
                prepared_sql("INSERT INTO operation_schedule (operation) VALUES ($1) ON CONFLICT DO NOTHING")
                    .bind::<Text, _>(operation.as_str());
            self.write(|connection| statement.execute(connection))?;
            let query = prepared_sql(format!(
                "SELECT {COLUMNS} FROM operation_schedule WHERE operation = $1{}",
                Self::FOR_UPDATE
            ))
            .bind::<Text, _>(operation.as_str());
            let row = self.write(|connection| query.get_result::<ScheduleRow>(connection))?;
            Ok(row.schedule()?.unwrap_or_else(|| OperationSchedule::new(operation)))
        }

        fn save(&mut self, saved: &OperationSchedule) -> Result<(), Error> {
            let last = saved.last_run.as_ref();
            let summary = last.map(|run| serde_json::to_string(&run.summary)).transpose().map_err(Error::internal)?;
            let statement = prepared_sql(
                "UPDATE operation_schedule
                 SET expression = $1, next_run = $2, running_since = $3, started = $4, finished = $5, outcome = $6,
                     summary = $7, last_complete = $8, scheduled_since = $9, requested = $10
                 WHERE operation = $11",
            )
            .bind::<Nullable<Text>, _>(saved.expression.as_deref())
            .bind::<Nullable<SqlTimestamp>, _>(saved.next_run)
            .bind::<Nullable<SqlTimestamp>, _>(saved.running_since)
            .bind::<Nullable<SqlTimestamp>, _>(last.map(|run| run.started))
            .bind::<Nullable<SqlTimestamp>, _>(last.map(|run| run.finished))
            .bind::<Nullable<Text>, _>(last.map(|run| run.outcome.as_str()))
            .bind::<Nullable<Text>, _>(summary)
            .bind::<Nullable<SqlTimestamp>, _>(saved.last_complete)
            .bind::<Nullable<SqlTimestamp>, _>(saved.scheduled_since)
            .bind::<Nullable<SqlTimestamp>, _>(saved.requested)
            .bind::<Text, _>(saved.operation.as_str());
            self.write_rows(1, "operations", |connection| statement.execute(connection))
        }
    }
}
