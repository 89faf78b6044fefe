//! The views: domain values in the form of the API.
//!
//! Field names and shapes are fixed by the clients of this API (docs/API.md); `tests/conformance` holds them.

use chrono::{DateTime, Utc};
use license_manager_domain::model::RenewalChains;
use license_manager_domain::use_cases::{AgreementDetails, LearnerLicense};
use license_manager_domain::{
    AgreementOverview, ChangeReason, ExpirationMessage, License, LicenseCounts, PlanDetails, PlanOverview,
    SubscriptionPlan,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::Timestamp;
use crate::openapi::parameters::LicenseState;

/// What the view of a plan depends on, beside the plan.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// The renewals of the plans.
    pub chains: &'a RenewalChains,
    /// How long before its renewal a plan is locked.
    pub renewal_lock: chrono::Duration,
    /// The current time.
    pub now: DateTime<Utc>,
}

impl<'a> Reading<'a> {
    fn of(overview: &'a PlanOverview, renewal_lock: chrono::Duration) -> Self {
        Self { chains: &overview.chains, renewal_lock, now: overview.now }
    }
}

/// A license.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = License)]
pub struct LicenseBody {
    uuid: Uuid,
    status: LicenseState,
    user_email: Option<String>,
    activation_date: Option<Timestamp>,
    last_remind_date: Option<Timestamp>,
    subscription_plan_uuid: Uuid,
    revoked_date: Option<Timestamp>,
    activation_key: Option<Uuid>,
}

impl LicenseBody {
    /// The license as the API returns it.
    pub fn new(license: &License) -> Self {
        let columns = license.columns();
        Self {
            uuid: license.id.0,
            status: LicenseState(columns.status),
            user_email: columns.user_email.map(String::from),
            activation_date: columns.activation_date.map(Timestamp),
            last_remind_date: columns.last_remind_date.map(Timestamp),
            subscription_plan_uuid: license.plan.0,
            revoked_date: columns.revoked_date.map(Timestamp),
            activation_key: columns.activation_key.map(|key| key.0),
        }
    }
}

/// What every answer about a plan tells.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = inline::PlanFields)]
struct PlanFields {
    title: String,
    uuid: Uuid,
    start_date: Timestamp,
    expiration_date: Timestamp,
    enterprise_customer_uuid: Uuid,
    enterprise_catalog_uuid: Uuid,
    is_active: bool,
    is_revocation_cap_enabled: bool,
    days_until_expiration: i64,
    days_until_expiration_including_renewals: i64,
    is_locked_for_renewal_processing: bool,
    should_auto_apply_licenses: Option<bool>,
    salesforce_opportunity_line_item: Option<String>,
}

impl PlanFields {
    fn new(details: &PlanDetails, reading: Reading<'_>) -> Self {
        let plan = &details.plan;
        Self {
            title: plan.title.clone(),
            uuid: plan.id.0,
            start_date: Timestamp(plan.start_date),
            expiration_date: Timestamp(plan.expiration_date),
            enterprise_customer_uuid: details.customer.0,
            enterprise_catalog_uuid: plan.catalog.0,
            is_active: plan.is_active,
            is_revocation_cap_enabled: plan.is_revocation_cap_enabled,
            days_until_expiration: plan.days_until_expiration(reading.now),
            days_until_expiration_including_renewals: reading.chains.days_until_expiration(plan, reading.now),
            is_locked_for_renewal_processing: reading.chains.is_locked(plan.id, reading.renewal_lock, reading.now),
            should_auto_apply_licenses: plan.should_auto_apply_licenses,
            salesforce_opportunity_line_item: plan.salesforce_opportunity_line_item.clone(),
        }
    }
}

/// A plan without its licenses.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plan)]
pub struct PlanBody {
    #[serde(flatten)]
    fields: PlanFields,
    is_current: bool,
    created: Timestamp,
    plan_type: String,
}

impl PlanBody {
    /// The plan as the API returns it.
    pub fn new(details: &PlanDetails, reading: Reading<'_>) -> Self {
        Self {
            fields: PlanFields::new(details, reading),
            is_current: details.plan.is_current(reading.now),
            created: Timestamp(details.plan.created),
            plan_type: details.plan_type.clone(),
        }
    }
}

/// A plan with the number of its licenses.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlanWithCounts)]
pub struct PlanWithCountsBody {
    #[serde(flatten)]
    plan: PlanBody,
    licenses: CountsBody,
    revocations: Option<RevocationsBody>,
    prior_renewals: Vec<PriorRenewalBody>,
}

