//! The properties of events, from what they tell of.

use chrono::{DateTime, SecondsFormat, Utc};

use super::payload::EventProperties;
use crate::model::agreement::CustomerAgreement;
use crate::model::license::License;
use crate::model::plan::SubscriptionPlan;

impl EventProperties {
    /// Those of a license.
    pub(crate) fn of_license(license: &License, plan: &SubscriptionPlan, agreement: &CustomerAgreement) -> Self {
        Self {
            license_uuid: Some(license.id),
            license_activation_key: license.activation_key(),
            previous_license_uuid: license.renewed_from,
            assigned_date: whole_seconds(license.assigned_date()),
            activation_date: whole_seconds(license.activation_date()),
            assigned_lms_user_id: license.lms_user_id(),
            assigned_email: license.holder_email().map(|email| email.as_str().to_owned()).unwrap_or_default(),
            auto_applied: license.auto_applied.unwrap_or_default(),
            ..Self::of_plan(plan, agreement)
        }
    }

    /// Those of a plan and its customer.
    pub(crate) fn of_plan(plan: &SubscriptionPlan, agreement: &CustomerAgreement) -> Self {
        Self {
            license_uuid: None,
            license_activation_key: None,
            previous_license_uuid: None,
            assigned_date: String::new(),
            activation_date: String::new(),
            assigned_lms_user_id: None,
            assigned_email: String::new(),
            expiration_processed: plan.expiration_processed,
            auto_applied: false,
            enterprise_customer_uuid: agreement.customer,
            customer_agreement_uuid: agreement.id,
            enterprise_customer_slug: agreement.customer_slug.clone(),
            enterprise_customer_name: agreement.customer_name.clone(),
            is_auto_renewed: None,
        }
    }
}

/// A time in whole seconds, or an empty text.
pub(super) fn whole_seconds(moment: Option<DateTime<Utc>>) -> String {
    moment.map(|moment| moment.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default()
}
