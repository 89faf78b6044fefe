//! Utilization of plans: RULES.md, "Utilization". Days are UTC.

use chrono::{DateTime, Days, NaiveDate, Utc};

use crate::model::ids::LicenseId;
use crate::model::license::Seat;
use crate::model::plan::{LicenseCounts, SubscriptionPlan};

/// The most days per report: ten years.
const MAX_DAYS: u64 = 3_660;

/// The days of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first day.
    pub first: NaiveDate,
    /// The last day, not before the first.
    pub last: NaiveDate,
}

impl Period {
    /// The plan's days until today that are between `from` and `until`; at most the last 3,660. `None` if there are
    /// none.
    pub fn of_plan(
        plan: &SubscriptionPlan,
        from: Option<NaiveDate>,
        until: Option<NaiveDate>,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let last = now.date_naive().min(plan.expiration_date.date_naive());
        let last = until.map_or(last, |until| last.min(until));
        let earliest = last.checked_sub_days(Days::new(MAX_DAYS - 1)).unwrap_or(NaiveDate::MIN);
        let first = plan.start_date.date_naive().max(earliest);
        let first = from.map_or(first, |from| first.max(from));
        (first <= last).then_some(Self { first, last })
    }

    /// Whether the day is in the period.
    pub fn contains(&self, day: NaiveDate) -> bool {
        (self.first..=self.last).contains(&day)
    }
}

/// The change of a plan's seats on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatChange {
    /// The day.
    pub day: NaiveDate,
    /// The difference between the end of the day and its start, by status.
    pub change: LicenseCounts,
    /// The number of activations.
    pub activations: i64,
}

/// A plan's seats on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatDay {
    /// The day.
    pub day: NaiveDate,
    /// The seats by status at the end of the day, or now for today.
    pub counts: LicenseCounts,
    /// The number of activations.
    pub activations: i64,
    /// Whether licenses changed on the day. If none did, the counts are those of each of its moments.
    pub has_changed: bool,
}

/// Every day of the period, from the changes since the plan's first license, sorted by day.
pub(crate) fn seat_days(changes: &[SeatChange], period: Period) -> Vec<SeatDay> {
    let mut changes = changes.iter().peekable();
    let mut counts = LicenseCounts::default();
    let mut add = |change: &SeatChange| {
        counts.unassigned += change.change.unassigned;
        counts.assigned += change.change.assigned;
        counts.activated += change.change.activated;
        counts.revoked += change.change.revoked;
        counts
    };
    while changes.next_if(|change| change.day < period.first).map(&mut add).is_some() {}
    let days = period.first.iter_days().take_while(|day| *day <= period.last);
    days.map(|day| match changes.next_if(|change| change.day == day) {
        Some(change) => SeatDay { day, counts: add(change), activations: change.activations, has_changed: true },
        None => SeatDay { day, counts: add(&SeatChange::none(day)), activations: 0, has_changed: false },
    })
    .collect()
}

impl SeatChange {
    /// A day without changes.
    pub(crate) fn none(day: NaiveDate) -> Self {
        Self { day, change: LicenseCounts::default(), activations: 0 }
    }
}

/// The number of activations with the same delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivationDelay {
    /// Whole days from the assignment to the activation.
    pub days: i64,
    /// The number of activations; at least 1.
    pub activations: i64,
}

/// The delays of activations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivationDelays(Vec<ActivationDelay>);

impl ActivationDelays {
    /// Takes distinct delays, shortest first.
    pub fn new(delays: Vec<ActivationDelay>) -> Self {
        Self(delays)
    }

    /// The delays, shortest first.
    pub fn iter(&self) -> impl Iterator<Item = &ActivationDelay> {
        self.0.iter()
    }

    /// The number of activations.
    pub fn activations(&self) -> i64 {
        self.0.iter().map(|delay| delay.activations).sum()
    }

    /// The mean in days; `None` without activations.
    pub fn mean(&self) -> Option<f64> {
        let days: i64 = self.0.iter().map(|delay| delay.days * delay.activations).sum();
        let activations = self.activations();
        (activations > 0).then(|| days as f64 / activations as f64)
    }

    /// The smallest number of days within which this percentage of activations happened; `None` without activations.
    pub fn percentile(&self, percent: i64) -> Option<i64> {
        let activations = self.activations();
        let mut within = 0;
        let reaches = |delay: &&ActivationDelay| {
            within += delay.activations;
            within * 100 >= activations * percent
        };
        self.0.iter().find(reaches).map(|delay| delay.days)
    }
}

/// An assigned seat that is not activated yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleSeat {
    /// The license.
    pub license: LicenseId,
    /// The holder and the dates.
    pub seat: Seat,
    /// Whole days since it was assigned.
    pub days: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2030, 1, number).unwrap()
    }

    fn delays(delays: &[(i64, i64)]) -> ActivationDelays {
        ActivationDelays::new(delays.iter().map(|&(days, activations)| ActivationDelay { days, activations }).collect())
    }

    #[test]
    fn what_was_before_the_period_is_where_its_first_day_begins() {
        let change = |on, unassigned, activated| SeatChange {
            change: LicenseCounts { unassigned, activated, ..LicenseCounts::default() },
            activations: activated,
            ..SeatChange::none(day(on))
        };
        let changes = [change(1, 5, 0), change(3, -1, 1), change(5, -2, 2), change(6, 0, -1)];
        let told = seat_days(&changes, Period { first: day(4), last: day(5) });
        let of = |day: &SeatDay| (day.day, day.counts.activated, day.activations, day.has_changed);
        assert_eq!(told.iter().map(of).collect::<Vec<_>>(), [(day(4), 1, 0, false), (day(5), 3, 2, true)]);
        assert_eq!(seat_days(&[], Period { first: day(4), last: day(4) })[0].counts, LicenseCounts::default());
    }

    #[test]
    fn a_percentile_is_a_delay_that_occurred() {
        let told = delays(&[(0, 5), (3, 4), (20, 1)]);
        assert_eq!((told.activations(), told.mean()), (10, Some(3.2)));
        assert_eq!([50, 51, 90, 91].map(|percent| told.percentile(percent)), [Some(0), Some(3), Some(3), Some(20)]);
        assert_eq!((delays(&[]).mean(), delays(&[]).percentile(50)), (None, None));
    }
}
