//! `/api/v1/provisioning-admins/licenses/{license_uuid}/`: provisioning admins read and correct a license.

use actix_web::{HttpRequest, web};
use chrono::{DateTime, Utc};
use license_manager_domain::use_cases::LicenseEdit;
use license_manager_domain::{Email, InvalidEmail, License, LicenseId, LicenseStatus, LmsUserId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::views::LicenseBody;
use crate::auth::permissions::{ProvisionerOrStaff, path_uuid};
use crate::http::answer::{Answer, blocking};
use crate::http::body::WithBody;
use crate::http::error::ApiError;
use crate::http::fields::{Fields, choice, integer, text};
use crate::http::time::{serialize as moment, serialize_optional as optional_moment};
use crate::openapi::parameters::LicenseState;
use crate::state::AppState;

const STATUSES: &[&str] = &["activated", "assigned", "revoked", "unassigned"];

/// A correction; what is left out stays as it is.
#[derive(ToSchema)]
pub struct LicenseEditRequest {
    /// The holder's address.
    #[schema(nullable = false)]
    pub user_email: Option<String>,
    /// The holder's id in the LMS.
    #[schema(minimum = 1)]
    pub lms_user_id: Option<i64>,
    /// The state.
    #[schema(nullable = false)]
    pub status: Option<LicenseState>,
}

/// A license with everything that is known of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LicenseRecord)]
struct Body {
    #[serde(flatten)]
    license: LicenseBody,
    lms_user_id: Option<i64>,
    #[serde(serialize_with = "optional_moment")]
    assigned_date: Option<DateTime<Utc>>,
    auto_applied: Option<bool>,
    /// The license that carries it on since its plan was renewed.
    renewed_to: Option<Uuid>,
    #[serde(serialize_with = "moment")]
    created: DateTime<Utc>,
    #[serde(serialize_with = "moment")]
    modified: DateTime<Utc>,
}

impl Body {
    fn new(license: &License) -> Self {
        let columns = license.columns();
        Self {
            license: LicenseBody::new(license),
            lms_user_id: columns.lms_user_id.map(|id| id.0),
            assigned_date: columns.assigned_date,
            auto_applied: license.auto_applied,
            renewed_to: license.renewed_to.map(|id| id.0),
            created: license.created,
            modified: license.modified,
        }
    }
}

/// One license.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/licenses/{license_uuid}/",
    tag = "Provisioning",
    responses((status = 200, description = "The license", body = Body)),
)]
pub async fn retrieve(
    _: ProvisionerOrStaff,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let license = LicenseId(path_uuid(&request, "license_uuid")?);
    blocking(move || Answer::ok(&Body::new(&state.manager.license(license)?))).await
}

/// Corrects `user_email`, `lms_user_id` and `status`.
///
/// 400 where the fields do not fit the status, or the revocation cap is used up; 422 where no step of a license's life leads to
/// the status, or the holder has another live license of the plan.
#[utoipa::path(
    patch,
    path = "/api/v1/provisioning-admins/licenses/{license_uuid}/",
    tag = "Provisioning",
    request_body = LicenseEditRequest,
    responses(
        (status = 200, description = "The license", body = Body),
        (status = 422, description = "No step of a license leads there, or its holder has another", body = String, content_type = "application/json"),
    ),
)]
pub async fn update(
    WithBody { access, body }: WithBody<ProvisionerOrStaff>,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let license = LicenseId(path_uuid(&request, "license_uuid")?);
    let mut fields = Fields::new(body)?;
    let email = fields.optional("user_email", text(1..=Email::MAX_LENGTH));
    let user_email = email.and_then(|email| match email.parse() {
        Ok(email) => Some(email),
        Err(problem) => {
            fields.error("user_email", InvalidEmail::to_string(&problem));
            None
        }
    });
    let edit = LicenseEdit {
        status: fields.optional("status", choice(STATUSES)).and_then(LicenseStatus::from_name),
        user_email,
        lms_user_id: fields.nullable("lms_user_id", integer(1..=i64::MAX)).map(LmsUserId).change(),
    };
    fields.finish()?;
    blocking(move || Answer::ok(&Body::new(&state.manager.edit_license(&access.caller.actor(), license, edit)?))).await
}
