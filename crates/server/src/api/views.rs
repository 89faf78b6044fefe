//! The domain's values as the wire has them.
//!
//! Field names and shapes are fixed by the clients of this API (docs/API.md); `tests/conformance` holds them.

use chrono::{DateTime, Utc};
use license_manager_domain::model::RenewalChains;
use license_manager_domain::use_cases::{AgreementDetails, LearnerLicense};
use license_manager_domain::{
    AgreementOverview, ChangeReason, ExpirationMessage, License, LicenseCounts, PlanDetails, PlanOverview,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::time::{serialize as moment, serialize_optional as optional_moment};
use crate::openapi::parameters::LicenseState;

/// What a reader's answer depends on beside the data: the moment, and how long plans stand still before a renewal.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// The renewals among the plans shown.
    pub chains: &'a RenewalChains,
    /// How long before its renewal a plan stands still.
    pub renewal_lock: chrono::Duration,
    /// The moment of the reading.
    pub now: DateTime<Utc>,
}

/// A license.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = License)]
pub struct LicenseBody {
    uuid: Uuid,
    #[schema(value_type = LicenseState)]
    status: &'static str,
    user_email: Option<String>,
    #[serde(serialize_with = "optional_moment")]
    activation_date: Option<DateTime<Utc>>,
    #[serde(serialize_with = "optional_moment")]
    last_remind_date: Option<DateTime<Utc>>,
    subscription_plan_uuid: Uuid,
    #[serde(serialize_with = "optional_moment")]
    revoked_date: Option<DateTime<Utc>>,
    activation_key: Option<Uuid>,
}

impl LicenseBody {
    /// The license on the wire.
    pub fn new(license: &License) -> Self {
        let columns = license.columns();
        Self {
            uuid: license.id.0,
            status: columns.status.as_str(),
            user_email: columns.user_email.map(String::from),
            activation_date: columns.activation_date,
            last_remind_date: columns.last_remind_date,
            subscription_plan_uuid: license.plan.0,
            revoked_date: columns.revoked_date,
            activation_key: columns.activation_key.map(|key| key.0),
        }
    }
}

/// A plan without its licenses.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plan)]
pub struct PlanBody {
    title: String,
    uuid: Uuid,
    #[serde(serialize_with = "moment")]
    start_date: DateTime<Utc>,
    #[serde(serialize_with = "moment")]
    expiration_date: DateTime<Utc>,
    enterprise_customer_uuid: Uuid,
    enterprise_catalog_uuid: Uuid,
    is_active: bool,
    is_current: bool,
    is_revocation_cap_enabled: bool,
    days_until_expiration: i64,
    days_until_expiration_including_renewals: i64,
    is_locked_for_renewal_processing: bool,
    should_auto_apply_licenses: Option<bool>,
    #[serde(serialize_with = "moment")]
    created: DateTime<Utc>,
    plan_type: String,
    salesforce_opportunity_line_item: Option<String>,
}

