//! `POST /api/v1/customer-agreement/{customer_agreement_uuid}/auto-apply/`: assigns a license to a learner who logs in.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::views::LearnerLicenseBody;
use crate::auth::permissions::{AdminOrLearner, OfAgreement};
use crate::http::{ApiResult, Response, blocking};
use crate::openapi::errors::Message;
use crate::state::State;

/// A learner's license after an auto-apply.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AutoAppliedLicense)]
struct AutoAppliedBody {
    #[serde(flatten)]
    license: LearnerLicenseBody,
    /// 1 if the license was applied just now and is not carried over because the plan that follows has too few. Absent
    /// otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    num_not_carried_over: Option<usize>,
}

/// Assigns a license of the agreement's auto-applicable plan to the caller, or returns the one they have. 422 if there is no such plan, no
/// license is left, theirs was revoked, or their address is unverified or not accepted.
#[utoipa::path(
    post,
    path = "/api/v1/customer-agreement/{customer_agreement_uuid}/auto-apply/",
    tag = "Learners",
    responses(
        (status = 200, description = "The license", body = AutoAppliedBody),
        (status = 400, description = "The token names nobody", body = Message),
        (status = 422, description = "No license can be assigned", body = String, content_type = "application/json"),
    ),
)]
pub async fn auto_apply(access: OfAgreement<AdminOrLearner>, state: State) -> ApiResult {
    let person = state.manager.with_account(access.caller.person()?).await;
    blocking(move || {
        let applied = state.manager.auto_apply(&access.caller.actor(), access.agreement, &person)?;
        Response::ok(&AutoAppliedBody {
            license: LearnerLicenseBody::new(&applied.held, state.renewal_lock()),
            num_not_carried_over: Some(applied.not_carried_over).filter(|number| *number > 0),
        })
    })
    .await
}
