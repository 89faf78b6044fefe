//! `/api/v1/provisioning-admins/subscription-plan-renewals/`: provisioning admins schedule, edit and process renewals.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use deserr::{Deserr, IntoValue, ValuePointerRef};
use license_manager_domain::history::EntityRef;
use license_manager_domain::model::{RenewalDetails, RenewalTerms};
use license_manager_domain::ports::RenewalFilter;
use license_manager_domain::use_cases::{RenewalOutcome, RenewedBy};
use license_manager_domain::{
    Conflict, CustomerId, Error, LicenseTypesToCopy, PlanId, RenewalChanges, RenewalId, SubscriptionPlan,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::api::history::history;
use crate::auth::permissions::{Provisioner, ProvisionerOrStaff, path_integer};
use crate::http::fields::{
    Boolean, Choice, FieldErrors, Integer, Kind, Moment, Nullable, Optional, Problem, Required, Stated, Text, UuidText,
};
use crate::http::kinds::{choices, describe, text, text_kind};
use crate::http::{
    ApiError, ApiResult, PageBody, Paging, Query, Response, Timestamp, WithBody, blocking, without_content,
};
use crate::openapi::errors::Message;
use crate::openapi::parameters::{CustomerQuery, PageQuery};
use crate::state::State;

/// The filters of renewals.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RenewalQuery {
    /// Only renewals of this plan.
    pub prior_subscription_plan: Option<Uuid>,
    /// Only renewals to this plan.
    pub renewed_subscription_plan: Option<Uuid>,
    /// `true` for processed renewals only, `false` for the others.
    pub processed: Option<bool>,
    /// Only renewals of this Salesforce opportunity.
    pub salesforce_opportunity_id: Option<String>,
}

/// A new renewal.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct NewRenewalRequest {
    /// The plan to renew.
    pub prior_subscription_plan: Required<UuidText>,
    /// The Salesforce opportunity; required, and null if there is none.
    #[deserr(missing_field_error = FieldErrors::missing_or_null)]
    pub salesforce_opportunity_id: Stated<Opportunity>,
    /// The number of licenses of the renewed plan.
    pub number_of_licenses: Required<Integer<i32, 1>>,
    /// When the renewed plan starts.
    pub effective_date: Required<Moment>,
    /// When it expires.
    pub renewed_expiration_date: Required<Moment>,
    /// The other fields.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub settings: RenewalSettings,
}

/// An edit of a renewal; absent fields stay. Fields that it does not list cannot be edited.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct RenewalEditRequest {
    /// Must be absent.
    #[deserr(default)]
    #[schema(ignore)]
    pub prior_subscription_plan: PriorPlan,
    /// The Salesforce opportunity.
    #[deserr(default)]
    pub salesforce_opportunity_id: Nullable<Opportunity>,
    /// The number of licenses of the renewed plan.
    #[deserr(default)]
    pub number_of_licenses: Optional<Integer<i32, 1>>,
    /// When the renewed plan starts.
    #[deserr(default)]
    pub effective_date: Optional<Moment>,
    /// When it expires.
    #[deserr(default)]
    pub renewed_expiration_date: Optional<Moment>,
    /// The other fields.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub settings: RenewalSettings,
}

/// The fields that a new renewal and an edit share.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct RenewalSettings {
    /// The renewed plan; the default is a new plan.
    #[deserr(default)]
    pub renewed_subscription_plan: Nullable<UuidText>,
    /// The title of the new plan. A blank one counts as null: the title is derived from the prior plan's.
    #[deserr(default)]
    pub renewed_plan_title: Nullable<PlanTitle>,
    /// Which licenses are copied.
    #[deserr(default)]
    pub license_types_to_copy: Optional<Choice<LicenseTypes>>,
    /// Whether automatic assignment ends with the prior plan, and does not start with the renewed one.
    #[deserr(default)]
    pub disable_auto_apply_licenses: Optional<Boolean>,
    /// Whether it is only processed manually.
    #[deserr(default)]
    pub exempt_from_batch_processing: Optional<Boolean>,
}

