//! `POST /api/v1/license-activation/?activation_key=…`: a learner activates a license.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest};
use license_manager_domain::{ActivationKey, Entity, Error};

use crate::api::views::LearnerLicenseBody;
use crate::auth::caller::{Caller, Check, Checked, Extraction, extract};
use crate::auth::permissions::{AdminOrLearner, Listing};
use crate::http::body::Guarded;
use crate::http::{ApiError, ApiResult, Query, Response, blocking};
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
pub async fn activate(OfKey { caller, key }: OfKey, state: State) -> ApiResult {
    let person = state.manager.with_account(caller.recipient()?).await;
    blocking(move || {
        let license = state.manager.activate(&caller.actor(), key, &person)?;
        Response::ok(&LearnerLicenseBody::new(&license, state.renewal_lock()))
    })
    .await
}

/// The permission to learn with the customer of the license that has the key in the query. A key of no license is refused before
/// one outside the caller's scope.
pub struct OfKey {
    caller: Caller,
    key: ActivationKey,
}

impl Guarded for OfKey {
    type Access = Caller;
    type Whole = Self;
}

impl Checked for OfKey {
    fn of_request(request: &HttpRequest) -> Check<Self> {
        let key = Query::of(request).uuid("activation_key");
        Box::new(move |state, caller| {
            let key = key?.map(ActivationKey);
            let key = key.ok_or_else(|| ApiError::detail(StatusCode::BAD_REQUEST, "activation_key is missing."))?;
            let customer = state.manager.customer_of_activation_key(key)?.ok_or(Error::NotFound(Entity::License))?;
            let access = Listing::<AdminOrLearner>::of(caller)?;
            access.check(Some(customer), Entity::License)?;
            Ok(Self { caller: access.caller, key })
        })
    }
}

impl FromRequest for OfKey {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request)
    }
}
