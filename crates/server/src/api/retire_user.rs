//! `POST /api/v1/retire_user/`: the retirement pipeline removes the personal data of a user.

use actix_web::http::StatusCode;
use deserr::Deserr;
use license_manager_domain::LmsUserId;
use utoipa::ToSchema;

use crate::auth::MAX_USERNAME_LENGTH;
use crate::auth::permissions::RetirementWorker;
use crate::http::fields::{FieldErrors, Integer, Required, Text};
use crate::http::{ApiError, ApiResult, Response, WithBody, blocking};
use crate::openapi::errors::BadRequest;
use crate::state::State;

/// The person to retire.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct RetirementRequest {
    /// The person's id in the LMS.
    pub lms_user_id: Required<Integer<i64, 1>>,
    /// The user name the person had.
    pub original_username: Required<Text<1, { MAX_USERNAME_LENGTH }>>,
}

/// Removes the person's data from licenses, history and queued messages, and deletes the user: 204. 404 without a body if the user name is
/// unknown; the licenses of the LMS user id are cleared then too.
///
/// 400 without an LMS user id or a user name. Records without an LMS user id never match.
#[utoipa::path(
    post,
    path = "/api/v1/retire_user/",
    tag = "Staff",
    request_body = RetirementRequest,
    responses(
        (status = 204, description = "Retired"),
        (status = 400, description = "A field is missing or cannot be used", body = BadRequest),
        (status = 404, description = "No user has this name; licenses of the LMS user id are cleared; without a body"),
    ),
)]
pub async fn retire(
    WithBody { access, body }: WithBody<RetirementWorker, RetirementRequest>,
    state: State,
) -> ApiResult {
    let request = body.read().await?.map_err(|errors| refuse(&errors))?;
    let (lms_user_id, username) = (request.lms_user_id.0, request.original_username.0);
    blocking(move || {
        let done = state.manager.retire(&access.caller.actor(), LmsUserId(lms_user_id), &username)?;
        let status = if done.user_was_known { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND };
        Ok(Response::empty(status))
    })
    .await
}

/// This endpoint reports one field at a time, in words.
fn refuse(errors: &FieldErrors) -> ApiError {
    let fields = ["lms_user_id", "original_username"];
    let name = fields.into_iter().find(|name| errors.get(name).is_some()).unwrap_or(fields[0]);
    let what = match errors.get(name) {
        Some(problem) if !problem.is_missing() => "cannot be used: check its type and its length.",
        _ => "is missing.",
    };
    ApiError::detail(StatusCode::BAD_REQUEST, format!("{name} {what}"))
}
