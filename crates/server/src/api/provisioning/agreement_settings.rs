//! `…/provisioning-admins/customer-agreement/{customer_agreement_uuid}/settings/` and `sync/`: settings of an agreement, and its
//! customer's name and slug from the LMS.

use actix_web::HttpRequest;
use chrono::Duration;
use deserr::Deserr;
use license_manager_domain::model::ExpirationMessageChanges;
use license_manager_domain::use_cases::{AgreementSettings, AgreementSettingsChanges};
use license_manager_domain::{AgreementId, CustomerAgreement, Entity, Error, PlanId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::views::ExpirationMessageFields;
use crate::auth::permissions::{ProvisionerOrStaff, path_uuid};
use crate::http::fields::{Boolean, FieldErrors, Integer, Nullable, Optional, Text, UuidText};
use crate::http::{ApiResult, Response, WithBody, blocking};
use crate::openapi::errors::BadRequest;
use crate::state::State;

/// The settings to change; absent fields stay.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct AgreementSettingsRequest {
    /// How many days after a plan expires the personal data of its licenses is kept.
    #[deserr(default)]
    pub license_duration_before_purge_days: Optional<DaysBeforePurge>,
    /// Whether learners get no mail when they get a license.
    #[deserr(default)]
    pub disable_onboarding_notifications: Optional<Boolean>,
    /// Whether the current plan grows automatically.
    #[deserr(default)]
    pub enable_auto_scaling_of_current_plan: Optional<Boolean>,
    /// The most licenses that it grows to.
    #[deserr(default)]
    pub auto_scaling_max_licenses: Nullable<Integer<i32, 1>>,
    /// The share of assigned licenses at which it grows, in percent.
    #[deserr(default)]
    pub auto_scaling_threshold_percentage: Nullable<Integer<i32, 1, 100>>,
    /// By how much it grows, in percent.
    #[deserr(default)]
    pub auto_scaling_increment_percentage: Nullable<Integer<i32, 1, 100>>,
    /// The plan whose licenses are assigned automatically.
    #[deserr(default)]
    pub auto_applied_subscription: Nullable<UuidText>,
    /// Whether learners of an expired plan see the customer's own message.
    #[deserr(default)]
    pub has_custom_license_expiration_messaging_v2: Nullable<Boolean>,
    /// Its header.
    #[deserr(default)]
    pub modal_header_text_v2: Nullable<Text>,
    /// Its text, in HTML.
    #[deserr(default)]
    pub expired_subscription_modal_messaging_v2: Nullable<Text<0, 20_000>>,
    /// The label of its button.
    #[deserr(default)]
    pub button_label_in_modal_v2: Nullable<Text>,
    /// The address that its button opens.
    #[deserr(default)]
    pub url_for_button_in_modal_v2: Nullable<Text>,
}

type DaysBeforePurge =
    Integer<i64, { *CustomerAgreement::DAYS_BEFORE_PURGE.start() }, { *CustomerAgreement::DAYS_BEFORE_PURGE.end() }>;

impl AgreementSettingsRequest {
    fn changes(self) -> AgreementSettingsChanges {
        AgreementSettingsChanges {
            license_duration_before_purge: self.license_duration_before_purge_days.0.map(Duration::days),
            disable_onboarding_notifications: self.disable_onboarding_notifications.0,
            auto_scaling_enabled: self.enable_auto_scaling_of_current_plan.0,
            auto_scaling_max_licenses: self.auto_scaling_max_licenses.edit(),
            auto_scaling_threshold_percentage: self.auto_scaling_threshold_percentage.edit(),
            auto_scaling_increment_percentage: self.auto_scaling_increment_percentage.edit(),
            // Answers have null for a missing message, so null in a request removes the message.
            expiration_message: ExpirationMessageChanges {
                enabled: self.has_custom_license_expiration_messaging_v2.0.map(Option::unwrap_or_default),
                modal_header_text: self.modal_header_text_v2.0.map(Option::unwrap_or_default),
                modal_messaging: self.expired_subscription_modal_messaging_v2.0.map(Option::unwrap_or_default),
                button_label: self.button_label_in_modal_v2.0.map(Option::unwrap_or_default),
                button_url: self.url_for_button_in_modal_v2.0.map(Option::unwrap_or_default),
            },
            auto_applied_plan: self.auto_applied_subscription.edit().map(PlanId),
        }
    }
}

