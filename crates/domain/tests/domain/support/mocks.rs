//! Mocks of the services that are told things, for stories about which calls are made. What a mock does not expect
//! fails the story.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use license_manager_domain::model::EnrollmentJob;
use license_manager_domain::ports::*;
use license_manager_domain::*;
use mockall::mock;

mock! {
    pub LearnerRegistry {}

    #[async_trait]
    impl LearnerRegistry for LearnerRegistry {
        async fn link(&self, learners: &[PendingLearner]) -> Result<(), Undelivered>;
        async fn end_enrollments(&self, customer: CustomerId, learner: LmsUserId) -> Result<(), Undelivered>;
        async fn expire_enrollments(
            &self,
            licenses: &[LicenseId],
            unless_modified_after: Option<DateTime<Utc>>,
        ) -> Result<(), Undelivered>;
        async fn enroll(
            &self,
            customer: CustomerId,
            enrollments: &[LicensedEnrollment],
            notify: bool,
        ) -> Result<EnrollmentResults, Undelivered>;
        async fn unlink(&self, customer: CustomerId, learners: &[Email]) -> Result<(), Undelivered>;
        async fn admins(&self, customer: CustomerId) -> Result<Vec<CustomerAdmin>, Undelivered>;
    }
}

mock! {
    pub CampaignMail {}

    #[async_trait]
    impl CampaignMail for CampaignMail {
        async fn send(&self, kind: MailKind, mails: &[Mail]) -> Result<Vec<UnsentMail>, Undelivered>;
        async fn identify(&self, people: &[(Email, LmsUserId)]) -> Result<(), Undelivered>;
    }
}

mock! {
    pub EventTracking {}

    #[async_trait]
    impl EventTracking for EventTracking {
        async fn track(&self, events: &[TrackedEvent]) -> Result<(), Undelivered>;
    }
}

mock! {
    pub AccountLookup {}

    #[async_trait]
    impl AccountLookup for AccountLookup {
        async fn account(&self, email: &Email) -> Result<Option<LmsUserId>, Error>;
    }
}

mock! {
    pub ResultFiles {}

    #[async_trait]
    impl ResultFiles for ResultFiles {
        async fn put(&self, job: EnrollmentJobId, csv: String) -> Result<(), Undelivered>;
        async fn address(&self, job: &EnrollmentJob) -> Option<String>;
    }
}

/// An LMS that enrolls whomever it is asked to.
pub fn all_enrolled(enrollments: &[LicensedEnrollment]) -> EnrollmentResults {
    let successes = enrollments.iter().map(|one| (one.email.clone(), one.course_run_key.clone())).collect();
    EnrollmentResults { successes, ..EnrollmentResults::default() }
}
