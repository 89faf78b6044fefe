//! The schedule of recurring operations.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Nullable, Text};
use diesel::{QueryableByName, sql_query};
use license_manager_domain::Error;
use license_manager_domain::operations::{FinishedRun, OperationSchedule, RecurringOperation, RunOutcome};

use super::shared::SharedStatement;
use crate::sql_types::SqlTimestamp;

/// The number of imports that are repeated until they are finished.
pub(crate) const UNFINISHED_IMPORTS: &str =
    "SELECT count(*) AS number FROM imported_versions WHERE finished_at IS NULL";

#[derive(QueryableByName)]
pub(crate) struct ScheduleRow {
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

impl ScheduleRow {
    /// `None` for an operation that this version does not know.
    pub(crate) fn schedule(self) -> Result<Option<OperationSchedule>, Error> {
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

/// The schedules, sorted by operation. Operations that this version does not know are left out.
pub(crate) fn in_order(rows: Vec<ScheduleRow>) -> Result<Vec<OperationSchedule>, Error> {
    let known = rows.into_iter().filter_map(|row| row.schedule().transpose());
    let mut schedule: Vec<OperationSchedule> = known.collect::<Result<_, _>>()?;
    schedule.sort_by_key(|schedule| schedule.operation);
    Ok(schedule)
}

/// Writes a schedule.
pub(crate) fn save(schedule: &OperationSchedule) -> Result<impl SharedStatement + use<>, Error> {
    let last = schedule.last_run.as_ref();
    let summary = last.map(|run| serde_json::to_string(&run.summary)).transpose().map_err(Error::internal)?;
    let statement = sql_query(
        "UPDATE operation_schedule
         SET expression = $1, next_run = $2, running_since = $3, started = $4, finished = $5, outcome = $6, summary = $7,
             last_complete = $8, scheduled_since = $9, requested = $10
         WHERE operation = $11",
    );
    Ok(statement
        .bind::<Nullable<Text>, _>(schedule.expression.clone())
        .bind::<Nullable<SqlTimestamp>, _>(schedule.next_run)
        .bind::<Nullable<SqlTimestamp>, _>(schedule.running_since)
        .bind::<Nullable<SqlTimestamp>, _>(last.map(|run| run.started))
        .bind::<Nullable<SqlTimestamp>, _>(last.map(|run| run.finished))
        .bind::<Nullable<Text>, _>(last.map(|run| run.outcome.as_str()))
        .bind::<Nullable<Text>, _>(summary)
        .bind::<Nullable<SqlTimestamp>, _>(schedule.last_complete)
        .bind::<Nullable<SqlTimestamp>, _>(schedule.scheduled_since)
        .bind::<Nullable<SqlTimestamp>, _>(schedule.requested)
        .bind::<Text, _>(schedule.operation.as_str()))
}
