//! `/api/v1/provisioning-admins/subscriptions/`: provisioning admins create, read and edit plans.
//!
//! They return errors inside `{"error": …}`.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use deserr::Deserr;
use license_manager_domain::ports::{CustomerScope, PlanFilter};
use license_manager_domain::{
    AgreementId, CatalogId, ChangeReason, CustomerId, Edit, LicenseManager, NewPlan, PlanChanges, PlanId, ProductId,
    SubscriptionPlan,
};
use serde_json::Value;
use utoipa::{PartialSchema, ToSchema};

use super::catalogs::knowing_catalogs;
use super::deletion::{Deletion, DeletionRequest};
use crate::api::views::{CreatedPlanBody, EditedPlanBody, PlanWithCountsBody};
use crate::auth::permissions::{Provisioner, ProvisionerOrStaff, path_uuid};
use crate::http::error::plan_provisioning_error;
use crate::http::fields::{
    Boolean, Choice, FieldErrors, Integer, Kind, Moment, Nullable, Optional, Problem, Required, Stated, Text, UuidText,
};
use crate::http::kinds::{choices, describe, text, text_kind};
use crate::http::{ApiError, ApiResult, PageBody, Paging, Query, Response, WithBody, blocking, without_content};
use crate::openapi::errors::{InErrorKey, ProvisioningError};
use crate::openapi::parameters::{CustomerQuery, PageQuery};
use crate::state::State;

/// A new plan.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct NewPlanRequest {
    /// Its name, unique in its agreement.
    pub title: Required<Title>,
    /// The agreement it belongs to.
    pub customer_agreement: Required<UuidText>,
    /// When it starts.
    pub start_date: Required<Moment>,
    /// When it expires.
    pub expiration_date: Required<Moment>,
    /// The number of its licenses.
    pub desired_num_licenses: Required<Integer<i32>>,
    /// The reason for the change.
    pub change_reason: Required<Choice<ChangeReasonName>>,
    /// The Salesforce opportunity; required, and null if there is none.
    #[deserr(missing_field_error = FieldErrors::missing_or_null)]
    pub salesforce_opportunity_line_item: Stated<LineItem>,
    /// The other fields.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub settings: PlanSettings,
}

/// An edit of a plan; absent fields stay.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct PlanEditRequest {
    /// The reason for the change.
    pub change_reason: Required<Choice<ChangeReasonName>>,
    /// Its name, unique in its agreement.
    #[deserr(default)]
    pub title: Optional<Title>,
    /// The agreement it belongs to, which cannot change.
    #[deserr(default)]
    pub customer_agreement: Optional<UuidText>,
    /// When it starts.
    #[deserr(default)]
    pub start_date: Optional<Moment>,
    /// When it expires.
    #[deserr(default)]
    pub expiration_date: Optional<Moment>,
    /// The number of its licenses; it cannot decrease.
    #[deserr(default)]
    pub desired_num_licenses: Nullable<Integer<i32>>,
    /// The Salesforce opportunity.
    #[deserr(default)]
    pub salesforce_opportunity_line_item: Nullable<LineItem>,
    /// The other fields.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub settings: PlanSettings,
}

/// The fields that a new plan and an edit share.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct PlanSettings {
    /// Its catalog; the default is the agreement's default catalog.
    #[deserr(default)]
    pub enterprise_catalog_uuid: Nullable<UuidText>,
    /// Whether it is active.
    #[deserr(default)]
    pub is_active: Optional<Boolean>,
    /// Whether the number of revocations is limited.
    #[deserr(default)]
    pub is_revocation_cap_enabled: Optional<Boolean>,
    /// The share of its licenses that can be revoked, in percent.
    #[deserr(default)]
    pub revoke_max_percentage: Optional<Integer<i16, 0, 100>>,
    /// Its product.
    #[deserr(default)]
    pub product: Optional<ProductNumber>,
    /// Whether it is for internal use.
    #[deserr(default)]
    pub for_internal_use_only: Optional<Boolean>,
    /// Whether its unassigned licenses can be deleted by a freeze.
    #[deserr(default)]
    pub can_freeze_unused_licenses: Optional<Boolean>,
    /// Whether its licenses are assigned automatically.
    #[deserr(default)]
    pub should_auto_apply_licenses: Nullable<Boolean>,
}

