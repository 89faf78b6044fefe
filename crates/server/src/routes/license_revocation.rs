//! Revocation, below `POST /api/v1/subscriptions/{subscription_uuid}/licenses/`: `bulk-revoke/` and `revoke-all/`.

use actix_web::http::StatusCode;
use actix_web::web;
use license_manager_domain::ports::LicenseFilter;
use license_manager_domain::{Error, LicenseStatus, Refusal, Revocable, Revocations};
use serde_json::{Value, json};

use crate::access::{Admin, OfPlan};
use crate::answer::{Answer, blocking};
use crate::app::AppState;
use crate::body::{WithBody, optional_emails};
use crate::error::ApiError;
use crate::wire::fields::{Field, Fields, NON_FIELD_ERRORS};

/// Revokes the licenses of the emails, or those that the filters match.
///
/// 200 where all were revoked, 207 where some were, 404 where none of the learners holds a license, 400 where the plan's
/// revocation cap leaves fewer than were named.
pub async fn revoke(
    WithBody { access, body }: WithBody<OfPlan<Admin>>,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let whose = read(body)?;
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

fn read(body: Value) -> Result<Revocable, ApiError> {
    let mut fields = Fields::new(body)?;
    let emails = optional_emails(&mut fields);
    let filters = fields.raw("filters");
    let whose = match (emails, filters) {
        (Some(emails), Field::Absent | Field::Null) => Revocable::Emails(emails),
        (None, Field::Value(filters)) => match license_filter(&filters) {
            Ok(filter) => Revocable::Matching(filter),
            Err(message) => {
                fields.error(NON_FIELD_ERRORS, message);
                Revocable::Emails(Vec::new())
            }
        },
        (None, _) if !fields.is_valid() => Revocable::Emails(Vec::new()),
        _ => {
            fields.error(NON_FIELD_ERRORS, "Name either user_emails or filters, and not both.");
            Revocable::Emails(Vec::new())
        }
    };
    fields.finish()?;
    Ok(whose)
}

/// The licenses that a list of `{"name": …, "filter_value": …}` matches: `user_email` those whose email contains the text,
/// `status_in` those in one of the states.
fn license_filter(filters: &Value) -> Result<LicenseFilter, &'static str> {
    let filters = filters.as_array().filter(|filters| !filters.is_empty());
    let filters = filters.ok_or("filters must be a list with at least one filter.")?;
    let mut wanted = LicenseFilter::default();
    for filter in filters {
        let value = &filter["filter_value"];
        match filter["name"].as_str() {
            Some("user_email") => {
                let text = value.as_str().filter(|text| !text.trim().is_empty() && !text.contains('\0'));
                wanted
                    .email_words
                    .push(text.ok_or("The filter user_email takes a part of an email address.")?.to_owned());
            }
            Some("status_in") => {
                let names = value.as_array().ok_or("The filter status_in takes a list of statuses.")?;
                let statuses: Option<Vec<_>> =
                    names.iter().map(|name| LicenseStatus::from_name(name.as_str()?)).collect();
                let mut statuses = statuses.ok_or("The filter status_in names a status that does not exist.")?;
                statuses.sort_unstable();
                statuses.dedup();
                wanted.statuses = Some(statuses);
            }
            _ => return Err("A filter's name is user_email or status_in."),
        }
    }
    Ok(wanted)
}
