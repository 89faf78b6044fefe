//! Carries out bulk enrollments: enrolls each learner in each course, paid for by a license.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::context::DeliveryContext;
use super::deliveries::{Completion, Deliveries, Outcome, StepResult, unreadable};
use super::files::RetiredMeanwhile;
use crate::error::Error;
use crate::model::email::Email;
use crate::model::enrollment::{Enrollees, EnrollmentJob, EnrollmentNumbers, EnrollmentStage};
use crate::model::ids::{ActivationKey, CatalogId, CustomerId, EnrollmentJobId, LicenseId, MessageId, PlanId};
use crate::model::license::{License, LicenseState, LicenseStatus};
use crate::model::plan::PlanDetails;
use crate::model::spreadsheet::text_cell;
use crate::outbox::{EnrollmentReference, EnrollmentResults as MailedNumbers, Message, Payload};
use crate::ports::{
    CustomerScope, ENROLLED_COURSES_PER_CALL, ENROLLED_LEARNERS_PER_CALL, EnrollmentResults, EnterpriseCustomer,
    LicensedEnrollment, LimitOffset, PlanFilter, Undelivered, UnitOfWork,
};

/// All plans: a customer has far fewer.
const ALL: LimitOffset = LimitOffset { offset: 0, limit: 1_000_000 };

/// The most licenses in one part of a bulk enrollment of all holders.
const LICENSES_PER_PART: usize = 1_000;

/// The most enrollments in such a part, unless one call takes more.
const ENROLLMENTS_PER_PART: usize = 25_000;

/// A license that can pay for a course.
struct PayingLicense {
    license: LicenseId,
    catalog: CatalogId,
    /// The key, if the license is not activated yet.
    key: Option<ActivationKey>,
}

/// The work of a bulk enrollment: all of it, or the next part if it is for all holders.
pub(super) struct EnrollmentWork {
    job: EnrollmentJob,
    learners: Vec<Email>,
    /// The licenses of each learner, in the order of use.
    licenses: HashMap<Email, Vec<PayingLicense>>,
    /// The last license of this part, if there can be another part.
    until: Option<LicenseId>,
}

/// The results of a bulk enrollment, or of a part of one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    pub(super) job: EnrollmentJobId,
    /// When the job was last modified before it was carried out.
    read: DateTime<Utc>,
    /// Whether it is the first part.
    first: bool,
    /// The last license of this part, if there can be another part.
    pub(super) until: Option<LicenseId>,
    lines: Vec<Line>,
}

/// The next state of a bulk enrollment.
pub(super) struct Advance {
    pub(super) job: EnrollmentJob,
    /// The new lines of its results.
    pub(super) lines: String,
    pub(super) added: Option<Message>,
}

/// The result of one enrollment.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    email: Email,
    course_run_key: String,
    result: Result<Enrolled, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Enrolled {
    Now,
    /// Once the learner has an account.
    Later,
}

