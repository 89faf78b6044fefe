//! `/api/v1/provisioning-admins/licenses/{license_uuid}/`: provisioning admins read and correct a license.

use actix_web::HttpRequest;
use deserr::Deserr;
use license_manager_domain::use_cases::LicenseEdit;
use license_manager_domain::{License, LicenseId, LmsUserId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::views::LicenseBody;
use crate::auth::permissions::{ProvisionerOrStaff, path_uuid};
use crate::http::body::EmailAddress;
use crate::http::fields::{Choice, FieldErrors, Integer, Nullable, Optional};
use crate::http::{Answer, ApiResult, Timestamp, WithBody, blocking};
use crate::openapi::parameters::LicenseState;
use crate::state::State;

/// A correction; absent fields stay.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct LicenseEditRequest {
    /// The holder's address.
    #[deserr(default)]
    pub user_email: Optional<EmailAddress>,
    /// The holder's id in the LMS.
    #[deserr(default)]
    pub lms_user_id: Nullable<Integer<i64, 1>>,
    /// The state.
    #[deserr(default)]
    pub status: Optional<Choice<LicenseState>>,
}

/// A license with all its fields.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LicenseRecord)]
struct Body {
    #[serde(flatten)]
    license: LicenseBody,
    lms_user_id: Option<i64>,
    assigned_date: Option<Timestamp>,
    auto_applied: Option<bool>,
    /// The license that replaced it when its plan was renewed.
    renewed_to: Option<Uuid>,
    created: Timestamp,
    modified: Timestamp,
}

impl Body {
    fn new(license: &License) -> Self {
        let columns = license.columns();
        Self {
            license: LicenseBody::new(license),
            lms_user_id: columns.lms_user_id.map(|id| id.0),
            assigned_date: columns.assigned_date.map(Timestamp),
            auto_applied: license.auto_applied,
            renewed_to: license.renewed_to.map(|id| id.0),
            created: Timestamp(license.created),
            modified: Timestamp(license.modified),
        }
    }
}

/// Returns a license.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/licenses/{license_uuid}/",
    tag = "Provisioning",
    responses((status = 200, description = "The license", body = Body)),
)]
pub async fn retrieve(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let license = LicenseId(path_uuid(&request, "license_uuid")?);
    blocking(move || Answer::ok(&Body::new(&state.manager.license(license)?))).await
}

/// Corrects `user_email`, `lms_user_id` and `status`.
///
/// 400 if the fields do not match the status, or the revocation cap is reached. 422 if the license cannot get this status, or the
/// holder has another live license of the plan.
#[utoipa::path(
    patch,
    path = "/api/v1/provisioning-admins/licenses/{license_uuid}/",
    tag = "Provisioning",
    request_body = LicenseEditRequest,
    responses(
        (status = 200, description = "The license", body = Body),
        (status = 422, description = "The license cannot get this status, or its holder has another license", body = String, content_type = "application/json"),
    ),
)]
pub async fn update(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, LicenseEditRequest>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let license = LicenseId(path_uuid(&request, "license_uuid")?);
    let request = body.read()?;
    let edit = LicenseEdit {
        status: request.status.0,
        user_email: request.user_email.0,
        lms_user_id: request.lms_user_id.0.map(|id| id.map(LmsUserId)),
    };
    blocking(move || Answer::ok(&Body::new(&state.manager.edit_license(&access.caller.actor(), license, edit)?))).await
}
