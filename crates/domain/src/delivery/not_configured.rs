//! What stands where an upstream is not configured: it tells the log what would be sent, and nobody else.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::error::{Error, Upstream};
use crate::model::email::Email;
use crate::model::ids::{CustomerId, LicenseId, LmsUserId};
use crate::ports::{
    AccountLookup, CampaignMail, CustomerAdmin, EnrollmentResults, EventTracking, LearnerRegistry, LicensedEnrollment,
    Mail, MailKind, PendingLearner, TrackedEvent, Undelivered,
};

/// In place of the LMS.
pub(crate) struct NoRegistry;

#[async_trait]
impl LearnerRegistry for NoRegistry {
    async fn link(&self, learners: &[PendingLearner]) -> Result<(), Undelivered> {
        tracing::info!(learners = learners.len(), "no LMS is configured: learners would be linked");
        Ok(())
    }

    async fn end_enrollments(&self, customer: CustomerId, _: LmsUserId) -> Result<(), Undelivered> {
        tracing::info!(%customer, "no LMS is configured: a learner's enrollments would end");
        Ok(())
    }

    async fn expire_enrollments(&self, licenses: &[LicenseId], _: Option<DateTime<Utc>>) -> Result<(), Undelivered> {
        tracing::info!(licenses = licenses.len(), "no LMS is configured: enrollments of licenses would end");
        Ok(())
    }

    async fn enroll(
        &self,
        customer: CustomerId,
        enrollments: &[LicensedEnrollment],
        _: bool,
    ) -> Result<EnrollmentResults, Undelivered> {
        tracing::info!(%customer, enrollments = enrollments.len(), "no LMS is configured: learners would be enrolled");
        let failures = enrollments.iter().map(|one| (one.email.clone(), one.course_run_key.clone())).collect();
        Ok(EnrollmentResults { failures, ..EnrollmentResults::default() })
    }

    async fn unlink(&self, customer: CustomerId, learners: &[Email]) -> Result<(), Undelivered> {
        tracing::info!(%customer, learners = learners.len(), "no LMS is configured: learners would be unlinked");
        Ok(())
    }

    async fn admins(&self, customer: CustomerId) -> Result<Vec<CustomerAdmin>, Undelivered> {
        tracing::info!(%customer, "no LMS is configured: nobody is known to administer the customer");
        Ok(Vec::new())
    }
}

/// In place of whoever sends mails.
pub(crate) struct NoMail;

#[async_trait]
impl CampaignMail for NoMail {
    async fn send(&self, kind: MailKind, mails: &[Mail]) -> Result<(), Undelivered> {
        tracing::info!(kind = kind.as_str(), mails = mails.len(), "mails would be sent");
        Ok(())
    }

    async fn identify(&self, people: &[(Email, LmsUserId)]) -> Result<(), Undelivered> {
        tracing::info!(people = people.len(), "addresses would be joined with accounts");
        Ok(())
    }
}

/// In place of whoever collects events.
pub(crate) struct NoEvents;

#[async_trait]
impl EventTracking for NoEvents {
    async fn track(&self, events: &[TrackedEvent]) -> Result<(), Undelivered> {
        tracing::info!(events = events.len(), "events would be told");
        Ok(())
    }
}

/// In place of the LMS's accounts.
pub(crate) struct NoAccounts;

#[async_trait]
impl AccountLookup for NoAccounts {
    async fn account(&self, _: &Email) -> Result<Option<LmsUserId>, Error> {
        Err(Error::Upstream { upstream: Upstream::Lms, problem: "is not configured".to_owned() })
    }
}