impl PlanBody {
    /// The plan on the wire.
    pub fn new(details: &PlanDetails, reading: Reading<'_>) -> Self {
        let plan = &details.plan;
        Self {
            title: plan.title.clone(),
            uuid: plan.id.0,
            start_date: plan.start_date,
            expiration_date: plan.expiration_date,
            enterprise_customer_uuid: details.customer.0,
            enterprise_catalog_uuid: plan.catalog.0,
            is_active: plan.is_active,
            is_current: plan.is_current(reading.now),
            is_revocation_cap_enabled: plan.is_revocation_cap_enabled,
            days_until_expiration: plan.days_until_expiration(reading.now),
            days_until_expiration_including_renewals: reading.chains.days_until_expiration(plan, reading.now),
            is_locked_for_renewal_processing: reading.chains.is_locked(plan.id, reading.renewal_lock, reading.now),
            should_auto_apply_licenses: plan.should_auto_apply_licenses,
            created: plan.created,
            plan_type: details.plan_type.clone(),
            salesforce_opportunity_line_item: plan.salesforce_opportunity_line_item.clone(),
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
    #[serde(serialize_with = "moment")]
    prior_subscription_plan_start_date: DateTime<Utc>,
    renewed_subscription_plan_id: Option<Uuid>,
    #[serde(serialize_with = "optional_moment")]
    renewed_subscription_plan_start_date: Option<DateTime<Utc>>,
}

impl PlanWithCountsBody {
    /// The plan on the wire.
    pub fn new(details: &PlanDetails, counts: LicenseCounts, reading: Reading<'_>) -> Self {
        let plan = &details.plan;
        let prior_renewals = reading.chains.earlier(plan.id).into_iter().map(|link| PriorRenewalBody {
            prior_subscription_plan_id: link.prior_plan.0,
            prior_subscription_plan_start_date: link.prior_plan_start,
            renewed_subscription_plan_id: link.renewed_plan.map(|plan| plan.0),
            renewed_subscription_plan_start_date: link.renewed_plan_start,
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

    /// The plan of an overview on the wire.
    pub fn of(overview: &PlanOverview, renewal_lock: chrono::Duration) -> Self {
        let reading = Reading { chains: &overview.chains, renewal_lock, now: overview.now };
        Self::new(&overview.details, overview.counts, reading)
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
    has_custom_license_expiration_messaging_v2: Option<bool>,
    modal_header_text_v2: Option<String>,
    expired_subscription_modal_messaging_v2: Option<String>,
    button_label_in_modal_v2: Option<String>,
    url_for_button_in_modal_v2: Option<String>,
}

impl AgreementBody {
    /// The agreement on the wire.
    pub fn new(details: &AgreementDetails) -> Self {
        let agreement = &details.agreement;
        let text = |field: fn(&ExpirationMessage) -> &String| agreement.expiration_message.as_ref().map(field).cloned();
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
            has_custom_license_expiration_messaging_v2: agreement.expiration_message.as_ref().map(|_| true),
            modal_header_text_v2: text(|message| &message.modal_header_text),
            expired_subscription_modal_messaging_v2: text(|message| &message.modal_messaging),
            button_label_in_modal_v2: text(|message| &message.button_label),
            url_for_button_in_modal_v2: text(|message| &message.button_url),
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
    /// The agreement on the wire, with its plans: all of them, or only the active ones.
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
    /// The license on the wire.
    pub fn new(found: &LearnerLicense, renewal_lock: chrono::Duration) -> Self {
        let reading = Reading { chains: &found.agreement.chains, renewal_lock, now: found.agreement.now };
        Self {
            license: LicenseBody::new(&found.license),
            customer_agreement: Some(AgreementBody::new(&found.agreement)),
            subscription_plan: PlanBody::new(&found.plan, reading),
        }
    }
}

/// A plan as it was just made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedPlan)]
pub struct CreatedPlanBody {
    #[serde(flatten)]
    plan: PlanBody,
    can_freeze_unused_licenses: bool,
    customer_agreement: Uuid,
    desired_num_licenses: Option<i32>,
    expiration_processed: bool,
    for_internal_use_only: bool,
    #[serde(serialize_with = "optional_moment")]
    last_freeze_timestamp: Option<DateTime<Utc>>,
    num_revocations_applied: i32,
    product: i32,
    revoke_max_percentage: i16,
    change_reason: &'static str,
}

impl CreatedPlanBody {
    /// The plan on the wire.
    pub fn new(overview: &PlanOverview, renewal_lock: chrono::Duration, reason: ChangeReason) -> Self {
        let PlanOverview { details, chains, now, .. } = overview;
        let plan = &details.plan;
        Self {
            plan: PlanBody::new(details, Reading { chains, renewal_lock, now: *now }),
            can_freeze_unused_licenses: plan.can_freeze_unused_licenses,
            customer_agreement: plan.agreement.0,
            desired_num_licenses: plan.desired_num_licenses,
            expiration_processed: plan.expiration_processed,
            for_internal_use_only: plan.for_internal_use_only,
            last_freeze_timestamp: plan.last_freeze_timestamp,
            num_revocations_applied: plan.num_revocations_applied,
            product: plan.product.0,
            revoke_max_percentage: plan.revoke_max_percentage,
            change_reason: reason.as_str(),
        }
    }
}

/// A plan as it was just edited.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EditedPlan)]
pub struct EditedPlanBody {
    uuid: Uuid,
    title: String,
    #[serde(serialize_with = "moment")]
    start_date: DateTime<Utc>,
    #[serde(serialize_with = "moment")]
    expiration_date: DateTime<Utc>,
    enterprise_customer_uuid: Uuid,
    enterprise_catalog_uuid: Uuid,
    customer_agreement: Uuid,
    is_active: bool,
    is_revocation_cap_enabled: bool,
    revoke_max_percentage: i16,
    num_revocations_applied: i32,
    salesforce_opportunity_line_item: Option<String>,
    product: i32,
    for_internal_use_only: bool,
    can_freeze_unused_licenses: bool,
    #[serde(serialize_with = "optional_moment")]
    last_freeze_timestamp: Option<DateTime<Utc>>,
    should_auto_apply_licenses: Option<bool>,
    desired_num_licenses: Option<i32>,
    expiration_processed: bool,
    days_until_expiration: i64,
    days_until_expiration_including_renewals: i64,
    is_locked_for_renewal_processing: bool,
    change_reason: &'static str,
}

impl EditedPlanBody {
    /// The plan on the wire.
    pub fn new(overview: &PlanOverview, renewal_lock: chrono::Duration, reason: ChangeReason) -> Self {
        let PlanOverview { details, chains, now, .. } = overview;
        let plan = &details.plan;
        Self {
            uuid: plan.id.0,
            title: plan.title.clone(),
            start_date: plan.start_date,
            expiration_date: plan.expiration_date,
            enterprise_customer_uuid: details.customer.0,
            enterprise_catalog_uuid: plan.catalog.0,
            customer_agreement: plan.agreement.0,
            is_active: plan.is_active,
            is_revocation_cap_enabled: plan.is_revocation_cap_enabled,
            revoke_max_percentage: plan.revoke_max_percentage,
            num_revocations_applied: plan.num_revocations_applied,
            salesforce_opportunity_line_item: plan.salesforce_opportunity_line_item.clone(),
            product: plan.product.0,
            for_internal_use_only: plan.for_internal_use_only,
            can_freeze_unused_licenses: plan.can_freeze_unused_licenses,
            last_freeze_timestamp: plan.last_freeze_timestamp,
            should_auto_apply_licenses: plan.should_auto_apply_licenses,
            desired_num_licenses: plan.desired_num_licenses,
            expiration_processed: plan.expiration_processed,
            days_until_expiration: plan.days_until_expiration(*now),
            days_until_expiration_including_renewals: chains.days_until_expiration(plan, *now),
            is_locked_for_renewal_processing: chains.is_locked(plan.id, renewal_lock, *now),
            change_reason: reason.as_str(),
        }
    }
}