/// The settings of an agreement.
#[derive(Serialize, ToSchema)]
#[schema(as = AgreementSettings)]
struct Body {
    uuid: Uuid,
    enterprise_customer_uuid: Uuid,
    enterprise_customer_slug: Option<String>,
    enterprise_customer_name: Option<String>,
    license_duration_before_purge_days: i64,
    disable_onboarding_notifications: bool,
    enable_auto_scaling_of_current_plan: bool,
    auto_scaling_max_licenses: Option<i32>,
    auto_scaling_threshold_percentage: Option<i32>,
    auto_scaling_increment_percentage: Option<i32>,
    auto_applied_subscription: Option<Uuid>,
    #[serde(flatten)]
    expiration_message: ExpirationMessageFields,
}

impl From<AgreementSettings> for Body {
    fn from(settings: AgreementSettings) -> Self {
        let agreement = settings.agreement;
        Self {
            uuid: agreement.id.0,
            enterprise_customer_uuid: agreement.customer.0,
            enterprise_customer_slug: agreement.customer_slug,
            enterprise_customer_name: agreement.customer_name,
            license_duration_before_purge_days: agreement.license_duration_before_purge.num_days(),
            disable_onboarding_notifications: agreement.disable_onboarding_notifications,
            enable_auto_scaling_of_current_plan: agreement.auto_scaling.enabled,
            auto_scaling_max_licenses: agreement.auto_scaling.max_licenses,
            auto_scaling_threshold_percentage: agreement.auto_scaling.threshold_percentage,
            auto_scaling_increment_percentage: agreement.auto_scaling.increment_percentage,
            auto_applied_subscription: settings.auto_applied_plan.map(|plan| plan.0),
            expiration_message: agreement.expiration_message.as_ref().into(),
        }
    }
}

/// Returns the settings.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/customer-agreement/{customer_agreement_uuid}/settings/",
    tag = "Provisioning",
    responses((status = 200, description = "The settings", body = Body)),
)]
pub async fn retrieve(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let agreement = AgreementId(path_uuid(&request, "customer_agreement_uuid")?);
    blocking(move || Response::ok(&Body::from(state.manager.agreement_settings(agreement)?))).await
}

/// Changes settings.
#[utoipa::path(
    patch,
    path = "/api/v1/provisioning-admins/customer-agreement/{customer_agreement_uuid}/settings/",
    tag = "Provisioning",
    request_body = AgreementSettingsRequest,
    responses((status = 200, description = "The settings", body = Body)),
)]
pub async fn update(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, AgreementSettingsRequest>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let agreement = AgreementId(path_uuid(&request, "customer_agreement_uuid")?);
    let changes = body.edit().await??.changes();
    blocking(move || {
        let settings = state.manager.update_agreement_settings(&access.caller.actor(), agreement, &changes)?;
        Response::ok(&Body::from(settings))
    })
    .await
}

/// Updates the customer's slug and name from the LMS. 503 if the LMS does not return them.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/customer-agreement/{customer_agreement_uuid}/sync/",
    tag = "Provisioning",
    responses(
        (status = 200, description = "The settings", body = Body),
        (status = 400, description = "Another customer has the slug", body = BadRequest),
    ),
)]
pub async fn sync(access: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let agreement = AgreementId(path_uuid(&request, "customer_agreement_uuid")?);
    let looking = state.clone();
    let customer = blocking(move || Ok(looking.manager.customer_of_agreement(agreement)?)).await?;
    let customer = customer.ok_or(Error::NotFound(Entity::Agreement))?;
    let known = state.manager.look_customer_up(customer).await?;
    blocking(move || Response::ok(&Body::from(state.manager.adopt_customer(&access.caller.actor(), &known)?))).await
}
