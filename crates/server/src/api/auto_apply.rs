//! `POST /api/v1/customer-agreement/{customer_agreement_uuid}/auto-apply/`: a learner who logs in gets a license.

use crate::api::views::LearnerLicenseBody;
use crate::auth::permissions::{AdminOrLearner, OfAgreement};
use crate::http::{Answer, ApiResult, blocking};
use crate::openapi::errors::Message;
use crate::state::State;

/// Gives the caller a license of the agreement's auto-applicable plan, or the one they hold. 422 where there is no such plan,
/// none is left, theirs was revoked, or the plan is about to be renewed.
#[utoipa::path(
    post,
    path = "/api/v1/customer-agreement/{customer_agreement_uuid}/auto-apply/",
    tag = "Learners",
    responses(
        (status = 200, description = "The license", body = LearnerLicenseBody),
        (status = 400, description = "The token names no email address", body = Message),
        (status = 422, description = "There is no license to be had", body = String, content_type = "application/json"),
    ),
)]
pub async fn auto_apply(access: OfAgreement<AdminOrLearner>, state: State) -> ApiResult {
    let person = state.manager.with_account(access.caller.person()?).await;
    blocking(move || {
        let license = state.manager.auto_apply(&access.caller.actor(), access.agreement, &person)?;
        Answer::ok(&LearnerLicenseBody::new(&license, state.manager.settings().renewal_lock))
    })
    .await
}
