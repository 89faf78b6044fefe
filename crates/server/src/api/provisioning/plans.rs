//! `/api/v1/provisioning-admins/subscriptions/`: provisioning admins make, read and edit plans.
//!
//! These endpoints put their errors inside `{"error": …}`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use chrono::{DateTime, Utc};
use license_manager_domain::ports::{CustomerScope, PlanFilter};
use license_manager_domain::{
    AgreementId, CatalogId, ChangeReason, CustomerId, NewPlan, PlanChanges, PlanId, ProductId, SubscriptionPlan,
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::views::{CreatedPlanBody, EditedPlanBody, PlanWithCountsBody};
use crate::auth::permissions::{Provisioner, path_uuid};
use crate::http::answer::{Answer, blocking};
use crate::http::body::WithBody;
use crate::http::error::{ApiError, plan_provisioning_error};
use crate::http::fields::{Field, Fields, boolean, choice, datetime, integer, text, uuid};
use crate::http::paging::{PageBody, Paging, query_uuid};
use crate::http::query::Query;
use crate::openapi::errors::ProvisioningError;
use crate::openapi::parameters::{CustomerQuery, PageQuery};
use crate::state::AppState;

/// A new plan.
#[derive(ToSchema)]
pub struct NewPlanRequest {
    /// Its name, unique in its agreement.
    #[schema(min_length = 1, max_length = 128)]
    pub title: String,
    /// The agreement it belongs to.
    pub customer_agreement: Uuid,
    /// Its first moment.
    pub start_date: DateTime<Utc>,
    /// Its last moment.
    pub expiration_date: DateTime<Utc>,
    /// How many licenses it gets.
    #[schema(minimum = 0)]
    pub desired_num_licenses: i32,
    /// Why.
    pub change_reason: ChangeReasonName,
    /// The opportunity it was sold by; it must be there, and null where there is none.
    #[schema(required, pattern = "^00k[0-9A-Za-z]{15}$")]
    pub salesforce_opportunity_line_item: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub settings: PlanSettings,
}

/// An edit of a plan; what is left out stays as it is.
#[derive(ToSchema)]
pub struct PlanEditRequest {
    /// Why.
    pub change_reason: ChangeReasonName,
    /// Its name, unique in its agreement.
    #[schema(min_length = 1, max_length = 128, nullable = false)]
    pub title: Option<String>,
    /// The agreement it belongs to, which cannot change.
    #[schema(nullable = false)]
    pub customer_agreement: Option<Uuid>,
    /// Its first moment.
    #[schema(nullable = false)]
    pub start_date: Option<DateTime<Utc>>,
    /// Its last moment.
    #[schema(nullable = false)]
    pub expiration_date: Option<DateTime<Utc>>,
    /// How many licenses it has; never fewer than before.
    #[schema(minimum = 0)]
    pub desired_num_licenses: Option<i32>,
    /// The opportunity it was sold by.
    #[schema(pattern = "^00k[0-9A-Za-z]{15}$")]
    pub salesforce_opportunity_line_item: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub settings: PlanSettings,
}

/// What a new plan and an edit have in common.
#[derive(ToSchema)]
pub struct PlanSettings {
    /// Its catalog; the agreement's default one unless named.
    pub enterprise_catalog_uuid: Option<Uuid>,
    /// Whether learners can use it.
    #[schema(nullable = false)]
    pub is_active: Option<bool>,
    /// Whether only some of its activated licenses can be revoked.
    #[schema(nullable = false)]
    pub is_revocation_cap_enabled: Option<bool>,
    /// Which part of them, in percent.
    #[schema(minimum = 0, maximum = 100, nullable = false)]
    pub revoke_max_percentage: Option<i16>,
    /// Its product.
    #[schema(minimum = 0, nullable = false)]
    pub product: Option<i32>,
    /// Whether it is for internal use.
    #[schema(nullable = false)]
    pub for_internal_use_only: Option<bool>,
    /// Whether its unused licenses can be frozen.
    #[schema(nullable = false)]
    pub can_freeze_unused_licenses: Option<bool>,
    /// Whether it hands out licenses by itself.
    pub should_auto_apply_licenses: Option<bool>,
}

/// Why a plan changes.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ChangeReason)]
pub enum ChangeReasonName {
    /// It is new.
    New,
    /// Somebody had mistyped.
    IncorrectUserInput,
    /// The customer pays late.
    DelayedPayment,
    /// The customer asked for it.
    OrganizationRequestedChange,
    /// Anything else.
    Other,
}

/// The most plans a page has.
const MAX_PAGE_SIZE: u64 = 100;

const CHANGE_REASONS: &[&str] =
    &["new", "incorrect_user_input", "delayed_payment", "organization_requested_change", "other"];

/// Every plan, or those of the customer `enterprise_customer_uuid`.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/subscriptions/",
    tag = "Provisioning",
    params(CustomerQuery, PageQuery),
    responses((status = 200, description = "A page of plans", body = PageBody<PlanWithCountsBody>))
)]
pub async fn list(_: Provisioner, request: HttpRequest, state: web::Data<AppState>) -> Result<Answer, ApiError> {
    let query = Query::parse(request.query_string());
    let filter = PlanFilter {
        scope: CustomerScope::All,
        customer: query_uuid(&query, "enterprise_customer_uuid")?.map(CustomerId),
        active_only: false,
        current_at: None,
    };
    let paging = Paging::new(&request, &query, MAX_PAGE_SIZE);
    blocking(move || {
        let page = state.manager.plans(&filter, |total| paging.limit_offset(total))?;
        let renewal_lock = state.manager.settings().renewal_lock;
        let plans = page.items.iter().map(|plan| PlanWithCountsBody::of(plan, renewal_lock)).collect();
        Answer::ok(&paging.body(page.total, plans)?)
    })
    .await
}

