//! Subscription plans: their duration, licenses and revocation cap.

use std::borrow::Cow;
use std::ops::Range;

use chrono::{DateTime, Duration, Utc};

use crate::error::{Error, FieldErrors};
use crate::history::rows::Row;
use crate::model::following_plan::{FollowingPlan, PriorPlan};
use crate::model::ids::{AgreementId, CatalogId, CustomerId, PlanId, ProductId};
use crate::model::license::LicenseStatus;
use crate::model::product::{DEFAULT_PRODUCT, Product};

/// A number of licenses of a product for a customer and a period.
///
/// The fields are public for storage. Only [`SubscriptionPlan::check`] checks them; create and edit plans with
/// [`crate::LicenseManager`], which calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SubscriptionPlan {
    /// Its id.
    pub id: PlanId,
    /// Its title, unique within the agreement: 1 to 128 characters, without surrounding spaces and null characters.
    pub title: String,
    /// When it starts, inclusive.
    pub start_date: DateTime<Utc>,
    /// When it expires.
    pub expiration_date: DateTime<Utc>,
    /// Whether its expiration was processed: enrollments ended, events sent.
    pub expiration_processed: bool,
    /// The catalog of its courses.
    pub catalog: CatalogId,
    /// Its agreement.
    pub agreement: AgreementId,
    /// Whether it can be used.
    pub is_active: bool,
    /// Whether the number of revocations is capped.
    pub is_revocation_cap_enabled: bool,
    /// The percentage of licenses that may be revoked under the cap: 0 to 100.
    pub revoke_max_percentage: i16,
    /// The number of activated licenses revoked under the cap.
    pub num_revocations_applied: i32,
    /// Its Salesforce opportunity line item: 18 characters starting with `00k`.
    pub salesforce_opportunity_line_item: Option<String>,
    /// Its product.
    pub product: ProductId,
    /// Whether it is for internal use only.
    pub for_internal_use_only: bool,
    /// Whether its unused licenses may be deleted.
    pub can_freeze_unused_licenses: bool,
    /// When its unused licenses were deleted. Such a plan gets no new ones.
    pub last_freeze_timestamp: Option<DateTime<Utc>>,
    /// Whether its licenses are auto-applied to learners who log in; `None` if that was never set.
    pub should_auto_apply_licenses: Option<bool>,
    /// The desired number of licenses; it never decreases.
    pub desired_num_licenses: Option<i32>,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it was last written.
    pub modified: DateTime<Utc>,
}

impl SubscriptionPlan {
    /// The longest title, in characters.
    pub const MAX_TITLE_LENGTH: usize = 128;
    /// The most licenses of a plan that is not for internal use.
    pub const MAX_LICENSES: i32 = 1_000_000;
    /// The default revocation cap in percent.
    pub const DEFAULT_REVOKE_MAX_PERCENTAGE: i16 = 5;
    /// The prefix of Salesforce opportunity line items.
    pub const LINE_ITEM_PREFIX: &'static str = "00k";
    /// The length of Salesforce ids in characters.
    pub const SALESFORCE_ID_LENGTH: usize = 18;

