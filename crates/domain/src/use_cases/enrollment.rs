//! Bulk enrollments: an admin requests one, and a job carries it out.

use chrono::{DateTime, Utc};

use super::manager::LicenseManager;
use crate::error::{Entity, Error};
use crate::model::email::Email;
use crate::model::enrollment::{BulkEnrollment, EnrollmentJob, EnrollmentNumbers, EnrollmentStage};
use crate::model::ids::{CustomerId, EnrollmentJobId, LmsUserId, MessageId};
use crate::outbox::Message;
use crate::ports::{StoreExt, UnitOfWork};

impl LicenseManager {
    /// Whether the customer has an agreement.
    pub fn has_agreement(&self, customer: CustomerId) -> Result<bool, Error> {
        self.store.read(|unit| Ok(unit.agreements().find_by_customer(customer)?.is_some()))
    }

    /// Requests a bulk enrollment. Duplicate learners and course runs count once.
    ///
    /// # Errors
    /// [`Error::Invalid`] without course runs, or without the plan whose holders to enroll;
    /// [`crate::Refusal::TooManyEnrollments`]; [`Error::UnknownReference`] for a plan of another customer;
    /// [`Entity::Agreement`] not found if the customer has none.
    pub fn request_enrollment(
        &self,
        customer: CustomerId,
        lms_user_id: Option<LmsUserId>,
        enrollment: BulkEnrollment,
    ) -> Result<EnrollmentJobId, Error> {
        if cfg!(not(feature = "csv")) {
            return Err(Error::NotProvided("the feature csv"));
        }
        let enrollment = enrollment.without_duplicates();
        enrollment.check(self.settings.enrollment_limit as usize)?;
        let now = self.now();
        let id = EnrollmentJobId(self.ids.next());
        let (stage, numbers) = (EnrollmentStage::Enrolling { until: None }, EnrollmentNumbers::default());
        let job = EnrollmentJob {
            id,
            customer,
            lms_user_id,
            enrollment,
            stage,
            numbers,
            file: None,
            created: now,
            modified: now,
        };
        let message = Message::bulk_enrollment(MessageId(self.ids.next()), &job);
        self.store.write(|unit| {
            if unit.agreements().find_by_customer(customer)?.is_none() {
                return Err(Error::NotFound(Entity::Agreement));
            }
            if let Some(plan) = job.enrollment.plan {
                let owner = unit.plans().find(plan)?.map(|details| details.customer);
                if owner != Some(customer) {
                    return Err(Error::UnknownReference { field: "subscription_id", entity: Entity::Plan });
                }
            }
            unit.enrollment_jobs().add(&job)?;
            unit.outbox().add(std::slice::from_ref(&message))
        })?;
        Ok(id)
    }

    /// A bulk enrollment of the customer.
    ///
    /// # Errors
    /// [`Entity::EnrollmentJob`] not found, or of another customer.
    pub fn enrollment_job(&self, customer: CustomerId, id: EnrollmentJobId) -> Result<EnrollmentJob, Error> {
        let job = self.store.read(|unit| unit.enrollment_jobs().find(id))?;
        job.filter(|job| job.customer == customer).ok_or(Error::NotFound(Entity::EnrollmentJob))
    }

    /// The results of a bulk enrollment of the customer, as CSV; `None` until it is done, and if another service carried
    /// it out.
    ///
    /// # Errors
    /// As [`LicenseManager::enrollment_job`].
    pub fn enrollment_results(&self, customer: CustomerId, id: EnrollmentJobId) -> Result<Option<String>, Error> {
        self.store.read(|unit| {
            let job = unit.enrollment_jobs().find(id)?.filter(|job| job.customer == customer);
            let job = job.ok_or(Error::NotFound(Entity::EnrollmentJob))?;
            match job.has_results() {
                true => unit.enrollment_jobs().results(id),
                false => Ok(None),
            }
        })
    }

    /// An address from which anybody can download the results of a bulk enrollment for an hour; `None` if they are in
    /// no file, or the file has no address at the moment.
    pub async fn enrollment_file(&self, job: &EnrollmentJob) -> Option<String> {
        match job.stage == EnrollmentStage::Filed && self.result_files.is_configured() {
            true => self.result_files.address(job).await,
            false => None,
        }
    }

    /// Removes people from bulk enrollments: as learners, and from results in storage and in files.
    pub(crate) fn forget_in_enrollments(
        &self,
        unit: &mut dyn UnitOfWork,
        emails: &[Email],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let named = unit.enrollment_jobs().lock_naming(emails)?;
        let named: Vec<_> = named.into_iter().filter_map(|(job, results)| job.forget(results, emails, now)).collect();
        unit.enrollment_jobs().save(&named)?;
        let filed = named.iter().filter(|(job, _)| job.stage == EnrollmentStage::Filed);
        let files: Vec<_> =
            filed.map(|(job, _)| Message::enrollment_results_file(MessageId(self.ids.next()), job, now)).collect();
        unit.outbox().add(&files)
    }
}