/// Makes a plan with its licenses: 201. Very many licenses are added after the answer.
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
pub async fn create(
    WithBody { access, body }: WithBody<Provisioner>,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let mut fields = Fields::new(body).map_err(|errors| ApiError::from(errors).in_error_key())?;
    if fields.absent("salesforce_opportunity_line_item") {
        fields.error("salesforce_opportunity_line_item", "This field is required; it may be null.");
    }
    let agreement = AgreementId(fields.required("customer_agreement", uuid()));
    let title = fields.required("title", text(1..=SubscriptionPlan::MAX_TITLE_LENGTH));
    let start_date = fields.required("start_date", datetime());
    let expiration_date = fields.required("expiration_date", datetime());
    let desired = fields.required("desired_num_licenses", integer(0..=i64::from(i32::MAX)));
    let reason = fields.required("change_reason", choice(CHANGE_REASONS));
    let mut changes = read_changes(fields)?;
    changes.desired_num_licenses = Some(i32::try_from(desired).ok());
    let new = NewPlan { agreement, title, start_date, expiration_date, changes };
    let reason = ChangeReason::from_name(reason).unwrap_or(ChangeReason::New);
    if state.manager.settings().validate_catalogs {
        let (looking, new) = (state.clone(), new.clone());
        let chosen = blocking(move || Ok(looking.manager.catalog_of_new_plan(&new)?)).await?;
        state.manager.check_owner(chosen).await.map_err(plan_provisioning_error)?;
    }
    blocking(move || {
        let plan = state.manager.create_plan(&access.caller.actor(), reason, new).map_err(plan_provisioning_error)?;
        state.wake_jobs.notify_one();
        let plan = CreatedPlanBody::new(&plan, state.manager.settings().renewal_lock, reason);
        Answer::json(StatusCode::CREATED, &plan)
    })
    .await
}

