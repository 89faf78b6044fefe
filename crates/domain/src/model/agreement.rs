//! The agreement with an enterprise customer, which holds its subscription plans.

use std::ops::RangeInclusive;

use chrono::{DateTime, Duration, Utc};

use crate::error::{Error, FieldErrors};
use crate::history::rows::Row;
use crate::model::expiration_message::ExpirationMessage;
use crate::model::ids::{AgreementId, CatalogId, CustomerId};

/// A customer's agreement. A customer has exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CustomerAgreement {
    /// Its id.
    pub id: AgreementId,
    /// The customer; unique, and never changes.
    pub customer: CustomerId,
    /// The customer's slug in links, unique, at most 128 characters.
    pub customer_slug: Option<String>,
    /// The customer's name, at most 255 characters.
    pub customer_name: Option<String>,
    /// The catalog of plans without one of their own.
    pub default_catalog: Option<CatalogId>,
    /// Whether the portals hide notices about expiring plans.
    pub disable_expiration_notifications: bool,
    /// Whether no assignment and post-activation mails are sent.
    pub disable_onboarding_notifications: bool,
    /// How long personal data is kept after the end of a license: whole days within
    /// [`CustomerAgreement::DAYS_BEFORE_PURGE`].
    pub license_duration_before_purge: Duration,
    /// Whether the customer's universal link auto-applies licenses.
    pub enable_auto_applied_subscriptions_with_universal_link: bool,
    /// The auto-scaling of the current plan.
    pub auto_scaling: AutoScaling,
    /// A message shown to learners of an expired plan instead of the default.
    pub expiration_message: Option<ExpirationMessage>,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it was last written.
    pub modified: DateTime<Utc>,
}

/// Auto-scaling of an agreement's current plan. Percentages are 1 to 100.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AutoScaling {
    /// Whether it is enabled.
    pub enabled: bool,
    /// The most licenses the plan may have.
    pub max_licenses: Option<i32>,
    /// The percentage of allocated licenses from which the plan grows.
    pub threshold_percentage: Option<i32>,
    /// The percentage by which the plan grows.
    pub increment_percentage: Option<i32>,
}

impl AutoScaling {
    /// Adds an error for each invalid field, by its name on the wire.
    pub(crate) fn check(&self, errors: &mut FieldErrors) {
        let percentage = 1..=100;
        for (field, value, range) in [
            ("auto_scaling_max_licenses", self.max_licenses, 1..=i32::MAX),
            ("auto_scaling_threshold_percentage", self.threshold_percentage, percentage.clone()),
            ("auto_scaling_increment_percentage", self.increment_percentage, percentage),
        ] {
            match value {
                Some(value) if !range.contains(&value) => {
                    errors.add(field, format!("This must lie between {} and {}.", range.start(), range.end()));
                }
                None if self.enabled => errors.add(field, "Auto-scaling needs this."),
                _ => {}
            }
        }
    }
}

impl CustomerAgreement {
    /// The allowed days to keep personal data: up to a hundred years.
    pub const DAYS_BEFORE_PURGE: RangeInclusive<i64> = 1..=36_500;
    /// How long personal data is kept by default.
    pub const DEFAULT_DURATION_BEFORE_PURGE: Duration = Duration::days(90);

    /// An agreement with default settings.
    pub fn new(id: AgreementId, customer: CustomerId, now: DateTime<Utc>) -> Self {
        Self {
            id,
            customer,
            customer_slug: None,
            customer_name: None,
            default_catalog: None,
            disable_expiration_notifications: false,
            disable_onboarding_notifications: false,
            license_duration_before_purge: Self::DEFAULT_DURATION_BEFORE_PURGE,
            enable_auto_applied_subscriptions_with_universal_link: false,
            auto_scaling: AutoScaling::default(),
            expiration_message: None,
            created: now,
            modified: now,
        }
    }

    /// Adds an error, by the field's name on the wire, if the duration is not allowed.
    pub(crate) fn check_duration_before_purge(kept: Duration, errors: &mut FieldErrors) {
        let (days, range) = (kept.num_days(), Self::DAYS_BEFORE_PURGE);
        if !range.contains(&days) || kept != Duration::days(days) {
            let message = format!("This must be a whole number from {} to {}.", range.start(), range.end());
            errors.add("license_duration_before_purge_days", message);
        }
    }

    /// Checks the lengths of the names and the form of the slug.
    ///
    /// # Errors
    /// [`Error::Invalid`] with each invalid field by its name on the wire.
    pub fn check_names(&self) -> Result<(), Error> {
        let mut errors = FieldErrors::default();
        for (field, text, longest) in [
            ("enterprise_customer_slug", &self.customer_slug, 128),
            ("enterprise_customer_name", &self.customer_name, 255),
        ] {
            if text.as_ref().is_some_and(|text| text.chars().count() > longest) {
                errors.add(field, format!("At most {longest} characters."));
            }
        }
        let is_slug = |slug: &str| slug.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if self.customer_slug.as_ref().is_some_and(|slug| slug.is_empty() || !is_slug(slug)) {
            errors.add("enterprise_customer_slug", "A slug has letters, digits, hyphens and underscores only.");
        }
        errors.into_result()
    }
}

/// What history keeps of an agreement.
impl From<&CustomerAgreement> for Row {
    fn from(agreement: &CustomerAgreement) -> Self {
        Self::from([
            ("uuid", agreement.id.0.into()),
            ("enterprise_customer_uuid", agreement.customer.0.into()),
            ("enterprise_customer_slug", agreement.customer_slug.as_deref().into()),
            ("enterprise_customer_name", agreement.customer_name.as_deref().into()),
            ("default_enterprise_catalog_uuid", agreement.default_catalog.map(|catalog| catalog.0).into()),
            ("disable_expiration_notifications", agreement.disable_expiration_notifications.into()),
            ("disable_onboarding_notifications", agreement.disable_onboarding_notifications.into()),
            ("license_duration_before_purge_seconds", agreement.license_duration_before_purge.num_seconds().into()),
            (
                "enable_auto_applied_subscriptions_with_universal_link",
                agreement.enable_auto_applied_subscriptions_with_universal_link.into(),
            ),
            ("enable_auto_scaling_of_current_plan", agreement.auto_scaling.enabled.into()),
            ("auto_scaling_max_licenses", agreement.auto_scaling.max_licenses.into()),
            ("auto_scaling_threshold_percentage", agreement.auto_scaling.threshold_percentage.into()),
            ("auto_scaling_increment_percentage", agreement.auto_scaling.increment_percentage.into()),
            ("created", agreement.created.into()),
            ("modified", agreement.modified.into()),
        ])
    }
}
