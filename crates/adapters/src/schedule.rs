//! What both databases keep alike of scheduled operations.

use chrono::{DateTime, Utc};
use license_manager_domain::Error;
use license_manager_domain::operations::{FinishedRun, OperationSchedule, RunOutcome};

/// The run in these columns, which are there together or not at all.
pub(crate) fn finished_run(
    started: Option<DateTime<Utc>>,
    finished: Option<DateTime<Utc>>,
    outcome: Option<String>,
    summary: Option<String>,
) -> Result<Option<FinishedRun>, Error> {
    let (Some(started), Some(finished), Some(outcome), Some(summary)) = (started, finished, outcome, summary) else {
        return Ok(None);
    };
    let outcome = RunOutcome::from_name(&outcome).ok_or_else(|| Error::storage("a run ended in an unknown way"))?;
    let summary = serde_json::from_str(&summary).map_err(Error::storage)?;
    Ok(Some(FinishedRun { started, finished, outcome, summary }))
}

/// What a run did, as it is stored.
pub(crate) fn summary_text(run: Option<&FinishedRun>) -> Result<Option<String>, Error> {
    run.map(|run| serde_json::to_string(&run.summary)).transpose().map_err(Error::storage)
}

/// The operations in their order, without those that another version knows.
pub(crate) fn in_order(
    rows: impl Iterator<Item = Result<Option<OperationSchedule>, Error>>,
) -> Result<Vec<OperationSchedule>, Error> {
    let mut schedule: Vec<OperationSchedule> = rows.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    schedule.sort_by_key(|schedule| schedule.operation);
    Ok(schedule)
}
