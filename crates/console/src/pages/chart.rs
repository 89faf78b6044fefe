//! Charts, as SVG made here.

use std::fmt::Write as _;

use license_manager_domain::LicenseCounts;
use license_manager_domain::model::SeatDay;
use maud::{Markup, html};

use super::lists::{counted, number};

/// The size of a chart, and the room for its labels, in its own units.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 8.0;

/// The most days that are drawn; of longer periods, some are left out.
const MAX_POINTS: usize = 200;

/// A plan's licenses by day: activated ones, assigned ones above, and free ones on top.
pub(crate) fn by_day(days: &[SeatDay]) -> Markup {
    let step = days.len().div_ceil(MAX_POINTS).max(1);
    // The last day is always drawn.
    let drawn: Vec<&SeatDay> = days.iter().rev().step_by(step).collect::<Vec<_>>().into_iter().rev().collect();
    let (Some(first), Some(last)) = (drawn.first(), drawn.last()) else { return html! {} };
    let most = drawn.iter().map(|day| day.counts.total()).max().unwrap_or(0).max(1);
    let x = |index: usize| LEFT + (WIDTH - LEFT) * index as f64 / (drawn.len().max(2) - 1) as f64;
    let y = |value: i64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - value as f64 / most as f64);
    let area = |top: fn(&LicenseCounts) -> i64| {
        let mut path = format!("M{:.1} {:.1}", x(0), y(0));
        for (index, day) in drawn.iter().enumerate() {
            // Writing to a String does not fail.
            let _ = write!(path, " L{:.1} {:.1}", x(index), y(top(&day.counts)));
        }
        if drawn.len() == 1 {
            let _ = write!(path, " L{:.1} {:.1} L{:.1} {:.1}", x(1), y(top(&last.counts)), x(1), y(0));
        }
        let _ = write!(path, " L{:.1} {:.1} Z", x(drawn.len().max(2) - 1), y(0));
        path
    };
    let told = format!(
        "From {} to {}: at the end {} activated, {} assigned, {} free",
        first.day, last.day, last.counts.activated, last.counts.assigned, last.counts.unassigned
    );
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(told) {
            path.unassigned d=(area(LicenseCounts::total)) {}
            path.assigned d=(area(LicenseCounts::allocated)) {}
            path.activated d=(area(|counts| counts.activated)) {}
            line.axis x1=(LEFT) y1=(y(0)) x2=(WIDTH) y2=(y(0)) {}
            text x=(LEFT - 8.0) y=(y(most) + 10.0) text-anchor="end" { (number(most)) }
            text x=(LEFT - 8.0) y=(y(0)) text-anchor="end" { "0" }
            text x=(LEFT) y=(HEIGHT - 6.0) { (first.day) }
            text x=(WIDTH) y=(HEIGHT - 6.0) text-anchor="end" { (last.day) }
        }
        // The chart's own labels are too small on a phone.
        p.quiet.narrow aria-hidden="true" { (first.day) " to " (last.day) ", up to " (counted(most, "license", "licenses")) }
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    #[test]
    fn a_chart_begins_and_ends_with_its_days() {
        let day = |number: u32, activated| SeatDay {
            day: NaiveDate::from_ymd_opt(2030, 1, 1).unwrap() + chrono::Days::new(number.into()),
            counts: LicenseCounts { activated, assigned: 1, unassigned: 2, revoked: 0 },
            activations: 0,
            has_changed: true,
        };
        let days: Vec<SeatDay> = (0..500).map(|number| day(number, i64::from(number))).collect();
        let chart = by_day(&days).into_string();
        assert!(chart.contains("499 activated, 1 assigned, 2 free") && chart.contains("2031-05-15"), "{chart}");
        assert!(chart.matches(" L").count() <= 3 * (MAX_POINTS + 2), "long periods stay small");
        assert!(by_day(&days[..1]).into_string().contains("2030-01-01"));
        assert_eq!(by_day(&[]).into_string(), "");
    }
}