/// How many licenses a plan has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Counts)]
pub struct CountsBody {
    activated: i64,
    assigned: i64,
    unassigned: i64,
    revoked: i64,
    total: i64,
    allocated: i64,
}

impl From<LicenseCounts> for CountsBody {
    fn from(counts: LicenseCounts) -> Self {
        Self {
            activated: counts.activated,
            assigned: counts.assigned,
            unassigned: counts.unassigned,
            revoked: counts.revoked,
            total: counts.total(),
            allocated: counts.allocated(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Revocations)]
struct RevocationsBody {
    applied: i32,
    remaining: i64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PriorRenewal)]
struct PriorRenewalBody {
    prior_subscription_plan_id: Uuid,
    prior_subscription_plan_start_date: Timestamp,
    renewed_subscription_plan_id: Option<Uuid>,
    renewed_subscription_plan_start_date: Option<Timestamp>,
}

impl PlanWithCountsBody {
    /// The plan as the API returns it.
    pub fn new(details: &PlanDetails, counts: LicenseCounts, reading: Reading<'_>) -> Self {
        let plan = &details.plan;
        let prior_renewals = reading.chains.earlier(plan.id).into_iter().map(|link| PriorRenewalBody {
            prior_subscription_plan_id: link.prior_plan.0,
            prior_subscription_plan_start_date: Timestamp(link.prior_plan_start),
            renewed_subscription_plan_id: link.renewed_plan.map(|plan| plan.0),
            renewed_subscription_plan_start_date: link.renewed_plan_start.map(Timestamp),
        });
        Self {
            plan: PlanBody::new(details, reading),
            licenses: CountsBody::from(counts),
            revocations: plan
                .revocations_remaining(&counts)
                .map(|remaining| RevocationsBody { applied: plan.num_revocations_applied, remaining }),
            prior_renewals: prior_renewals.collect(),
        }
    }

