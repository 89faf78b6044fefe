//! Reports of how a plan's seats are used.

use chrono::NaiveDate;

use super::manager::LicenseManager;
use crate::error::{Entity, Error};
use crate::model::ids::PlanId;
use crate::model::license::{License, LicenseState};
use crate::model::plan::SubscriptionPlan;
use crate::model::utilization::{ActivationDelays, IdleSeat, Period, SeatDay, seat_days};
use crate::ports::StoreExt;

impl LicenseManager {
    /// The plan, and the days that reports of it are about where those from `from` to `until` are asked for: see
    /// [`Period::of_plan`].
    ///
    /// # Errors
    /// [`Entity::Plan`] not found.
    pub fn utilization_period(
        &self,
        plan: PlanId,
        from: Option<NaiveDate>,
        until: Option<NaiveDate>,
    ) -> Result<(SubscriptionPlan, Option<Period>), Error> {
        let details = self.store.read(|unit| unit.plans().find(plan))?.ok_or(Error::NotFound(Entity::Plan))?;
        let period = Period::of_plan(&details.plan, from, until, self.now());
        Ok((details.plan, period))
    }

    /// How the plan's seats stood on every day of the period, in the order of the days.
    pub fn seat_days(&self, plan: PlanId, period: Period) -> Result<Vec<SeatDay>, Error> {
        let changes = self.store.read(|unit| unit.utilization().seat_changes(plan, period.last))?;
        Ok(seat_days(&changes, period))
    }

    /// How long it took until seats were activated, of the activations in the period.
    pub fn activation_delays(&self, plan: PlanId, period: Period) -> Result<ActivationDelays, Error> {
        self.store.read(|unit| unit.utilization().activation_delays(plan, period))
    }

    /// The seats that have waited longest for their learners, the longest first, at most `limit` of them.
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
