use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::{HistoryEntry, MemoryUnit, size};
use crate::error::Error;
use crate::model::ids::PlanId;
use crate::model::license::{License, LicenseStatus};
use crate::model::utilization::{ActivationDelay, ActivationDelays, Period, SeatChange};
use crate::ports::UtilizationRepository;

/// The plan and the status of a license.
type Place = (PlanId, LicenseStatus);

/// A change of a license's plan or status.
struct Step {
    at: DateTime<Utc>,
    from: Option<Place>,
    to: Option<Place>,
    /// For an activation: the days since the assignment.
    delay: Option<i64>,
}

fn place(entry: &HistoryEntry) -> Option<Place> {
    let plan = PlanId(entry.row.uuid("subscription_plan_uuid")?);
    (entry.kind != '-').then_some((plan, LicenseStatus::from_name(entry.row.text("status")?)?))
}

/// The changes of all licenses, in the order of their recording.
fn steps(history: &[HistoryEntry]) -> Vec<Step> {
    let mut places: BTreeMap<&str, Option<Place>> = BTreeMap::new();
    let mut steps = Vec::new();
    for entry in history.iter().filter(|entry| entry.table == "license") {
        let HistoryEntry { id, kind, change, row, .. } = entry;
        let to = place(entry);
        let from = places.insert(id, to).flatten().filter(|_| *kind != '+');
        let was_inactive = matches!(from, Some((_, LicenseStatus::Unassigned | LicenseStatus::Assigned)));
        let is_active = matches!(to, Some((_, LicenseStatus::Activated)));
        let assigned = row.moment("assigned_date");
        let activated = row.moment("activation_date").filter(|at| was_inactive && is_active && *at == change.at);
        let delay = activated.and_then(|activated| Some((activated - assigned?).num_days().max(0)));
        steps.push(Step { at: change.at, from, to, delay });
    }
    steps
}

impl UtilizationRepository for MemoryUnit<'_> {
    fn seat_changes(&mut self, plan: PlanId, last: NaiveDate) -> Result<Vec<SeatChange>, Error> {
        let mut days: BTreeMap<NaiveDate, SeatChange> = BTreeMap::new();
        for step in steps(&self.tables.history) {
            let day = step.at.date_naive();
            let change = days.entry(day).or_insert_with(|| SeatChange::none(day));
            for (place, number) in [(step.from, -1), (step.to, 1)] {
                if let Some((_, status)) = place.filter(|(of, _)| *of == plan) {
                    *change.change.of_mut(status) += number;
                }
            }
            let is_activation = step.delay.is_some() && step.to.is_some_and(|(of, _)| of == plan);
            change.activations += i64::from(is_activation);
        }
        Ok(days.into_values().filter(|change| change.day <= last).collect())
    }

    fn activation_delays(&mut self, plan: PlanId, period: Period) -> Result<ActivationDelays, Error> {
        let mut delays: BTreeMap<i64, i64> = BTreeMap::new();
        for step in steps(&self.tables.history) {
            let is_of_plan = step.to.is_some_and(|(of, _)| of == plan);
            if let Some(delay) = step.delay.filter(|_| is_of_plan && period.contains(step.at.date_naive())) {
                *delays.entry(delay).or_default() += 1;
            }
        }
        let delays = delays.into_iter().map(|(days, activations)| ActivationDelay { days, activations });
        Ok(ActivationDelays::new(delays.collect()))
    }

    /// Nothing is counted here: reports read the history.
    fn fold(&mut self, _: Option<NaiveDate>, _: i64) -> Result<usize, Error> {
        Ok(0)
    }

    fn idle(&mut self, plan: PlanId, limit: i64) -> Result<Vec<License>, Error> {
        let idle = self.tables.licenses_of(plan).filter(|license| license.status() == LicenseStatus::Assigned);
        let mut idle: Vec<License> = idle.cloned().collect();
        idle.sort_by_key(|license| (license.assigned_date(), license.id));
        idle.truncate(size(limit));
        Ok(idle)
    }
}
