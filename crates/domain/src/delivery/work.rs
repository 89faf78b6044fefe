//! The work of bulk enrollments, read with the claim.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::model::email::Email;
use crate::model::enrollment::{Enrollees, EnrollmentJob, EnrollmentStage};
use crate::model::ids::{ActivationKey, CatalogId, CustomerId, LicenseId, PlanId};
use crate::model::license::{License, LicenseState, LicenseStatus};
use crate::model::plan::PlanDetails;
use crate::outbox::{EnrollmentReference, Message, Payload};
use crate::ports::{CustomerScope, ENROLLED_LEARNERS_PER_CALL, LimitOffset, PlanFilter, UnitOfWork};

/// All plans: a customer has far fewer.
const ALL: LimitOffset = LimitOffset { offset: 0, limit: 1_000_000 };

/// The most licenses in one part of a bulk enrollment of all holders.
const LICENSES_PER_PART: usize = 1_000;

/// The most enrollments in such a part, unless one call takes more.
const ENROLLMENTS_PER_PART: usize = 25_000;

/// A license that can pay for a course.
pub(super) struct PayingLicense {
    pub(super) license: LicenseId,
    pub(super) catalog: CatalogId,
    /// The key, if the license is not activated yet.
    pub(super) key: Option<ActivationKey>,
}

/// The work of a bulk enrollment: all of it, or the next part if it is for all holders.
pub(super) struct EnrollmentWork {
    pub(super) job: EnrollmentJob,
    /// The addresses in their normal form.
    pub(super) learners: Vec<Email>,
    /// The licenses of each learner, in the order of use.
    pub(super) licenses: HashMap<Email, Vec<PayingLicense>>,
    /// The last license of this part, if there can be another part.
    pub(super) until: Option<LicenseId>,
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
            Enrollees::Emails(emails) => emails.iter().map(Email::normal).collect(),
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
            Ok((unit.lookups().find_live_by_emails(&plans, &Email::all_stored_forms(emails))?, None))
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

/// The licenses by the normal form of the holder's address: activated before assigned, then by latest expiration of the plan.
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
        by_learner.entry(email.normal()).or_default().push(paying);
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
    let filter = PlanFilter {
        customer: Some(customer),
        active_only: true,
        current_at: Some(now),
        ..PlanFilter::new(CustomerScope::All)
    };
    let plans = unit.plans().list(&filter, ALL)?.into_iter();
    Ok(plans
        .filter(|details| named.is_none_or(|plan| plan == details.plan.id))
        .map(|details| (details.plan.id, details))
        .collect())
}

/// A file to write.
pub(super) struct FileWork {
    pub(super) job: EnrollmentJob,
    /// Moved out when they are written, because they can be large.
    pub(super) results: Mutex<Option<String>>,
}

impl FileWork {
    /// Reads the content of the file; `None` if the job is gone or has no results to write.
    pub(super) fn read(unit: &mut dyn UnitOfWork, message: &Message) -> Result<Option<Self>, Error> {
        let Payload::EnrollmentResultsFile(EnrollmentReference { job_uuid }) = message.payload else { return Ok(None) };
        let job = unit.enrollment_jobs().find(job_uuid)?;
        match job.filter(|job| matches!(job.stage, EnrollmentStage::Filing | EnrollmentStage::Filed)) {
            Some(job) => Ok(Some(Self { results: Mutex::new(unit.enrollment_jobs().results(job.id)?), job })),
            None => Ok(None),
        }
    }
}
