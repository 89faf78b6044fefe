//! What both databases share about the schedule of operations.

use chrono::{DateTime, Utc};
use license_manager_domain::Error;
use license_manager_domain::operations::{FinishedRun, OperationSchedule, RunOutcome};

/// Builds the last run from its columns; `None` when there was no run.
///
/// # Errors
/// A stored outcome or summary that cannot be read.
pub(crate) fn finished_run(
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

/// The summary of a run as stored JSON.
pub(crate) fn summary_text(run: Option<&FinishedRun>) -> Result<Option<String>, Error> {
    run.map(|run| serde_json::to_string(&run.summary)).transpose().map_err(Error::internal)
}

/// The schedules, sorted by operation. Operations that this version does not know are left out.
pub(crate) fn in_order(
    rows: impl Iterator<Item = Result<Option<OperationSchedule>, Error>>,
) -> Result<Vec<OperationSchedule>, Error> {
    let mut schedule: Vec<OperationSchedule> = rows.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    schedule.sort_by_key(|schedule| schedule.operation);
    Ok(schedule)
}
