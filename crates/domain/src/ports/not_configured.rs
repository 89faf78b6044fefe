//! Replaces upstreams that are not configured.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::error::{Error, Upstream};
use crate::model::email::Email;
use crate::model::enrollment::EnrollmentJob;
use crate::model::ids::{CatalogId, CustomerId, EnrollmentJobId, LicenseId, LmsUserId};
use crate::ports::backups::{BackupMade, Backups};
use crate::ports::deliveries::{
    AccountLookup, CampaignMail, CustomDelivery, CustomItem, CustomerAdmin, EnrollmentResults, EventTracking,
    LearnerRegistry, LicensedEnrollment, Mail, MailKind, PendingLearner, TrackedEvent, Undelivered, UnsentMail,
};
use crate::ports::result_files::ResultFiles;
use crate::ports::upstreams::{ContentCatalog, EnterpriseCustomer, EnterpriseDirectory};
use crate::ports::webhooks::{WebhookFailure, WebhookRequest, WebhookSender};

/// Replaces every upstream that is not configured. Calls that return data fail with [`Error::Upstream`]; what would be
/// sent is only logged.
#[derive(Debug, Clone, Copy)]
pub struct NotConfigured;

#[async_trait]
impl ContentCatalog for NotConfigured {
    async fn contains(&self, _: CatalogId, _: &[String]) -> Result<bool, Error> {
        Err(not_configured(Upstream::Catalog))
    }

    async fn owner(&self, _: CatalogId) -> Result<Option<CustomerId>, Error> {
        Err(not_configured(Upstream::Catalog))
    }

    async fn distinct_queries(&self, _: &[CatalogId]) -> Result<BTreeMap<String, Vec<CatalogId>>, Error> {
        Err(not_configured(Upstream::Catalog))
    }
}

#[async_trait]
impl EnterpriseDirectory for NotConfigured {
    fn is_configured(&self) -> bool {
        false
    }

    async fn customer(&self, _: CustomerId) -> Result<EnterpriseCustomer, Error> {
        Err(not_configured(Upstream::Lms))
    }
}

#[async_trait]
impl LearnerRegistry for NotConfigured {
    async fn link(&self, learners: &[PendingLearner]) -> Result<(), Undelivered> {
        tracing::info!(learners = learners.len(), "no LMS is configured: learners are not linked");
        Ok(())
    }

    async fn end_enrollments(&self, customer: CustomerId, _: LmsUserId) -> Result<(), Undelivered> {
        tracing::info!(%customer, "no LMS is configured: a learner's enrollments are not ended");
        Ok(())
    }

    async fn expire_enrollments(&self, licenses: &[LicenseId], _: Option<DateTime<Utc>>) -> Result<(), Undelivered> {
        tracing::info!(licenses = licenses.len(), "no LMS is configured: enrollments of licenses are not ended");
        Ok(())
    }

    async fn enroll(
        &self,
        customer: CustomerId,
        enrollments: &[LicensedEnrollment],
        _: bool,
    ) -> Result<EnrollmentResults, Undelivered> {
        tracing::info!(%customer, enrollments = enrollments.len(), "no LMS is configured: learners are not enrolled");
        let failures = enrollments.iter().map(|one| (one.email.clone(), one.course_run_key.clone())).collect();
        Ok(EnrollmentResults { failures, ..EnrollmentResults::default() })
    }

    async fn unlink(&self, customer: CustomerId, learners: &[Email]) -> Result<(), Undelivered> {
        tracing::info!(%customer, learners = learners.len(), "no LMS is configured: learners are not unlinked");
        Ok(())
    }

    async fn admins(&self, customer: CustomerId) -> Result<Vec<CustomerAdmin>, Undelivered> {
        tracing::info!(%customer, "no LMS is configured: the customer's admins are unknown");
        Ok(Vec::new())
    }
}

#[async_trait]
impl CampaignMail for NotConfigured {
    async fn send(&self, kind: MailKind, mails: &[Mail]) -> Result<Vec<UnsentMail>, Undelivered> {
        tracing::info!(kind = kind.as_str(), mails = mails.len(), "no mail service is configured: mails are not sent");
        Ok(Vec::new())
    }

    async fn identify(&self, people: &[(Email, LmsUserId)]) -> Result<(), Undelivered> {
        tracing::info!(people = people.len(), "no mail service is configured: addresses are not merged with accounts");
        Ok(())
    }
}

#[async_trait]
impl EventTracking for NotConfigured {
    async fn track(&self, events: &[TrackedEvent]) -> Result<(), Undelivered> {
        tracing::info!(events = events.len(), "no event tracking is configured: events are not sent");
        Ok(())
    }
}

#[async_trait]
impl CustomDelivery for NotConfigured {
    async fn deliver(&self, _: &[CustomItem]) -> Result<(), Undelivered> {
        Err(Undelivered::Unavailable("has nobody who delivers it: see LicenseManager::with_custom_delivery".to_owned()))
    }
}

#[async_trait]
impl AccountLookup for NotConfigured {
    async fn account(&self, _: &Email) -> Result<Option<LmsUserId>, Error> {
        Err(not_configured(Upstream::Lms))
    }
}

#[async_trait]
impl WebhookSender for NotConfigured {
    async fn post(&self, _: &WebhookRequest<'_>) -> Result<u16, WebhookFailure> {
        let problem = "nothing here posts to webhooks".to_owned();
        Err(WebhookFailure { status: None, problem, pause_until: None })
    }
}

#[async_trait]
impl ResultFiles for NotConfigured {
    fn is_configured(&self) -> bool {
        false
    }

    async fn put(&self, _: EnrollmentJobId, _: String) -> Result<(), Undelivered> {
        Err(Undelivered::Unavailable("no bucket for files is configured".to_owned()))
    }

    async fn address(&self, _: &EnrollmentJob) -> Option<String> {
        None
    }
}

#[async_trait]
impl Backups for NotConfigured {
    async fn make(&self, _: DateTime<Utc>) -> Result<BackupMade, String> {
        Err("No place for copies of the database is configured.".to_owned())
    }
}

fn not_configured(upstream: Upstream) -> Error {
    Error::Upstream { upstream, problem: "is not configured".to_owned() }
}