    /// An inactive plan without licenses, of the default product.
    pub fn new(
        id: PlanId,
        agreement: AgreementId,
        catalog: CatalogId,
        title: impl Into<String>,
        runs: Range<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            title: title.into(),
            start_date: runs.start,
            expiration_date: runs.end,
            expiration_processed: false,
            catalog,
            agreement,
            is_active: false,
            is_revocation_cap_enabled: false,
            revoke_max_percentage: Self::DEFAULT_REVOKE_MAX_PERCENTAGE,
            num_revocations_applied: 0,
            salesforce_opportunity_line_item: None,
            product: DEFAULT_PRODUCT,
            for_internal_use_only: false,
            can_freeze_unused_licenses: false,
            last_freeze_timestamp: None,
            should_auto_apply_licenses: None,
            desired_num_licenses: None,
            created: now,
            modified: now,
        }
    }

    /// Whether `now` is between its start and expiration, both inclusive.
    pub fn is_current(&self, now: DateTime<Utc>) -> bool {
        self.start_date <= now && now <= self.expiration_date
    }

    /// Whole days until it expires, rounded down; negative afterwards.
    pub fn days_until_expiration(&self, now: DateTime<Utc>) -> i64 {
        whole_days_until(self.expiration_date, now)
    }

    /// How many more activated licenses may be revoked; `None` without a cap.
    ///
    /// The cap is ⌈total × percentage / 100⌉, where total excludes revoked licenses.
    pub fn revocations_remaining(&self, counts: &LicenseCounts) -> Option<i64> {
        if !self.is_revocation_cap_enabled {
            return None;
        }
        let allowed = (counts.total() * i64::from(self.revoke_max_percentage) + 99) / 100;
        Some((allowed - i64::from(self.num_revocations_applied)).max(0))
    }

    /// How many licenses are missing to the desired number. None for a frozen plan.
    pub fn licenses_to_provision(&self, counts: &LicenseCounts) -> i64 {
        match (self.desired_num_licenses, self.last_freeze_timestamp) {
            (Some(desired), None) => (i64::from(desired) - counts.total()).max(0),
            _ => 0,
        }
    }

    /// Checks all rules.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every invalid field.
    pub fn check(&self, product: &Product) -> Result<(), Error> {
        let mut errors = self.wrong_fields();
        self.check_line_item(product, &mut errors);
        errors.into_result()
    }

    /// Checks an edited plan. The line item is only checked if it or the product was edited, because plans created by
    /// renewals get theirs later.
    ///
    /// # Errors
    /// Like [`SubscriptionPlan::check`].
    pub fn check_edit(&self, before: &Self, product: &Product) -> Result<(), Error> {
        let mut errors = self.wrong_fields();
        let item = |plan: &Self| (plan.product, plan.salesforce_opportunity_line_item.clone());
        if item(self) != item(before) {
            self.check_line_item(product, &mut errors);
        }
        errors.into_result()
    }

    fn wrong_fields(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        Self::check_title("title", &self.title, &mut errors);
        if self.expiration_date <= self.start_date {
            errors.add("expiration_date", "A plan must expire after it starts.");
        }
        if !(0..=100).contains(&self.revoke_max_percentage) {
            errors.add("revoke_max_percentage", "A percentage lies between 0 and 100.");
        }
        match self.desired_num_licenses {
            Some(number) if number < 0 => {
                errors.add("desired_num_licenses", "The number of licenses cannot be negative.");
            }
            Some(number) if number > Self::MAX_LICENSES && !self.for_internal_use_only => errors.add(
                "desired_num_licenses",
                format!("A plan has at most {} licenses unless it is for internal use.", Self::MAX_LICENSES),
            ),
            _ => {}
        }
        errors
    }

    /// Adds an error to this field if the title is invalid. Titles are listed and unique, so they have no invisible
    /// surrounding spaces.
    pub(crate) fn check_title(field: &str, title: &str, errors: &mut FieldErrors) {
        // Postgres cannot store it.
        if title.contains('\0') {
            errors.add(field, "This must not contain null characters.");
        }
        match title.trim().chars().count() {
            0 => errors.add(field, "This may not be blank."),
            length if length > Self::MAX_TITLE_LENGTH => {
                errors.add(field, format!("This may have at most {} characters.", Self::MAX_TITLE_LENGTH));
            }
            _ if title.trim() != title => errors.add(field, "This may not begin or end with space."),
            _ => {}
        }
    }

    fn check_line_item(&self, product: &Product, errors: &mut FieldErrors) {
        match &self.salesforce_opportunity_line_item {
            Some(item) if !is_line_item(item) => errors.add(
                "salesforce_opportunity_line_item",
                format!(
                    "A Salesforce opportunity line item has {} letters and digits and starts with {}.",
                    Self::SALESFORCE_ID_LENGTH,
                    Self::LINE_ITEM_PREFIX
                ),
            ),
            None if product.plan_type.sf_id_required => errors.add(
                "salesforce_opportunity_line_item",
                format!("A plan of the type {} needs a Salesforce opportunity line item.", product.plan_type.label),
            ),
            _ => {}
        }
    }
}

fn is_line_item(text: &str) -> bool {
    is_salesforce_id(text) && text.starts_with(SubscriptionPlan::LINE_ITEM_PREFIX)
}

/// Whether the text has the form of a Salesforce id: 18 letters and digits.
pub fn is_salesforce_id(text: &str) -> bool {
    text.len() == SubscriptionPlan::SALESFORCE_ID_LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whole days from `now` to `moment`, rounded down.
pub(crate) fn whole_days_until(moment: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    let left = moment - now;
    let days = left.num_days();
    if Duration::days(days) > left { days - 1 } else { days }
}

/// A plan with related data.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PlanDetails {
    /// The plan.
    pub plan: SubscriptionPlan,
    /// The customer of its agreement.
    pub customer: CustomerId,
    /// The label of its product's plan type.
    pub plan_type: String,
    /// The plan that follows it, once its renewal is processed.
    pub following: Option<FollowingPlan>,
    /// The plan that it follows, once the renewal of that one is processed.
    pub prior: Option<PriorPlan>,
}

