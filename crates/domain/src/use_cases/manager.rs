//! [`LicenseManager`], which all use cases are methods of.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Duration, SubsecRound, Utc};
use uuid::Builder;

use crate::error::{Entity, Error};
use crate::history::Change;
use crate::model::idempotency::AnswerQuota;
use crate::model::ids::{AgreementId, LicenseId, PlanId};
use crate::model::license::License;
use crate::model::plan::{LicenseCounts, PlanDetails};
use crate::operations::OperationSettings;
use crate::outbox::SLICE;
use crate::ports::{
    AccountLookup, Backups, Blocking, CampaignMail, CatalogOwner, Clock, ContentCatalog, CustomDelivery,
    EnterpriseDirectory, EventTracking, IdSource, Inline, LearnerRegistry, LicenseFilter, NotConfigured, ResultFiles,
    Store, StoreExt, UnitOfWork, WebhookSender,
};

/// The settings of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long before its renewal takes effect a plan counts as locked for renewal, which is a flag for portals. The
    /// schedule processes renewals as far ahead.
    pub renewal_lock: Duration,
    /// The most licenses that a request provisions itself; a job provisions more. Requests that delete licenses of a
    /// plan, or remind its learners by a filter, leave more than this to a job, unless they are one batch.
    pub inline_limit: u32,
    /// The most licenses that a job writes per transaction, and that a request revokes itself. It limits the memory
    /// that they need. A job adds or reminds of at most 2,000, so that other writers do not wait long.
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
    /// How long the record of what people did to the service is kept.
    pub staff_action_retention: Duration,
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
            staff_action_retention: Duration::days(730),
            answer_quota: AnswerQuota::default(),
        }
    }
}

