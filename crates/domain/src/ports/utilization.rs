use chrono::NaiveDate;

use crate::error::Error;
use crate::model::ids::PlanId;
use crate::model::license::License;
use crate::model::utilization::{ActivationDelays, Period, SeatChange};

/// How the seats of a plan are used, as the history of its licenses tells. Days are days in UTC.
///
/// A license counts in a plan while it is there: it comes by being added or moved there, and goes by being deleted or moved away.
/// Retiring a person changes nothing of what was. Every method is one statement, and MUST stay fast in a plan with a million
/// licenses.
pub trait UtilizationRepository {
    /// What became of the plan's seats on each day until `last`, in the order of the days. Days on which nothing changed may be
    /// missing.
    fn seat_changes(&mut self, plan: PlanId, last: NaiveDate) -> Result<Vec<SeatChange>, Error>;

    /// How long the activations of the period took, from the assignment before. An activation is a change of an unassigned or
    /// assigned license that makes it activated at that moment: setting a license back, carrying it over or moving it is none.
    fn activation_delays(&mut self, plan: PlanId, period: Period) -> Result<ActivationDelays, Error>;

    /// The plan's licenses that are assigned and not activated, the one assigned first leading, of equals the smaller id; at most
    /// `limit` of them.
    fn idle(&mut self, plan: PlanId, limit: i64) -> Result<Vec<License>, Error>;
}
