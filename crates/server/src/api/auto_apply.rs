//! `POST /api/v1/customer-agreement/{customer_agreement_uuid}/auto-apply/`: assigns a license to a learner who logs in.

use crate::api::views::LearnerLicenseBody;
use crate::auth::permissions::{AdminOrLearner, OfAgreement};
use crate::http::{Answer, ApiResult, blocking};
use crate::openapi::errors::Message;
use crate::state::State;

/// Assigns a license of the agreement's auto-applicable plan to the caller, or returns the one they have. 422 if there is no such plan, no
/// license is left, theirs was revoked, or their address is unverified or not accepted.
#[utoipa::path(
    post,
    path = "/api/v1/customer-agreement/{customer_agreement_uuid}/auto-apply/",
    tag = "Learners",
    responses(
        (status = 200, description = "The license", body = LearnerLicenseBody),
        (status = 400, description = "The token names nobody", body = Message),
        (status = 422, description = "No license can be assigned", body = String, content_type = "application/json"),
    ),
)]
pub async fn auto_apply(access: OfAgreement<AdminOrLearner>, state: State) -> ApiResult {
    let person = state.manager.with_account(access.caller.person()?).await;
    blocking(move || {
        let license = state.manager.auto_apply(&access.caller.actor(), access.agreement, &person)?;
        Answer::ok(&LearnerLicenseBody::new(&license, state.renewal_lock()))
    })
    .await
}
