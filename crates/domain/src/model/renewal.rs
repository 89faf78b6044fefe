//! Renewals: the plan that follows a plan.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, Duration, Utc};

use crate::error::{Error, FieldErrors, Refusal};
use crate::history::Row;
use crate::model::ids::{AgreementId, CustomerId, PlanId, RenewalId};
use crate::model::license::LicenseStatus;
use crate::model::plan::{LicenseCounts, SubscriptionPlan, is_salesforce_id, whole_days_until};
use crate::saturating_time;

/// Which licenses of the prior plan a renewal carries over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LicenseTypesToCopy {
    /// Those in somebody's hands.
    #[default]
    AssignedAndActivated,
    /// Those in use.
    Activated,
    /// None.
    Nothing,
}

names!(LicenseTypesToCopy {
    AssignedAndActivated => "assigned_and_activated",
    Activated => "activated",
    Nothing => "nothing",
});

impl LicenseTypesToCopy {
    /// The states of the licenses to carry over.
    pub fn statuses(self) -> &'static [LicenseStatus] {
        match self {
            Self::AssignedAndActivated => &LicenseStatus::LIVE,
            Self::Activated => &[LicenseStatus::Activated],
            Self::Nothing => &[],
        }
    }
}

/// What was agreed about the plan that is to follow a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalTerms {
    /// The plan that is renewed. A plan is renewed at most once.
    pub prior_plan: PlanId,
    /// The plan that follows, of the same agreement; made by processing where there is none. A plan follows at most one other.
    pub renewed_plan: Option<PlanId>,
    /// The Salesforce opportunity it was sold with, which becomes the line item of a plan that is made: 18 letters and digits.
    pub salesforce_opportunity_id: Option<String>,
    /// How many licenses the following plan is to have; at least 1.
    pub number_of_licenses: i32,
    /// When the following plan starts to be used.
    pub effective_date: DateTime<Utc>,
    /// When the following plan ends.
    pub renewed_expiration_date: DateTime<Utc>,
    /// The title of a plan that is made, where it is not to be called after the prior one; as [`SubscriptionPlan::title`].
    pub renewed_plan_title: Option<String>,
    /// Which licenses are carried over.
    pub license_types_to_copy: LicenseTypesToCopy,
    /// Whether a plan that auto-applied its licenses is followed by none that does.
    pub disable_auto_apply_licenses: bool,
    /// Whether only somebody's hand processes it, never the schedule.
    pub exempt_from_batch_processing: bool,
}

impl RenewalTerms {
    /// The key of errors that concern several values together.
    const WHOLE: &'static str = "non_field_errors";

    /// Refuses terms that break a rule. `renewed` is the following plan where there is one.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field at fault.
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

    /// The title of the plan that is to be made. The prior plan's title is cut where both would be too long together.
    pub fn title(&self, prior: &SubscriptionPlan) -> String {
        self.renewed_plan_title.clone().unwrap_or_else(|| {
            let ending = format!(" - Renewal {}", self.effective_date.year());
            let room = SubscriptionPlan::MAX_TITLE_LENGTH - ending.chars().count();
            prior.title.chars().take(room).chain(ending.chars()).collect()
        })
    }

    /// The plan that follows where none was named. Whether it auto-applies its licenses is for processing to say.
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

    /// Refuses to carry `needed` licenses over into a plan that has `present` ones.
    ///
    /// # Errors
    /// The [`Refusal`] that tells which number is in the way.
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
pub struct SubscriptionPlanRenewal {
    /// Its id.
    pub id: RenewalId,
    /// What was agreed.
    pub terms: RenewalTerms,
    /// Whether the licenses were carried over.
    pub processed: bool,
    /// When they were.
    pub processed_datetime: Option<DateTime<Utc>>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it was last written.
    pub modified: DateTime<Utc>,
}

/// A renewal with what its readers need to know of its surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalDetails {
    /// The renewal.
    pub renewal: SubscriptionPlanRenewal,
    /// The title of the prior plan.
    pub prior_plan_title: String,
    /// The title of the following plan.
    pub renewed_plan_title: Option<String>,
    /// The customer of both.
    pub customer: CustomerId,
}

/// A renewal as a link between two plans, with what readers of either need.
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
    /// The plan that follows, once there is one. A plan follows at most one other.
    pub renewed_plan: Option<PlanId>,
    /// When the following plan starts.
    pub renewed_plan_start: Option<DateTime<Utc>>,
    /// When the following plan ends: its own date, or the agreed one while there is no plan.
    pub renewed_expiration: DateTime<Utc>,
    /// From when the following plan is to be used.
    pub effective_date: DateTime<Utc>,
    /// Whether the licenses were carried over.
    pub processed: bool,
}

/// The renewals among a set of plans, to be asked about any one of them.
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

    /// Whole days to the end of the plan's chain of renewals, rounded down.
    pub fn days_until_expiration(&self, plan: &SubscriptionPlan, now: DateTime<Utc>) -> i64 {
        let end = self.later(plan.id).last().map_or(plan.expiration_date, |link| link.renewed_expiration);
        whole_days_until(end, now)
    }

    /// Whether the plan stands still because its renewal is due within `lock`.
    pub fn is_locked(&self, plan: PlanId, lock: Duration, now: DateTime<Utc>) -> bool {
        self.by_prior.get(&plan).is_some_and(|link| {
            !link.processed && saturating_time::before(link.effective_date, lock) <= now && now < link.effective_date
        })
    }

    /// The renewals that led to the plan, the earliest first.
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

    /// The renewals that follow on the plan, the nearest first. Ends after each link was walked once, so that plans that
    /// renew each other cannot hold the reader.
    fn later(&self, plan: PlanId) -> impl Iterator<Item = &RenewalLink> {
        std::iter::successors(self.by_prior.get(&plan), |link| self.by_prior.get(&link.renewed_plan?))
            .take(self.by_prior.len())
    }
}

/// What history keeps of a renewal.
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
