//! Revocation, below `POST /api/v1/subscriptions/{subscription_uuid}/licenses/`: `bulk-revoke/` and `revoke-all/`.

use actix_web::http::StatusCode;
use actix_web::web;
use license_manager_domain::{Error, Refusal, Revocations};
use serde_json::{Value, json};

use crate::access::{Admin, OfPlan};
use crate::answer::{Answer, blocking};
use crate::app::AppState;
use crate::body::WithBody;
use crate::error::ApiError;
use crate::routes::license_selection::selection;
use crate::wire::fields::Fields;

/// Revokes the licenses of the emails, or those that the filters match.
///
/// 200 where all were revoked, 207 where some were, 404 where none of the learners holds a license, 400 where the plan's
/// revocation cap leaves fewer than were named.
pub async fn revoke(
    WithBody { access, body }: WithBody<OfPlan<Admin>>,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let mut fields = Fields::new(body)?;
    let whose = selection(&mut fields);
    fields.finish()?;
    blocking(move || match state.manager.revoke(&access.caller.actor(), access.plan, &whose) {
        Ok(done) => answer(&done),
        Err(Error::Refused(refusal @ Refusal::RevocationCap { .. })) => {
            let body = json!({ "unsuccessful_revocations": [{ "error": refusal.to_string() }] });
            Err(ApiError::body(StatusCode::BAD_REQUEST, body))
        }
        Err(error) => Err(error.into()),
    })
    .await
}

/// Revokes every live license of the plan: 204; very many of them after the answer. 422 where the plan has a revocation cap.
pub async fn revoke_all(access: OfPlan<Admin>, state: web::Data<AppState>) -> Result<Answer, ApiError> {
    blocking(move || {
        state.manager.revoke_all(&access.caller.actor(), access.plan)?;
        state.wake_jobs.notify_one();
        Ok(Answer::no_content())
    })
    .await
}

fn answer(done: &Revocations) -> Result<Answer, ApiError> {
    let successful = done.revoked.iter().map(|revoked| {
        json!({
            "license_uuid": revoked.license,
            "original_status": revoked.original_status,
            "user_email": revoked.email.as_str(),
        })
    });
    let unsuccessful = done.not_found.iter().map(|email| {
        json!({
            "error": "This learner holds no license of the plan that could be revoked.",
            "error_response_status": StatusCode::NOT_FOUND.as_u16(),
            "user_email": email.as_str(),
        })
    });
    let unsuccessful: Vec<Value> = unsuccessful.collect();
    if done.revoked.is_empty() {
        return Answer::json(StatusCode::NOT_FOUND, &json!({ "unsuccessful_revocations": unsuccessful }));
    }
    let status = if unsuccessful.is_empty() { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    let body = json!({
        "successful_revocations": successful.collect::<Vec<_>>(),
        "unsuccessful_revocations": unsuccessful,
    });
    Answer::json(status, &body)
}