impl PlanDetails {
    /// A plan that follows no other and that no other follows.
    pub fn new(plan: SubscriptionPlan, customer: CustomerId, plan_type: impl Into<String>) -> Self {
        Self { plan, customer, plan_type: plan_type.into(), following: None, prior: None }
    }

    /// The plan that follows it and has not started.
    pub fn followed_at(&self, now: DateTime<Utc>) -> Option<FollowingPlan> {
        self.following.filter(|following| now < following.start_date)
    }

    /// The plan that it follows until it starts, and this plan as the other sees it.
    pub fn follows_at(&self, now: DateTime<Utc>) -> Option<(PlanId, FollowingPlan)> {
        self.as_following().filter(|(_, following)| now < following.start_date)
    }

    /// The plan that it follows, or followed until it started, and this plan as the other sees it.
    pub(crate) fn as_following(&self) -> Option<(PlanId, FollowingPlan)> {
        let PriorPlan { id: prior, license_types_to_copy } = self.prior?;
        let start_date = self.plan.start_date;
        Some((prior, FollowingPlan { id: self.plan.id, start_date, license_types_to_copy }))
    }
}

/// The exact numbers of a plan's licenses by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LicenseCounts {
    /// In use.
    pub activated: i64,
    /// Assigned and not activated yet.
    pub assigned: i64,
    /// Unassigned.
    pub unassigned: i64,
    /// Revoked.
    pub revoked: i64,
}

impl LicenseCounts {
    /// The number of one status.
    pub fn of_mut(&mut self, status: LicenseStatus) -> &mut i64 {
        match status {
            LicenseStatus::Activated => &mut self.activated,
            LicenseStatus::Assigned => &mut self.assigned,
            LicenseStatus::Revoked => &mut self.revoked,
            LicenseStatus::Unassigned => &mut self.unassigned,
        }
    }

    /// These numbers of the given statuses, 0 of the others.
    pub fn only(mut self, statuses: &[LicenseStatus]) -> Self {
        for status in LicenseStatus::ALL {
            if !statuses.contains(&status) {
                *self.of_mut(status) = 0;
            }
        }
        self
    }

    /// The size of the plan: all licenses that are not revoked.
    pub fn total(&self) -> i64 {
        self.allocated() + self.unassigned
    }

    /// All licenses.
    pub fn all(&self) -> i64 {
        self.total() + self.revoked
    }

    /// Live licenses.
    pub fn allocated(&self) -> i64 {
        self.assigned + self.activated
    }
}

/// Why a plan was changed; kept in its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeReason {
    /// The plan is new.
    New,
    /// A correction of wrong input.
    IncorrectUserInput,
    /// A late payment.
    DelayedPayment,
    /// The customer's request.
    OrganizationRequestedChange,
    /// Any other reason.
    Other,
}

names!(ChangeReason {
    New => "new",
    IncorrectUserInput => "incorrect_user_input",
    DelayedPayment => "delayed_payment",
    OrganizationRequestedChange => "organization_requested_change",
    Other => "other",
});

impl From<ChangeReason> for Cow<'static, str> {
    fn from(reason: ChangeReason) -> Self {
        Cow::Borrowed(reason.as_str())
    }
}

/// A plan as history records it.
impl From<&SubscriptionPlan> for Row {
    fn from(plan: &SubscriptionPlan) -> Self {
        Self::from([
            ("uuid", plan.id.0.into()),
            ("title", plan.title.as_str().into()),
            ("start_date", plan.start_date.into()),
            ("expiration_date", plan.expiration_date.into()),
            ("expiration_processed", plan.expiration_processed.into()),
            ("enterprise_catalog_uuid", plan.catalog.0.into()),
            ("customer_agreement_uuid", plan.agreement.0.into()),
            ("is_active", plan.is_active.into()),
            ("is_revocation_cap_enabled", plan.is_revocation_cap_enabled.into()),
            ("revoke_max_percentage", plan.revoke_max_percentage.into()),
            ("num_revocations_applied", plan.num_revocations_applied.into()),
            ("salesforce_opportunity_line_item", plan.salesforce_opportunity_line_item.as_deref().into()),
            ("product_id", plan.product.0.into()),
            ("for_internal_use_only", plan.for_internal_use_only.into()),
            ("can_freeze_unused_licenses", plan.can_freeze_unused_licenses.into()),
            ("last_freeze_timestamp", plan.last_freeze_timestamp.into()),
            ("should_auto_apply_licenses", plan.should_auto_apply_licenses.into()),
            ("desired_num_licenses", plan.desired_num_licenses.into()),
            ("created", plan.created.into()),
            ("modified", plan.modified.into()),
        ])
    }
}
