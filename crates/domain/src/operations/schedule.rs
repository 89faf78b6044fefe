//! Schedules of recurring operations.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
#[cfg(feature = "cron")]
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
    Backup,
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
    Backup => "backup",
});

/// The scheduled operations and their times.
pub type Timetable = BTreeMap<RecurringOperation, CronExpression>;

/// Recurring times as in crontab(5): minute, hour, day of the month, month and day of the week, and optionally the name
/// of a time zone. The default is UTC.
///
/// Without the feature `cron` no text is an expression: nothing can be scheduled, and operations are called by hand.
#[derive(Clone)]
pub struct CronExpression {
    text: String,
    #[cfg(feature = "cron")]
    crontab: Crontab,
}

impl CronExpression {
    /// The expression, with single spaces.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first time after this one; `None` if there is none within four years.
    #[cfg(feature = "cron")]
    pub fn next_after(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let after = MakeTimestamp::from_microsecond(moment.timestamp_micros()).ok()?;
        let next = self.crontab.find_next(after).ok()?;
        DateTime::from_timestamp_micros(next.timestamp().as_microsecond())
    }

    /// None, because there are no expressions without the feature `cron`.
    #[cfg(not(feature = "cron"))]
    pub fn next_after(&self, _: DateTime<Utc>) -> Option<DateTime<Utc>> {
        None
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

/// Why a text is not a cron expression; one line, without the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCronExpression(String);

impl FromStr for CronExpression {
    type Err = InvalidCronExpression;

    #[cfg(not(feature = "cron"))]
    fn from_str(_: &str) -> Result<Self, Self::Err> {
        Err(InvalidCronExpression("this program was built without the feature cron".to_owned()))
    }

    #[cfg(feature = "cron")]
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = cronexpr::normalize_crontab(text);
        // cronexpr accepts more than crontab(5), and gets some of it wrong.
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
        // What cronexpr takes for a zone may also be rules for daylight saving time, by which it does not always go on.
        if fields.len() > 6 || fields.get(5).is_some_and(|zone| zone.contains(',')) {
            return Err(InvalidCronExpression(
                "five fields are followed by the name of a time zone, or nothing".to_owned(),
            ));
        }
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let crontab = cronexpr::parse_crontab_with(&text, options).map_err(|error| {
            // Only the last line has the reason, up to a link to documentation.
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

/// The schedule of an operation, and its last run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationSchedule {
    /// The operation.
    pub operation: RecurringOperation,
    /// Its [`CronExpression`]; `None` if it is not scheduled.
    pub expression: Option<String>,
    /// Since when it has been scheduled without a break.
    pub scheduled_since: Option<DateTime<Utc>>,
    /// When it runs next. If this is past, it runs as soon as possible.
    pub next_run: Option<DateTime<Utc>>,
    /// When somebody asked for a run, until it has ended.
    pub requested: Option<DateTime<Utc>>,
    /// When the current run began.
    pub running_since: Option<DateTime<Utc>>,
    /// The last run that ended.
    pub last_run: Option<FinishedRun>,
    /// When the last complete run began.
    pub last_complete: Option<DateTime<Utc>>,
}

impl OperationSchedule {
    /// The schedule of an operation that was never scheduled.
    pub fn new(operation: RecurringOperation) -> Self {
        Self {
            operation,
            expression: None,
            scheduled_since: None,
            next_run: None,
            requested: None,
            running_since: None,
            last_run: None,
            last_complete: None,
        }
    }

    /// Whether a run is due by the schedule.
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.next_run.is_some_and(|next| next <= now)
    }

    /// Whether a run is to begin: by the schedule, or because somebody asked for it.
    pub fn is_wanted(&self, now: DateTime<Utc>) -> bool {
        self.is_due(now) || self.requested.is_some()
    }
}

/// A scheduled run that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedRun {
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub finished: DateTime<Utc>,
    /// Its outcome.
    pub outcome: RunOutcome,
    /// Its summary.
    pub summary: RunSummary,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOutcome {
    /// Everything was done.
    Complete,
    /// There were failures.
    Failed,
    /// It was stopped, and continues elsewhere or later.
    Interrupted,
}

names!(RunOutcome {
    Complete => "complete",
    Failed => "failed",
    Interrupted => "interrupted",
});

/// The short summary of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSummary {
    /// As [`crate::operations::OperationSummary::counts`].
    pub counts: BTreeMap<String, i64>,
    /// The number of failures.
    pub failure_count: u64,
    /// The first [`RunSummary::SHOWN_FAILURES`] failures. They name no person.
    pub failures: Vec<OperationFailure>,
}

impl RunSummary {
    /// The most failures that are kept.
    pub const SHOWN_FAILURES: usize = 20;
}

/// A failure of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationFailure {
    /// The item, such as `plan 0192…`.
    pub about: String,
    /// The problem. It names no person.
    pub message: String,
}

#[cfg(all(test, feature = "cron"))]
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
