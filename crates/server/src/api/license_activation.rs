//! `POST /api/v1/license-activation/?activation_key=…`: a learner takes a license into use.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use license_manager_domain::{ActivationKey, Entity, Error};

use crate::api::views::LearnerLicenseBody;
use crate::auth::permissions::{AdminOrLearner, Caller, Listing};
use crate::http::{Answer, ApiError, ApiResult, Query, blocking, query_uuid};
use crate::openapi::errors::{BadRequest, Detail};
use crate::state::State;

/// Activates the license the key was mailed for, if it was mailed to the caller.
///
/// 400 without a usable key, 404 for a key that fits no license of the caller, 403 outside the caller's customers, 422 for a
/// license that was revoked. Activating twice answers like the first time.
#[utoipa::path(
    post,
    path = "/api/v1/license-activation/",
    tag = "Learners",
    params(("activation_key" = Uuid, Query, description = "The key from the mail")),
    responses(
        (status = 200, description = "The license is in use", body = LearnerLicenseBody),
        (status = 400, description = "No usable key, or a token without an email address", body = BadRequest),
        (status = 404, description = "The key fits no license of the caller", body = Detail),
        (status = 422, description = "The license was revoked", body = String, content_type = "application/json"),
    )
)]
pub async fn activate(caller: Caller, request: HttpRequest, state: State) -> ApiResult {
    let key = query_uuid(&Query::of(&request), "activation_key")?.map(ActivationKey);
    let key = key.ok_or_else(|| ApiError::detail(StatusCode::BAD_REQUEST, "activation_key is missing."))?;
    let permitted = state.clone();
    let access = blocking(move || {
        let customer = permitted.manager.customer_of_activation_key(key)?;
        let customer = customer.ok_or(Error::NotFound(Entity::License))?;
        let access = Listing::<AdminOrLearner>::of(caller)?;
        access.check(Some(customer), Entity::License)?;
        Ok(access)
    })
    .await?;
    let person = state.manager.with_account(access.caller.person()?).await;
    blocking(move || {
        let license = state.manager.activate(&access.caller.actor(), key, &person)?;
        Answer::ok(&LearnerLicenseBody::new(&license, state.manager.settings().renewal_lock))
    })
    .await
}
