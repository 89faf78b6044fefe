//! Reports of a plan's utilization.

use chrono::{Duration, NaiveDate};

use super::manager::LicenseManager;
use crate::error::{Entity, Error};
use crate::model::ids::PlanId;
use crate::model::license::{License, LicenseState};
use crate::model::plan::SubscriptionPlan;
use crate::model::utilization::{ActivationDelays, IdleSeat, Period, SeatDay, seat_days};
use crate::ports::StoreExt;

/// How many counts one transaction adds up.
const FOLD_BATCH: i64 = 2_000;

/// How many days before today are recent. A transaction that began before midnight still counts for its day.
const RECENT_DAYS: i64 = 2;

impl LicenseManager {
    /// The plan, and the period of its reports from `from` to `until`; see [`Period::of_plan`].
    ///
    /// # Errors
    /// [`Entity::Plan`] not found.
    pub fn utilization_period(
        &self,
        plan: PlanId,
        from: Option<NaiveDate>,
        until: Option<NaiveDate>,
    ) -> Result<(SubscriptionPlan, Option<Period>), Error> {
        let details = self.store.read(|unit| unit.plans().find(plan)?.ok_or(Error::NotFound(Entity::Plan)))?;
        let period = Period::of_plan(&details.plan, from, until, self.now());
        Ok((details.plan, period))
    }

    /// Adds up what was counted one by one, so that counts and reports stay fast; see [`UtilizationRepository::fold`].
    /// Returns how many counts it added up.
    ///
    /// [`UtilizationRepository::fold`]: crate::ports::UtilizationRepository::fold
    pub fn fold_seat_counts(&self) -> Result<usize, Error> {
        self.fold_since(None)
    }

    /// As [`LicenseManager::fold_seat_counts`], of today and the days just before, to which almost all counts belong.
    pub fn fold_recent_seat_counts(&self) -> Result<usize, Error> {
        self.fold_since(Some((self.now() - Duration::days(RECENT_DAYS)).date_naive()))
    }

    fn fold_since(&self, since: Option<NaiveDate>) -> Result<usize, Error> {
        let mut folded = 0;
        loop {
            let number = self.store.write(|unit| unit.utilization().fold(since, FOLD_BATCH))?;
            folded += number;
            if number < FOLD_BATCH as usize {
                return Ok(folded);
            }
        }
    }

    /// The plan's seats on each day of the period, in order.
    pub fn seat_days(&self, plan: PlanId, period: Period) -> Result<Vec<SeatDay>, Error> {
        let changes = self.store.read(|unit| unit.utilization().seat_changes(plan, period.last))?;
        Ok(seat_days(&changes, period))
    }

    /// The days from assignment to activation, of the activations in the period.
    pub fn activation_delays(&self, plan: PlanId, period: Period) -> Result<ActivationDelays, Error> {
        self.store.read(|unit| unit.utilization().activation_delays(plan, period))
    }

    /// The `limit` seats that have waited longest for activation, longest first.
    pub fn idle_seats(&self, plan: PlanId, limit: i64) -> Result<Vec<IdleSeat>, Error> {
        let now = self.now();
        let licenses = self.store.read(|unit| unit.utilization().idle(plan, limit))?;
        let idle = |License { id, state, .. }| match state {
            LicenseState::Assigned(seat) => {
                Some(IdleSeat { license: id, days: (now - seat.assigned_date).num_days(), seat })
            }
            _ => None,
        };
        Ok(licenses.into_iter().filter_map(idle).collect())
    }
}
