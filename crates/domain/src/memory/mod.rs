//! A store that keeps everything in memory: to try the domain out, and for tests that need no database.
//!
//! It passes the storage contract suite. Transactions run one after another on a copy that replaces the original at commit,
//! so it is slow with much data.

mod licenses;
mod renewals;
mod repositories;
mod transfers;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::agreement::CustomerAgreement;
use crate::error::Error;
use crate::history::Change;
use crate::ids::{AgreementId, LicenseId, PlanId, ProductId, RenewalId, TransferJobId};
use crate::jobs::Job;
use crate::license::License;
use crate::outbox::Message;
use crate::plan::{PlanDetails, SubscriptionPlan};
use crate::ports::{
    AgreementRepository, JobRepository, LicenseRepository, OutboxRepository, PlanRepository, ProductRepository,
    RenewalRepository, Store, TransferRepository, UnitOfWork, User, UserRepository, Work,
};
use crate::product::{Product, seeded_products};
use crate::renewal::SubscriptionPlanRenewal;
use crate::transfer::LicenseTransferJob;

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
    outbox: Vec<Message>,
    jobs: Vec<Job>,
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
        self.history.push(HistoryEntry { table, id: id.to_string(), kind, change: change.clone() });
    }
}

impl MemoryStore {
    /// A store that knows the products every installation starts with.
    pub fn with_seeded_products() -> Self {
        let products = seeded_products().into_iter().map(|product| (product.id, product)).collect();
        Self(Mutex::new(Tables { products, ..Tables::default() }))
    }

    /// The messages that wait, the oldest first.
    pub fn outbox(&self) -> Vec<Message> {
        self.tables().outbox.clone()
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
        self.tables().users.insert(user.username.clone(), user);
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
        if self.writes { Ok(self.tables) } else { Err(Error::storage("this unit of work only reads")) }
    }
}

impl UnitOfWork for MemoryUnit<'_> {
    fn agreements(&mut self) -> &mut dyn AgreementRepository {
        self
    }

    fn plans(&mut self) -> &mut dyn PlanRepository {
        self
    }

    fn licenses(&mut self) -> &mut dyn LicenseRepository {
        self
    }

    fn products(&mut self) -> &mut dyn ProductRepository {
        self
    }

    fn renewals(&mut self) -> &mut dyn RenewalRepository {
        self
    }

    fn users(&mut self) -> &mut dyn UserRepository {
        self
    }

    fn outbox(&mut self) -> &mut dyn OutboxRepository {
        self
    }

    fn jobs(&mut self) -> &mut dyn JobRepository {
        self
    }

    fn transfers(&mut self) -> &mut dyn TransferRepository {
        self
    }
}