/// One plan.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/subscriptions/{subscription_uuid}/",
    tag = "Provisioning",
    responses(
        (status = 200, description = "The plan", body = PlanWithCountsBody),
        (status = 404, description = "There is no such plan", body = ProvisioningError),
    )
)]
pub async fn retrieve(_: Provisioner, request: HttpRequest, state: web::Data<AppState>) -> Result<Answer, ApiError> {
    let plan = PlanId(path_uuid(&request, "subscription_uuid")?);
    blocking(move || {
        let plan = state.manager.plan(plan).map_err(plan_provisioning_error)?;
        Answer::ok(&PlanWithCountsBody::of(&plan, state.manager.settings().renewal_lock))
    })
    .await
}

/// Edits a plan, which needs a `change_reason`, and adds the licenses it then lacks; none are ever taken away.
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
    WithBody { access, body }: WithBody<Provisioner>,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let plan = PlanId(path_uuid(&request, "subscription_uuid")?);
    let mut fields = Fields::new(body).map_err(|errors| ApiError::from(errors).in_error_key())?;
    if fields.absent("change_reason") {
        let message = "Say why the plan changes: change_reason is missing.";
        return Err(ApiError::text(StatusCode::BAD_REQUEST, message).in_error_key());
    }
    let reason = fields.required("change_reason", choice(CHANGE_REASONS));
    let agreement = fields.optional("customer_agreement", uuid()).map(AgreementId);
    let title = fields.optional("title", text(1..=SubscriptionPlan::MAX_TITLE_LENGTH));
    let start_date = fields.optional("start_date", datetime());
    let expiration_date = fields.optional("expiration_date", datetime());
    let desired = fields.nullable("desired_num_licenses", integer(0..=i64::from(i32::MAX))).change();
    let changes = PlanChanges {
        agreement,
        title,
        start_date,
        expiration_date,
        desired_num_licenses: desired.map(|number| number.and_then(|number| i32::try_from(number).ok())),
        ..read_changes(fields)?
    };
    let reason = ChangeReason::from_name(reason).unwrap_or(ChangeReason::Other);
    if state.manager.settings().validate_catalogs {
        let (looking, changes) = (state.clone(), changes.clone());
        let chosen = blocking(move || Ok(looking.manager.catalog_of_changed_plan(plan, &changes)?)).await?;
        state.manager.check_owner(chosen).await.map_err(plan_provisioning_error)?;
    }
    blocking(move || {
        let plan = state
            .manager
            .update_plan(&access.caller.actor(), reason, plan, changes)
            .map_err(plan_provisioning_error)?;
        state.wake_jobs.notify_one();
        Answer::ok(&EditedPlanBody::new(&plan, state.manager.settings().renewal_lock, reason))
    })
    .await
}

/// The fields that a new plan and an edit have in common; ends the reading.
fn read_changes(mut fields: Fields) -> Result<PlanChanges, ApiError> {
    let product = fields.nullable("product", integer(0..=i64::from(i32::MAX)));
    let changes = PlanChanges {
        agreement: None,
        title: None,
        start_date: None,
        expiration_date: None,
        catalog: fields.nullable("enterprise_catalog_uuid", uuid()).map(CatalogId).value(),
        is_active: fields.optional("is_active", boolean()),
        is_revocation_cap_enabled: fields.optional("is_revocation_cap_enabled", boolean()),
        revoke_max_percentage: fields
            .optional("revoke_max_percentage", integer(0..=100))
            .and_then(|percentage| i16::try_from(percentage).ok()),
        salesforce_opportunity_line_item: fields.nullable("salesforce_opportunity_line_item", text(0..=255)).change(),
        product: product.clone().value().and_then(|id| i32::try_from(id).ok()).map(ProductId),
        for_internal_use_only: fields.optional("for_internal_use_only", boolean()),
        can_freeze_unused_licenses: fields.optional("can_freeze_unused_licenses", boolean()),
        should_auto_apply_licenses: fields.nullable("should_auto_apply_licenses", boolean()).change(),
        desired_num_licenses: None,
    };
    fields.finish().map_err(|errors| ApiError::from(errors).in_error_key())?;
    if product == Field::Null {
        return Err(ApiError::text(StatusCode::BAD_REQUEST, "A plan needs a product.").in_error_key());
    }
    Ok(changes)
}
