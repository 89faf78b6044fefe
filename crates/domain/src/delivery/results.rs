//! The results of steps, and what must be written when they are done.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use crate::model::email::Email;
use crate::model::enrollment::EnrollmentNumbers;
use crate::model::ids::{EnrollmentJobId, LicenseId};
use crate::model::spreadsheet::{csv_of, text_cell};

/// The result of one message's step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum StepResult {
    /// It is done, and this must be written.
    Done(Completion),
    /// A part of it is done, and the next part is due.
    Continues,
    /// A retry may succeed.
    Failed(Problem),
    /// It was refused for good: the message is dead-lettered.
    Refused(Problem),
    /// It was not tried, and waits for a usual pause. This counts as no attempt.
    Untried(Problem),
    /// It must wait until this time. This counts as no attempt.
    Postponed(DateTime<Utc>, Option<Problem>),
}

/// Why a step failed. The text is for operators and names no person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) text: String,
    /// The status of a webhook's answer.
    pub(super) status: Option<u16>,
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self { text, status: None }
    }
}

impl From<&str> for Problem {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// What must be written when a step is done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Completion {
    Nothing,
    /// Nobody is owed the message any more: its other steps count as done too.
    Outdated,
    /// A webhook accepted an event with this status.
    Posted(u16),
    /// The results of a bulk enrollment or of a part of one.
    Enrolled(Report),
    /// The results of a bulk enrollment were written.
    FileWritten(FileWritten),
}

/// The result for an unreadable payload. It omits the cause, which can contain an address.
pub(super) fn unreadable() -> StepResult {
    StepResult::Refused("its payload cannot be read".into())
}

/// The results of a bulk enrollment, or of a part of one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    pub(super) job: EnrollmentJobId,
    /// When the job was last modified before it was carried out.
    pub(super) read: DateTime<Utc>,
    /// Whether it is the first part.
    pub(super) first: bool,
    /// The last license of this part, if there can be another part.
    pub(super) until: Option<LicenseId>,
    pub(super) lines: Vec<Line>,
}

/// The result of one enrollment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) email: Email,
    pub(super) course_run_key: String,
    pub(super) result: Result<Enrolled, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enrolled {
    Now,
    /// Once the learner has an account.
    Later,
}

impl Report {
    pub(super) fn numbers(&self) -> EnrollmentNumbers {
        let number = |wanted: fn(&Result<Enrolled, String>) -> bool| {
            self.lines.iter().filter(|line| wanted(&line.result)).count() as i64
        };
        EnrollmentNumbers {
            successes: number(|result| *result == Ok(Enrolled::Now)),
            pending: number(|result| *result == Ok(Enrolled::Later)),
            failures: number(Result::is_err),
        }
    }

    /// One line for each learner and course; the first part has a header.
    pub(super) fn as_csv(&self) -> String {
        let header = ["email", "course_run_key", "result", "detail"].map(Cow::Borrowed);
        let lines = self.lines.iter().map(|line| {
            let (result, detail) = match &line.result {
                Ok(Enrolled::Now) => ("success", ""),
                Ok(Enrolled::Later) => ("pending", "the learner is enrolled once they have an account"),
                Err(problem) => ("failed", problem.as_str()),
            };
            [text_cell(line.email.as_str()), text_cell(&line.course_run_key), result.into(), detail.into()]
        });
        let lines = self.first.then_some(header).into_iter().chain(lines);
        csv_of(lines.map(|line| line.map(|cell| cell.into_owned().into_bytes())))
    }
}

/// The result of writing a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileWritten {
    pub(super) job: EnrollmentJobId,
    /// When the job was last modified before its results were read.
    pub(super) read: DateTime<Utc>,
    /// Whether the results are in a bucket.
    pub(super) to_bucket: bool,
}

/// A person was retired while the job was running.
pub(super) struct RetiredMeanwhile;