/// The prior plan of a renewal, which cannot change.
#[derive(Default)]
pub struct PriorPlan;

impl Deserr<FieldErrors> for PriorPlan {
    fn deserialize_from_value<V: IntoValue>(_: deserr::Value<V>, _: ValuePointerRef<'_>) -> Result<Self, FieldErrors> {
        Err(FieldErrors::whole("A renewal's prior plan cannot be changed: leave it out."))
    }
}

/// The title of a plan. A blank one counts as null.
pub struct PlanTitle;

impl Kind for PlanTitle {
    type Value = String;

    fn is_null(value: &Value) -> bool {
        value.is_null() || value.as_str().is_some_and(|title| title.trim().is_empty())
    }

    fn read(value: Value) -> Result<String, Problem> {
        Text::<1, { SubscriptionPlan::MAX_TITLE_LENGTH }>::read(value)
    }
}

describe!([] PlanTitle, text(0, SubscriptionPlan::MAX_TITLE_LENGTH));

text_kind!(
    /// A Salesforce opportunity. The domain checks its form.
    Opportunity,
    Text<1, 255>,
    text(0, usize::MAX).pattern(Some("^[0-9A-Za-z]{18}$"))
);

choices!(
    /// The licenses that a renewal copies.
    LicenseTypes,
    "LicenseTypesToCopy",
    LicenseTypesToCopy
);

/// The renewal that conflicts, or the rule that is broken.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "tells the document of two shapes")]
enum RenewalRefused {
    InTheWay(Box<RenewalBody>),
    Message(Message),
}

/// Why a renewal cannot be processed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document")]
struct RefusedProcessing {
    error: String,
}

/// A renewal as the API returns it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Renewal)]
struct RenewalBody {
    id: i64,
    created: Timestamp,
    modified: Timestamp,
    prior_subscription_plan: Uuid,
    prior_subscription_plan_title: String,
    renewed_subscription_plan: Option<Uuid>,
    renewed_subscription_plan_title: Option<String>,
    salesforce_opportunity_id: Option<String>,
    number_of_licenses: i32,
    effective_date: Timestamp,
    renewed_expiration_date: Timestamp,
    processed: bool,
    processed_datetime: Option<Timestamp>,
    renewed_plan_title: Option<String>,
    license_types_to_copy: LicenseTypes,
    disable_auto_apply_licenses: bool,
    exempt_from_batch_processing: bool,
    enterprise_customer_uuid: Uuid,
    /// How many licenses are not carried over because the renewed plan, which has not started, has too few. Absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    num_not_carried_over: Option<i64>,
}

impl From<RenewalDetails> for RenewalBody {
    fn from(details: RenewalDetails) -> Self {
        let renewal = details.renewal;
        let terms = renewal.terms;
        Self {
            id: renewal.id.0,
            created: Timestamp(renewal.created),
            modified: Timestamp(renewal.modified),
            prior_subscription_plan: terms.prior_plan.0,
            prior_subscription_plan_title: details.prior_plan_title,
            renewed_subscription_plan: terms.renewed_plan.map(|plan| plan.0),
            renewed_subscription_plan_title: details.renewed_plan_title,
            salesforce_opportunity_id: terms.salesforce_opportunity_id,
            number_of_licenses: terms.number_of_licenses,
            effective_date: Timestamp(terms.effective_date),
            renewed_expiration_date: Timestamp(terms.renewed_expiration_date),
            processed: renewal.processed,
            processed_datetime: renewal.processed_datetime.map(Timestamp),
            renewed_plan_title: terms.renewed_plan_title,
            license_types_to_copy: LicenseTypes(terms.license_types_to_copy),
            disable_auto_apply_licenses: terms.disable_auto_apply_licenses,
            exempt_from_batch_processing: terms.exempt_from_batch_processing,
            enterprise_customer_uuid: details.customer.0,
            num_not_carried_over: Some(details.num_not_carried_over).filter(|number| *number > 0),
        }
    }
}

