use crate::error::Error;
use crate::history::Change;
use crate::model::ids::{AgreementId, CustomerId, PlanId, RenewalId};
use crate::model::renewal::{RenewalDetails, RenewalLink, RenewalTerms, SubscriptionPlanRenewal};

/// Which renewals a reader wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RenewalFilter {
    /// Of this plan.
    pub prior_plan: Option<PlanId>,
    /// Leading to this plan.
    pub renewed_plan: Option<PlanId>,
    /// Of this customer's plans.
    pub customer: Option<CustomerId>,
    /// Only those that were processed, or only those that were not.
    pub processed: Option<bool>,
}

/// Renewals. Every write MUST record the renewal's history.
pub trait RenewalRepository {
    /// Every renewal between plans of these agreements.
    fn of_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<RenewalLink>, Error>;

    /// The renewal of that id with its surroundings.
    fn find(&mut self, id: RenewalId) -> Result<Option<RenewalDetails>, Error>;

    /// The renewal, locked: whoever else wants to lock it waits until this transaction ends, and then sees what it did.
    fn lock(&mut self, id: RenewalId) -> Result<Option<RenewalDetails>, Error>;

    /// The renewals of the prior plan, or leading to the renewed one: two at most, the one of the prior plan first.
    fn of_plans(&mut self, prior_plan: PlanId, renewed_plan: Option<PlanId>) -> Result<Vec<RenewalDetails>, Error>;

    /// The renewals that match, those that take effect last first; of equals the later one.
    fn list(&mut self, filter: &RenewalFilter, limit_offset: super::LimitOffset) -> Result<Vec<RenewalDetails>, Error>;

    /// How many renewals match.
    fn count(&mut self, filter: &RenewalFilter) -> Result<i64, Error>;

    /// Adds a renewal that is not processed. MUST return [`crate::Conflict::RenewalOfPlan`] where the prior plan has one, and
    /// [`crate::Conflict::RenewalByPlan`] where another one leads to the renewed plan.
    fn add(&mut self, terms: &RenewalTerms, change: &Change) -> Result<RenewalId, Error>;

    /// Writes a renewal that exists. Conflicts as [`RenewalRepository::add`].
    fn save(&mut self, renewal: &SubscriptionPlanRenewal, change: &Change) -> Result<(), Error>;

    /// Deletes a renewal that exists; its plans stay.
    fn delete(&mut self, id: RenewalId, change: &Change) -> Result<(), Error>;
}