/// The license manager. Its methods are the use cases.
///
/// It is cheap to clone; clones share the ports.
///
/// | subject | methods |
/// |---|---|
/// | building it | [`new`](Self::new), [`with_settings`](Self::with_settings), [`with_blocking`](Self::with_blocking), [`over`](Self::over), [`with_catalog`](Self::with_catalog), [`with_directory`](Self::with_directory), [`with_account_lookup`](Self::with_account_lookup), [`with_learner_registry`](Self::with_learner_registry), [`with_mail`](Self::with_mail), [`with_event_tracking`](Self::with_event_tracking), [`with_custom_delivery`](Self::with_custom_delivery), [`with_result_files`](Self::with_result_files), [`with_webhooks`](Self::with_webhooks), [`with_backups`](Self::with_backups), [`with_catalog_owner`](Self::with_catalog_owner) |
/// | its parts | [`store`](Self::store), [`settings`](Self::settings), [`now`](Self::now) |
/// | agreements | [`create_agreement`](Self::create_agreement), [`update_agreement`](Self::update_agreement), [`agreement`](Self::agreement), [`agreements`](Self::agreements), [`delete_agreement`](Self::delete_agreement), [`has_agreement`](Self::has_agreement), [`check_deletion_of_agreement`](Self::check_deletion_of_agreement), [`agreement_settings`](Self::agreement_settings), [`update_agreement_settings`](Self::update_agreement_settings), [`adopt_customer`](Self::adopt_customer), [`adopt_customers`](Self::adopt_customers), [`name_customer`](Self::name_customer), [`look_customer_up`](Self::look_customer_up), [`knows_customers`](Self::knows_customers) |
/// | plans | [`create_plan`](Self::create_plan), [`update_plan`](Self::update_plan), [`plan`](Self::plan), [`plans`](Self::plans), [`current_plan`](Self::current_plan), [`delete_plan`](Self::delete_plan), [`check_deletion_of_plan`](Self::check_deletion_of_plan), [`provision_plan`](Self::provision_plan), [`freeze`](Self::freeze), [`delete_revoked`](Self::delete_revoked), [`catalog_owner`](Self::catalog_owner) |
/// | handing out licenses | [`assign`](Self::assign), [`remind`](Self::remind), [`remind_all`](Self::remind_all), [`revoke`](Self::revoke), [`revoke_all`](Self::revoke_all), [`add_license`](Self::add_license), [`edit_license`](Self::edit_license), [`revert`](Self::revert) |
/// | learners | [`activate`](Self::activate), [`auto_apply`](Self::auto_apply), [`learner_licenses`](Self::learner_licenses), [`learner_licenses_unless_outdated`](Self::learner_licenses_unless_outdated), [`own_licenses_of_plan`](Self::own_licenses_of_plan), [`subsidizing_licenses`](Self::subsidizing_licenses), [`first_covering`](Self::first_covering), [`with_account`](Self::with_account), [`retire`](Self::retire), [`retire_address`](Self::retire_address) |
/// | finding licenses | [`licenses`](Self::licenses), [`license_overview`](Self::license_overview), [`handed_out_licenses`](Self::handed_out_licenses), [`license`](Self::license), [`license_record`](Self::license_record), [`licenses_of_email`](Self::licenses_of_email), [`search_licenses`](Self::search_licenses), [`licenses_after`](Self::licenses_after) |
/// | whose something is, to check permissions | [`customer_of_agreement`](Self::customer_of_agreement), [`customer_of_plan`](Self::customer_of_plan), [`customer_slug_of_plan`](Self::customer_slug_of_plan), [`customer_of_license`](Self::customer_of_license), [`customer_of_activation_key`](Self::customer_of_activation_key), [`customer_of_recorded_license`](Self::customer_of_recorded_license) |
/// | renewals | [`create_renewal`](Self::create_renewal), [`update_renewal`](Self::update_renewal), [`delete_renewal`](Self::delete_renewal), [`renewal`](Self::renewal), [`renewals`](Self::renewals), [`process_renewal`](Self::process_renewal), [`preview_renewal_terms`](Self::preview_renewal_terms), [`renewal_outlooks`](Self::renewal_outlooks) |
/// | transfers | [`create_transfer_job`](Self::create_transfer_job), [`update_transfer_job`](Self::update_transfer_job), [`delete_transfer_job`](Self::delete_transfer_job), [`transfer_job`](Self::transfer_job), [`transfer_jobs`](Self::transfer_jobs), [`preview_transfer`](Self::preview_transfer), [`process_transfer_job`](Self::process_transfer_job) |
/// | enrollments | [`request_enrollment`](Self::request_enrollment), [`enrollment_job`](Self::enrollment_job), [`enrollment_results`](Self::enrollment_results), [`enrollment_file`](Self::enrollment_file) |
/// | products | [`products`](Self::products), [`product`](Self::product), [`create_product`](Self::create_product), [`update_product`](Self::update_product), [`plan_types`](Self::plan_types), [`plan_type`](Self::plan_type), [`create_plan_type`](Self::create_plan_type), [`update_plan_type`](Self::update_plan_type) |
/// | history and reports | [`history`](Self::history), [`as_of`](Self::as_of), [`latest_changes`](Self::latest_changes), [`earlier_agreement`](Self::earlier_agreement), [`earlier_plan`](Self::earlier_plan), [`restore_agreement`](Self::restore_agreement), [`restore_plan`](Self::restore_plan), [`utilization_period`](Self::utilization_period), [`seat_days`](Self::seat_days), [`activation_delays`](Self::activation_delays), [`idle_seats`](Self::idle_seats), [`fold_seat_counts`](Self::fold_seat_counts), [`fold_recent_seat_counts`](Self::fold_recent_seat_counts) |
/// | messages | [`deliveries`](Self::deliveries), [`add_message`](Self::add_message), [`outbox`](Self::outbox), [`backlog`](Self::backlog), [`retry_messages`](Self::retry_messages), [`discard_messages`](Self::discard_messages) |
/// | webhooks | [`create_webhook`](Self::create_webhook), [`update_webhook`](Self::update_webhook), [`delete_webhook`](Self::delete_webhook), [`webhook`](Self::webhook), [`webhooks`](Self::webhooks), [`ping_webhook`](Self::ping_webhook), [`record_webhook_ping`](Self::record_webhook_ping), [`post_webhook_ping`](Self::post_webhook_ping), [`webhook_deliveries`](Self::webhook_deliveries), [`replay_webhook_delivery`](Self::replay_webhook_delivery), [`replay_webhook_deliveries`](Self::replay_webhook_deliveries), [`webhook_backlog`](Self::webhook_backlog), [`remove_old_webhook_deliveries`](Self::remove_old_webhook_deliveries), [`drop_kept_webhook_deliveries`](Self::drop_kept_webhook_deliveries) |
/// | jobs on whole plans | [`request_jobs`](Self::request_jobs), [`retry_jobs`](Self::retry_jobs), [`cancel_jobs`](Self::cancel_jobs), [`run_next_job`](Self::run_next_job), [`due_jobs`](Self::due_jobs), [`claim_job`](Self::claim_job), [`prolong_job`](Self::prolong_job), [`run_job`](Self::run_job), [`postpone_job`](Self::postpone_job), [`waiting_jobs`](Self::waiting_jobs) |
/// | recurring operations | [`process_renewals`](Self::process_renewals), [`expire_subscriptions`](Self::expire_subscriptions), [`unlink_expired_licenses`](Self::unlink_expired_licenses), [`retire_old_licenses`](Self::retire_old_licenses), [`process_auto_scalable_plans`](Self::process_auto_scalable_plans), [`send_license_utilization_emails`](Self::send_license_utilization_emails), [`trigger_event_for_licenses`](Self::trigger_event_for_licenses), [`validate_num_catalog_queries`](Self::validate_num_catalog_queries), [`clean_old_history`](Self::clean_old_history), [`back_up`](Self::back_up), [`plan_ends`](Self::plan_ends), [`preview_freeze`](Self::preview_freeze), [`preview_provision`](Self::preview_provision) |
/// | their schedule | [`set_timetable`](Self::set_timetable), [`schedule`](Self::schedule), [`due_runs`](Self::due_runs), [`claim_run`](Self::claim_run), [`prolong_run`](Self::prolong_run), [`execute_run`](Self::execute_run), [`finish_run`](Self::finish_run), [`request_run`](Self::request_run), [`is_importing`](Self::is_importing) |
/// | requests that are repeated | [`begin_once`](Self::begin_once), [`renew_claim`](Self::renew_claim), [`complete_claim`](Self::complete_claim), [`release_claim`](Self::release_claim), [`remove_expired_answers`](Self::remove_expired_answers) |
/// | records of staff | [`give_role`](Self::give_role), [`take_role`](Self::take_role), [`role_assignments`](Self::role_assignments), [`make_superuser`](Self::make_superuser), [`unmake_superuser`](Self::unmake_superuser), [`notifications`](Self::notifications), [`delete_notification`](Self::delete_notification), [`delete_notifications`](Self::delete_notifications), [`license_events`](Self::license_events), [`delete_license_event`](Self::delete_license_event), [`delete_license_events`](Self::delete_license_events), [`staff_actions`](Self::staff_actions), [`remove_old_staff_actions`](Self::remove_old_staff_actions) |
///
/// No method checks who calls it: an [`Actor`](crate::Actor) is recorded in the history. See [`crate::permissions`].
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
    pub(crate) blocking: Arc<dyn Blocking>,
    pub(crate) catalog: Arc<dyn ContentCatalog>,
    pub(crate) directory: Arc<dyn EnterpriseDirectory>,
    pub(crate) accounts: Arc<dyn AccountLookup>,
    pub(crate) learners: Arc<dyn LearnerRegistry>,
    pub(crate) mail: Arc<dyn CampaignMail>,
    pub(crate) events: Arc<dyn EventTracking>,
    pub(crate) custom: Arc<dyn CustomDelivery>,
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
            blocking: Arc::new(Inline),
            catalog: Arc::new(NotConfigured),
            directory: Arc::new(NotConfigured),
            accounts: Arc::new(NotConfigured),
            learners: Arc::new(NotConfigured),
            mail: Arc::new(NotConfigured),
            events: Arc::new(NotConfigured),
            custom: Arc::new(NotConfigured),
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

    /// The same license manager over another store, for example one that runs every use case in a transaction that the
    /// caller has begun: then its rows and the caller's are committed together or not at all.
    ///
    /// Such a store runs the work in the open transaction, and commits nothing itself. It MUST undo what a failed use
    /// case has written, for example by a savepoint, unless the caller rolls the transaction back after every error.
    /// Asynchronous use cases and jobs run in several transactions: call them on a manager with a store of its own. The
    /// stores of `license-manager-adapters` use connections of their own pools, so they cannot run in a transaction of
    /// yours.
    pub fn over(&self, store: Arc<dyn Store>) -> Self {
        Self { store, ..self.clone() }
    }

    /// Runs work that calls the store where [`Blocking`] says. Asynchronous use cases call the store in no other way.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (manager, outcome) = (self.clone(), Arc::new(Mutex::new(None)));
        let place = outcome.clone();
        let run = move || {
            let outcome = work(&manager);
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        };
        self.blocking.run(Box::new(run)).await;
        let outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        outcome.unwrap_or_else(|| Err(Error::internal("blocking work was given up before it had ended")))
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

/// Shows the settings. The ports show nothing of themselves: they may hold secrets.
impl fmt::Debug for LicenseManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LicenseManager").field("settings", &self.settings).finish_non_exhaustive()
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
    /// Decides where asynchronous use cases call the store. The default is [`Inline`]: on the thread that polls them.
    with_blocking(blocking: Arc<dyn Blocking>),
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
    /// Sets what delivers the messages of the embedding program; see [`LicenseManager::add_message`].
    with_custom_delivery(custom: Arc<dyn CustomDelivery>),
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

/// Writes existing licenses in slices, which bounds the memory of the parameters.
pub(crate) fn save_licenses(unit: &mut dyn UnitOfWork, licenses: &[License], change: &Change) -> Result<(), Error> {
    licenses.chunks(SLICE).try_for_each(|slice| unit.licenses().save(slice, change))
}

/// The ids of licenses.
pub(crate) fn ids(licenses: &[License]) -> Vec<LicenseId> {
    licenses.iter().map(|license| license.id).collect()
}
