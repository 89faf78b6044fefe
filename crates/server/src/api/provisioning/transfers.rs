//! `/api/v1/provisioning-admins/license-transfer-jobs/`: provisioning admins move licenses from one plan to another.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use deserr::{Deserr, ValuePointerRef};
use license_manager_domain::history::EntityRef;
use license_manager_domain::model::{TransferJobSummary, TransferOrder, TransferRun, TransferredLicenses};
use license_manager_domain::ports::TransferFilter;
use license_manager_domain::use_cases::TransferChanges;
use license_manager_domain::{
    AgreementId, Conflict, CustomerId, Error, LicenseId, LicenseTransferJob, PlanId, TransferJobId,
};
use serde::Serialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::deletion::{Deletion, DeletionRequest, Reason};
use crate::api::history::history;
use crate::auth::permissions::{ProvisionerOrStaff, path_integer};
use crate::http::fields::{Boolean, Choice, Choices, FieldErrors, List, Nullable, Optional, Required, Text, UuidText};
use crate::http::measure::MAX_ITEMS;
use crate::http::{
    ApiError, ApiResult, PageBody, Paging, Query, Response, Timestamp, WithBody, blocking, without_content,
};
use crate::openapi::parameters::{CustomerQuery, PageQuery};
use crate::state::State;

/// The filters of transfer jobs.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TransferJobQuery {
    /// Only jobs of this agreement.
    pub customer_agreement: Option<Uuid>,
    /// Only jobs from this plan.
    pub old_subscription_plan: Option<Uuid>,
    /// Only jobs to this plan.
    pub new_subscription_plan: Option<Uuid>,
    /// `true` for completed jobs only, `false` for the others.
    pub completed: Option<bool>,
}

/// A job that moves licenses from one plan of an agreement to another: all of them, or those in a list or a text.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct TransferJobRequest {
    /// The agreement of both plans.
    pub customer_agreement: Required<UuidText>,
    /// The plan that the licenses leave.
    pub old_subscription_plan: Required<UuidText>,
    /// The plan that the licenses move to.
    pub new_subscription_plan: Required<UuidText>,
    /// The licenses to move.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub licenses: LicensesToMove,
    /// Whether the job only reports what it would do.
    #[deserr(default)]
    pub is_dry_run: Optional<Boolean>,
    /// Notes about the job.
    #[deserr(default)]
    pub notes: Nullable<Text<0, 10_000>>,
}

/// An edit of a job; absent fields stay. Once the licenses were moved, only the notes can be edited.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct TransferJobEditRequest {
    /// The agreement of both plans.
    #[deserr(default)]
    pub customer_agreement: Optional<UuidText>,
    /// The plan that the licenses leave.
    #[deserr(default)]
    pub old_subscription_plan: Optional<UuidText>,
    /// The plan that the licenses move to.
    #[deserr(default)]
    pub new_subscription_plan: Optional<UuidText>,
    /// The licenses to move.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub licenses: LicensesToMove,
    /// Whether the job only reports what it would do.
    #[deserr(default)]
    pub is_dry_run: Optional<Boolean>,
    /// Notes about the job.
    #[deserr(default)]
    pub notes: Nullable<Text<0, 10_000>>,
    /// Why, for the history.
    #[deserr(default)]
    pub change_reason: Nullable<Reason>,
}

/// The licenses to move: all of them, or those in a list or a text.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors, validate = Self::named_once -> FieldErrors)]
pub struct LicensesToMove {
    /// Whether all of the plan's licenses move.
    #[deserr(default)]
    pub transfer_all: Optional<Boolean>,
    /// The licenses to move.
    #[deserr(default)]
    pub license_uuids: Nullable<List<UuidText, 0, { MAX_ITEMS }>>,
    /// The licenses to move, as a text of UUIDs with a delimiter between them.
    #[deserr(default)]
    pub license_uuids_raw: Nullable<Text>,
    /// The delimiter; the default is a newline.
    #[deserr(default)]
    pub delimiter: Nullable<Choice<Delimiter>>,
}

