//! `GET /api/v1/provisioning-admins/scheduled-operations/`: the recurring operations and their runs.

use std::collections::BTreeMap;

use license_manager_domain::operations::{FinishedRun, OperationFailure, OperationSchedule, RunOutcome};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::permissions::ProvisionerOrStaff;
use crate::http::kinds::choices;
use crate::http::{ApiResult, Response, Timestamp, blocking};
use crate::state::State;

/// The recurring operations.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
struct ScheduleBody {
    /// Whether this server runs scheduled operations. Other servers and workers may run them.
    enabled: bool,
    /// Whether the database is imported again until `license-manager import --finish`. Until then only backups run on schedule.
    importing: bool,
    operations: Vec<OperationBody>,
}

/// A recurring operation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScheduledOperation)]
struct OperationBody {
    /// The name of its command.
    #[schema(example = "process-renewals")]
    operation: &'static str,
    /// The cron expression, in UTC unless it names a time zone; null if the operation is not scheduled.
    #[schema(example = "0 */6 * * *")]
    expression: Option<String>,
    /// When it runs next. If this is in the past, it runs as soon as a server is available.
    next_run: Option<Timestamp>,
    /// When the current run started; null if it is not running.
    running_since: Option<Timestamp>,
    /// The last scheduled run that ended.
    last_run: Option<RunBody>,
    /// When the last complete run started.
    last_complete: Option<Timestamp>,
}

/// A run that ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScheduledRun)]
struct RunBody {
    started: Timestamp,
    finished: Timestamp,
    outcome: RunOutcomeName,
    /// Counts by name, as the operation's command prints them.
    counts: BTreeMap<String, i64>,
    /// The number of failures.
    failure_count: u64,
    /// The first twenty failures.
    failures: Vec<FailureBody>,
}

choices!(
    /// How a run ended.
    RunOutcomeName,
    "RunOutcome",
    RunOutcome
);

/// A failure of a run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperationFailure)]
struct FailureBody {
    /// What failed.
    #[schema(example = "renewal 7 of plan 5c95ce38-1e9c-41e5-aa8c-9023281f96de")]
    about: String,
    message: String,
}

impl From<OperationFailure> for FailureBody {
    fn from(failure: OperationFailure) -> Self {
        Self { about: failure.about, message: failure.message }
    }
}

impl From<FinishedRun> for RunBody {
    fn from(run: FinishedRun) -> Self {
        Self {
            started: Timestamp(run.started),
            finished: Timestamp(run.finished),
            outcome: RunOutcomeName(run.outcome),
            counts: run.summary.counts,
            failure_count: run.summary.failure_count,
            failures: run.summary.failures.into_iter().map(FailureBody::from).collect(),
        }
    }
}

impl From<OperationSchedule> for OperationBody {
    fn from(schedule: OperationSchedule) -> Self {
        Self {
            operation: schedule.operation.as_str(),
            expression: schedule.expression,
            next_run: schedule.next_run.map(Timestamp),
            running_since: schedule.running_since.map(Timestamp),
            last_run: schedule.last_run.map(RunBody::from),
            last_complete: schedule.last_complete.map(Timestamp),
        }
    }
}

/// Lists the recurring operations: when each runs next, and how its last scheduled run ended. Manual runs are not listed.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/scheduled-operations/",
    tag = "Staff",
    responses((status = 200, description = "The operations", body = ScheduleBody)),
)]
pub async fn list(_: ProvisionerOrStaff, state: State) -> ApiResult {
    blocking(move || {
        let operations = state.manager.schedule()?.into_iter().map(OperationBody::from).collect();
        let (enabled, importing) = (state.monitor.runs_schedule(), state.manager.is_importing()?);
        Response::ok(&ScheduleBody { enabled, importing, operations })
    })
    .await
}
