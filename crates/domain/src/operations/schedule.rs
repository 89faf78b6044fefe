//! When recurring operations run by themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use cronexpr::{Crontab, FallbackTimezoneOption, MakeTimestamp, ParseOptions};
use serde::{Deserialize, Serialize};

/// An operation that a schedule runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // each is the command of that name
pub enum RecurringOperation {
    ProcessRenewals,
    ExpireSubscriptions,
    UnlinkExpiredLicenses,
    RetireOldLicenses,
    ProcessAutoScalablePlans,
    SendLicenseUtilizationEmails,
    TriggerEventForLicenses,
    ValidateNumCatalogQueries,
}

names!(RecurringOperation {
    ProcessRenewals => "process-renewals",
    ExpireSubscriptions => "expire-subscriptions",
    UnlinkExpiredLicenses => "unlink-expired-licenses",
    RetireOldLicenses => "retire-old-licenses",
    ProcessAutoScalablePlans => "process-auto-scalable-plans",
    SendLicenseUtilizationEmails => "send-license-utilization-emails",
    TriggerEventForLicenses => "trigger-event-for-licenses",
    ValidateNumCatalogQueries => "validate-num-catalog-queries",
});

/// The operations that run by themselves, and when.
pub type Timetable = BTreeMap<RecurringOperation, CronExpression>;

/// Moments that recur: minute, hour, day of the month, month and day of the week, as crontab(5) has them, in UTC unless the name of
/// a time zone follows.
#[derive(Clone)]
pub struct CronExpression {
    text: String,
    crontab: Crontab,
}

impl CronExpression {
    /// The expression as it was written, with single spaces.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first moment it names after another; `None` where there is none within four years.
    pub fn next_after(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let after = MakeTimestamp::from_microsecond(moment.timestamp_micros()).ok()?;
        let next = self.crontab.find_next(after).ok()?;
        DateTime::from_timestamp_micros(next.timestamp().as_microsecond())
    }
}

impl fmt::Display for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl PartialEq for CronExpression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for CronExpression {}

/// Why a text is no cron expression; one line without the text itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCronExpression(String);

impl FromStr for CronExpression {
    type Err = InvalidCronExpression;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = cronexpr::normalize_crontab(text);
        // What crontab(5) does not know, cronexpr takes, and gets some of it wrong.
        let fields: Vec<&str> = text.split(' ').collect();
        let days = fields.get(2).is_some_and(|days| days.contains(|letter: char| letter.is_ascii_alphabetic()));
        let weekdays = fields.get(4).is_some_and(|weekdays| {
            weekdays.contains('#') || weekdays.split(',').any(|weekday| weekday.ends_with(['L', 'l']))
        });
        if days || weekdays {
            return Err(InvalidCronExpression(
                "days are numbers, ranges and steps: L, W and # are not known".to_owned(),
            ));
        }
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let crontab = cronexpr::parse_crontab_with(&text, options).map_err(|error| {
            // Above its last line, the message draws where in the text it is; below a semicolon, it says where to read on.
            let message = error.to_string();
            let reason = message.lines().next_back().unwrap_or_default().trim_start_matches([' ', '^']);
            let reason = reason.split_once("; for a list").map_or(reason, |(reason, _)| reason);
            InvalidCronExpression(reason.escape_debug().to_string())
        })?;
        let expression = Self { text, crontab };
        match expression.next_after(DateTime::UNIX_EPOCH) {
            Some(_) => Ok(expression),
            None => Err(InvalidCronExpression("no such day exists".to_owned())),
        }
    }
}

/// How an operation is scheduled, and how its runs went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationSchedule {
    /// The operation.
    pub operation: RecurringOperation,
    /// The [`CronExpression`] that its runs follow; `None`: it does not run by itself.
    pub expression: Option<String>,
    /// Since when it has been running by itself, without having been off meanwhile.
    pub scheduled_since: Option<DateTime<Utc>>,
    /// When it is to run next. Once past, it runs as soon as somebody is there to do so.
    pub next_run: Option<DateTime<Utc>>,
    /// Since when a run is under way.
    pub running_since: Option<DateTime<Utc>>,
    /// The last run that ended.
    pub last_run: Option<FinishedRun>,
    /// When the last run began that did all there was to do.
    pub last_complete: Option<DateTime<Utc>>,
}

impl OperationSchedule {
    /// Of an operation that never was scheduled.
    pub fn new(operation: RecurringOperation) -> Self {
        Self {
            operation,
            expression: None,
            scheduled_since: None,
            next_run: None,
            running_since: None,
            last_run: None,
            last_complete: None,
        }
    }