impl LicensesToMove {
    /// Checks that the request names licenses in one way, or moves all of them.
    fn named_once(self, _: ValuePointerRef<'_>) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        if let Err(message) = self.parsed() {
            errors.add("license_uuids_raw", message);
        }
        let all = self.transfer_all.0.unwrap_or_default();
        let listed = self.license_uuids.0.iter().flatten().any(|ids| !ids.is_empty());
        let raw = self.license_uuids_raw.0.iter().flatten().any(|text| !text.is_empty());
        match (all, listed, raw) {
            (true, true, _) | (true, _, true) => {
                errors.add("transfer_all", "Either name licenses or transfer all of them, not both.");
            }
            (false, true, true) => {
                errors.add("license_uuids_raw", "Name the licenses once: in license_uuids or in license_uuids_raw.");
            }
            _ => {}
        }
        errors.into_result().map(|()| self)
    }

    /// The licenses of the text, at most [`MAX_ITEMS`]. Spaces and empty entries are ignored. The error names the first entry that is
    /// not a UUID.
    fn parsed(&self) -> Result<Vec<LicenseId>, String> {
        let raw = self.license_uuids_raw.0.iter().flatten().next().map_or("", String::as_str);
        let delimiter = self.delimiter.0.flatten().unwrap_or('\n');
        let places = raw.split(delimiter).map(str::trim).filter(|place| !place.is_empty());
        let wrong = |index| format!("Number {} is not a UUID. Check the text and its delimiter.", index + 1);
        let parse = |(index, place)| match index {
            MAX_ITEMS.. => Err(format!("This text may name at most {MAX_ITEMS} licenses.")),
            _ => Uuid::parse_str(place).map(LicenseId).map_err(|_| wrong(index)),
        };
        places.enumerate().map(parse).collect()
    }

    /// The named licenses, sorted; `None` if there is neither a list nor a text.
    fn named(&self) -> Option<Vec<LicenseId>> {
        let is_named = self.license_uuids.0.iter().flatten().next().is_some()
            || self.license_uuids_raw.0.iter().flatten().next().is_some();
        let listed = self.license_uuids.0.iter().flatten().flatten().copied().map(LicenseId);
        let mut ids: Vec<_> = listed.chain(self.parsed().unwrap_or_default()).collect();
        ids.sort_unstable();
        ids.dedup();
        is_named.then_some(ids)
    }

    /// The licenses of a new job.
    fn licenses(&self) -> TransferredLicenses {
        match self.transfer_all.0 {
            Some(true) => TransferredLicenses::All,
            _ => TransferredLicenses::Named(self.named().unwrap_or_default()),
        }
    }
}

impl Choices for Delimiter {
    type Value = char;

    fn from_name(name: &str) -> Option<char> {
        match name {
            "newline" | "\n" | "\\n" => Some('\n'),
            "comma" | "," => Some(','),
            "pipe" | "|" => Some('|'),
            _ => None,
        }
    }
}

/// The delimiter of the UUIDs in a text.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delimiter {
    /// The end of a line.
    Newline,
    /// `,`
    Comma,
    /// `|`
    Pipe,
}

/// A run of a job.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct TransferRunRequest {
    /// Overrides the job's own value.
    #[deserr(default)]
    pub is_dry_run: Optional<Boolean>,
}

/// A job in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferJobSummary)]
struct SummaryBody {
    id: i64,
    created: Timestamp,
    modified: Timestamp,
    customer_agreement: Uuid,
    old_subscription_plan: Uuid,
    new_subscription_plan: Uuid,
    notes: Option<String>,
    is_dry_run: bool,
    transfer_all: bool,
    completed_at: Option<Timestamp>,
}

