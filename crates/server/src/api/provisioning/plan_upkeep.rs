//! `POST /api/v1/provisioning-admins/subscriptions/{subscription_uuid}/freeze/`, `provision/` and `delete-revoked/`: changes
//! to all of a plan's licenses.
//!
//! Like all endpoints of plan provisioning, they return errors inside `{"error": …}`.

use actix_web::HttpRequest;
use license_manager_domain::use_cases::PlanUpkeep;
use license_manager_domain::{Actor, Error, LicenseManager, PlanId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::views::CountsBody;
use crate::auth::permissions::{ProvisionerOrStaff, path_uuid};
use crate::http::error::plan_provisioning_error;
use crate::http::{ApiResult, Response, Timestamp, blocking};
use crate::openapi::errors::{InErrorKey, ProvisioningError};
use crate::state::State;

/// How many licenses were added and deleted, and how many the plan has now.
#[derive(Serialize, ToSchema)]
#[schema(as = PlanUpkeep)]
struct Body {
    uuid: Uuid,
    desired_num_licenses: Option<i32>,
    last_freeze_timestamp: Option<Timestamp>,
    num_licenses_added: i64,
    /// How many will be added or deleted after the response.
    num_licenses_pending: i64,
    num_licenses_deleted: i64,
    licenses: CountsBody,
}

/// Deletes the plan's unassigned licenses. 422 if the plan does not permit it.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/subscriptions/{subscription_uuid}/freeze/",
    tag = "Provisioning",
    responses(
        (status = 200, description = "What was done", body = Body),
        (status = 404, description = "There is no such plan", body = ProvisioningError),
        (status = 422, description = "The plan does not permit it", body = InErrorKey),
    ),
)]
pub async fn freeze(access: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    answer(access, request, state, LicenseManager::freeze).await
}

/// Adds the licenses that the plan lacks. Very many licenses are added after the response. 422 for a frozen plan.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/subscriptions/{subscription_uuid}/provision/",
    tag = "Provisioning",
    responses(
        (status = 200, description = "What was done", body = Body),
        (status = 404, description = "There is no such plan", body = ProvisioningError),
        (status = 422, description = "The plan is frozen", body = InErrorKey),
    ),
)]
pub async fn provision(access: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    answer(access, request, state, LicenseManager::provision_plan).await
}

/// Deletes the plan's revoked licenses.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/subscriptions/{subscription_uuid}/delete-revoked/",
    tag = "Provisioning",
    responses(
        (status = 200, description = "What was done", body = Body),
        (status = 404, description = "There is no such plan", body = ProvisioningError),
    ),
)]
pub async fn delete_revoked(access: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    answer(access, request, state, LicenseManager::delete_revoked).await
}

async fn answer(
    access: ProvisionerOrStaff,
    request: HttpRequest,
    state: State,
    work: fn(&LicenseManager, &Actor, PlanId) -> Result<PlanUpkeep, Error>,
) -> ApiResult {
    let plan = PlanId(path_uuid(&request, "subscription_uuid")?);
    blocking(move || {
        let done = work(&state.manager, &access.caller.actor(), plan).map_err(plan_provisioning_error)?;
        if done.pending > 0 {
            state.wake_jobs.notify_one();
        }
        Response::ok(&Body {
            uuid: done.plan.id.0,
            desired_num_licenses: done.plan.desired_num_licenses,
            last_freeze_timestamp: done.plan.last_freeze_timestamp.map(Timestamp),
            num_licenses_added: done.added,
            num_licenses_pending: done.pending,
            num_licenses_deleted: done.deleted,
            licenses: CountsBody::from(done.counts),
        })
    })
    .await
}
