//! [`LicenseManager`]: what all use cases share.

use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::{DateTime, Duration, SubsecRound, Utc};

use super::catalogs::CatalogOwner;
use crate::error::{Entity, Error};
use crate::model::ids::{AgreementId, LicenseId, PlanId};
use crate::model::plan::PlanDetails;
use crate::operations::OperationSettings;
use crate::ports::{
    AccountLookup, CampaignMail, Clock, ContentCatalog, EnterpriseDirectory, EventTracking, IdSource, LearnerRegistry,
    NotConfigured, ResultFiles, Store, UnitOfWork, WebhookSender,
};

/// What an operator can set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long before its renewal takes effect a plan stands still.
    pub renewal_lock: Duration,
    /// Up to how many licenses are provisioned within the request; more become a job.
    pub inline_limit: u32,
    /// How many licenses a job touches in one transaction, and up to how many a plan is revoked as a whole within the
    /// request: revoking reads each license, so memory is bounded by this.
    pub batch_size: NonZeroU32,
    /// Whether the catalog of a plan or an agreement must be its customer's. Whoever chooses one then has to ask the catalog service
    /// first: [`LicenseManager::catalog_owner`].
    pub validate_catalogs: bool,
    /// The recurring operations.
    pub operations: OperationSettings,
    /// Whether webhooks may lead to private addresses, and by http.
    pub allow_private_webhooks: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            renewal_lock: Duration::hours(12),
            inline_limit: 50_000,
            batch_size: const { NonZeroU32::new(10_000).unwrap() },
            validate_catalogs: false,
            operations: OperationSettings::default(),
            allow_private_webhooks: false,
        }
    }
}

/// The license manager: every use case over a store, a clock and a source of ids.
///
/// Cheap to clone; its clones share the ports.
///
/// # Errors
/// Beside the errors that a method names, each fails with [`Error::Unavailable`] where storage is away and with
/// [`Error::Internal`] where it breaks; then nothing has changed.
#[derive(Clone)]
pub struct LicenseManager {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) settings: Settings,
    pub(crate) catalog: Arc<dyn ContentCatalog>,
    pub(crate) directory: Arc<dyn EnterpriseDirectory>,
    pub(crate) accounts: Arc<dyn AccountLookup>,
    pub(crate) learners: Arc<dyn LearnerRegistry>,
    pub(crate) mail: Arc<dyn CampaignMail>,
    pub(crate) events: Arc<dyn EventTracking>,
    pub(crate) result_files: Arc<dyn ResultFiles>,
    pub(crate) webhooks: Arc<dyn WebhookSender>,
    pub(crate) catalog_owner: Option<CatalogOwner>,
}

impl LicenseManager {
    /// A license manager over these ports, which has no upstreams.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>, settings: Settings) -> Self {
        Self {
            store,
            clock,
            ids,
            settings,
            catalog: Arc::new(NotConfigured),
            directory: Arc::new(NotConfigured),
            accounts: Arc::new(NotConfigured),
            learners: Arc::new(NotConfigured),
            mail: Arc::new(NotConfigured),
            events: Arc::new(NotConfigured),
            result_files: Arc::new(NotConfigured),
            webhooks: Arc::new(NotConfigured),
            catalog_owner: None,
        }
    }

    /// The same with a catalog service.
    pub fn with_catalog(self, catalog: Arc<dyn ContentCatalog>) -> Self {
        Self { catalog, ..self }
    }

    /// The same with an LMS that knows enterprise customers.
    pub fn with_directory(self, directory: Arc<dyn EnterpriseDirectory>) -> Self {
        Self { directory, ..self }
    }

    /// The same with an LMS that knows accounts.
    pub fn with_account_lookup(self, accounts: Arc<dyn AccountLookup>) -> Self {
        Self { accounts, ..self }
    }

    /// The same with an LMS that knows who belongs to which customer.
    pub fn with_learner_registry(self, learners: Arc<dyn LearnerRegistry>) -> Self {
        Self { learners, ..self }
    }

    /// The same with somebody who sends mails.
    pub fn with_mail(self, mail: Arc<dyn CampaignMail>) -> Self {
        Self { mail, ..self }
    }

    /// The same with somebody who collects events.
    pub fn with_event_tracking(self, events: Arc<dyn EventTracking>) -> Self {
        Self { events, ..self }
    }

    /// The same with files for the results of bulk enrollments; without, storage alone keeps them.
    pub fn with_result_files(self, result_files: Arc<dyn ResultFiles>) -> Self {
        Self { result_files, ..self }
    }

    /// The same with somebody who posts to webhooks.
    pub fn with_webhooks(self, webhooks: Arc<dyn WebhookSender>) -> Self {
        Self { webhooks, ..self }
    }

    /// The same with other settings.
    pub fn with_settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// The same, told whose a catalog is; see [`LicenseManager::catalog_owner`].
    pub fn with_catalog_owner(self, owner: CatalogOwner) -> Self {
        Self { catalog_owner: Some(owner), ..self }
    }

    /// The store, for what needs no rule: health checks, users. What is written to it is not checked against the rules and owes
    /// the outside nothing: agreements, plans and licenses are written by the use cases.
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// The current time, as every use case sees it: to the microsecond, as it is stored.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now().trunc_subsecs(6)
    }

    /// What the operator set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// [`Settings::batch_size`], as ports take it.
    pub(crate) fn batch_size(&self) -> i64 {
        i64::from(self.settings.batch_size.get())
    }

    /// Ids for new licenses, sorted, so that they are written in the order of the index.
    pub(crate) fn new_license_ids(&self, number: i64) -> Vec<LicenseId> {
        let mut ids: Vec<_> = (0..number).map(|_| LicenseId(self.ids.next())).collect();
        ids.sort_unstable();
        ids
    }
}

pub(crate) fn find_plan(unit: &mut dyn UnitOfWork, id: PlanId) -> Result<PlanDetails, Error> {
    unit.plans().find(id)?.ok_or(Error::NotFound(Entity::Plan))
}

pub(crate) fn lock_plan(unit: &mut dyn UnitOfWork, id: PlanId) -> Result<PlanDetails, Error> {
    unit.plans().lock(id)?.ok_or(Error::NotFound(Entity::Plan))
}

pub(crate) fn find_agreement(unit: &mut dyn UnitOfWork, id: AgreementId) -> Result<crate::CustomerAgreement, Error> {
    unit.agreements().find(id)?.ok_or(Error::NotFound(Entity::Agreement))
}
