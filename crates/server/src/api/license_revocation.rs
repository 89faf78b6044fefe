//! Revocation, below `POST /api/v1/subscriptions/{subscription_uuid}/licenses/`: `bulk-revoke/` and `revoke-all/`.

use actix_web::http::StatusCode;
use license_manager_domain::{Error, LicenseSelection, Refusal, Revocations};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::license_selection::SelectionRequest;
use crate::auth::permissions::{Admin, OfPlan};
use crate::http::{ApiResult, Response, WithBody, blocking};
use crate::openapi::errors::{BadRequest, Detail};
use crate::openapi::parameters::LicenseState;
use crate::state::State;

/// The licenses that were revoked, and the learners without one.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkRevocation)]
pub(super) struct RevocationsBody<'a> {
    successful_revocations: Vec<RevokedBody<'a>>,
    unsuccessful_revocations: Vec<NotRevokedBody<'a>>,
}

/// Nothing was revoked.
#[derive(Serialize, ToSchema)]
#[schema(as = NoBulkRevocation)]
pub(super) struct NoRevocationsBody<'a> {
    unsuccessful_revocations: Vec<NotRevokedBody<'a>>,
}

/// No learner has a license that could be revoked, or there is no such plan.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "tells the document of two shapes")]
pub(super) enum NothingRevoked {
    Learners(NoRevocationsBody<'static>),
    Plan(Detail),
}

#[derive(Serialize, ToSchema)]
#[schema(as = Revoked)]
struct RevokedBody<'a> {
    license_uuid: Uuid,
    /// The state it was in before.
    original_status: LicenseState,
    user_email: &'a str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NotRevoked)]
struct NotRevokedBody<'a> {
    error: &'static str,
    /// The status of the error.
    error_response_status: u16,
    user_email: &'a str,
}

/// The request exceeds the plan's revocation cap.
#[derive(Serialize, ToSchema)]
#[schema(as = RevocationCapReached)]
pub(super) struct CapReachedBody {
    unsuccessful_revocations: [CapErrorBody; 1],
}

#[derive(Serialize, ToSchema)]
#[schema(as = RevocationCapError)]
struct CapErrorBody {
    error: String,
}

/// Why nothing was revoked.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "tells the document of two shapes")]
pub(super) enum RevocationError {
    Cap(CapReachedBody),
    Request(BadRequest),
}

/// Revokes the licenses of the emails, or those that the filters match.
///
/// 200 if all were revoked or the filters match nobody, 207 if some were, 404 if none of the learners has a license, 400 if the plan's
/// revocation cap permits fewer.
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions/{subscription_uuid}/licenses/bulk-revoke/",
    tag = "Licenses",
    request_body = SelectionRequest,
    responses(
        (status = 200, description = "All were revoked", body = RevocationsBody),
        (status = 207, description = "Some were revoked", body = RevocationsBody),
        (status = 400, description = "The request cannot be read, or the cap forbids it", body = RevocationError),
        (status = 404, description = "None could be revoked, or there is no such plan", body = NothingRevoked),
    )
)]
pub async fn revoke(WithBody { access, body }: WithBody<OfPlan<Admin>, SelectionRequest>, state: State) -> ApiResult {
    revoke_selected(access, body.read().await??.selection(), state).await
}

pub(super) async fn revoke_selected(access: OfPlan<Admin>, whose: LicenseSelection, state: State) -> ApiResult {
    blocking(move || match state.manager.revoke(&access.caller.actor(), access.plan, &whose) {
        Ok(done) => answer(&done),
        Err(Error::Refused(refusal @ Refusal::RevocationCap { .. })) => {
            let body = CapReachedBody { unsuccessful_revocations: [CapErrorBody { error: refusal.to_string() }] };
            Response::json(StatusCode::BAD_REQUEST, &body)
        }
        Err(error) => Err(error.into()),
    })
    .await
}

/// Revokes every live license of the plan: 204. Very many licenses are revoked after the response. 422 if the plan has a revocation cap.
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions/{subscription_uuid}/licenses/revoke-all/",
    tag = "Licenses",
    responses(
        (status = 204, description = "Revoked"),
        (status = 422, description = "The plan has a revocation cap", body = String, content_type = "application/json"),
    )
)]
pub async fn revoke_all(access: OfPlan<Admin>, state: State) -> ApiResult {
    blocking(move || {
        state.manager.revoke_all(&access.caller.actor(), access.plan)?;
        state.wake_jobs.notify_one();
        Ok(Response::no_content())
    })
    .await
}

fn answer(done: &Revocations) -> ApiResult {
    let successful = done.revoked.iter().map(|revoked| RevokedBody {
        license_uuid: revoked.license.0,
        original_status: LicenseState(revoked.original_status),
        user_email: revoked.email.as_str(),
    });
    let unsuccessful = done.not_found.iter().map(|email| NotRevokedBody {
        error: "This learner holds no license of the plan that could be revoked.",
        error_response_status: StatusCode::NOT_FOUND.as_u16(),
        user_email: email.as_str(),
    });
    let unsuccessful_revocations: Vec<_> = unsuccessful.collect();
    // A filter may match nobody.
    if done.revoked.is_empty() && !unsuccessful_revocations.is_empty() {
        return Response::json(StatusCode::NOT_FOUND, &NoRevocationsBody { unsuccessful_revocations });
    }
    let status = if unsuccessful_revocations.is_empty() { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    let successful_revocations = successful.collect();
    Response::json(status, &RevocationsBody { successful_revocations, unsuccessful_revocations })
}
