//! Bulk enrollment of learners in courses, paid for by their licenses.

use std::collections::HashSet;
use std::hash::Hash;

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, FieldErrors, Refusal};
use crate::model::email::Email;
use crate::model::ids::{CustomerId, EnrollmentJobId, LicenseId, LmsUserId, PlanId};
#[cfg(feature = "csv")]
use crate::model::spreadsheet::{cell_text, csv_of, text_cell};

/// The learners to enroll and the course runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkEnrollment {
    /// The learners.
    pub learners: Enrollees,
    /// Only licenses of this plan; `None`: any license of the customer.
    pub plan: Option<PlanId>,
    /// The course runs.
    pub course_run_keys: Vec<String>,
    /// Whether the learners are notified.
    pub notify: bool,
}

/// The learners of a bulk enrollment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enrollees {
    /// The learners with these addresses.
    Emails(Vec<Email>),
    /// Everybody with a live license of the plan when the job runs.
    Holders,
}

impl BulkEnrollment {
    /// Whether another service carried it out, from which it was imported without what was requested. A request to this
    /// service names course runs.
    pub fn is_imported(&self) -> bool {
        self.course_run_keys.is_empty()
    }

    /// The enrollment with each learner and course run once.
    pub(crate) fn without_duplicates(mut self) -> Self {
        keep_first(&mut self.course_run_keys);
        if let Enrollees::Emails(emails) = &mut self.learners {
            keep_first(emails);
        }
        self
    }

    /// Refuses a request without course runs, for all holders of no plan, or for more than `limit` enrollments: learners
    /// times course runs. The holders of a plan count as one here, because their number is not known yet.
    pub(crate) fn check(&self, limit: usize) -> Result<(), Error> {
        let mut errors = FieldErrors::default();
        if self.learners == Enrollees::Holders && self.plan.is_none() {
            errors.add("subscription_id", "Name the plan whose learners are to be enrolled.");
        }
        if self.course_run_keys.is_empty() {
            errors.add("course_run_keys", "Name the course runs.");
        }
        errors.into_result()?;
        let learners = match &self.learners {
            Enrollees::Emails(emails) => emails.len(),
            Enrollees::Holders => 1,
        };
        let requested = learners.saturating_mul(self.course_run_keys.len());
        if requested > limit {
            return Err(Refusal::TooManyEnrollments { requested, limit }.into());
        }
        Ok(())
    }
}

/// Removes later duplicates.
fn keep_first<T: Eq + Hash + Clone>(items: &mut Vec<T>) {
    let mut known = HashSet::new();
    items.retain(|item| known.insert(item.clone()));
}

/// The progress of a bulk enrollment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrollmentStage {
    /// Learners are being enrolled.
    Enrolling {
        /// Holders of the plan up to this license id are enrolled; `None`: nobody yet.
        until: Option<LicenseId>,
    },
    /// Everybody is enrolled; the results are not in a file yet.
    Filing,
    /// Done.
    Done,
    /// Done, and the results are also in a file.
    Filed,
}

impl EnrollmentStage {
    /// Its name in storage. [`EnrollmentStage::until`] is stored separately.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enrolling { .. } => "enrolling",
            Self::Filing => "filing",
            Self::Done => "done",
            Self::Filed => "filed",
        }
    }

    /// The license of the last enrolled holder, while more are left.
    pub fn until(self) -> Option<LicenseId> {
        match self {
            Self::Enrolling { until } => until,
            Self::Filing | Self::Done | Self::Filed => None,
        }
    }

    /// The stage from storage; `None` for an unknown name.
    pub fn from_storage(name: &str, until: Option<LicenseId>) -> Option<Self> {
        [Self::Enrolling { until }, Self::Filing, Self::Done, Self::Filed]
            .into_iter()
            .find(|stage| stage.as_str() == name)
    }
}

/// The numbers of enrollments by result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EnrollmentNumbers {
    /// Succeeded.
    pub successes: i64,
    /// They succeed once the learner has an account.
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

/// A requested bulk enrollment and its progress. Its results are stored separately, as CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentJob {
    /// Its id.
    pub id: EnrollmentJobId,
    /// The customer whose licenses pay for it.
    pub customer: CustomerId,
    /// The LMS user id of the requester.
    pub lms_user_id: Option<LmsUserId>,
    /// The request.
    pub enrollment: BulkEnrollment,
    /// The progress.
    pub stage: EnrollmentStage,
    /// The results so far.
    pub numbers: EnrollmentNumbers,
    /// The name of the file with the results, if another service wrote it; `None`: the name follows from the id.
    pub file: Option<String>,
    /// When it was requested.
    pub created: DateTime<Utc>,
    /// When it was last written. Every write makes it later, so that a worker notices when a retirement changed the
    /// job.
    pub modified: DateTime<Utc>,
}

