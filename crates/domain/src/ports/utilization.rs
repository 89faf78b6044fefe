use chrono::NaiveDate;

use crate::error::Error;
use crate::model::ids::PlanId;
use crate::model::license::License;
use crate::model::utilization::{ActivationDelays, Period, SeatChange};

/// The utilization of a plan's seats, from the history of its licenses. Days are UTC.
///
/// A license counts in the plan it is in: from being added or moved there until it is deleted or moved away. Retiring a
/// person changes nothing. Every method but `fold` is one statement and MUST be fast in a plan with a million licenses.
pub trait UtilizationRepository {
    /// The changes of the plan's seats on each day until `last`, sorted by day. Days without changes may be missing.
    fn seat_changes(&mut self, plan: PlanId, last: NaiveDate) -> Result<Vec<SeatChange>, Error> {
        not_provided!("utilization.seat_changes", plan, last)
    }

    /// The delays from assignment to activation of the period's activations. An activation is a change from unassigned
    /// or assigned to activated at that time; reverts, renewals and transfers do not count.
    fn activation_delays(&mut self, plan: PlanId, period: Period) -> Result<ActivationDelays, Error> {
        not_provided!("utilization.activation_delays", plan, period)
    }

    /// Adds up what was counted one by one: `limit` counts, or a few more. With `since`, these are counts of days from then
    /// on, and the days before SHOULD cost nothing. Without it, [`counts`] SHOULD afterwards cost the same for a plan of any
    /// age. The sums stay the same. Returns how many counts it added up: fewer than `limit` if it left none, and 0 if
    /// another process is at it.
    ///
    /// [`counts`]: crate::ports::LicenseRepository::counts
    fn fold(&mut self, since: Option<NaiveDate>, limit: i64) -> Result<usize, Error> {
        not_provided!("utilization.fold", since, limit)
    }

    /// Up to `limit` of the plan's assigned, not activated licenses, oldest assignment first, ties by id.
    fn idle(&mut self, plan: PlanId, limit: i64) -> Result<Vec<License>, Error> {
        not_provided!("utilization.idle", plan, limit)
    }
}
