//! Carries out bulk enrollments: enrolls each learner in each course, paid for by a license.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::context::DeliveryContext;
use super::deliveries::{Deliveries, Outcome};
use super::results::{Completion, Enrolled, Line, Report, RetiredMeanwhile, StepResult, unreadable};
use super::work::EnrollmentWork;
use crate::error::Error;
use crate::model::email::Email;
use crate::model::enrollment::{EnrollmentJob, EnrollmentNumbers, EnrollmentStage};
use crate::model::ids::{CatalogId, CustomerId, MessageId};
use crate::outbox::{EnrollmentReference, EnrollmentResults as MailedNumbers, Message, Payload};
use crate::ports::{
    ENROLLED_COURSES_PER_CALL, ENROLLED_LEARNERS_PER_CALL, EnrollmentResults, EnterpriseCustomer, LicensedEnrollment,
    Undelivered, UnitOfWork,
};

/// The next state of a bulk enrollment.
pub(super) struct Advance {
    pub(super) job: EnrollmentJob,
    /// The new lines of its results.
    pub(super) lines: String,
    pub(super) added: Option<Message>,
}

impl Deliveries {
    /// Carries out a bulk enrollment or its next part. After an interruption, it is carried out again.
    pub(super) async fn enroll(&self, context: &DeliveryContext, message: &Message) -> StepResult {
        match self.try_enroll(context, message).await {
            Ok(result) | Err(result) => result,
        }
    }

    async fn try_enroll(&self, context: &DeliveryContext, message: &Message) -> Result<StepResult, StepResult> {
        let Payload::BulkEnrollment(EnrollmentReference { job_uuid }) = message.payload else {
            return Err(unreadable());
        };
        if cfg!(not(feature = "csv")) {
            return Err(StepResult::Refused("this program cannot write results: it lacks the feature csv".into()));
        }
        let Some(work) = context.enrollments.get(&message.id) else {
            tracing::warn!(job = %job_uuid, "this bulk enrollment is gone or finished");
            return Ok(StepResult::Done(Completion::Nothing));
        };
        let customer = self.customer(context, message).await?;
        let held = self.catalogs_by_course(work).await?;
        let asked_for = &work.job.enrollment;
        let mut lines = Vec::new();
        for courses in asked_for.course_run_keys.chunks(ENROLLED_COURSES_PER_CALL) {
            for learners in work.learners.chunks(ENROLLED_LEARNERS_PER_CALL) {
                let mut enrollments = Vec::new();
                for (email, course) in learners.iter().flat_map(|email| courses.iter().map(move |key| (email, key))) {
                    match self.paid_enrollment(work, &held, &customer, email, course) {
                        Some(enrollment) => enrollments.push(enrollment),
                        None => lines.push(Line {
                            email: email.clone(),
                            course_run_key: course.clone(),
                            result: Err("holds no license that covers the course".to_owned()),
                        }),
                    }
                }
                self.call(message.customer, enrollments, asked_for.notify, &mut lines).await?;
            }
        }
        lines.sort_by(|one, other| (&one.email, &one.course_run_key).cmp(&(&other.email, &other.course_run_key)));
        let first = work.job.stage.until().is_none();
        let report = Report { job: work.job.id, read: work.job.modified, first, until: work.until, lines };
        Ok(StepResult::Done(Completion::Enrolled(report)))
    }

    /// The enrollment of a learner in a course, paid for by the first of their licenses that covers it.
    fn paid_enrollment(
        &self,
        work: &EnrollmentWork,
        held: &HashMap<String, BTreeSet<CatalogId>>,
        customer: &EnterpriseCustomer,
        email: &Email,
        course: &str,
    ) -> Option<LicensedEnrollment> {
        let catalogs = held.get(course)?;
        let paying = work.licenses.get(email)?.iter().find(|paying| catalogs.contains(&paying.catalog))?;
        Some(LicensedEnrollment {
            email: email.clone(),
            course_run_key: course.to_owned(),
            license: paying.license,
            activation_link: paying.key.map(|key| self.activation_link(customer, key)),
        })
    }

    /// The catalogs of the licenses that contain each course.
    async fn catalogs_by_course(
        &self,
        work: &EnrollmentWork,
    ) -> Result<HashMap<String, BTreeSet<CatalogId>>, StepResult> {
        let catalogs: BTreeSet<CatalogId> = work.licenses.values().flatten().map(|paying| paying.catalog).collect();
        let mut held: HashMap<String, BTreeSet<CatalogId>> = HashMap::new();
        for course in &work.job.enrollment.course_run_keys {
            for &catalog in &catalogs {
                let contains = self.manager.catalog.contains(catalog, std::slice::from_ref(course)).await;
                if contains.map_err(|error| StepResult::Failed(error.to_string().into()))? {
                    held.entry(course.clone()).or_default().insert(catalog);
                }
            }
        }
        Ok(held)
    }