    /// Whether it is to run at this moment.
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.next_run.is_some_and(|next| next <= now)
    }
}

/// A scheduled run that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedRun {
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub finished: DateTime<Utc>,
    /// How.
    pub outcome: RunOutcome,
    /// What it did.
    pub summary: RunSummary,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOutcome {
    /// Everything there was to do was done.
    Complete,
    /// Some of it could not be done.
    Failed,
    /// It was stopped before, and goes on elsewhere or later.
    Interrupted,
}

names!(RunOutcome {
    Complete => "complete",
    Failed => "failed",
    Interrupted => "interrupted",
});

/// What a run did, in few words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSummary {
    /// How many of what, as [`crate::operations::OperationSummary::counts`].
    pub counts: BTreeMap<String, i64>,
    /// How many things went wrong.
    pub failure_count: u64,
    /// The first [`RunSummary::SHOWN_FAILURES`] of them. None names a person.
    pub failures: Vec<OperationFailure>,
}

impl RunSummary {
    /// How many failures are kept at most.
    pub const SHOWN_FAILURES: usize = 20;
}

/// Something that an operation could not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationFailure {
    /// What it was about: a kind of thing and its id, such as `plan 0192…`.
    pub about: String,
    /// What went wrong. Names no person.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, moment: &str) -> String {
        let expression: CronExpression = expression.parse().unwrap();
        expression.next_after(moment.parse().unwrap()).unwrap().to_rfc3339()
    }

    #[test]
    fn an_expression_names_the_next_moment_and_never_this_one() {
        assert_eq!(next("0 */6 * * *", "2030-01-31T12:00:00Z"), "2030-01-31T18:00:00+00:00");
        assert_eq!(next("0 */6 * * *", "2030-01-31T11:59:59.999999Z"), "2030-01-31T12:00:00+00:00");
        assert_eq!(next(" 30  2 * *\tMON ", "2030-01-31T12:00:00Z"), "2030-02-04T02:30:00+00:00");
        assert_eq!(next("0 0 29 2 *", "2030-01-31T12:00:00Z"), "2032-02-29T00:00:00+00:00");
        let spaced: CronExpression = " 30  2 * *\tMON ".parse().unwrap();
        assert_eq!((spaced.as_str(), spaced == "30 2 * * MON".parse().unwrap()), ("30 2 * * MON", true));
    }

    #[test]
    fn a_time_zone_keeps_the_hour_when_clocks_are_set() {
        let at_three = "0 3 * * * Europe/Berlin";
        assert_eq!(next(at_three, "2030-03-29T12:00:00Z"), "2030-03-30T02:00:00+00:00");
        assert_eq!(next(at_three, "2030-03-30T12:00:00Z"), "2030-03-31T01:00:00+00:00");
    }

    #[test]
    fn an_hour_that_clocks_skip_is_skipped_and_one_they_repeat_comes_twice() {
        let at_half_past_two = "30 2 * * * Europe/Berlin";
        assert_eq!(next(at_half_past_two, "2030-03-30T12:00:00Z"), "2030-04-01T00:30:00+00:00");
        assert_eq!(next(at_half_past_two, "2030-10-26T12:00:00Z"), "2030-10-27T00:30:00+00:00");
        assert_eq!(next(at_half_past_two, "2030-10-27T00:30:00Z"), "2030-10-27T01:30:00+00:00");
    }

    #[test]
    fn what_is_no_expression_is_refused_in_one_line() {
        for (text, reason) in [
            ("", "empty"),
            ("daily", ""),
            ("0 2 * *", "missing"),
            ("61 * * * *", "61"),
            ("0 0 2 * * *", "timezone"),
            ("0 2 * * * Europe/Atlantis", "Europe/Atlantis"),
            ("0 0 30 2 *", "no such day"),
            ("0 0 L * *", "L, W and #"),
            ("0 0 15W * *", "L, W and #"),
            ("0 0 * * 5L", "L, W and #"),
            ("0 0 * * 5#2", "L, W and #"),
            ("\u{1}\n", ""),
        ] {
            let refusal = text.parse::<CronExpression>().unwrap_err().to_string();
            assert!(
                refusal.contains(reason) && !refusal.is_empty() && refusal.lines().count() == 1,
                "{text}: {refusal}"
            );
        }
    }

    #[test]
    fn every_name_leads_back_to_its_operation() {
        for operation in RecurringOperation::ALL {
            assert_eq!(RecurringOperation::from_name(operation.as_str()), Some(operation));
        }
        assert_eq!(RecurringOperation::from_name("provision"), None);
    }
}
