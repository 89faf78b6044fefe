use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::history::Change;
use crate::model::following_plan::FollowingPlan;
use crate::model::ids::{AgreementId, CustomerId, LicenseId, PlanId, RenewalId};
use crate::model::renewal::{RenewalDetails, RenewalLink, RenewalTerms, SubscriptionPlanRenewal};

/// A filter for renewals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RenewalFilter {
    /// Only these.
    pub ids: Option<Vec<RenewalId>>,
    /// Of this prior plan.
    pub prior_plan: Option<PlanId>,
    /// With this renewed plan.
    pub renewed_plan: Option<PlanId>,
    /// Of this customer's plans.
    pub customer: Option<CustomerId>,
    /// Only processed or only unprocessed ones.
    pub processed: Option<bool>,
    /// With this Salesforce opportunity.
    pub salesforce_opportunity_id: Option<String>,
}

/// Renewals. Every write MUST record their history.
pub trait RenewalRepository {
    /// All renewals of plans of these agreements.
    fn find_by_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<RenewalLink>, Error> {
        not_provided!("renewals.find_by_agreements", agreements)
    }

    /// The renewal with this id, with related data.
    fn find(&mut self, id: RenewalId) -> Result<Option<RenewalDetails>, Error> {
        not_provided!("renewals.find", id)
    }

    /// The renewal, locked: other transactions that lock it wait until this one ends, and then see its changes.
    fn lock(&mut self, id: RenewalId) -> Result<Option<RenewalDetails>, Error> {
        not_provided!("renewals.lock", id)
    }

    /// The renewal of the prior plan and the one that leads to the renewed plan, in this order; at most two.
    fn find_by_plans(
        &mut self,
        prior_plan: PlanId,
        renewed_plan: Option<PlanId>,
    ) -> Result<Vec<RenewalDetails>, Error> {
        not_provided!("renewals.find_by_plans", prior_plan, renewed_plan)
    }

    /// The renewals that match, by effective date, latest first; of equals the newer one first.
    fn list(&mut self, filter: &RenewalFilter, limit_offset: super::LimitOffset) -> Result<Vec<RenewalDetails>, Error> {
        not_provided!("renewals.list", filter, limit_offset)
    }

    /// The number of renewals that match.
    fn count(&mut self, filter: &RenewalFilter) -> Result<i64, Error> {
        not_provided!("renewals.count", filter)
    }

    /// How many live licenses each of these renewals would carry over if the renewed plan had unassigned ones. Renewals
    /// that are not processed, whose renewed plan has started by `now`, or that lack no license, may be missing. One
    /// statement.
    ///
    /// MUST NOT count people with a live license of the renewed plan, nor those of whom a license that continues none
    /// was revoked there since they were assigned the one of the prior plan.
    fn not_carried_over(
        &mut self,
        renewals: &[RenewalId],
        now: DateTime<Utc>,
    ) -> Result<HashMap<RenewalId, i64>, Error> {
        not_provided!("renewals.not_carried_over", renewals, now)
    }

    /// Up to `limit` of the licenses that [`RenewalRepository::not_carried_over`] counts, of this plan, sorted by id.
    fn waiting_for(
        &mut self,
        prior_plan: PlanId,
        following: &FollowingPlan,
        limit: i64,
    ) -> Result<Vec<LicenseId>, Error> {
        not_provided!("renewals.waiting_for", prior_plan, following, limit)
    }

    /// Those of these licenses that [`RenewalRepository::not_carried_over`] counts, sorted by id.
    fn waiting_among(
        &mut self,
        prior_plan: PlanId,
        following: &FollowingPlan,
        licenses: &[LicenseId],
    ) -> Result<Vec<LicenseId>, Error> {
        not_provided!("renewals.waiting_among", prior_plan, following, licenses)
    }

    /// The licenses of the prior plan with a live copy in the following plan, by [`crate::License::renewed_from`], that
    /// differs in address, LMS user id or status, was activated at another time than the plan's start, or ends because
    /// they are not live or do not name it any more; sorted by id. A revoked license without an address does not end
    /// its copy.
    fn differing_from(&mut self, prior_plan: PlanId, following: &FollowingPlan) -> Result<Vec<LicenseId>, Error> {
        not_provided!("renewals.differing_from", prior_plan, following)
    }

    /// Adds an unprocessed renewal. MUST return [`crate::Conflict::RenewalOfPlan`] if the prior plan has one, and
    /// [`crate::Conflict::RenewalByPlan`] if another one has the renewed plan.
    fn add(&mut self, terms: &RenewalTerms, change: &Change) -> Result<RenewalId, Error> {
        not_provided!("renewals.add", terms, change)
    }

    /// Writes an existing renewal. MUST fail if it does not exist. Conflicts like [`RenewalRepository::add`].
    fn save(&mut self, renewal: &SubscriptionPlanRenewal, change: &Change) -> Result<(), Error> {
        not_provided!("renewals.save", renewal, change)
    }

    /// Deletes an existing renewal; its plans stay. MUST fail if it does not exist.
    fn delete(&mut self, id: RenewalId, change: &Change) -> Result<(), Error> {
        not_provided!("renewals.delete", id, change)
    }
}
