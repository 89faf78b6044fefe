use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::{MemoryUnit, Tables, part, replace};
use crate::error::{Conflict, Error};
use crate::history::Change;
use crate::model::following_plan::FollowingPlan;
use crate::model::ids::{AgreementId, LicenseId, PlanId, RenewalId};
use crate::model::license::{License, LicenseStatus};
use crate::model::renewal::{RenewalDetails, RenewalLink, RenewalTerms, SubscriptionPlanRenewal};
use crate::ports::{LimitOffset, RenewalFilter, RenewalRepository};

const TABLE: &str = "subscription_plan_renewal";

fn link(tables: &Tables, renewal: &SubscriptionPlanRenewal) -> Option<RenewalLink> {
    let terms = &renewal.terms;
    let prior = tables.plans.get(&terms.prior_plan)?;
    let renewed = terms.renewed_plan.and_then(|plan| tables.plans.get(&plan));
    Some(RenewalLink {
        id: renewal.id,
        agreement: prior.agreement,
        prior_plan: prior.id,
        prior_plan_start: prior.start_date,
        renewed_plan: terms.renewed_plan,
        renewed_plan_start: renewed.map(|plan| plan.start_date),
        renewed_expiration: renewed.map_or(terms.renewed_expiration_date, |plan| plan.expiration_date),
        effective_date: terms.effective_date,
        processed: renewal.processed,
    })
}

fn details(tables: &Tables, renewal: &SubscriptionPlanRenewal) -> Option<RenewalDetails> {
    let prior = tables.plans.get(&renewal.terms.prior_plan)?;
    let renewed = renewal.terms.renewed_plan.and_then(|plan| tables.plans.get(&plan));
    Some(RenewalDetails {
        renewal: renewal.clone(),
        prior_plan_title: prior.title.clone(),
        renewed_plan_title: renewed.map(|plan| plan.title.clone()),
        customer: tables.agreements.get(&prior.agreement)?.customer,
        num_not_carried_over: 0,
    })
}

fn matching(tables: &Tables, filter: &RenewalFilter) -> Vec<RenewalDetails> {
    let matches = |found: &RenewalDetails| {
        let terms = &found.renewal.terms;
        filter.ids.as_ref().is_none_or(|ids| ids.contains(&found.renewal.id))
            && filter.prior_plan.is_none_or(|plan| plan == terms.prior_plan)
            && filter.renewed_plan.is_none_or(|plan| Some(plan) == terms.renewed_plan)
            && filter.customer.is_none_or(|customer| customer == found.customer)
            && filter.processed.is_none_or(|processed| processed == found.renewal.processed)
            && filter
                .salesforce_opportunity_id
                .as_ref()
                .is_none_or(|id| terms.salesforce_opportunity_id.as_ref() == Some(id))
    };
    let all = tables.renewals.values().filter_map(|renewal| details(tables, renewal));
    let mut found: Vec<_> = all.filter(matches).collect();
    found.sort_by_key(|found| Reverse((found.renewal.terms.effective_date, found.renewal.id)));
    found
}

/// The licenses of the prior plan without a copy that the following plan would take.
fn waiting<'a>(
    tables: &'a Tables,
    prior: PlanId,
    following: &'a FollowingPlan,
) -> impl Iterator<Item = &'a License> + 'a {
    // Has one of the following plan, or had one that was revoked since the license was assigned.
    let has_or_had = |license: &License, other: &License| {
        let is_refused = |revoked: DateTime<Utc>| {
            other.renewed_from.is_none() && license.assigned_date().is_some_and(|assigned| assigned <= revoked)
        };
        other.holder_email() == license.holder_email()
            && (other.is_live() || other.columns().revoked_date.is_some_and(is_refused))
    };
    let waits = move |license: &&License| {
        license.renewed_to.is_none()
            && following.takes(license.status())
            && !tables.licenses_of(following.id).any(|other| has_or_had(license, other))
    };
    tables.licenses_of(prior).filter(waits)
}

fn differs(original: &License, copy: &License, following: &FollowingPlan) -> bool {
    match original.status() {
        LicenseStatus::Unassigned => true,
        LicenseStatus::Revoked => original.holder_email().is_some(),
        LicenseStatus::Assigned | LicenseStatus::Activated => {
            let after = copy.clone().following(original, following.start_date, copy.modified);
            let compared = |license: &License| {
                (license.status(), license.holder_email().cloned(), license.lms_user_id(), license.activation_date())
            };
            original.renewed_to != Some(copy.id) || compared(&after) != compared(copy)
        }
    }
}

