//! `POST /api/v1/retire_user/`: the retirement pipeline has a person forgotten.

use actix_web::http::StatusCode;
use actix_web::web;
use license_manager_domain::LmsUserId;
use serde_json::Value;
use utoipa::ToSchema;

use crate::auth::MAX_USERNAME_LENGTH;
use crate::auth::permissions::RetirementWorker;
use crate::http::answer::{Answer, blocking};
use crate::http::body::WithBody;
use crate::http::error::ApiError;
use crate::http::fields::{Kind, integer, text};
use crate::openapi::errors::{BadRequest, Detail};
use crate::state::AppState;

/// Who is forgotten.
#[derive(ToSchema)]
pub struct RetirementRequest {
    /// The person's id in the LMS.
    #[schema(minimum = 1)]
    pub lms_user_id: i64,
    /// The user name the person had.
    #[schema(min_length = 1, max_length = 255)]
    pub original_username: String,
}

/// Takes every trace of the person out of licenses, history and what waits to be delivered, and deletes the user: 204. 404 where
/// the user name is unknown; licenses of the LMS user id have forgotten the person then, too.
///
/// 400 without an LMS user id or a user name. What has no LMS user id is never taken for the person's.
#[utoipa::path(
    post,
    path = "/api/v1/retire_user/",
    tag = "Staff",
    request_body = RetirementRequest,
    responses(
        (status = 204, description = "Forgotten"),
        (status = 400, description = "A field is missing or cannot be used", body = BadRequest),
        (status = 404, description = "No user has this name; licenses of the LMS user id have forgotten the person all the same", body = Detail),
    ),
)]
pub async fn retire(
    WithBody { access, body }: WithBody<RetirementWorker>,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let lms_user_id = required(&body, "lms_user_id", &integer(1..=i64::MAX))?;
    let username = required(&body, "original_username", &text(1..=MAX_USERNAME_LENGTH))?;
    blocking(move || {
        let done = state.manager.retire(&access.caller.actor(), LmsUserId(lms_user_id), &username)?;
        if done.user_was_known {
            Ok(Answer::no_content())
        } else {
            let message = format!(
                "No user has this name. Of the LMS user id, {} licenses have forgotten the person.",
                done.licenses
            );
            Err(ApiError::detail(StatusCode::NOT_FOUND, message))
        }
    })
    .await
}

fn required<K: Kind>(body: &Value, name: &str, kind: &K) -> Result<K::Value, ApiError> {
    let refuse = |what: &str| ApiError::detail(StatusCode::BAD_REQUEST, format!("{name} {what}"));
    let value = body.get(name).filter(|value| !kind.is_null(value)).ok_or_else(|| refuse("is missing."))?;
    kind.read(value.clone()).map_err(|_| refuse("cannot be used: check its type and its length."))
}