/// Lists renewals, the latest effective date first.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/subscription-plan-renewals/",
    tag = "Renewals",
    params(RenewalQuery, CustomerQuery, PageQuery),
    responses((status = 200, description = "A page of renewals", body = PageBody<RenewalBody>)),
)]
pub async fn list(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let query = Query::of(&request);
    let filter = RenewalFilter {
        ids: None,
        prior_plan: query.uuid("prior_subscription_plan")?.map(PlanId),
        renewed_plan: query.uuid("renewed_subscription_plan")?.map(PlanId),
        customer: query.uuid("enterprise_customer_uuid")?.map(CustomerId),
        processed: query.flag("processed"),
        salesforce_opportunity_id: query.text("salesforce_opportunity_id").map(str::to_owned),
    };
    Paging::new(&request).answer(move |part| state.manager.renewals(&filter, part), RenewalBody::from).await
}

/// Schedules the renewal of a plan: 201. 200 with the existing renewal if there is one between the same plans. 422 with the renewal that
/// conflicts if one of the plans has another renewal.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/subscription-plan-renewals/",
    tag = "Renewals",
    request_body = NewRenewalRequest,
    responses(
        (status = 200, description = "The renewal between the same plans existed", body = RenewalBody),
        (status = 201, description = "The renewal", body = RenewalBody),
        (status = 422, description = "One of the plans has a renewal, or a rule forbids it", body = RenewalRefused),
    ),
)]
pub async fn create(WithBody { access, body }: WithBody<Provisioner, NewRenewalRequest>, state: State) -> ApiResult {
    let request = body.read().await??;
    let settings = request.settings;
    let terms = RenewalTerms {
        prior_plan: PlanId(request.prior_subscription_plan.0),
        renewed_plan: settings.renewed_subscription_plan.0.flatten().map(PlanId),
        salesforce_opportunity_id: request.salesforce_opportunity_id.0,
        number_of_licenses: request.number_of_licenses.0,
        effective_date: request.effective_date.0,
        renewed_expiration_date: request.renewed_expiration_date.0,
        renewed_plan_title: settings.renewed_plan_title.0.flatten(),
        license_types_to_copy: settings.license_types_to_copy.0.unwrap_or_default(),
        disable_auto_apply_licenses: settings.disable_auto_apply_licenses.0.unwrap_or_default(),
        exempt_from_batch_processing: settings.exempt_from_batch_processing.0.unwrap_or_default(),
    };
    blocking(move || {
        let outcome = state.manager.create_renewal(&access.caller.actor(), &terms)?;
        answer(outcome, StatusCode::CREATED)
    })
    .await
}

/// Returns a renewal.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/subscription-plan-renewals/{renewal_id}/",
    tag = "Renewals",
    responses((status = 200, description = "The renewal", body = RenewalBody)),
)]
pub async fn retrieve(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let id = path_id(&request)?;
    blocking(move || Response::ok(&RenewalBody::from(state.manager.renewal(id)?))).await
}