fn check(tables: &Tables, id: Option<RenewalId>, terms: &RenewalTerms) -> Result<(), Error> {
    let others = || tables.renewals.values().filter(|other| Some(other.id) != id);
    if others().any(|other| other.terms.prior_plan == terms.prior_plan) {
        return Err(Conflict::RenewalOfPlan.into());
    }
    if terms.renewed_plan.is_some() && others().any(|other| other.terms.renewed_plan == terms.renewed_plan) {
        return Err(Conflict::RenewalByPlan.into());
    }
    Ok(())
}

impl RenewalRepository for MemoryUnit<'_> {
    fn find_by_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<RenewalLink>, Error> {
        let links = self.tables.renewals.values().filter_map(|renewal| link(self.tables, renewal));
        Ok(links.filter(|link| agreements.contains(&link.agreement)).collect())
    }

    fn find(&mut self, id: RenewalId) -> Result<Option<RenewalDetails>, Error> {
        Ok(self.tables.renewals.get(&id).and_then(|renewal| details(self.tables, renewal)))
    }

    fn lock(&mut self, id: RenewalId) -> Result<Option<RenewalDetails>, Error> {
        self.written()?;
        RenewalRepository::find(self, id)
    }

    fn find_by_plans(
        &mut self,
        prior_plan: PlanId,
        renewed_plan: Option<PlanId>,
    ) -> Result<Vec<RenewalDetails>, Error> {
        let takes = |renewal: &&SubscriptionPlanRenewal| {
            renewal.terms.prior_plan == prior_plan
                || (renewed_plan.is_some() && renewal.terms.renewed_plan == renewed_plan)
        };
        let all = self.tables.renewals.values().filter(takes);
        let mut found: Vec<_> = all.filter_map(|renewal| details(self.tables, renewal)).collect();
        found.sort_by_key(|found| found.renewal.terms.prior_plan != prior_plan);
        Ok(found)
    }

    list_and_count!(RenewalFilter => RenewalDetails, matching);

    fn not_carried_over(
        &mut self,
        renewals: &[RenewalId],
        now: DateTime<Utc>,
    ) -> Result<HashMap<RenewalId, i64>, Error> {
        let found = renewals.iter().filter_map(|id| self.tables.renewals.get(id)).filter_map(|renewal| {
            let prior = renewal.terms.prior_plan;
            let following = self.tables.following(prior).filter(|following| now < following.start_date)?;
            Some((renewal.id, waiting(self.tables, prior, &following).count() as i64))
        });
        Ok(found.collect())
    }

    fn waiting_for(&mut self, prior: PlanId, following: &FollowingPlan, limit: i64) -> Result<Vec<LicenseId>, Error> {
        Ok(part(
            waiting(self.tables, prior, following).map(|license| license.id).collect(),
            LimitOffset { offset: 0, limit },
        ))
    }

    fn differing_from(&mut self, prior: PlanId, following: &FollowingPlan) -> Result<Vec<LicenseId>, Error> {
        let copies = self.tables.licenses_of(following.id).filter(|copy| copy.is_live());
        let original =
            |copy: &License| self.tables.licenses.get(&copy.renewed_from?).filter(|found| found.plan == prior);
        let differing = copies.filter_map(|copy| {
            let original = original(copy)?;
            differs(original, copy, following).then_some(original.id)
        });
        let differing: BTreeSet<LicenseId> = differing.collect();
        Ok(differing.into_iter().collect())
    }

    fn waiting_among(
        &mut self,
        prior: PlanId,
        following: &FollowingPlan,
        licenses: &[LicenseId],
    ) -> Result<Vec<LicenseId>, Error> {
        let licenses: HashSet<&LicenseId> = licenses.iter().collect();
        let waiting = waiting(self.tables, prior, following).map(|license| license.id);
        Ok(waiting.filter(|id| licenses.contains(id)).collect())
    }

    fn add(&mut self, terms: &RenewalTerms, change: &Change) -> Result<RenewalId, Error> {
        let tables = self.written()?;
        check(tables, None, terms)?;
        tables.last_renewal += 1;
        let id = RenewalId(tables.last_renewal);
        let renewal = SubscriptionPlanRenewal {
            id,
            terms: terms.clone(),
            processed: false,
            processed_datetime: None,
            created: change.at,
            modified: change.at,
        };
        tables.renewals.insert(id, renewal);
        tables.record(TABLE, id, '+', change);
        Ok(id)
    }

    fn save(&mut self, renewal: &SubscriptionPlanRenewal, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        check(tables, Some(renewal.id), &renewal.terms)?;
        replace(&mut tables.renewals, &renewal.id, renewal, "renewal")?;
        tables.record(TABLE, renewal.id, '~', change);
        Ok(())
    }

    fn delete(&mut self, id: RenewalId, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        tables.renewals.remove(&id).ok_or_else(|| Error::internal("no renewal to write"))?;
        tables.record(TABLE, id, '-', change);
        Ok(())
    }
}