    /// Calls the LMS. If it refuses, halves are sent until the refused enrollment is found.
    async fn call(
        &self,
        customer: CustomerId,
        enrollments: Vec<LicensedEnrollment>,
        notify: bool,
        lines: &mut Vec<Line>,
    ) -> Result<(), StepResult> {
        let mut parts: Vec<&[LicensedEnrollment]> = vec![&enrollments];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            match self.manager.learners.enroll(customer, part, notify).await {
                Ok(results) => lines.extend(result_lines(part, &results)),
                Err(Undelivered::Refused(_)) if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(Undelivered::Refused(problem)) => lines.extend(part.iter().map(|enrollment| Line {
                    email: enrollment.email.clone(),
                    course_run_key: enrollment.course_run_key.clone(),
                    result: Err(format!("the LMS {problem}")),
                })),
                Err(undelivered) => return Err(undelivered.into()),
            }
        }
        Ok(())
    }

    /// Locks the job of a batch.
    pub(super) fn lock_enrollment(
        &self,
        unit: &mut dyn UnitOfWork,
        outcome: &Outcome,
    ) -> Result<Option<EnrollmentJob>, Error> {
        let job = outcome.results.iter().find_map(|result| match result {
            StepResult::Done(Completion::Enrolled(report)) => Some(report.job),
            StepResult::Done(Completion::FileWritten(filed)) => Some(filed.job),
            _ => None,
        });
        match job {
            Some(job) => unit.enrollment_jobs().lock(job),
            None => Ok(None),
        }
    }

    /// The next state of the job: it continues, waits for its file, or is done with a mail to its requester.
    ///
    /// # Errors
    /// A person was retired meanwhile, so this part must be carried out again.
    pub(super) fn advance_enrollment(
        &self,
        job: &EnrollmentJob,
        report: &Report,
        now: DateTime<Utc>,
    ) -> Result<Advance, RetiredMeanwhile> {
        if job.modified != report.read {
            return Err(RetiredMeanwhile);
        }
        let stage = match report.until {
            Some(license) => EnrollmentStage::Enrolling { until: Some(license) },
            None if self.manager.result_files.is_configured() => EnrollmentStage::Filing,
            None => EnrollmentStage::Done,
        };
        let job = EnrollmentJob { stage, numbers: job.numbers + report.numbers(), ..job.clone() }.written(now);
        let added = match stage {
            EnrollmentStage::Filing => {
                Some(Message::enrollment_results_file(MessageId(self.manager.ids.next()), &job, now))
            }
            EnrollmentStage::Done => self.results_mail(&job, now),
            EnrollmentStage::Enrolling { .. } | EnrollmentStage::Filed => None,
        };
        Ok(Advance { job, lines: report.as_csv(), added })
    }

    /// The mail to the requester of a bulk enrollment.
    pub(super) fn results_mail(&self, job: &EnrollmentJob, now: DateTime<Utc>) -> Option<Message> {
        let EnrollmentNumbers { successes, pending, failures } = job.numbers;
        let numbers = MailedNumbers { job_uuid: job.id, lms_user_id: job.lms_user_id?, successes, pending, failures };
        Some(Message::enrollment_results(MessageId(self.manager.ids.next()), job.customer, numbers, now))
    }
}

/// The results of each enrollment of a call.
fn result_lines(enrollments: &[LicensedEnrollment], results: &EnrollmentResults) -> Vec<Line> {
    let pairs = |pairs: &[(Email, String)]| -> BTreeSet<(Email, String)> { pairs.iter().cloned().collect() };
    let (successes, pending, failures) = (pairs(&results.successes), pairs(&results.pending), pairs(&results.failures));
    let line = |enrollment: &LicensedEnrollment| {
        let pair = (enrollment.email.normal(), enrollment.course_run_key.clone());
        let is_learner = |address: &String| Email::to_look_up(address).is_ok_and(|email| email == pair.0);
        let invalid = results.invalid_addresses.iter().any(is_learner);
        let result = match () {
            () if invalid => Err("is not a valid email address for the LMS".to_owned()),
            () if successes.contains(&pair) => Ok(Enrolled::Now),
            () if pending.contains(&pair) => Ok(Enrolled::Later),
            () if failures.contains(&pair) => Err("the LMS did not enroll the learner".to_owned()),
            () => Err("the LMS reported no result".to_owned()),
        };
        Line { email: enrollment.email.clone(), course_run_key: pair.1, result }
    };
    enrollments.iter().map(line).collect()
}