impl PlanSettings {
    /// These settings as changes.
    ///
    /// # Errors
    /// 400 if the product is null.
    fn changes(self) -> ApiResult<PlanChanges> {
        if self.product.0 == Some(None) {
            return Err(ApiError::text(StatusCode::BAD_REQUEST, "A plan needs a product.").in_error_key());
        }
        Ok(PlanChanges {
            catalog: self.enterprise_catalog_uuid.0.flatten().map(CatalogId),
            is_active: self.is_active.0,
            is_revocation_cap_enabled: self.is_revocation_cap_enabled.0,
            revoke_max_percentage: self.revoke_max_percentage.0,
            product: self.product.0.flatten().map(ProductId),
            for_internal_use_only: self.for_internal_use_only.0,
            can_freeze_unused_licenses: self.can_freeze_unused_licenses.0,
            should_auto_apply_licenses: self.should_auto_apply_licenses.edit(),
            ..PlanChanges::default()
        })
    }
}

type Title = Text<1, { SubscriptionPlan::MAX_TITLE_LENGTH }>;

text_kind!(
    /// A line item of a Salesforce opportunity. The domain checks its form.
    LineItem,
    Text<0, 255>,
    text(0, usize::MAX).pattern(Some("^00k[0-9A-Za-z]{15}$"))
);

/// The id of a product. Null has an error of its own.
pub struct ProductNumber;

impl Kind for ProductNumber {
    type Value = Option<i32>;

    fn is_null(_: &Value) -> bool {
        false
    }

    fn read(value: Value) -> Result<Option<i32>, Problem> {
        if value.is_null() { Ok(None) } else { Integer::<i32>::read(value).map(Some) }
    }
}

describe!([] ProductNumber, Integer::<i32>::schema());

choices!(
    /// The reason for a change of a plan.
    ChangeReasonName,
    "ChangeReason",
    ChangeReason
);

/// Lists all plans, or those of the customer `enterprise_customer_uuid`.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/subscriptions/",
    tag = "Provisioning",
    params(CustomerQuery, PageQuery),
    responses((status = 200, description = "A page of plans", body = PageBody<PlanWithCountsBody>))
)]
pub async fn list(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let query = Query::of(&request);
    let filter = PlanFilter {
        customer: query.uuid("enterprise_customer_uuid")?.map(CustomerId),
        ..PlanFilter::new(CustomerScope::All)
    };
    let renewal_lock = state.renewal_lock();
    let view = move |plan| PlanWithCountsBody::of(&plan, renewal_lock);
    Paging::new(&request).answer(move |part| state.manager.plans(&filter, part), view).await
}

/// Creates a plan with its licenses: 201. Very many licenses are added after the response.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/subscriptions/",
    tag = "Provisioning",
    request_body = NewPlanRequest,
    responses(
        (status = 201, description = "The plan", body = CreatedPlanBody),
        (status = 400, description = "The request cannot be read, or a rule forbids it", body = ProvisioningError),
    )
)]
pub async fn create(WithBody { access, body }: WithBody<Provisioner, NewPlanRequest>, state: State) -> ApiResult {
    let request = body.read().await?.map_err(|errors| ApiError::from(errors).in_error_key())?;
    let reason = request.change_reason.0;
    let new = NewPlan {
        agreement: AgreementId(request.customer_agreement.0),
        title: request.title.0,
        start_date: request.start_date.0,
        expiration_date: request.expiration_date.0,
        changes: PlanChanges {
            salesforce_opportunity_line_item: request.salesforce_opportunity_line_item.0.into(),
            desired_num_licenses: Edit::Set(request.desired_num_licenses.0),
            ..request.settings.changes()?
        },
    };
    let actor = access.caller.actor();
    let create = move |manager: &LicenseManager| manager.create_plan(&actor, reason, new.clone());
    let plan = knowing_catalogs(&state, create).await?.map_err(plan_provisioning_error)?;
    state.wake_jobs.notify_one();
    let plan = CreatedPlanBody::new(&plan, state.renewal_lock(), reason);
    Response::json(StatusCode::CREATED, &plan)
}

