//! A store that keeps everything in memory: to try the domain out, and for tests that need no database.
//!
//! It passes the storage contract suite. Transactions run one after another on a copy that replaces the original at commit,
//! so it is slow with much data.

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
use crate::model::idempotency::{FirstRequest, IdempotencyKey};
use crate::model::ids::{
    AgreementId, EnrollmentJobId, LicenseId, PlanId, PlanTypeId, ProductId, RenewalId, TransferJobId, WebhookId,
};
use crate::model::license::License;
use crate::model::license_columns::LicenseColumns;
use crate::model::plan::{PlanDetails, SubscriptionPlan};
use crate::model::product::{PlanType, Product, seeded_products};
use crate::model::renewal::SubscriptionPlanRenewal;
use crate::model::staff_records::{LicenseMark, Notification};
use crate::model::transfer::LicenseTransferJob;
use crate::operations::schedule::{OperationSchedule, RecurringOperation};
use crate::outbox::Message;
use crate::ports::{AssignedRole, Store, User, Work};
use crate::webhooks::Webhook;

/// The store.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Tables>);

/// A change that was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The kind of row, such as `license`.
    pub table: &'static str,
    /// The row's id.
    pub id: String,
    /// `+` for a new row, `~` for a changed one, `-` for a deleted one.
    pub kind: char,
    /// Who, when and why.
    pub change: Change,
    /// What a license's row said afterwards; nothing for other rows.
    pub license: Option<LicenseColumns>,
    /// The row as it became; empty for kinds of rows whose history nobody reads.
    pub row: Row,
}

#[derive(Debug, Clone, Default)]
struct Tables {
    agreements: BTreeMap<AgreementId, CustomerAgreement>,
    plans: BTreeMap<PlanId, SubscriptionPlan>,
    licenses: BTreeMap<LicenseId, License>,
    sources: BTreeMap<LicenseId, String>,
    products: BTreeMap<ProductId, Product>,
    renewals: BTreeMap<RenewalId, SubscriptionPlanRenewal>,
    /// The id the latest renewal got; none is ever given twice.
    last_renewal: i64,
    transfers: BTreeMap<TransferJobId, LicenseTransferJob>,
    users: BTreeMap<String, User>,
    /// In the order in which it was added.
    queue: Vec<queue::QueuedWork>,
    enrollment_jobs: BTreeMap<EnrollmentJobId, EnrollmentJob>,
    enrollment_results: BTreeMap<EnrollmentJobId, String>,
    plan_types: BTreeMap<PlanTypeId, PlanType>,
    roles: Vec<AssignedRole>,
    notifications: Vec<Notification>,
    license_events: Vec<LicenseMark>,
    idempotency: BTreeMap<IdempotencyKey, FirstRequest>,
    plan_marks: BTreeMap<(PlanId, String), DateTime<Utc>>,
    schedule: BTreeMap<RecurringOperation, OperationSchedule>,
    /// With the moment until which each rests.
    webhooks: BTreeMap<WebhookId, (Webhook, Option<DateTime<Utc>>)>,
    history: Vec<HistoryEntry>,
}

impl Tables {
    fn details(&self, plan: &SubscriptionPlan) -> Option<PlanDetails> {
        Some(PlanDetails {
            customer: self.agreements.get(&plan.agreement)?.customer,
            plan_type: self.products.get(&plan.product)?.plan_type.label.clone(),
            plan: plan.clone(),
        })
    }

    fn record(&mut self, table: &'static str, id: impl ToString, kind: char, change: &Change) {
        let id = id.to_string();
        let row = self.row(table, &id);
        let license = None;
        self.history.push(HistoryEntry { table, id, kind, change: change.clone(), row, license });
    }

    fn record_license(&mut self, license: &License, kind: char, change: &Change) {
        let id = license.id.to_string();
        let row = self.row("license", &id);
        self.history.push(HistoryEntry {
            table: "license",
            id,
            kind,
            change: change.clone(),
            row,
            license: Some(license.columns()),
        });
    }
}

impl MemoryStore {
    /// A store that knows the products every installation starts with.
    pub fn with_seeded_products() -> Self {
        let mut tables = Tables::default();
        for product in seeded_products() {
            tables.plan_types.insert(product.plan_type.id, product.plan_type.clone());
            tables.products.insert(product.id, product);
        }
        Self(Mutex::new(tables))
    }

    /// The messages that wait, the oldest first.
    pub fn outbox(&self) -> Vec<Message> {
        self.tables().messages().cloned().collect()
    }

    /// Every change that was recorded, the oldest first.
    pub fn history(&self) -> Vec<HistoryEntry> {
        self.tables().history.clone()
    }

    /// The Salesforce opportunities noted for licenses.
    pub fn sources(&self) -> BTreeMap<LicenseId, String> {
        self.tables().sources.clone()
    }

    /// Adds a user with the roles the database gives them.
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
    /// The tables, to be written to.
    fn written(&mut self) -> Result<&mut Tables, Error> {
        if self.writes { Ok(self.tables) } else { Err(Error::internal("this unit of work only reads")) }
    }
}
