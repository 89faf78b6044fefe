//! What processing a renewal would do, before it is saved or processed.

use std::collections::HashMap;

use super::manager::{LicenseManager, count_licenses, find_plan};
use super::renewals::{check, check_processable, check_title, find_renewal, is_title_taken};
use crate::error::{Conflict, Entity, Error};
use crate::model::ids::{PlanId, RenewalId};
use crate::model::plan::{LicenseCounts, PlanDetails, SubscriptionPlan};
use crate::model::renewal::{RenewalDetails, RenewalTerms};
use crate::ports::{AgreementFilter, CustomerScope, LimitOffset, RenewalFilter, StoreExt, UnitOfWork};

/// What processing would do now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenewalOutlook {
    /// The title of the renewed plan.
    pub title: String,
    /// Whether the renewed plan is created.
    pub creates_plan: bool,
    /// How many licenses are copied.
    pub copied: i64,
    /// How many unassigned licenses the renewed plan has afterwards.
    pub unassigned: i64,
    /// Why processing is refused; the numbers above are then the requested ones.
    pub refusal: Option<Error>,
}

/// What would happen with terms that are not saved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenewalPreview {
    /// What processing would do.
    pub outlook: RenewalOutlook,
    /// The renewal that has one of the two plans, so that the terms cannot be saved.
    pub in_the_way: Option<RenewalDetails>,
}

impl LicenseManager {
    /// What would happen with these terms, as those of a new renewal or of the renewal `edited`. Changes nothing.
    ///
    /// # Errors
    /// As of [`LicenseManager::create_renewal`] and [`LicenseManager::update_renewal`].
    pub fn preview_renewal_terms(
        &self,
        edited: Option<RenewalId>,
        terms: &RenewalTerms,
    ) -> Result<RenewalPreview, Error> {
        self.store.read(|unit| {
            let prior = check(unit, terms)?;
            let others = unit.renewals().find_by_plans(terms.prior_plan, terms.renewed_plan)?;
            let in_the_way = others.into_iter().find(|other| Some(other.renewal.id) != edited);
            let keeps_title = match edited {
                Some(id) => {
                    let before = find_renewal(unit, id)?.renewal.terms;
                    (before.renewed_plan, before.title(&prior)) == (terms.renewed_plan, terms.title(&prior))
                }
                None => false,
            };
            if in_the_way.is_none() && !keeps_title {
                check_title(unit, terms, &prior)?;
            }
            Ok(RenewalPreview { outlook: outlook(unit, terms)?, in_the_way })
        })
    }

    /// What processing each of these renewals would do now, in the order of their ids. Those that do not exist are
    /// missing. The number of statements does not depend on that of the renewals.
    pub fn renewal_outlooks(&self, ids: &[RenewalId]) -> Result<Vec<(RenewalDetails, RenewalOutlook)>, Error> {
        let all = LimitOffset { offset: 0, limit: i64::MAX };
        self.store.read(|unit| {
            let filter = RenewalFilter { ids: Some(ids.to_vec()), ..RenewalFilter::default() };
            let mut renewals = unit.renewals().list(&filter, all)?;
            renewals.sort_by_key(|details| details.renewal.id);
            let customers = renewals.iter().map(|details| details.customer).collect();
            let agreements = AgreementFilter { scope: CustomerScope::Only(customers), customer: None, agreement: None };
            let agreements: Vec<_> =
                unit.agreements().list(&agreements, all)?.into_iter().map(|agreement| agreement.id).collect();
            let plans = unit.plans().find_by_agreements(&agreements)?;
            let plans: HashMap<PlanId, SubscriptionPlan> =
                plans.into_iter().map(|PlanDetails { plan, .. }| (plan.id, plan)).collect();
            let of_terms = |details: &RenewalDetails| {
                let terms = &details.renewal.terms;
                [Some(terms.prior_plan), terms.renewed_plan].into_iter().flatten()
            };
            let counted: Vec<PlanId> = renewals.iter().flat_map(of_terms).collect();
            let counts = unit.licenses().counts(&counted)?;
            let seen = |id: PlanId| -> Result<Seen<'_>, Error> {
                let plan = plans.get(&id).ok_or(Error::NotFound(Entity::Plan))?;
                Ok(Seen { plan, counts: counts.get(&id).copied().unwrap_or_default() })
            };
            let with_outlook = |details: RenewalDetails| -> Result<(RenewalDetails, RenewalOutlook), Error> {
                let terms = &details.renewal.terms;
                let prior = seen(terms.prior_plan)?;
                let renewed = terms.renewed_plan.map(seen).transpose()?;
                let title = terms.title(prior.plan);
                let is_title_taken = renewed.is_none()
                    && plans.values().any(|plan| plan.agreement == prior.plan.agreement && plan.title == title);
                let outlook = look_ahead(terms, &prior, renewed.as_ref(), is_title_taken);
                Ok((details, outlook))
            };
            renewals.into_iter().map(with_outlook).collect()
        })
    }
}

/// A plan with the numbers of its licenses.
struct Seen<'a> {
    plan: &'a SubscriptionPlan,
    counts: LicenseCounts,
}

/// What processing a renewal with these terms would do now.
pub(crate) fn outlook(unit: &mut dyn UnitOfWork, terms: &RenewalTerms) -> Result<RenewalOutlook, Error> {
    let prior = find_plan(unit, terms.prior_plan)?.plan;
    let prior_counts = count_licenses(unit, prior.id)?;
    let renewed = match terms.renewed_plan {
        Some(id) => Some((find_plan(unit, id)?.plan, count_licenses(unit, id)?)),
        None => None,
    };
    let renewed = renewed.as_ref().map(|(plan, counts)| Seen { plan, counts: *counts });
    let is_title_taken = is_title_taken(unit, terms, &prior)?;
    Ok(look_ahead(terms, &Seen { plan: &prior, counts: prior_counts }, renewed.as_ref(), is_title_taken))
}

fn look_ahead(
    terms: &RenewalTerms,
    prior: &Seen<'_>,
    renewed: Option<&Seen<'_>>,
    is_title_taken: bool,
) -> RenewalOutlook {
    let copied = prior.counts.only(terms.license_types_to_copy.statuses()).all();
    let present = renewed.map_or(LicenseCounts::default(), |renewed| renewed.counts);
    let needed = usize::try_from(copied).unwrap_or(0);
    let refusal = match check_processable(terms, renewed.map(|renewed| renewed.plan), needed, &present) {
        Err(refusal) => Some(refusal),
        Ok(()) if is_title_taken => Some(Conflict::PlanTitle.into()),
        Ok(()) => None,
    };
    RenewalOutlook {
        title: renewed.map_or_else(|| terms.title(prior.plan), |renewed| renewed.plan.title.clone()),
        creates_plan: renewed.is_none(),
        copied,
        unassigned: (i64::from(terms.number_of_licenses) - copied).max(0),
        refusal,
    }
}
