//! Enrolling many learners in many courses at once, paid for by their licenses.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::email::Email;
use crate::error::Refusal;
use crate::ids::{CustomerId, EnrollmentJobId, LmsUserId, PlanId};

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

/// A bulk enrollment that was asked for, and what came of it.
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
    /// What came of it, as CSV; empty until it is done.
    pub results: Option<String>,
    /// When it was asked for.
    pub created: DateTime<Utc>,
    /// When it was last written.
    pub modified: DateTime<Utc>,
}

impl EnrollmentJob {
    /// The job without anybody of these addresses: learners still to be enrolled, and lines of the results.
    pub(crate) fn forget(mut self, emails: &[Email], now: DateTime<Utc>) -> Self {
        if let Enrollees::Emails(learners) = &mut self.enrollment.learners {
            learners.retain(|learner| !emails.contains(learner));
        }
        self.results = self.results.map(|results| {
            let names_one = |line: &&str| emails.iter().any(|email| line.to_lowercase().contains(email.as_str()));
            results.split_inclusive('\n').filter(|line| !names_one(line)).collect()
        });
        Self { modified: now, ..self }
    }
}
