//! Renewals of plans.

use std::collections::HashMap;
use std::ops::Range;

use chrono::{DateTime, Datelike, Duration, Utc};

use crate::error::{Error, FieldErrors, Refusal};
use crate::history::rows::Row;
use crate::model::following_plan::LicenseTypesToCopy;
use crate::model::ids::{AgreementId, CustomerId, PlanId, RenewalId};
use crate::model::plan::{LicenseCounts, SubscriptionPlan, is_salesforce_id, whole_days_until};
use crate::saturating_time;

/// The terms of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RenewalTerms {
    /// The plan that is renewed. A plan is renewed at most once.
    pub prior_plan: PlanId,
    /// The renewed plan, in the same agreement; processing creates one if there is none. A plan renews at most one
    /// other.
    pub renewed_plan: Option<PlanId>,
    /// The Salesforce opportunity; it becomes the line item of a created plan: 18 letters and digits.
    pub salesforce_opportunity_id: Option<String>,
    /// The desired number of licenses of the renewed plan; at least 1.
    pub number_of_licenses: i32,
    /// When the renewed plan starts.
    pub effective_date: DateTime<Utc>,
    /// When the renewed plan expires.
    pub renewed_expiration_date: DateTime<Utc>,
    /// The title of a created plan, by default derived from the prior plan's; see [`SubscriptionPlan::title`].
    pub renewed_plan_title: Option<String>,
    /// Which licenses move to the renewed plan.
    pub license_types_to_copy: LicenseTypesToCopy,
    /// Whether the renewed plan must not auto-apply licenses even if the prior one does.
    pub disable_auto_apply_licenses: bool,
    /// Whether it is only processed manually, never by the schedule.
    pub exempt_from_batch_processing: bool,
}

impl RenewalTerms {
    /// The key of errors about several fields.
    const WHOLE: &'static str = "non_field_errors";

    /// Terms for a plan with this number of licenses, which processing creates. It runs from the effective date to its
    /// expiration, and all live licenses of the prior plan are copied to it.
    pub fn new(prior_plan: PlanId, number_of_licenses: i32, runs: Range<DateTime<Utc>>) -> Self {
        Self {
            prior_plan,
            renewed_plan: None,
            salesforce_opportunity_id: None,
            number_of_licenses,
            effective_date: runs.start,
            renewed_expiration_date: runs.end,
            renewed_plan_title: None,
            license_types_to_copy: LicenseTypesToCopy::AssignedAndActivated,
            disable_auto_apply_licenses: false,
            exempt_from_batch_processing: false,
        }
    }

    /// Checks all rules. `renewed` is the renewed plan if it exists.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every invalid field.
    pub fn check(&self, prior: &SubscriptionPlan, renewed: Option<&SubscriptionPlan>) -> Result<(), Error> {
        let mut errors = FieldErrors::default();
        if self.number_of_licenses < 1 {
            errors.add("number_of_licenses", "A renewal is for at least one license.");
        }
        if self.number_of_licenses > SubscriptionPlan::MAX_LICENSES && !prior.for_internal_use_only {
            let message = format!(
                "A plan has at most {} licenses unless it is for internal use.",
                SubscriptionPlan::MAX_LICENSES
            );
            errors.add("number_of_licenses", message);
        }
        if self.salesforce_opportunity_id.as_ref().is_some_and(|id| !is_salesforce_id(id)) {
            errors.add("salesforce_opportunity_id", "A Salesforce id has 18 letters and digits.");
        }
        if let Some(title) = &self.renewed_plan_title {
            SubscriptionPlan::check_title("renewed_plan_title", title, &mut errors);
        }
        if self.effective_date < prior.start_date {
            errors.add(Self::WHOLE, "A renewal cannot take effect before the prior plan starts.");
        }
        if self.renewed_expiration_date <= self.effective_date {
            errors.add(Self::WHOLE, "The renewed plan must expire after the renewal takes effect.");
        }
        if renewed.is_some_and(|renewed| renewed.id == prior.id) {
            errors.add(Self::WHOLE, "A plan cannot follow itself.");
        }
        if renewed.is_some_and(|renewed| renewed.agreement != prior.agreement) {
            errors.add(Self::WHOLE, "Both plans of a renewal must be of one agreement.");
        }
        errors.into_result()
    }

