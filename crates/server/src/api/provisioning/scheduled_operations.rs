//! `GET /api/v1/provisioning-admins/scheduled-operations/`: what runs by itself, when it did and when it will.

use std::collections::BTreeMap;

use license_manager_domain::operations::{FinishedRun, OperationFailure, OperationSchedule, RunOutcome};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::permissions::ProvisionerOrStaff;
use crate::http::kinds::choices;
use crate::http::{Answer, ApiResult, Timestamp, blocking};
use crate::state::State;

/// What runs by itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
struct ScheduleBody {
    /// Whether the server that answers takes part; others and workers may.
    enabled: bool,
    operations: Vec<OperationBody>,
}

/// A recurring operation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScheduledOperation)]
struct OperationBody {
    /// The name of its command.
    #[schema(example = "process-renewals")]
    operation: &'static str,
    /// The cron expression in force, in UTC unless a time zone follows; null where it does not run by itself.
    #[schema(example = "0 */6 * * *")]
    expression: Option<String>,
    /// A moment that has passed: it runs as soon as a server is there to do so.
    next_run: Option<Timestamp>,
    /// Since when a run is under way.
    running_since: Option<Timestamp>,
    /// The last scheduled run that ended.
    last_run: Option<RunBody>,
    /// When the last run began that did everything there was to do.
    last_complete: Option<Timestamp>,
}

/// A run that ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScheduledRun)]
struct RunBody {
    started: Timestamp,
    finished: Timestamp,
    outcome: RunOutcomeName,
    /// How many of what, as the operation's command counts.
    counts: BTreeMap<String, i64>,
    /// How many things could not be done.
    failure_count: u64,
    /// The first twenty of them.
    failures: Vec<FailureBody>,
}

choices!(
    /// How a run ended.
    RunOutcomeName,
    "RunOutcome",
    RunOutcome
);

/// Something that could not be done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperationFailure)]
struct FailureBody {
    /// What it was about.
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

/// Every recurring operation: when it runs next, and how its last run by itself went. Runs by hand are not told of.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/scheduled-operations/",
    tag = "Staff",
    responses((status = 200, description = "The operations", body = ScheduleBody)),
)]
pub async fn list(_: ProvisionerOrStaff, state: State) -> ApiResult {
    blocking(move || {
        let operations = state.manager.schedule()?.into_iter().map(OperationBody::from).collect();
        Answer::ok(&ScheduleBody { enabled: state.monitor.runs_schedule(), operations })
    })
    .await
}
