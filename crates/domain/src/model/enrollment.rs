//! Enrolling many learners in many courses at once, paid for by their licenses.

use std::collections::HashSet;

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::model::email::Email;
use crate::model::ids::{CustomerId, EnrollmentJobId, LicenseId, LmsUserId, PlanId};
use crate::model::spreadsheet::text_cell;

/// Who is to be enrolled in which course runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkEnrollment {
    /// Who.
    pub learners: Enrollees,
    /// Only with licenses of this plan; with any license of the customer where there is none.
    pub plan: Option<PlanId>,
    /// In what.
    pub course_run_keys: Vec<String>,
    /// Whether the learners are told.
    pub notify: bool,
}

/// The learners of a bulk enrollment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enrollees {
    /// These.
    Emails(Vec<Email>),
    /// Everybody who holds a live license of the plan when the work is done.
    Holders,
}

impl BulkEnrollment {
    /// The most enrollments of one request: learners times course runs.
    pub const MAX_ENROLLMENTS: usize = 500;

    /// Refuses a request for too many enrollments. The holders of a plan, who are not counted yet, are one here.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let learners = match &self.learners {
            Enrollees::Emails(emails) => emails.len(),
            Enrollees::Holders => 1,
        };
        let requested = learners.saturating_mul(self.course_run_keys.len());
        if requested > Self::MAX_ENROLLMENTS {
            return Err(Refusal::TooManyEnrollments { requested, limit: Self::MAX_ENROLLMENTS });
        }
        Ok(())
    }
}

/// How far a bulk enrollment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrollmentStage {
    /// Learners are being enrolled.
    Enrolling {
        /// Of the holders of a plan, everybody whose license has this id or a lower one was. `None`: nobody yet.
        until: Option<LicenseId>,
    },
    /// Everybody was; the results have yet to be put into their file.
    Filing,
    /// It is done.
    Done,
    /// It is done, and the results are in a file too.
    Filed,
}

impl EnrollmentStage {
    /// Its name in storage, which keeps [`EnrollmentStage::until`] beside it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enrolling { .. } => "enrolling",
            Self::Filing => "filing",
            Self::Done => "done",
            Self::Filed => "filed",
        }
    }

    /// The license of the last holder that was enrolled, while there are more.
    pub fn until(self) -> Option<LicenseId> {
        match self {
            Self::Enrolling { until } => until,
            Self::Filing | Self::Done | Self::Filed => None,
        }
    }

    /// Read back from storage; `None` where the name is none.
    pub fn from_storage(name: &str, until: Option<LicenseId>) -> Option<Self> {
        [Self::Enrolling { until }, Self::Filing, Self::Done, Self::Filed]
            .into_iter()
            .find(|stage| stage.as_str() == name)
    }
}

/// How many enrollments came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EnrollmentNumbers {
    /// Succeeded.
    pub successes: i64,
    /// Succeed once the learner has an account.
    pub pending: i64,
    /// Failed.
    pub failures: i64,
}

impl std::ops::Add for EnrollmentNumbers {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            successes: self.successes + other.successes,
            pending: self.pending + other.pending,
            failures: self.failures + other.failures,
        }
    }
}

/// A bulk enrollment that was asked for, and how far it is. Its results, as CSV, are kept beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentJob {
    /// Its id.
    pub id: EnrollmentJobId,
    /// The customer whose licenses pay.
    pub customer: CustomerId,
    /// Who asked for it, in the LMS.
    pub lms_user_id: Option<LmsUserId>,
    /// What was asked for.
    pub enrollment: BulkEnrollment,
    /// How far it is.
    pub stage: EnrollmentStage,
    /// What came of it so far.
    pub numbers: EnrollmentNumbers,
    /// When it was asked for.
    pub created: DateTime<Utc>,
    /// When it was last written. Later every time, so that whoever works on it sees that somebody was forgotten under way.
    pub modified: DateTime<Utc>,
}

impl EnrollmentJob {
    /// Whether its results are complete and where they belong.
    pub fn is_done(&self) -> bool {
        matches!(self.stage, EnrollmentStage::Done | EnrollmentStage::Filed)
    }

    /// Whether it enrolls everybody who holds a license, and has not come to the end of them.
    pub(crate) fn is_enrolling_holders(&self) -> bool {
        self.enrollment.learners == Enrollees::Holders && matches!(self.stage, EnrollmentStage::Enrolling { .. })
    }

    /// The job, written at this moment.
    pub(crate) fn written(self, now: DateTime<Utc>) -> Self {
        let modified = now.max(self.modified + Duration::microseconds(1));
        Self { modified, ..self }
    }

    /// The job and its results without anybody of these addresses: learners still to be enrolled, and lines of the results.
    /// `None` where it names none of them and nobody at work on it can.
    pub(crate) fn forget(
        mut self,
        results: Option<String>,
        emails: &[Email],
        now: DateTime<Utc>,
    ) -> Option<(Self, Option<String>)> {
        let mut forgotten = self.is_enrolling_holders();
        if let Enrollees::Emails(learners) = &mut self.enrollment.learners {
            let number = learners.len();
            learners.retain(|learner| !emails.contains(learner));
            forgotten |= learners.len() < number;
        }
        let results = results.map(|results| match without_lines_of(&results, emails) {
            Some(rest) => {
                forgotten = true;
                rest
            }
            None => results,
        });
        forgotten.then(|| (self.written(now), results))
    }
}

/// The lines of a CSV file whose first cell is none of the addresses; `None` where that is all of them.
fn without_lines_of(results: &str, emails: &[Email]) -> Option<String> {
    let named: HashSet<_> = emails.iter().map(|email| text_cell(email.as_str())).collect();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(results.as_bytes());
    let lines: Vec<csv::StringRecord> = reader.records().filter_map(Result::ok).collect();
    let names_one = |line: &csv::StringRecord| line.get(0).is_some_and(|cell| named.contains(cell));
    if !lines.iter().any(names_one) {
        return None;
    }
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let kept = lines.iter().filter(|line| !names_one(line)).try_for_each(|line| writer.write_record(line));
    // Writing to memory does not fail.
    let bytes = kept.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    Some(String::from_utf8(bytes).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_s_lines_go() {
        let emails = ["lee@example.com", "\"a b\"@example.com", "+1@example.com"].map(|text| text.parse().unwrap());
        let kept = "email,result\nashlee@example.com,success\nlee@example.com.org,success\n";
        let all =
            format!("{kept}lee@example.com,failed\n\"\"\"a b\"\"@example.com\",success\n'+1@example.com,success\n");
        assert_eq!(without_lines_of(&all, &emails).as_deref(), Some(kept));
        assert_eq!(without_lines_of(kept, &emails), None);
    }
}
