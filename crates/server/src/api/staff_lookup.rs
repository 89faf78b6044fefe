//! `POST /api/v1/staff_lookup_licenses/`: support staff list a person's licenses of all customers.

use actix_web::http::StatusCode;
use deserr::Deserr;
use license_manager_domain::use_cases::PersonalLicense;
use license_manager_domain::{Email, InvalidEmail};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::licenses::activation_link;
use crate::auth::permissions::Staff;
use crate::http::body::EmailToLookUp;
use crate::http::fields::{FieldErrors, Problem, Required};
use crate::http::{ApiError, ApiResult, Response, Timestamp, WithBody, reading};
use crate::openapi::errors::BadRequest;
use crate::openapi::parameters::LicenseState;
use crate::state::{AppState, State};

/// The person to look up.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct LookUpRequest {
    /// The person's address.
    pub user_email: Required<EmailToLookUp>,
}

/// What support staff see of a person's license.
#[derive(Serialize, ToSchema)]
#[schema(as = inline::PersonalLicenseFields)]
pub(super) struct PersonalLicenseFields {
    status: LicenseState,
    assigned_date: Option<Timestamp>,
    activation_date: Option<Timestamp>,
    revoked_date: Option<Timestamp>,
    last_remind_date: Option<Timestamp>,
    subscription_plan_title: String,
    subscription_plan_expiration_date: Timestamp,
}

impl PersonalLicenseFields {
    pub(super) fn new(found: &PersonalLicense) -> Self {
        let columns = found.license.columns();
        Self {
            status: LicenseState(columns.status),
            assigned_date: columns.assigned_date.map(Timestamp),
            activation_date: columns.activation_date.map(Timestamp),
            revoked_date: columns.revoked_date.map(Timestamp),
            last_remind_date: columns.last_remind_date.map(Timestamp),
            subscription_plan_title: found.plan.plan.title.clone(),
            subscription_plan_expiration_date: Timestamp(found.plan.plan.expiration_date),
        }
    }
}

/// A license of the person.
#[derive(Serialize, ToSchema)]
#[schema(as = FoundLicense)]
struct Body {
    #[serde(flatten)]
    license: PersonalLicenseFields,
    /// The address at which the person activates it; null if it has no key, or its customer no slug.
    activation_link: Option<String>,
}

impl Body {
    fn new(found: &PersonalLicense, state: &AppState) -> Self {
        let activation_link = activation_link(state, found.customer_slug.as_deref(), &found.license);
        Self { license: PersonalLicenseFields::new(found), activation_link }
    }
}

/// Lists a person's licenses of all customers, the last assigned first. 404 without a body if there are none; 400 if the email is missing
/// or not valid.
#[utoipa::path(
    post,
    path = "/api/v1/staff_lookup_licenses/",
    tag = "Staff",
    request_body = LookUpRequest,
    responses(
        (status = 200, description = "The licenses", body = Vec<Body>),
        (status = 400, description = "No usable email", body = BadRequest),
        (status = 404, description = "The person has none; without a body"),
    ),
)]
pub async fn look_up(WithBody { body, .. }: WithBody<Staff, LookUpRequest>, state: State) -> ApiResult {
    let email = body.read().await?.map_err(|errors| refuse(&errors))?.user_email.0;
    reading(move || {
        let found = state.manager.licenses_of_email(&email, None)?;
        if found.licenses.is_empty() {
            return Ok(Response::empty(StatusCode::NOT_FOUND));
        }
        let licenses: Vec<_> = found.licenses.iter().map(|license| Body::new(license, &state)).collect();
        Response::ok(&licenses)
    })
    .await
}

/// This endpoint returns errors as a text.
fn refuse(errors: &FieldErrors) -> ApiError {
    let message = match errors.get("user_email") {
        Some(problem @ Problem::Messages(messages)) if !problem.is_missing() => {
            format!("user_email: {}", messages.join(" "))
        }
        _ => "Name the person: user_email is missing.".to_owned(),
    };
    ApiError::text(StatusCode::BAD_REQUEST, message)
}

/// The address of `user_email`.
pub(super) fn parse_email(text: &str) -> ApiResult<Email> {
    let invalid = |problem: InvalidEmail| ApiError::text(StatusCode::BAD_REQUEST, format!("user_email: {problem}"));
    Email::to_look_up(text).map_err(invalid)
}