impl From<TransferJobSummary> for SummaryBody {
    fn from(job: TransferJobSummary) -> Self {
        Self {
            id: job.id.0,
            created: Timestamp(job.created),
            modified: Timestamp(job.modified),
            customer_agreement: job.agreement.0,
            old_subscription_plan: job.old_plan.0,
            new_subscription_plan: job.new_plan.0,
            notes: job.notes,
            is_dry_run: job.is_dry_run,
            transfer_all: job.transfer_all,
            completed_at: job.completed_at.map(Timestamp),
        }
    }
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferJob)]
struct JobBody {
    #[serde(flatten)]
    summary: SummaryBody,
    /// The licenses to move; empty if it moves all of them.
    license_uuids: Vec<Uuid>,
    /// The results of its runs, in order.
    processed_results: Vec<RunBody>,
}

/// The result of a run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferRun)]
struct RunBody {
    is_dry_run: bool,
    modified_licenses: Vec<Uuid>,
    completed_at: Timestamp,
}

/// A refused run: some people would have two live licenses of the new plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferRefused)]
struct WouldHoldTwoBody {
    /// A message for people.
    detail: String,
    /// The licenses that cannot move.
    licenses: Vec<HeldTwiceBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeldTwice)]
struct HeldTwiceBody {
    license_uuid: Uuid,
    user_email: String,
}

impl From<LicenseTransferJob> for JobBody {
    fn from(job: LicenseTransferJob) -> Self {
        let summary = TransferJobSummary::from(&job).into();
        let uuids = |ids: Vec<LicenseId>| ids.into_iter().map(|id| id.0).collect();
        let run = |run: TransferRun| RunBody {
            is_dry_run: run.is_dry_run,
            modified_licenses: uuids(run.modified_licenses),
            completed_at: Timestamp(run.completed_at),
        };
        let license_uuids = match job.order.licenses {
            TransferredLicenses::All => Vec::new(),
            TransferredLicenses::Named(ids) => uuids(ids),
        };
        Self { summary, license_uuids, processed_results: job.runs.into_iter().map(run).collect() }
    }
}

/// Lists transfer jobs, the latest first, without their licenses.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/license-transfer-jobs/",
    tag = "Transfers",
    params(TransferJobQuery, CustomerQuery, PageQuery),
    responses((status = 200, description = "A page of jobs", body = PageBody<SummaryBody>)),
)]
pub async fn list(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let query = Query::of(&request);
    let filter = TransferFilter {
        customer: query.uuid("enterprise_customer_uuid")?.map(CustomerId),
        agreement: query.uuid("customer_agreement")?.map(AgreementId),
        old_plan: query.uuid("old_subscription_plan")?.map(PlanId),
        new_plan: query.uuid("new_subscription_plan")?.map(PlanId),
        completed: query.flag("completed"),
    };
    Paging::new(&request).answer(move |part| state.manager.transfer_jobs(&filter, part), SummaryBody::from).await
}

/// Creates a job: 201. It moves nothing until it is processed.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/license-transfer-jobs/",
    tag = "Transfers",
    request_body = TransferJobRequest,
    responses((status = 201, description = "The job", body = JobBody)),
)]
pub async fn create(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, TransferJobRequest>,
    state: State,
) -> ApiResult {
    let request = body.read().await??;
    let order = TransferOrder {
        agreement: AgreementId(request.customer_agreement.0),
        old_plan: PlanId(request.old_subscription_plan.0),
        new_plan: PlanId(request.new_subscription_plan.0),
        is_dry_run: request.is_dry_run.0.unwrap_or_default(),
        licenses: request.licenses.licenses(),
        notes: request.notes.0.flatten(),
    };
    blocking(move || {
        let job = state.manager.create_transfer_job(&access.caller.actor(), &order)?;
        Response::json(StatusCode::CREATED, &JobBody::from(job))
    })
    .await
}