/// Edits a renewal that was not processed; PUT does the same as PATCH. 400 if the request names a field that cannot be edited. 422 with
/// the renewal that conflicts if another renewal has the same renewed plan.
#[utoipa::path(
    method(patch, put),
    path = "/api/v1/provisioning-admins/subscription-plan-renewals/{renewal_id}/",
    tag = "Renewals",
    request_body = RenewalEditRequest,
    responses(
        (status = 200, description = "The renewal", body = RenewalBody),
        (status = 422, description = "Another renewal has the renewed plan, or a rule is broken", body = RenewalRefused),
    ),
)]
pub async fn update(
    WithBody { access, mut body }: WithBody<Provisioner, RenewalEditRequest>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let id = path_id(&request)?;
    // Clients know the error about the prior plan as one of the whole request.
    let names_prior_plan = body.json().get("prior_subscription_plan").is_some();
    let edit = if names_prior_plan { body.read().await? } else { body.edit().await? }?;
    let settings = edit.settings;
    let changes = RenewalChanges {
        renewed_plan: settings.renewed_subscription_plan.edit().map(PlanId),
        salesforce_opportunity_id: edit.salesforce_opportunity_id.edit(),
        number_of_licenses: edit.number_of_licenses.0,
        effective_date: edit.effective_date.0,
        renewed_expiration_date: edit.renewed_expiration_date.0,
        renewed_plan_title: settings.renewed_plan_title.edit(),
        license_types_to_copy: settings.license_types_to_copy.0,
        disable_auto_apply_licenses: settings.disable_auto_apply_licenses.0,
        exempt_from_batch_processing: settings.exempt_from_batch_processing.0,
    };
    blocking(move || {
        let outcome = state.manager.update_renewal(&access.caller.actor(), id, &changes)?;
        answer(outcome, StatusCode::OK)
    })
    .await
}

/// Deletes a renewal: 204. Plans and licenses stay.
#[utoipa::path(
    delete,
    path = "/api/v1/provisioning-admins/subscription-plan-renewals/{renewal_id}/",
    tag = "Renewals",
    responses((status = 204, description = "Deleted")),
)]
pub async fn delete(access: Provisioner, request: HttpRequest, state: State) -> ApiResult {
    let id = path_id(&request)?;
    without_content(move || state.manager.delete_renewal(&access.caller.actor(), id)).await
}

/// Processes a renewal: 201, or 200 if it was processed before. 422 if it cannot be processed; then nothing changes.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/subscription-plan-renewals/{renewal_id}/process/",
    tag = "Renewals",
    responses(
        (status = 200, description = "The renewal was processed before", body = RenewalBody),
        (status = 201, description = "The renewal is processed", body = RenewalBody),
        (status = 422, description = "The renewal cannot be processed", body = RefusedProcessing),
    ),
)]
pub async fn process(access: Provisioner, request: HttpRequest, state: State) -> ApiResult {
    let id = path_id(&request)?;
    blocking(move || {
        let processed = state.manager.process_renewal(&access.caller.actor(), id, RenewedBy::Manual);
        let processed = processed.map_err(|error| match error {
            Error::Conflict(Conflict::PlanTitle) => ApiError::text(
                StatusCode::UNPROCESSABLE_ENTITY,
                "The agreement has a plan of the renewed one's title already. Set another renewed_plan_title.",
            )
            .in_error_key(),
            Error::Refused(_) => ApiError::from(error).in_error_key(),
            other => other.into(),
        })?;
        state.wake_jobs.notify_one();
        let status = if processed.newly { StatusCode::CREATED } else { StatusCode::OK };
        Response::json(status, &RenewalBody::from(processed.details))
    })
    .await
}

history!(
    renewal_history,
    "/api/v1/provisioning-admins/subscription-plan-renewals/{renewal_id}/history/",
    "Renewals",
    "a renewal",
    |_access: ProvisionerOrStaff, request| EntityRef::Renewal(path_id(&request)?)
);

fn path_id(request: &HttpRequest) -> ApiResult<RenewalId> {
    path_integer(request, "renewal_id").map(RenewalId)
}

fn answer(outcome: RenewalOutcome, written: StatusCode) -> ApiResult {
    let (status, details) = match outcome {
        RenewalOutcome::Written(details) => (written, details),
        RenewalOutcome::Existing(details) => (StatusCode::OK, details),
        RenewalOutcome::InTheWay(details) => (StatusCode::UNPROCESSABLE_ENTITY, details),
    };
    Response::json(status, &RenewalBody::from(details))
}