    /// The plan of an overview as the API returns it.
    pub fn of(overview: &PlanOverview, renewal_lock: chrono::Duration) -> Self {
        Self::new(&overview.details, overview.counts, Reading::of(overview, renewal_lock))
    }
}

/// An agreement without its plans.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Agreement)]
pub struct AgreementBody {
    uuid: Uuid,
    enterprise_customer_uuid: Uuid,
    enterprise_customer_slug: Option<String>,
    default_enterprise_catalog_uuid: Option<Uuid>,
    disable_expiration_notifications: bool,
    net_days_until_expiration: i64,
    subscription_for_auto_applied_licenses: Option<Uuid>,
    available_subscription_catalogs: Vec<Uuid>,
    enable_auto_applied_subscriptions_with_universal_link: bool,
    #[serde(flatten)]
    expiration_message: ExpirationMessageFields,
}

/// The message that learners of an expired plan see. Every field is null if there is no message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = inline::ExpirationMessageFields)]
pub struct ExpirationMessageFields {
    has_custom_license_expiration_messaging_v2: Option<bool>,
    modal_header_text_v2: Option<String>,
    expired_subscription_modal_messaging_v2: Option<String>,
    button_label_in_modal_v2: Option<String>,
    url_for_button_in_modal_v2: Option<String>,
}

impl From<Option<&ExpirationMessage>> for ExpirationMessageFields {
    fn from(message: Option<&ExpirationMessage>) -> Self {
        let text = |field: fn(&ExpirationMessage) -> &String| message.map(field).cloned();
        Self {
            has_custom_license_expiration_messaging_v2: message.map(|_| true),
            modal_header_text_v2: text(|message| &message.modal_header_text),
            expired_subscription_modal_messaging_v2: text(|message| &message.modal_messaging),
            button_label_in_modal_v2: text(|message| &message.button_label),
            url_for_button_in_modal_v2: text(|message| &message.button_url),
        }
    }
}

impl AgreementBody {
    /// The agreement as the API returns it.
    pub fn new(details: &AgreementDetails) -> Self {
        let agreement = &details.agreement;
        Self {
            uuid: agreement.id.0,
            enterprise_customer_uuid: agreement.customer.0,
            enterprise_customer_slug: agreement.customer_slug.clone(),
            default_enterprise_catalog_uuid: agreement.default_catalog.map(|catalog| catalog.0),
            disable_expiration_notifications: agreement.disable_expiration_notifications,
            net_days_until_expiration: details.net_days_until_expiration(),
            subscription_for_auto_applied_licenses: details.auto_applicable_plan().map(|details| details.plan.id.0),
            available_subscription_catalogs: details.available_catalogs().iter().map(|catalog| catalog.0).collect(),
            enable_auto_applied_subscriptions_with_universal_link: agreement
                .enable_auto_applied_subscriptions_with_universal_link,
            expiration_message: agreement.expiration_message.as_ref().into(),
        }
    }
}

/// An agreement with its plans.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgreementWithPlans)]
pub struct AgreementWithPlansBody {
    #[serde(flatten)]
    agreement: AgreementBody,
    subscriptions: Vec<PlanWithCountsBody>,
}

impl AgreementWithPlansBody {
    /// The agreement with all its plans, or with the active ones only.
    pub fn new(overview: &AgreementOverview, renewal_lock: chrono::Duration, active_plans_only: bool) -> Self {
        let details = &overview.details;
        let reading = Reading { chains: &details.chains, renewal_lock, now: details.now };
        let shown = details.plans.iter().filter(|details| !active_plans_only || details.plan.is_active);
        let subscriptions = shown.map(|details| {
            let counts = overview.counts.get(&details.plan.id).copied().unwrap_or_default();
            PlanWithCountsBody::new(details, counts, reading)
        });
        Self { agreement: AgreementBody::new(details), subscriptions: subscriptions.collect() }
    }
}

/// A license with its plan and agreement, as its learner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LearnerLicense)]
pub struct LearnerLicenseBody {
    #[serde(flatten)]
    license: LicenseBody,
    customer_agreement: Option<AgreementBody>,
    subscription_plan: PlanBody,
}

impl LearnerLicenseBody {
    /// The license as the API returns it.
    pub fn new(found: &LearnerLicense, renewal_lock: chrono::Duration) -> Self {
        let reading = Reading { chains: &found.agreement.chains, renewal_lock, now: found.agreement.now };
        Self {
            license: LicenseBody::new(&found.license),
            customer_agreement: Some(AgreementBody::new(&found.agreement)),
            subscription_plan: PlanBody::new(&found.plan, reading),
        }
    }
}

/// What provisioning admins see of a plan beside what everybody sees.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = inline::ProvisioningFields)]
struct ProvisioningFields {
    can_freeze_unused_licenses: bool,
    customer_agreement: Uuid,
    desired_num_licenses: Option<i32>,
    expiration_processed: bool,
    for_internal_use_only: bool,
    last_freeze_timestamp: Option<Timestamp>,
    num_revocations_applied: i32,
    product: i32,
    revoke_max_percentage: i16,
    change_reason: &'static str,
}

impl ProvisioningFields {
    fn new(plan: &SubscriptionPlan, reason: ChangeReason) -> Self {
        Self {
            can_freeze_unused_licenses: plan.can_freeze_unused_licenses,
            customer_agreement: plan.agreement.0,
            desired_num_licenses: plan.desired_num_licenses,
            expiration_processed: plan.expiration_processed,
            for_internal_use_only: plan.for_internal_use_only,
            last_freeze_timestamp: plan.last_freeze_timestamp.map(Timestamp),
            num_revocations_applied: plan.num_revocations_applied,
            product: plan.product.0,
            revoke_max_percentage: plan.revoke_max_percentage,
            change_reason: reason.as_str(),
        }
    }
}

/// A plan that was just created.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedPlan)]
pub struct CreatedPlanBody {
    #[serde(flatten)]
    plan: PlanBody,
    #[serde(flatten)]
    provisioning: ProvisioningFields,
}

impl CreatedPlanBody {
    /// The plan as the API returns it.
    pub fn new(overview: &PlanOverview, renewal_lock: chrono::Duration, reason: ChangeReason) -> Self {
        Self {
            plan: PlanBody::new(&overview.details, Reading::of(overview, renewal_lock)),
            provisioning: ProvisioningFields::new(&overview.details.plan, reason),
        }
    }
}

/// A plan that was just edited.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EditedPlan)]
pub struct EditedPlanBody {
    #[serde(flatten)]
    plan: PlanFields,
    #[serde(flatten)]
    provisioning: ProvisioningFields,
}

impl EditedPlanBody {
    /// The plan as the API returns it.
    pub fn new(overview: &PlanOverview, renewal_lock: chrono::Duration, reason: ChangeReason) -> Self {
        Self {
            plan: PlanFields::new(&overview.details, Reading::of(overview, renewal_lock)),
            provisioning: ProvisioningFields::new(&overview.details.plan, reason),
        }
    }
}
