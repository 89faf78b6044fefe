//! A store in memory, for examples and tests without a database.
//!
//! It passes the contract tests of storage. Transactions run one after another, each on a copy of all data that
//! replaces the original at commit, so it is slow with much data.

// A method of a repository that is missing here would fail at run time: the ports have defaults for other stores.
#![warn(clippy::missing_trait_methods)]

/// Implements `list` and `count` of a repository by a function that finds all matches, in order.
macro_rules! list_and_count {
    ($filter:ty => $item:ty, $matching:expr) => {
        fn list(&mut self, filter: &$filter, limit_offset: LimitOffset) -> Result<Vec<$item>, Error> {
            Ok(part($matching(&*self.tables, filter), limit_offset))
        }

        fn count(&mut self, filter: &$filter) -> Result<i64, Error> {
            Ok($matching(&*self.tables, filter).len() as i64)
        }
    };
}

mod due_work;
mod enrollment_jobs;
mod history;
mod idempotency;
mod licenses;
mod lookups;
mod operations;
mod outbox;
mod queue;
mod renewals;
mod repositories;
mod retirement;
mod schedule;
mod staff_actions;
mod staff_records;
mod transfers;
mod utilization;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::history::{Change, Row};
use crate::model::agreement::CustomerAgreement;
use crate::model::enrollment::EnrollmentJob;
use crate::model::following_plan::{FollowingPlan, PriorPlan};
use crate::model::idempotency::{FirstRequest, IdempotencyKey};
use crate::model::ids::{
    AgreementId, EnrollmentJobId, LicenseEventId, LicenseId, NotificationId, PlanId, PlanTypeId, ProductId, RenewalId,
    TransferJobId, WebhookId,
};
use crate::model::license::License;
use crate::model::license_columns::LicenseColumns;
use crate::model::plan::{PlanDetails, SubscriptionPlan};
use crate::model::product::{PlanType, Product, seeded_products};
use crate::model::renewal::SubscriptionPlanRenewal;
use crate::model::staff_action::StaffAction;
use crate::model::staff_records::{LicenseMark, Notification};
use crate::model::transfer::LicenseTransferJob;
use crate::operations::schedule::{OperationSchedule, RecurringOperation};
use crate::outbox::Message;
use crate::ports::{AssignedRole, LimitOffset, Store, User, Work};
use crate::webhooks::Webhook;

/// The store.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Tables>);

/// A recorded change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The table, such as `license`.
    pub table: &'static str,
    /// The row's id.
    pub id: String,
    /// `+` for a new row, `~` for a changed one, `-` for a deleted one.
    pub kind: char,
    /// Who, when and why.
    pub change: Change,
    /// The license after the change, if it was one.
    pub license: Option<LicenseColumns>,
    /// The row after the change. Empty for tables whose history is never read.
    pub row: Row,
    /// Whether the history was removed. Utilization is still counted from it.
    removed: bool,
}

#[derive(Debug, Clone, Default)]
struct Tables {
    agreements: BTreeMap<AgreementId, CustomerAgreement>,
    plans: BTreeMap<PlanId, SubscriptionPlan>,
    licenses: BTreeMap<LicenseId, License>,
    sources: BTreeMap<LicenseId, String>,
    products: BTreeMap<ProductId, Product>,
    renewals: BTreeMap<RenewalId, SubscriptionPlanRenewal>,
    /// The id of the latest renewal. Ids are never used again.
    last_renewal: i64,
    transfers: BTreeMap<TransferJobId, LicenseTransferJob>,
    last_transfer: i64,
    users: BTreeMap<String, User>,
    /// In the order of addition.
    queue: Vec<queue::QueuedWork>,
    enrollment_jobs: BTreeMap<EnrollmentJobId, EnrollmentJob>,
    enrollment_results: BTreeMap<EnrollmentJobId, String>,
    plan_types: BTreeMap<PlanTypeId, PlanType>,
    roles: Vec<AssignedRole>,
    notifications: BTreeMap<NotificationId, Notification>,
    last_notification: i64,
    license_events: BTreeMap<LicenseEventId, LicenseMark>,
    last_license_event: i64,
    staff_actions: Vec<StaffAction>,
    idempotency: BTreeMap<IdempotencyKey, FirstRequest>,
    plan_marks: BTreeMap<(PlanId, String), DateTime<Utc>>,
    schedule: BTreeMap<RecurringOperation, OperationSchedule>,
    /// Each with the end of its requested pause.
    webhooks: BTreeMap<WebhookId, (Webhook, Option<DateTime<Utc>>)>,
    history: Vec<HistoryEntry>,
    history_complete_since: Option<DateTime<Utc>>,
}

impl Tables {
    /// The changes that were not removed, oldest first.
    fn recorded(&self) -> impl DoubleEndedIterator<Item = &HistoryEntry> {
        self.history.iter().filter(|entry| !entry.removed)
    }