impl EnrollmentWork {
    /// Reads the learners and their licenses; `None` if the job is gone or finished.
    pub(super) fn read(
        unit: &mut dyn UnitOfWork,
        message: &Message,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, Error> {
        let Payload::BulkEnrollment(EnrollmentReference { job_uuid }) = message.payload else { return Ok(None) };
        let Some(job) = unit.enrollment_jobs().find(job_uuid)? else { return Ok(None) };
        let EnrollmentStage::Enrolling { until: enrolled_until } = job.stage else { return Ok(None) };
        let plans = usable_plans(unit, message.customer, job.enrollment.plan, now)?;
        let (licenses, until) = licenses_of_part(unit, &job, &plans, enrolled_until)?;
        let licenses = by_learner(licenses, &plans);
        let learners: BTreeSet<Email> = match &job.enrollment.learners {
            Enrollees::Emails(emails) => emails.iter().cloned().collect(),
            Enrollees::Holders => licenses.keys().cloned().collect(),
        };
        Ok(Some(Self { learners: learners.into_iter().collect(), licenses, until, job }))
    }
}

/// The live licenses of the learners, or of the next holders, and the last license of the part if there can be another.
fn licenses_of_part(
    unit: &mut dyn UnitOfWork,
    job: &EnrollmentJob,
    plans: &BTreeMap<PlanId, PlanDetails>,
    enrolled_until: Option<LicenseId>,
) -> Result<(Vec<License>, Option<LicenseId>), Error> {
    match (&job.enrollment.learners, plans.keys().next()) {
        (Enrollees::Emails(emails), _) => {
            let plans: Vec<PlanId> = plans.keys().copied().collect();
            Ok((unit.lookups().find_live_by_emails(&plans, emails)?, None))
        }
        (Enrollees::Holders, None) => Ok((Vec::new(), None)),
        (Enrollees::Holders, Some(&plan)) => {
            let number = licenses_per_part(job.enrollment.course_run_keys.len());
            let mut part = unit.licenses().handed_out_after(plan, enrolled_until, number as i64)?;
            let until = part.last().filter(|_| part.len() == number).map(|license| license.id);
            part.retain(|license| LicenseStatus::LIVE.contains(&license.status()));
            Ok((part, until))
        }
    }
}

/// The licenses by holder: activated before assigned, then by latest expiration of the plan.
fn by_learner(mut licenses: Vec<License>, plans: &BTreeMap<PlanId, PlanDetails>) -> HashMap<Email, Vec<PayingLicense>> {
    let expiration = |license: &License| plans.get(&license.plan).map(|details| details.plan.expiration_date);
    licenses.sort_by_key(|license| (license.status(), std::cmp::Reverse(expiration(license)), license.id));
    let mut by_learner: HashMap<Email, Vec<PayingLicense>> = HashMap::new();
    for license in licenses {
        let (Some(details), Some(email)) = (plans.get(&license.plan), license.holder_email()) else { continue };
        let key = match &license.state {
            LicenseState::Assigned(seat) => Some(seat.activation_key),
            _ => None,
        };
        let paying = PayingLicense { license: license.id, catalog: details.plan.catalog, key };
        by_learner.entry(email.clone()).or_default().push(paying);
    }
    by_learner
}

fn licenses_per_part(courses: usize) -> usize {
    (ENROLLMENTS_PER_PART / courses.max(1)).clamp(ENROLLED_LEARNERS_PER_CALL, LICENSES_PER_PART)
}

/// The customer's active and current plans; only the named one, if any.
fn usable_plans(
    unit: &mut dyn UnitOfWork,
    customer: CustomerId,
    named: Option<PlanId>,
    now: DateTime<Utc>,
) -> Result<BTreeMap<PlanId, PlanDetails>, Error> {
    let filter =
        PlanFilter { scope: CustomerScope::All, customer: Some(customer), active_only: true, current_at: Some(now) };
    let plans = unit.plans().list(&filter, ALL)?.into_iter();
    Ok(plans
        .filter(|details| named.is_none_or(|plan| plan == details.plan.id))
        .map(|details| (details.plan.id, details))
        .collect())
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
        let pair = (enrollment.email.clone(), enrollment.course_run_key.clone());
        let is_learner = |address: &String| {
            address.eq_ignore_ascii_case(pair.0.as_str()) || address.parse::<Email>().is_ok_and(|email| email == pair.0)
        };
        let invalid = results.invalid_addresses.iter().any(is_learner);
        let result = match () {
            () if invalid => Err("is not a valid email address for the LMS".to_owned()),
            () if successes.contains(&pair) => Ok(Enrolled::Now),
            () if pending.contains(&pair) => Ok(Enrolled::Later),
            () if failures.contains(&pair) => Err("the LMS did not enroll the learner".to_owned()),
            () => Err("the LMS reported no result".to_owned()),
        };
        Line { email: pair.0, course_run_key: pair.1, result }
    };
    enrollments.iter().map(line).collect()
}

impl Report {
    fn numbers(&self) -> EnrollmentNumbers {
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
    fn as_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = ["email", "course_run_key", "result", "detail"].map(Cow::Borrowed);
        let lines = self.lines.iter().map(|line| {
            let (result, detail) = match &line.result {
                Ok(Enrolled::Now) => ("success", ""),
                Ok(Enrolled::Later) => ("pending", "the learner is enrolled once they have an account"),
                Err(problem) => ("failed", problem.as_str()),
            };
            [text_cell(line.email.as_str()), text_cell(&line.course_run_key), result.into(), detail.into()]
        });
        // Writing to memory does not fail.
        let header = self.first.then_some(header);
        let written = header
            .into_iter()
            .chain(lines)
            .try_for_each(|line| writer.write_record(line.iter().map(|cell| cell.as_bytes())));
        let bytes = written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    }
}
