//! `…/provisioning-admins/customer-agreement/{customer_agreement_uuid}/settings/` and `sync/`: what staff decides on for an
//! agreement, and what the LMS says of its customer.

use actix_web::HttpRequest;
use chrono::Duration;
use deserr::Deserr;
use license_manager_domain::model::ExpirationMessageChanges;
use license_manager_domain::use_cases::{AgreementSettings, AgreementSettingsChanges};
use license_manager_domain::{AgreementId, CustomerAgreement, Entity, Error, ExpirationMessage, PlanId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::permissions::{ProvisionerOrStaff, path_uuid};
use crate::http::fields::{Boolean, FieldErrors, Integer, Nullable, Optional, Text, UuidText};
use crate::http::{Answer, ApiResult, WithBody, blocking};
use crate::openapi::errors::BadRequest;
use crate::state::State;

/// The settings to change; what is left out stays as it is.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct AgreementSettingsRequest {
    /// For how many days after a plan's end the personal data of its licenses is kept.
    #[deserr(default)]
    pub license_duration_before_purge_days: Optional<DaysBeforePurge>,
    /// Whether learners hear nothing when they get a license.
    #[deserr(default)]
    pub disable_onboarding_notifications: Optional<Boolean>,
    /// Whether the current plan grows by itself.
    #[deserr(default)]
    pub enable_auto_scaling_of_current_plan: Optional<Boolean>,
    /// Up to how many licenses.
    #[deserr(default)]
    pub auto_scaling_max_licenses: Nullable<Integer<i32, 1>>,
    /// From which part of them handed out, in percent.
    #[deserr(default)]
    pub auto_scaling_threshold_percentage: Nullable<Integer<i32, 1, 100>>,
    /// By which part, in percent.
    #[deserr(default)]
    pub auto_scaling_increment_percentage: Nullable<Integer<i32, 1, 100>>,
    /// The plan that hands out licenses by itself.
    #[deserr(default)]
    pub auto_applied_subscription: Nullable<UuidText>,
    /// Whether learners of an ended plan see a message of the customer's own.
    #[deserr(default)]
    pub has_custom_license_expiration_messaging_v2: Nullable<Boolean>,
    /// Its header.
    #[deserr(default)]
    pub modal_header_text_v2: Nullable<Text>,
    /// Its text, in HTML.
    #[deserr(default)]
    pub expired_subscription_modal_messaging_v2: Nullable<Text>,
    /// What its button says.
    #[deserr(default)]
    pub button_label_in_modal_v2: Nullable<Text>,
    /// Where its button leads.
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
            auto_scaling_max_licenses: self.auto_scaling_max_licenses.0,
            auto_scaling_threshold_percentage: self.auto_scaling_threshold_percentage.0,
            auto_scaling_increment_percentage: self.auto_scaling_increment_percentage.0,
            // Null is how a missing message reads, so it is understood as none.
            expiration_message: ExpirationMessageChanges {
                enabled: self.has_custom_license_expiration_messaging_v2.0.map(Option::unwrap_or_default),
                modal_header_text: self.modal_header_text_v2.0.map(Option::unwrap_or_default),
                modal_messaging: self.expired_subscription_modal_messaging_v2.0.map(Option::unwrap_or_default),
                button_label: self.button_label_in_modal_v2.0.map(Option::unwrap_or_default),
                button_url: self.url_for_button_in_modal_v2.0.map(Option::unwrap_or_default),
            },
            auto_applied_plan: self.auto_applied_subscription.0.map(|plan| plan.map(PlanId)),
        }
    }
}

/// The settings; the `_v2` keys are null where there is no message.
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
    has_custom_license_expiration_messaging_v2: Option<bool>,
    modal_header_text_v2: Option<String>,
    expired_subscription_modal_messaging_v2: Option<String>,
    button_label_in_modal_v2: Option<String>,
    url_for_button_in_modal_v2: Option<String>,
}

impl From<AgreementSettings> for Body {
    fn from(settings: AgreementSettings) -> Self {
        let agreement = settings.agreement;
        let message = agreement.expiration_message;
        let text = |field: fn(&ExpirationMessage) -> &String| message.as_ref().map(field).cloned();
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
            has_custom_license_expiration_messaging_v2: message.as_ref().map(|_| true),
            modal_header_text_v2: text(|message| &message.modal_header_text),
            expired_subscription_modal_messaging_v2: text(|message| &message.modal_messaging),
            button_label_in_modal_v2: text(|message| &message.button_label),
            url_for_button_in_modal_v2: text(|message| &message.button_url),
        }
    }
}

/// The settings.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/customer-agreement/{customer_agreement_uuid}/settings/",
    tag = "Provisioning",
    responses((status = 200, description = "The settings", body = Body)),
)]
pub async fn retrieve(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let agreement = AgreementId(path_uuid(&request, "customer_agreement_uuid")?);
    blocking(move || Answer::ok(&Body::from(state.manager.agreement_settings(agreement)?))).await
}

/// Changes the settings that the body names.
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
    let changes = body.read()?.changes();
    blocking(move || {
        let settings = state.manager.update_agreement_settings(&access.caller.actor(), agreement, &changes)?;
        Answer::ok(&Body::from(settings))
    })
    .await
}

/// Takes over the customer's slug and name from the LMS. 503 where the LMS does not say.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/customer-agreement/{customer_agreement_uuid}/sync/",
    tag = "Provisioning",
    responses(
        (status = 200, description = "The settings", body = Body),
        (status = 400, description = "What the LMS says cannot be taken over: another customer has the slug", body = BadRequest),
    ),
)]
pub async fn sync(access: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let agreement = AgreementId(path_uuid(&request, "customer_agreement_uuid")?);
    let looking = state.clone();
    let customer = blocking(move || Ok(looking.manager.customer_of_agreement(agreement)?)).await?;
    let customer = customer.ok_or(Error::NotFound(Entity::Agreement))?;
    let known = state.manager.look_customer_up(customer).await?;
    blocking(move || Answer::ok(&Body::from(state.manager.adopt_customer(&access.caller.actor(), &known)?))).await
}