/// Returns a job.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/license-transfer-jobs/{job_id}/",
    tag = "Transfers",
    responses((status = 200, description = "The job", body = JobBody)),
)]
pub async fn retrieve(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let id = path_id(&request)?;
    blocking(move || Response::ok(&JobBody::from(state.manager.transfer_job(id)?))).await
}

/// Edits a job. Once the licenses were moved, only the notes can be edited: 400.
#[utoipa::path(
    patch,
    path = "/api/v1/provisioning-admins/license-transfer-jobs/{job_id}/",
    tag = "Transfers",
    request_body = TransferJobEditRequest,
    responses((status = 200, description = "The job", body = JobBody)),
)]
pub async fn update(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, TransferJobEditRequest>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let id = path_id(&request)?;
    let edit = body.edit().await??;
    let changes = TransferChanges {
        agreement: edit.customer_agreement.0.map(AgreementId),
        old_plan: edit.old_subscription_plan.0.map(PlanId),
        new_plan: edit.new_subscription_plan.0.map(PlanId),
        notes: edit.notes.edit(),
        is_dry_run: edit.is_dry_run.0,
        transfer_all: edit.licenses.transfer_all.0,
        licenses: edit.licenses.named(),
    };
    let actor = access.caller.actor().because(edit.change_reason.0.flatten());
    blocking(move || Response::ok(&JobBody::from(state.manager.update_transfer_job(&actor, id, &changes)?))).await
}

history!(
    transfer_job_history,
    "/api/v1/provisioning-admins/license-transfer-jobs/{job_id}/history/",
    "Transfers",
    "a transfer job, without its licenses and results",
    |_access: ProvisionerOrStaff, request| EntityRef::TransferJob(path_id(&request)?)
);

/// Runs a job: 200, also if it was completed before. `is_dry_run` overrides the job's own value. 422 if somebody would have two live
/// licenses of the new plan: then nothing moves, and the response names the licenses.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/license-transfer-jobs/{job_id}/process/",
    tag = "Transfers",
    request_body = TransferRunRequest,
    responses(
        (status = 200, description = "The job", body = JobBody),
        (status = 422, description = "Somebody would hold two live licenses of the new plan", body = WouldHoldTwoBody),
    ),
)]
pub async fn process(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, TransferRunRequest>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let id = path_id(&request)?;
    let is_dry_run = body.edit().await??.is_dry_run.0;
    blocking(move || match state.manager.process_transfer_job(&access.caller.actor(), id, is_dry_run) {
        Ok(job) => Response::ok(&JobBody::from(job)),
        Err(Error::Conflict(conflict)) => Err(conflicting(conflict)),
        Err(error) => Err(error.into()),
    })
    .await
}

/// Deletes a job that moved no licenses: 204.
#[utoipa::path(
    delete,
    path = "/api/v1/provisioning-admins/license-transfer-jobs/{job_id}/",
    tag = "Transfers",
    request_body = DeletionRequest,
    responses(
        (status = 204, description = "Deleted"),
        (status = 422, description = "The job moved its licenses", body = String, content_type = "application/json"),
    ),
)]
pub async fn delete(deletion: Deletion, request: HttpRequest, state: State) -> ApiResult {
    let id = path_id(&request)?;
    let actor = deletion.actor().await??;
    without_content(move || state.manager.delete_transfer_job(&actor, id)).await
}

fn path_id(request: &HttpRequest) -> ApiResult<TransferJobId> {
    path_integer(request, "job_id").map(TransferJobId)
}

fn conflicting(conflict: Conflict) -> ApiError {
    let detail = conflict.to_string();
    let Conflict::LiveLicense(held) = conflict else { return Error::from(conflict).into() };
    let licenses = held
        .iter()
        .map(|held| HeldTwiceBody { license_uuid: held.license.0, user_email: held.email.as_str().to_owned() });
    let body = WouldHoldTwoBody { detail, licenses: licenses.collect() };
    ApiError::body(StatusCode::UNPROCESSABLE_ENTITY, json!(body))
}