    /// The title of the plan to create. A long title of the prior plan is truncated.
    pub fn title(&self, prior: &SubscriptionPlan) -> String {
        self.renewed_plan_title.clone().unwrap_or_else(|| {
            let ending = format!(" - Renewal {}", self.effective_date.year());
            let room = SubscriptionPlan::MAX_TITLE_LENGTH - ending.chars().count();
            prior.title.chars().take(room).chain(ending.chars()).collect()
        })
    }

    /// Creates the renewed plan. Fields that are not named here have the defaults of a new plan. Processing decides
    /// whether it auto-applies licenses.
    pub fn make_plan(&self, id: PlanId, prior: &SubscriptionPlan, now: DateTime<Utc>) -> SubscriptionPlan {
        let runs = self.effective_date..self.renewed_expiration_date;
        SubscriptionPlan {
            is_active: prior.is_active,
            is_revocation_cap_enabled: prior.is_revocation_cap_enabled,
            revoke_max_percentage: prior.revoke_max_percentage,
            salesforce_opportunity_line_item: self.salesforce_opportunity_id.clone(),
            product: prior.product,
            for_internal_use_only: prior.for_internal_use_only,
            desired_num_licenses: Some(self.number_of_licenses),
            ..SubscriptionPlan::new(id, prior.agreement, prior.catalog, self.title(prior), runs, now)
        }
    }

    /// Checks that `needed` licenses fit into a plan with these numbers.
    ///
    /// # Errors
    /// The [`Refusal`] with the number that does not fit.
    pub fn check_room(&self, needed: usize, present: &LicenseCounts) -> Result<(), Error> {
        let agreed = self.number_of_licenses;
        let used = present.allocated() + present.revoked;
        if i64::from(agreed) < needed as i64 {
            return Err(Refusal::RenewalTooSmall { agreed, needed }.into());
        }
        if used > 0 {
            return Err(Refusal::RenewedPlanInUse { used }.into());
        }
        if present.unassigned > i64::from(agreed) {
            return Err(Refusal::RenewedPlanTooLarge { agreed, present: present.unassigned }.into());
        }
        Ok(())
    }
}

/// A renewal of a subscription plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SubscriptionPlanRenewal {
    /// Its id.
    pub id: RenewalId,
    /// Its terms.
    pub terms: RenewalTerms,
    /// Whether it was processed.
    pub processed: bool,
    /// When it was processed.
    pub processed_datetime: Option<DateTime<Utc>>,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it was last written.
    pub modified: DateTime<Utc>,
}

/// A renewal with related data.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RenewalDetails {
    /// The renewal.
    pub renewal: SubscriptionPlanRenewal,
    /// The title of the prior plan.
    pub prior_plan_title: String,
    /// The title of the renewed plan.
    pub renewed_plan_title: Option<String>,
    /// The customer of both plans.
    pub customer: CustomerId,
    /// How many licenses are not carried over because the renewed plan has too few, until it starts. Storage leaves it
    /// at 0: [`crate::ports::RenewalRepository::not_carried_over`] counts them.
    pub num_not_carried_over: i64,
}

/// A renewal as a link between two plans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalLink {
    /// The renewal.
    pub id: RenewalId,
    /// The agreement of both plans.
    pub agreement: AgreementId,
    /// The plan that is renewed. A plan is renewed at most once.
    pub prior_plan: PlanId,
    /// When the prior plan starts.
    pub prior_plan_start: DateTime<Utc>,
    /// The renewed plan, if it exists. A plan renews at most one other.
    pub renewed_plan: Option<PlanId>,
    /// When the renewed plan starts.
    pub renewed_plan_start: Option<DateTime<Utc>>,
    /// When the renewed plan expires; from the terms while there is no plan.
    pub renewed_expiration: DateTime<Utc>,
    /// When the renewal takes effect.
    pub effective_date: DateTime<Utc>,
    /// Whether it was processed.
    pub processed: bool,
}