impl EnrollmentJob {
    /// Whether the results are complete and stored.
    pub fn is_done(&self) -> bool {
        matches!(self.stage, EnrollmentStage::Done | EnrollmentStage::Filed)
    }

    /// Whether the results are complete and stored beside the job. Those of another service are in its file, or nowhere.
    pub fn has_results(&self) -> bool {
        self.is_done() && self.file.is_none() && !self.enrollment.is_imported()
    }

    /// Whether it enrolls a plan's holders and some are left.
    pub(crate) fn is_enrolling_holders(&self) -> bool {
        self.enrollment.learners == Enrollees::Holders && matches!(self.stage, EnrollmentStage::Enrolling { .. })
    }

    /// The job, modified at `now` or later.
    pub(crate) fn written(self, now: DateTime<Utc>) -> Self {
        let modified = now.max(self.modified + Duration::microseconds(1));
        Self { modified, ..self }
    }

    /// Removes these addresses from the job and its results: learners to enroll, and lines of the results. `None` if
    /// nothing names them and no worker can be adding them.
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

/// The results with every address in its normal form; `None` if they have it already.
#[cfg(feature = "csv")]
pub fn results_with_normal_addresses(results: &str) -> Option<String> {
    let mut lines = lines_of(results);
    let mut changed = false;
    for line in &mut lines {
        let Some(cell) = line.get(0) else { continue };
        let Ok(email) = cell_text(cell).parse::<Email>() else { continue };
        let normal = text_cell(email.as_str());
        if normal != cell {
            *line = std::iter::once(&*normal).chain(line.iter().skip(1)).collect();
            changed = true;
        }
    }
    changed.then(|| csv_of(lines.iter()))
}

/// The lines of a CSV file whose first cell is none of the addresses; `None` if all lines stay.
#[cfg(feature = "csv")]
fn without_lines_of(results: &str, emails: &[Email]) -> Option<String> {
    let named: HashSet<_> = emails.iter().map(|email| text_cell(email.as_str())).collect();
    let lines = lines_of(results);
    let names_one = |line: &csv::StringRecord| line.get(0).is_some_and(|cell| named.contains(cell));
    lines.iter().any(names_one).then(|| csv_of(lines.iter().filter(|line| !names_one(line))))
}

/// Without the feature `csv` no results are written, so nobody is named.
#[cfg(not(feature = "csv"))]
fn without_lines_of(_: &str, _: &[Email]) -> Option<String> {
    None
}

#[cfg(feature = "csv")]
fn lines_of(results: &str) -> Vec<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(results.as_bytes());
    reader.records().filter_map(Result::ok).collect()
}

#[cfg(all(test, feature = "csv", feature = "idn"))]
mod tests {
    use super::*;

    #[test]
    fn lines_of_addresses_that_are_not_accepted_any_more_stay_and_can_go() {
        let results =
            "email,result\njörg@xn--mnchen-3ya.de,success\n'o@xn--mnchen-3ya.de,failed\nbob@exa_mple.com,success\n";
        let normal = results_with_normal_addresses(results).unwrap();
        assert_eq!(normal, results.replace("'o@xn--mnchen-3ya.de", "'o@münchen.de"), "nobody becomes somebody else");
        assert_eq!(results_with_normal_addresses(&normal), None);
        let old = ["jörg@xn--mnchen-3ya.de", "bob@exa_mple.com"].map(|text| Email::from_storage(text.to_owned()));
        assert_eq!(without_lines_of(&normal, &old).as_deref(), Some("email,result\n'o@münchen.de,failed\n"));
    }

    #[test]
    fn nobody_else_s_lines_go() {
        let emails = ["lee@example.com", "\"a,b\"@example.com", "+1@example.com"].map(|text| text.parse().unwrap());
        let kept = "email,result\nashlee@example.com,success\nlee@example.com.org,success\n";
        let all =
            format!("{kept}lee@example.com,failed\n\"\"\"a,b\"\"@example.com\",success\n'+1@example.com,success\n");
        assert_eq!(without_lines_of(&all, &emails).as_deref(), Some(kept));
        assert_eq!(without_lines_of(kept, &emails), None);
    }
}