/// Returns a plan.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/subscriptions/{subscription_uuid}/",
    tag = "Provisioning",
    responses(
        (status = 200, description = "The plan", body = PlanWithCountsBody),
        (status = 404, description = "There is no such plan", body = ProvisioningError),
    )
)]
pub async fn retrieve(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let plan = PlanId(path_uuid(&request, "subscription_uuid")?);
    blocking(move || {
        let plan = state.manager.plan(plan).map_err(plan_provisioning_error)?;
        Response::ok(&PlanWithCountsBody::of(&plan, state.renewal_lock()))
    })
    .await
}

/// Edits a plan, and adds licenses if it needs more. Licenses are never removed. The request needs a `change_reason`.
#[utoipa::path(
    patch,
    path = "/api/v1/provisioning-admins/subscriptions/{subscription_uuid}/",
    tag = "Provisioning",
    request_body = PlanEditRequest,
    responses(
        (status = 200, description = "The plan", body = EditedPlanBody),
        (status = 400, description = "The request cannot be read, or a rule forbids it", body = ProvisioningError),
        (status = 404, description = "There is no such plan", body = ProvisioningError),
    )
)]
pub async fn update(
    WithBody { access, mut body }: WithBody<Provisioner, PlanEditRequest>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let plan = PlanId(path_uuid(&request, "subscription_uuid")?);
    if body.json().as_object().is_some_and(|fields| !fields.contains_key("change_reason")) {
        let message = "Say why the plan changes: change_reason is missing.";
        return Err(ApiError::text(StatusCode::BAD_REQUEST, message).in_error_key());
    }
    let edit = body.edit().await?.map_err(|errors| ApiError::from(errors).in_error_key())?;
    let reason = edit.change_reason.0;
    let changes = PlanChanges {
        agreement: edit.customer_agreement.0.map(AgreementId),
        title: edit.title.0,
        start_date: edit.start_date.0,
        expiration_date: edit.expiration_date.0,
        salesforce_opportunity_line_item: edit.salesforce_opportunity_line_item.edit(),
        desired_num_licenses: edit.desired_num_licenses.edit(),
        ..edit.settings.changes()?
    };
    let actor = access.caller.actor();
    let update = move |manager: &LicenseManager| manager.update_plan(&actor, reason, plan, changes.clone());
    let plan = knowing_catalogs(&state, update).await?.map_err(plan_provisioning_error)?;
    state.wake_jobs.notify_one();
    Response::ok(&EditedPlanBody::new(&plan, state.renewal_lock(), reason))
}

/// Deletes a plan none of whose licenses was ever assigned, with its licenses and notifications: 204.
#[utoipa::path(
    delete,
    path = "/api/v1/provisioning-admins/subscriptions/{subscription_uuid}/",
    tag = "Provisioning",
    request_body = DeletionRequest,
    responses(
        (status = 204, description = "Deleted"),
        (status = 400, description = "The request cannot be read", body = ProvisioningError),
        (status = 404, description = "There is no such plan", body = ProvisioningError),
        (status = 422, description = "Licenses were assigned, or the plan has renewals or jobs", body = InErrorKey),
    ),
)]
pub async fn delete(deletion: Deletion, request: HttpRequest, state: State) -> ApiResult {
    let id = PlanId(path_uuid(&request, "subscription_uuid")?);
    let actor = deletion.actor().await?.map_err(|errors| ApiError::from(errors).in_error_key())?;
    without_content(move || state.manager.delete_plan(&actor, id).map_err(plan_provisioning_error)).await
}
