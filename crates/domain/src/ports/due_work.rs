use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::{AgreementId, CatalogId, CustomerId, LicenseId, PlanId, PlanTypeId, RenewalId};
use crate::model::license::License;

/// A renewal that is to be processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueRenewal {
    /// The renewal.
    pub renewal: RenewalId,
    /// The plan it renews.
    pub prior_plan: PlanId,
}

/// Where a plan stands at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanEnd {
    /// The plan.
    pub plan: PlanId,
    /// Its customer.
    pub customer: CustomerId,
    /// When it ends.
    pub expiration_date: DateTime<Utc>,
    /// Whether its end was carried out.
    pub expiration_processed: bool,
    /// Whether another plan follows it, or is to.
    pub has_renewal: bool,
}

/// When somebody is unlinked from a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unlinking<'a> {
    /// The customer.
    pub customer: CustomerId,
    /// Whoever holds a live license of an active plan that is current now stays.
    pub now: DateTime<Utc>,
    /// The event by which licenses are known for which it was done.
    pub event_name: &'a str,
}

/// What the recurring operations have to do. Nothing here is locked, and each method is one statement.
pub trait DueWorkRepository {
    /// The renewals that take effect between two moments, both included, that were not processed and that the schedule
    /// processes; the earliest first.
    fn renewals(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<DueRenewal>, Error>;

    /// How many renewals that the schedule processes took effect before that moment and were not processed.
    fn count_renewals_before(&mut self, moment: DateTime<Utc>) -> Result<i64, Error>;

    /// The plans without a renewal that end between two moments, both included, and whose end was not carried out or, with
    /// `processed_too`, whether it was or not; the earliest end first.
    fn expired_plans(
        &mut self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        processed_too: bool,
    ) -> Result<Vec<PlanId>, Error>;

    /// Where these plans stand; those that do not exist are missing.
    fn plan_ends(&mut self, plans: &[PlanId]) -> Result<Vec<PlanEnd>, Error>;

    /// The next of a plan's live licenses, or of those that no renewal carried on, in the order of their ids.
    fn live_licenses_after(
        &mut self,
        plan: PlanId,
        unrenewed_only: bool,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error>;

    /// The customer's plans that ended before that moment and whose end was carried out, in the order of their ids.
    fn plans_to_unlink(&mut self, customer: CustomerId, before: DateTime<Utc>) -> Result<Vec<PlanId>, Error>;

    /// The next of a plan's live licenses that no renewal carried on, for which it was not done, and whose holder, by address
    /// or LMS user id, holds no other live license that keeps them with the customer; in the order of their ids.
    fn licenses_to_unlink(
        &mut self,
        plan: PlanId,
        unlinking: Unlinking<'_>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<(LicenseId, Email)>, Error>;

    /// The agreements whose current plan grows by itself, in the order of their ids.
    fn auto_scaling_agreements(&mut self) -> Result<Vec<AgreementId>, Error>;

    /// The plans that auto-apply their licenses, are active, and current at `now`, and for which neither `mark` nor a mail of
    /// the kind [`crate::model::NotificationKind::PeriodicInformational`] was noted, with the moment since when they do, which the
    /// history tells (where it does not, since they were made); those that have since `until` or longer, in the order of
    /// their ids.
    fn auto_applying_plans(
        &mut self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        mark: &str,
    ) -> Result<Vec<(PlanId, DateTime<Utc>)>, Error>;

    /// The next activated licenses of the agreement's active plans that were activated before that moment and for which the
    /// event was not noted, in the order of their ids.
    fn licenses_activated_before(
        &mut self,
        agreement: AgreementId,
        before: DateTime<Utc>,
        event_name: &str,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error>;

    /// The catalogs of plans that end after that moment and are not for internal use, with the plan types they are used for.
    fn catalogs_in_use(&mut self, now: DateTime<Utc>) -> Result<Vec<(CatalogId, PlanTypeId)>, Error>;
}
