use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::{AgreementId, CatalogId, CustomerId, LicenseId, PlanId, PlanTypeId, RenewalId};
use crate::model::license::License;

/// A renewal to process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueRenewal {
    /// The renewal.
    pub renewal: RenewalId,
    /// The prior plan.
    pub prior_plan: PlanId,
}

/// A plan and its expiration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanEnd {
    /// The plan.
    pub plan: PlanId,
    /// Its customer.
    pub customer: CustomerId,
    /// When it expires.
    pub expiration_date: DateTime<Utc>,
    /// Whether its expiration was processed.
    pub expiration_processed: bool,
    /// Whether it has a renewal.
    pub has_renewal: bool,
}

/// The terms of unlinking learners from a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unlinking<'a> {
    /// The customer.
    pub customer: CustomerId,
    /// Holders of a live license of an active plan that is current now stay linked.
    pub now: DateTime<Utc>,
    /// The event that marks licenses as done.
    pub event_name: &'a str,
}

/// The due work of recurring operations. Methods lock nothing, and each is one statement.
pub trait DueWorkRepository {
    /// The unprocessed renewals that the schedule processes and that take effect between two times, both inclusive;
    /// earliest first.
    fn renewals(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DueRenewal>, Error> {
        not_provided!("due_work.renewals", from, to)
    }

    /// The processed renewals whose renewed plans start between two times, both inclusive; earliest first.
    fn renewals_starting(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DueRenewal>, Error> {
        not_provided!("due_work.renewals_starting", from, to)
    }

    /// How many unprocessed renewals that the schedule processes took effect before this time.
    fn count_renewals_before(&mut self, moment: DateTime<Utc>) -> Result<i64, Error> {
        not_provided!("due_work.count_renewals_before", moment)
    }

    /// The plans without a renewal that expire between two times, both inclusive, earliest first; only unprocessed ones
    /// unless `processed_too` is set.
    fn expired_plans(
        &mut self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        processed_too: bool,
    ) -> Result<Vec<PlanId>, Error> {
        not_provided!("due_work.expired_plans", from, to, processed_too)
    }

    /// These plans, without those that do not exist.
    fn plan_ends(&mut self, plans: &[PlanId]) -> Result<Vec<PlanEnd>, Error> {
        not_provided!("due_work.plan_ends", plans)
    }

    /// The next live licenses of a plan, or of those that were not renewed, sorted by id.
    fn live_licenses_after(
        &mut self,
        plan: PlanId,
        unrenewed_only: bool,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        not_provided!("due_work.live_licenses_after", plan, unrenewed_only, after, limit)
    }

    /// The customer's plans that expired before this time and are processed, sorted by id.
    fn plans_to_unlink(&mut self, customer: CustomerId, before: DateTime<Utc>) -> Result<Vec<PlanId>, Error> {
        not_provided!("due_work.plans_to_unlink", customer, before)
    }

    /// The next live licenses of a plan, sorted by id, that were not renewed, are not marked, and whose holder, by
    /// email address or LMS user id, has no other live license that keeps them linked.
    fn licenses_to_unlink(
        &mut self,
        plan: PlanId,
        unlinking: Unlinking<'_>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<(LicenseId, Email)>, Error> {
        not_provided!("due_work.licenses_to_unlink", plan, unlinking, after, limit)
    }

    /// The agreements with auto-scaling and a current plan, sorted by id.
    fn auto_scaling_agreements(&mut self) -> Result<Vec<AgreementId>, Error> {
        not_provided!("due_work.auto_scaling_agreements")
    }

    /// The active, current plans that have auto-applied licenses since `until` or longer, sorted by id, each with the
    /// time since when (from history, otherwise its creation). Leaves out plans with `mark` or with a notification of
    /// the kind [`crate::model::NotificationKind::PeriodicInformational`].
    fn auto_applying_plans(
        &mut self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        mark: &str,
    ) -> Result<Vec<(PlanId, DateTime<Utc>)>, Error> {
        not_provided!("due_work.auto_applying_plans", now, until, mark)
    }

    /// How many licenses each of these plans has auto-applied since it last began to (as in
    /// [`DueWorkRepository::auto_applying_plans`]). Licenses revoked since count. Plans without such a license may be
    /// missing.
    fn auto_applied_since_turned_on(&mut self, plans: &[PlanId]) -> Result<HashMap<PlanId, i64>, Error> {
        not_provided!("due_work.auto_applied_since_turned_on", plans)
    }

    /// The next activated licenses of the agreement's active plans, sorted by id, that were activated before this time
    /// and are not marked with the event.
    fn licenses_activated_before(
        &mut self,
        agreement: AgreementId,
        before: DateTime<Utc>,
        event_name: &str,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        not_provided!("due_work.licenses_activated_before", agreement, before, event_name, after, limit)
    }

    /// The catalogs of plans that expire after this time and are not for internal use, with the plan types that use
    /// them.
    fn catalogs_in_use(&mut self, now: DateTime<Utc>) -> Result<Vec<(CatalogId, PlanTypeId)>, Error> {
        not_provided!("due_work.catalogs_in_use", now)
    }
}
