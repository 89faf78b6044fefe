//! Renewals: the plan that follows a plan.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};

use crate::ids::{AgreementId, PlanId, RenewalId};
use crate::plan::{SubscriptionPlan, whole_days_until};

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
#[derive(Debug, Clone, Default)]
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
        self.by_prior
            .get(&plan)
            .is_some_and(|link| !link.processed && link.effective_date - lock <= now && now < link.effective_date)
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