/// The renewals of a set of plans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RenewalChains {
    by_prior: HashMap<PlanId, RenewalLink>,
    by_renewed: HashMap<PlanId, RenewalLink>,
}

impl RenewalChains {
    /// The chains these links form.
    pub fn new(links: Vec<RenewalLink>) -> Self {
        let by_renewed = links.iter().filter_map(|link| Some((link.renewed_plan?, link.clone()))).collect();
        let by_prior = links.into_iter().map(|link| (link.prior_plan, link)).collect();
        Self { by_prior, by_renewed }
    }

    /// Whole days until the last plan of the plan's renewals expires, rounded down.
    pub fn days_until_expiration(&self, plan: &SubscriptionPlan, now: DateTime<Utc>) -> i64 {
        let end = self.later(plan.id).last().map_or(plan.expiration_date, |link| link.renewed_expiration);
        whole_days_until(end, now)
    }

    /// Whether the plan has a renewal, processed or not.
    pub fn is_renewed(&self, plan: PlanId) -> bool {
        self.by_prior.contains_key(&plan)
    }

    /// The renewal of the plan, processed or not.
    pub fn renewal_of(&self, plan: PlanId) -> Option<&RenewalLink> {
        self.by_prior.get(&plan)
    }

    /// Whether the plan is locked, because its renewal takes effect within `lock`.
    pub fn is_locked(&self, plan: PlanId, lock: Duration, now: DateTime<Utc>) -> bool {
        self.by_prior.get(&plan).is_some_and(|link| {
            !link.processed && saturating_time::before(link.effective_date, lock) <= now && now < link.effective_date
        })
    }

    /// The renewals that led to the plan, earliest first.
    pub fn earlier(&self, plan: PlanId) -> Vec<&RenewalLink> {
        let mut links = Vec::new();
        let mut next = self.by_renewed.get(&plan);
        while let Some(link) = next
            && links.len() < self.by_renewed.len()
        {
            links.push(link);
            next = self.by_renewed.get(&link.prior_plan);
        }
        links.reverse();
        links
    }

    /// The renewals that follow the plan, nearest first. Follows each link once, in case plans renew each other.
    fn later(&self, plan: PlanId) -> impl Iterator<Item = &RenewalLink> {
        std::iter::successors(self.by_prior.get(&plan), |link| self.by_prior.get(&link.renewed_plan?))
            .take(self.by_prior.len())
    }
}

/// A renewal as history records it.
impl From<&SubscriptionPlanRenewal> for Row {
    fn from(renewal: &SubscriptionPlanRenewal) -> Self {
        let terms = &renewal.terms;
        Self::from([
            ("id", renewal.id.0.into()),
            ("prior_subscription_plan_uuid", terms.prior_plan.0.into()),
            ("renewed_subscription_plan_uuid", terms.renewed_plan.map(|plan| plan.0).into()),
            ("salesforce_opportunity_id", terms.salesforce_opportunity_id.as_deref().into()),
            ("number_of_licenses", terms.number_of_licenses.into()),
            ("effective_date", terms.effective_date.into()),
            ("renewed_expiration_date", terms.renewed_expiration_date.into()),
            ("processed", renewal.processed.into()),
            ("processed_datetime", renewal.processed_datetime.into()),
            ("renewed_plan_title", terms.renewed_plan_title.as_deref().into()),
            ("license_types_to_copy", terms.license_types_to_copy.as_str().into()),
            ("disable_auto_apply_licenses", terms.disable_auto_apply_licenses.into()),
            ("exempt_from_batch_processing", terms.exempt_from_batch_processing.into()),
            ("created", renewal.created.into()),
            ("modified", renewal.modified.into()),
        ])
    }
}
