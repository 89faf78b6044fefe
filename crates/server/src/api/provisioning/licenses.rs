//! `/api/v1/provisioning-admins/licenses/`: provisioning admins add, read and correct licenses.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use deserr::Deserr;
use license_manager_domain::use_cases::{LicenseEdit, LicenseRecord};
use license_manager_domain::{Edit, LicenseId, LmsUserId, PlanId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::deletion::Reason;
use crate::api::license_assignment::SalesforceId;
use crate::api::views::LicenseBody;
use crate::auth::permissions::{ProvisionerOrStaff, path_uuid};
use crate::http::body::EmailAddress;
use crate::http::fields::{Choice, FieldErrors, Integer, Moment, Nullable, Optional, Required, UuidText};
use crate::http::{ApiResult, Response, Timestamp, WithBody, blocking};
use crate::openapi::parameters::LicenseState;
use crate::state::State;

/// A new license.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct NewLicenseRequest {
    /// Its plan.
    pub subscription_plan: Required<UuidText>,
    /// The other fields.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub settings: LicenseEditRequest,
}

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
    /// When it was assigned.
    #[deserr(default)]
    pub assigned_date: Nullable<Moment>,
    /// When it was activated.
    #[deserr(default)]
    pub activation_date: Nullable<Moment>,
    /// When its learner was last reminded.
    #[deserr(default)]
    pub last_remind_date: Nullable<Moment>,
    /// When it was revoked.
    #[deserr(default)]
    pub revoked_date: Nullable<Moment>,
    /// The Salesforce opportunity that it was assigned from.
    #[deserr(default)]
    pub source_id: Optional<SalesforceId>,
    /// Why, for the history.
    #[deserr(default)]
    pub change_reason: Nullable<Reason>,
}

impl LicenseEditRequest {
    /// The edit, and the reason for it.
    fn edit(self) -> (LicenseEdit, Option<String>) {
        let edit = LicenseEdit {
            status: self.status.0,
            user_email: self.user_email.0,
            lms_user_id: self.lms_user_id.edit().map(LmsUserId),
            assigned_date: self.assigned_date.edit(),
            activation_date: self.activation_date.edit(),
            last_remind_date: self.last_remind_date.edit(),
            revoked_date: self.revoked_date.edit(),
            source: self.source_id.0.map_or(Edit::Keep, Edit::from),
        };
        (edit, self.change_reason.0.flatten())
    }
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
    /// The Salesforce opportunity that it was assigned from.
    source_id: Option<String>,
    created: Timestamp,
    modified: Timestamp,
}

impl Body {
    fn new(LicenseRecord { license, source, .. }: LicenseRecord) -> Self {
        let columns = license.columns();
        Self {
            license: LicenseBody::new(&license),
            lms_user_id: columns.lms_user_id.map(|id| id.0),
            assigned_date: columns.assigned_date.map(Timestamp),
            auto_applied: license.auto_applied,
            renewed_to: license.renewed_to.map(|id| id.0),
            source_id: source,
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
    blocking(move || Response::ok(&Body::new(state.manager.license_record(license)?))).await
}

/// Adds a license to a plan: 201. It is unassigned unless the request says otherwise; the fields have the effects that they have in a
/// correction.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/licenses/",
    tag = "Provisioning",
    request_body = NewLicenseRequest,
    responses(
        (status = 201, description = "The license", body = Body),
        (status = 422, description = "The plan is full, the license cannot get this status, or its holder has another license", body = String, content_type = "application/json"),
    ),
)]
pub async fn create(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, NewLicenseRequest>,
    state: State,
) -> ApiResult {
    let request = body.read().await??;
    let plan = PlanId(request.subscription_plan.0);
    let (edit, reason) = request.settings.edit();
    let actor = access.caller.actor().because(reason);
    blocking(move || Response::json(StatusCode::CREATED, &Body::new(state.manager.add_license(&actor, plan, edit)?)))
        .await
}

/// Corrects the holder, the status, the dates and the Salesforce opportunity. A new status has the effects of the actions that lead to it.
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
    let (edit, reason) = body.edit().await??.edit();
    let actor = access.caller.actor().because(reason);
    blocking(move || Response::ok(&Body::new(state.manager.edit_license(&actor, license, edit)?))).await
}
