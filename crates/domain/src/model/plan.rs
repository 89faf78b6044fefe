//! Subscription plans: how long they run, how many seats they have, how many may be taken back.

use std::ops::Range;

use chrono::{DateTime, Duration, Utc};

use crate::error::{Error, FieldErrors};
use crate::history::Row;
use crate::model::ids::{AgreementId, CatalogId, CustomerId, PlanId, ProductId};
use crate::model::product::{DEFAULT_PRODUCT, Product};

/// A number of licenses of one product for one customer over one span of time.
///
/// The fields are open to whoever stores plans, and what is put into them is checked by [`SubscriptionPlan::check`] alone: make and
/// edit plans by [`crate::LicenseManager`], which does so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionPlan {
    /// Its id.
    pub id: PlanId,
    /// Its title, unique within the agreement: 1 to 128 characters with no space around them, and no null character.
    pub title: String,
    /// The first moment it can be used.
    pub start_date: DateTime<Utc>,
    /// The moment it ends.
    pub expiration_date: DateTime<Utc>,
    /// Whether the end was carried out: enrollments ended, events sent.
    pub expiration_processed: bool,
    /// The courses its licenses cover.
    pub catalog: CatalogId,
    /// The agreement it belongs to.
    pub agreement: AgreementId,
    /// Whether it can be used at all.
    pub is_active: bool,
    /// Whether only so many activated licenses may be revoked.
    pub is_revocation_cap_enabled: bool,
    /// How many of a hundred licenses may be revoked where the cap is on: 0 to 100.
    pub revoke_max_percentage: i16,
    /// How many activated licenses were revoked under the cap.
    pub num_revocations_applied: i32,
    /// The line of the Salesforce opportunity it was sold with: 18 characters that start with `00k`.
    pub salesforce_opportunity_line_item: Option<String>,
    /// What was sold.
    pub product: ProductId,
    /// Whether it is for our own use.
    pub for_internal_use_only: bool,
    /// Whether its unused licenses may be deleted.
    pub can_freeze_unused_licenses: bool,
    /// When its unused licenses were deleted; such a plan gets no new ones.
    pub last_freeze_timestamp: Option<DateTime<Utc>>,
    /// Whether learners who log in get a license of it by themselves; empty where nobody ever said.
    pub should_auto_apply_licenses: Option<bool>,
    /// How many licenses it is to have; it never gets fewer.
    pub desired_num_licenses: Option<i32>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it was last written.
    pub modified: DateTime<Utc>,
}

impl SubscriptionPlan {
    /// The longest title, in characters.
    pub const MAX_TITLE_LENGTH: usize = 128;
    /// The most licenses of a plan that is not for internal use.
    pub const MAX_LICENSES: i32 = 1_000_000;
    /// The revocation cap where none was agreed, in percent.
    pub const DEFAULT_REVOKE_MAX_PERCENTAGE: i16 = 5;
    /// How a Salesforce opportunity line item starts.
    pub const LINE_ITEM_PREFIX: &'static str = "00k";
    /// The length of every Salesforce id, in characters.
    pub const SALESFORCE_ID_LENGTH: usize = 18;

    /// A plan of an agreement: inactive, without licenses, of the default product.
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

    /// Whether `now` lies between its start and its expiration, both included.
    pub fn is_current(&self, now: DateTime<Utc>) -> bool {
        self.start_date <= now && now <= self.expiration_date
    }

    /// Whole days to its expiration, rounded down: negative once it is past.
    pub fn days_until_expiration(&self, now: DateTime<Utc>) -> i64 {
        whole_days_until(self.expiration_date, now)
    }

    /// How many more activated licenses may be revoked; `None` where there is no cap.
    ///
    /// The cap allows ⌈total × percentage / 100⌉ of them, where total leaves the revoked ones out.
    pub fn revocations_remaining(&self, counts: &LicenseCounts) -> Option<i64> {
        if !self.is_revocation_cap_enabled {
            return None;
        }
        let allowed = (counts.total() * i64::from(self.revoke_max_percentage) + 99) / 100;
        Some((allowed - i64::from(self.num_revocations_applied)).max(0))
    }

    /// How many licenses it lacks of those it is to have. A frozen plan lacks none.
    pub fn licenses_to_provision(&self, counts: &LicenseCounts) -> i64 {
        match (self.desired_num_licenses, self.last_freeze_timestamp) {
            (Some(desired), None) => (i64::from(desired) - counts.total()).max(0),
            _ => 0,
        }
    }

    /// Refuses a plan that breaks a rule, naming every field at fault.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field at fault.
    pub fn check(&self, product: &Product) -> Result<(), Error> {
        let mut errors = self.wrong_fields();
        self.check_line_item(product, &mut errors);
        errors.into_result()
    }

    /// The same for an edited plan. Its line item is not looked at where neither it nor the product was edited: a renewal makes
    /// plans whose line item comes in later.
    ///
    /// # Errors
    /// As [`SubscriptionPlan::check`].
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

    /// Notes what is wrong with the title in this field. A title stands in lists and is unique, so no space that nobody sees is
    /// around it.
    pub(crate) fn check_title(field: &str, title: &str, errors: &mut FieldErrors) {
        // Databases cannot keep it.
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

/// A plan with what its readers need to know of its surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanDetails {
    /// The plan.
    pub plan: SubscriptionPlan,
    /// The customer of its agreement.
    pub customer: CustomerId,
    /// The label of its product's plan type.
    pub plan_type: String,
}

/// How many licenses of a plan are in each state: exact, never an estimate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LicenseCounts {
    /// In use.
    pub activated: i64,
    /// Handed out.
    pub assigned: i64,
    /// Free.
    pub unassigned: i64,
    /// Taken back.
    pub revoked: i64,
}

impl LicenseCounts {
    /// The plan's size: every license that is not revoked.
    pub fn total(&self) -> i64 {
        self.allocated() + self.unassigned
    }

    /// Licenses in somebody's hands.
    pub fn allocated(&self) -> i64 {
        self.assigned + self.activated
    }
}

/// Why somebody changed a plan, kept in its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeReason {
    /// It is new.
    New,
    /// Somebody had typed something wrong.
    IncorrectUserInput,
    /// A payment came late.
    DelayedPayment,
    /// The customer asked for it.
    OrganizationRequestedChange,
    /// None of the others.
    Other,
}

names!(ChangeReason {
    New => "new",
    IncorrectUserInput => "incorrect_user_input",
    DelayedPayment => "delayed_payment",
    OrganizationRequestedChange => "organization_requested_change",
    Other => "other",
});

/// What history keeps of a plan.
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
