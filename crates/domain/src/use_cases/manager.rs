//! [`LicenseManager`], which all use cases are methods of.

use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::{DateTime, Duration, SubsecRound, Utc};
use uuid::Builder;

use crate::error::{Entity, Error};
use crate::model::idempotency::AnswerQuota;
use crate::model::ids::{AgreementId, LicenseId, PlanId};
use crate::model::license::License;
use crate::model::plan::{LicenseCounts, PlanDetails};
use crate::operations::OperationSettings;
use crate::ports::{
    AccountLookup, Backups, CampaignMail, CatalogOwner, Clock, ContentCatalog, EnterpriseDirectory, EventTracking,
    IdSource, LearnerRegistry, LicenseFilter, NotConfigured, ResultFiles, Store, StoreExt, UnitOfWork, WebhookSender,
};

/// The settings of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long before its renewal a plan assigns no licenses to learners who log in.
    pub renewal_lock: Duration,
    /// The most licenses that a request provisions itself; a job provisions more.
    pub inline_limit: u32,
    /// The most licenses that a job writes per transaction, and that a request revokes itself. It bounds the memory
    /// that they need. A job adds at most 2,000, so that others who write do not wait long.
    pub batch_size: NonZeroU32,
    /// The most enrollments that one request may ask for: learners times course runs.
    pub enrollment_limit: u32,
    /// Whether the catalog of a plan or an agreement must belong to its customer. Callers then ask the catalog service
    /// first, with [`LicenseManager::catalog_owner`].
    pub validate_catalogs: bool,
    /// The settings of the recurring operations.
    pub operations: OperationSettings,
    /// Whether webhooks may use private addresses and http.
    pub allow_private_webhooks: bool,
    /// How long events are kept for webhooks that are off.
    pub webhook_retention: Duration,
    /// How much is kept of answers to requests with idempotency keys.
    pub answer_quota: AnswerQuota,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            renewal_lock: Duration::hours(12),
            inline_limit: 50_000,
            batch_size: const { NonZeroU32::new(10_000).unwrap() },
            enrollment_limit: 500,
            validate_catalogs: false,
            operations: OperationSettings::default(),
            allow_private_webhooks: false,
            webhook_retention: Duration::days(30),
            answer_quota: AnswerQuota::default(),
        }
    }
}

/// The license manager. Its methods are the use cases.
///
/// It is cheap to clone; clones share the ports.
///
/// # Errors
/// Every method can fail with [`Error::Unavailable`] if the database cannot be reached, and with [`Error::Internal`].
/// Its docs name the other errors. A method that fails has changed nothing.
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
    pub(crate) backups: Arc<dyn Backups>,
    pub(crate) catalog_owner: Option<CatalogOwner>,
}

impl LicenseManager {
    /// A license manager without upstreams.
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
            backups: Arc::new(NotConfigured),
            catalog_owner: None,
        }
    }

    /// Sets the owner of a catalog; see [`LicenseManager::catalog_owner`].
    pub fn with_catalog_owner(self, owner: CatalogOwner) -> Self {
        Self { catalog_owner: Some(owner), ..self }
    }

    /// The store, for data without rules, such as users, and for health checks. Writes to it skip the rules and the
    /// outbox: write agreements, plans and licenses by the use cases.
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// The current time in microseconds, as storage keeps it.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now().trunc_subsecs(6)
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// [`Settings::batch_size`] as ports take it.
    pub(crate) fn batch_size(&self) -> i64 {
        i64::from(self.settings.batch_size.get())
    }

    /// Ids for new licenses, sorted as the index is. They begin with the time, as UUIDs of version 7 do: databases add
    /// them at the end of an index, which takes a fraction of the time of random places.
    pub(crate) fn new_license_ids(&self, number: i64) -> Vec<LicenseId> {
        let milliseconds = u64::try_from(self.now().timestamp_millis()).unwrap_or_default();
        let new = |_| {
            let mut random = [0; 10];
            random.copy_from_slice(&self.ids.next().as_bytes()[6..]);
            LicenseId(Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid())
        };
        let mut ids: Vec<_> = (0..number).map(new).collect();
        ids.sort_unstable();
        ids
    }

    /// Removes old rows in one transaction per batch of `limit`, and returns their number.
    pub(crate) fn remove_in_batches(
        &self,
        limit: i64,
        remove: impl Fn(&mut dyn UnitOfWork) -> Result<usize, Error>,
    ) -> Result<usize, Error> {
        let mut removed = 0;
        loop {
            let batch = self.store.write(&remove)?;
            removed += batch;
            if (batch as i64) < limit {
                return Ok(removed);
            }
        }
    }
}

/// Defines methods that replace a field.
macro_rules! replacing {
    ($($(#[$doc:meta])* $method:ident($field:ident: $type:ty)),+ $(,)?) => {
        impl LicenseManager {
            $($(#[$doc])*
            pub fn $method(self, $field: $type) -> Self {
                Self { $field, ..self }
            })+
        }
    };
}

replacing! {
    /// Sets the catalog service.
    with_catalog(catalog: Arc<dyn ContentCatalog>),
    /// Sets the source of the customers' names and settings.
    with_directory(directory: Arc<dyn EnterpriseDirectory>),
    /// Sets the source of learners' accounts.
    with_account_lookup(accounts: Arc<dyn AccountLookup>),
    /// Sets the service that links, enrolls and unlinks learners.
    with_learner_registry(learners: Arc<dyn LearnerRegistry>),
    /// Sets the service that sends mails.
    with_mail(mail: Arc<dyn CampaignMail>),
    /// Sets the service that collects events.
    with_event_tracking(events: Arc<dyn EventTracking>),
    /// Sets the files of bulk enrollment results. Without them, only storage keeps the results.
    with_result_files(result_files: Arc<dyn ResultFiles>),
    /// Sets the sender of webhook requests.
    with_webhooks(webhooks: Arc<dyn WebhookSender>),
    /// Sets the place for copies of the database.
    with_backups(backups: Arc<dyn Backups>),
    /// Sets the settings.
    with_settings(settings: Settings),
}

/// The numbers of a plan's licenses.
pub(crate) fn count_licenses(unit: &mut dyn UnitOfWork, plan: PlanId) -> Result<LicenseCounts, Error> {
    Ok(unit.licenses().counts(&[plan])?.remove(&plan).unwrap_or_default())
}

/// The numbers of a plan's licenses that match, by status.
pub(crate) fn count_matching(
    unit: &mut dyn UnitOfWork,
    plan: PlanId,
    filter: &LicenseFilter,
) -> Result<LicenseCounts, Error> {
    match filter.only_statuses() {
        Some(statuses) => Ok(count_licenses(unit, plan)?.only(statuses)),
        None => unit.licenses().count_by_status(plan, filter),
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

/// The ids of licenses.
pub(crate) fn ids(licenses: &[License]) -> Vec<LicenseId> {
    licenses.iter().map(|license| license.id).collect()
}