    fn details(&self, plan: &SubscriptionPlan) -> Option<PlanDetails> {
        Some(PlanDetails {
            customer: self.agreements.get(&plan.agreement)?.customer,
            plan_type: self.products.get(&plan.product)?.plan_type.label.clone(),
            following: self.following(plan.id),
            prior: self.prior(plan.id),
            plan: plan.clone(),
        })
    }

    /// The plan that follows a plan once its renewal is processed.
    fn following(&self, plan: PlanId) -> Option<FollowingPlan> {
        let renewal = self.renewals.values().find(|renewal| renewal.processed && renewal.terms.prior_plan == plan)?;
        let renewed = self.plans.get(&renewal.terms.renewed_plan?)?;
        let license_types_to_copy = renewal.terms.license_types_to_copy;
        Some(FollowingPlan { id: renewed.id, start_date: renewed.start_date, license_types_to_copy })
    }

    /// The plan that a plan follows once the renewal of that one is processed.
    fn prior(&self, plan: PlanId) -> Option<PriorPlan> {
        let leads_here =
            |renewal: &&SubscriptionPlanRenewal| renewal.processed && renewal.terms.renewed_plan == Some(plan);
        let terms = &self.renewals.values().find(leads_here)?.terms;
        Some(PriorPlan { id: terms.prior_plan, license_types_to_copy: terms.license_types_to_copy })
    }

    fn record(&mut self, table: &'static str, id: impl ToString, kind: char, change: &Change) {
        let id = id.to_string();
        let row = self.row(table, &id);
        self.history.push(HistoryEntry { table, id, kind, change: change.clone(), row, license: None, removed: false });
    }

    fn record_license(&mut self, license: &License, kind: char, change: &Change) {
        self.record("license", license.id, kind, change);
        if let Some(entry) = self.history.last_mut() {
            entry.license = Some(license.columns());
        }
    }

    /// The licenses of a plan, in the order of their ids.
    fn licenses_of(&self, plan: PlanId) -> impl Iterator<Item = &License> {
        self.licenses.values().filter(move |license| license.plan == plan)
    }
}

/// The part of all rows that a page shows.
fn part<T>(all: Vec<T>, limit_offset: LimitOffset) -> Vec<T> {
    limit_offset.of(all)
}

/// The first `limit` licenses with ids after `after`.
fn next<'a>(licenses: impl Iterator<Item = &'a License>, after: Option<LicenseId>, limit: i64) -> Vec<License> {
    licenses.filter(|license| after.is_none_or(|id| license.id > id)).take(size(limit)).cloned().collect()
}

fn size(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// Replaces a row that exists.
fn replace<K: Ord, V: Clone>(table: &mut BTreeMap<K, V>, key: &K, row: &V, what: &str) -> Result<(), Error> {
    table.get_mut(key).ok_or_else(|| Error::internal(format!("no {what} to write")))?.clone_from(row);
    Ok(())
}

impl MemoryStore {
    /// A store with the products that every installation starts with.
    pub fn with_seeded_products() -> Self {
        let mut tables = Tables::default();
        for product in seeded_products() {
            tables.plan_types.insert(product.plan_type.id, product.plan_type.clone());
            tables.products.insert(product.id, product);
        }
        Self(Mutex::new(tables))
    }

    /// The waiting messages, oldest first.
    pub fn outbox(&self) -> Vec<Message> {
        self.tables().messages().cloned().collect()
    }

    /// All recorded changes, oldest first.
    pub fn history(&self) -> Vec<HistoryEntry> {
        self.tables().recorded().cloned().collect()
    }

    /// The Salesforce opportunities of licenses.
    pub fn sources(&self) -> BTreeMap<LicenseId, String> {
        self.tables().sources.clone()
    }

    /// Adds a user with their roles.
    pub fn add_user(&self, user: User) {
        let mut tables = self.tables();
        tables.roles.retain(|assigned| assigned.username != user.username);
        for role in &user.roles {
            tables.give(&user.username, role, chrono::DateTime::UNIX_EPOCH);
        }
        tables.users.insert(user.username.clone(), user);
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn run_write(&self, work: &mut Work<'_>) -> Result<(), Error> {
        let mut committed = self.tables();
        let mut tables = committed.clone();
        work(&mut MemoryUnit { tables: &mut tables, writes: true })?;
        *committed = tables;
        Ok(())
    }

    fn run_read(&self, work: &mut Work<'_>) -> Result<(), Error> {
        work(&mut MemoryUnit { tables: &mut self.tables(), writes: false })
    }

    fn ping(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// One transaction.
struct MemoryUnit<'a> {
    tables: &'a mut Tables,
    writes: bool,
}

impl MemoryUnit<'_> {
    /// The tables, for writing.
    fn written(&mut self) -> Result<&mut Tables, Error> {
        if self.writes { Ok(self.tables) } else { Err(Error::internal("this unit of work is read-only")) }
    }
}
