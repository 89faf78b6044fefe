//! `POST /api/v1/license-activation/?activation_key=…`: a learner activates a license.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use license_manager_domain::{ActivationKey, Entity, Error};

use crate::api::views::LearnerLicenseBody;
use crate::auth::permissions::{AdminOrLearner, Caller, Listing};
use crate::http::{Answer, ApiError, ApiResult, Query, blocking};
use crate::openapi::errors::{BadRequest, Detail};
use crate::state::State;

/// Activates the license with this key, if it is assigned to the caller.
///
/// 400 without a valid key, 404 if no license of the caller has the key, 403 for other customers, 422 for a revoked license. A second
/// activation returns the same as the first.
#[utoipa::path(
    post,
    path = "/api/v1/license-activation/",
    tag = "Learners",
    params(("activation_key" = Uuid, Query, description = "The key from the mail")),
    responses(
        (status = 200, description = "The activated license", body = LearnerLicenseBody),
        (status = 400, description = "No valid key, or a token that names nobody", body = BadRequest),
        (status = 404, description = "No license of the caller has the key", body = Detail),
        (status = 422, description = "The license was revoked", body = String, content_type = "application/json"),
    )
)]
pub async fn activate(caller: Caller, request: HttpRequest, state: State) -> ApiResult {
    let key = Query::of(&request).uuid("activation_key")?.map(ActivationKey);
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
    let person = state.manager.with_account(access.caller.recipient()?).await;
    blocking(move || {
        let license = state.manager.activate(&access.caller.actor(), key, &person)?;
        Answer::ok(&LearnerLicenseBody::new(&license, state.renewal_lock()))
    })
    .await
}
