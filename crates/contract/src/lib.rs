//! The storage contract of `license-manager-domain`: what every [`Store`] must do, as tests.
//!
//! Each function of these modules tests one obligation of the [ports](license_manager_domain::ports), and its docs say
//! what the obligation protects. [`contract_suite!`] declares a test for each of them:
//!
//! ```
//! use std::sync::Arc;
//!
//! use license_manager_contract::{Database, contract_suite};
//! use license_manager_domain::memory::MemoryStore;
//! use license_manager_domain::ports::Store;
//!
//! struct Empty(Arc<MemoryStore>);
//!
//! impl Database for Empty {
//!     fn store(&self) -> Arc<dyn Store> {
//!         self.0.clone()
//!     }
//! }
//!
//! fn empty() -> Empty {
//!     Empty(Arc::default())
//! }
//!
//! // The obligations of a store for assigning, activating and revoking licenses.
//! contract_suite!(empty; seats);
//!
//! // More groups, and single obligations of a group.
//! mod more {
//!     use super::*;
//!
//!     contract_suite!(empty; agreements { an_agreement_comes_back_as_it_was_written }, schedule);
//! }
//! # fn main() {}
//! ```
//!
//! `contract_suite!(empty)` declares all of them. The function returns a [`Database`] without rows for each test. The
//! tests run at the same time, so each needs a database of its own.
//!
//! # Groups
//!
//! | group | holds |
//! |---|---|
//! | `seats` | a store that implements what [`assign`], [`activate`] and [`revoke`] reach |
//! | [`units_of_work`] | the transactions of [`Store`] |
//! | [`products`] | `products` |
//! | [`agreements`] | `agreements` |
//! | [`plans`] | `plans` |
//! | [`license_reads`] | `licenses`, reading and locking |
//! | [`license_writes`] | `licenses`, writing |
//! | [`license_pages`] | `licenses` and `lookups`: pages of long lists |
//! | [`lookups`] | `lookups` |
//! | [`retirement`] | `retirement` |
//! | [`renewals`] | `renewals` |
//! | [`transfers`] | `transfers` |
//! | [`operations`] | `operations`, `due_work`, tasks of `queue` |
//! | [`schedule`] | `schedule` |
//! | [`purge`] | `purge` |
//! | [`users`] | `users` |
//! | [`outbox`] | `outbox`: adding |
//! | [`deliveries`] | `queue` and `outbox`: delivering |
//! | [`webhooks`] | `webhooks`, `webhook_deliveries` |
//! | [`jobs`] | `jobs`, jobs of `queue` |
//! | [`history`] | `history` |
//! | [`utilization`] | `utilization` |
//! | [`deletions`] | deleting agreements, plans, jobs and records |
//! | [`staff_actions`] | `staff_actions` |
//! | [`staff_records`] | `role_assignments`, `notifications`, `license_events` |
//! | [`idempotency`] | `idempotency` |
//! | [`enrollment_jobs`] | `enrollment_jobs` |
//! | [`following`] | use cases over `renewals` and `licenses` |
//! | [`concurrency`] | use cases and locks at the same time |
//!
//! Groups other than `seats` and `units_of_work` need repositories beside their own: plans belong to agreements, licenses
//! to plans. An obligation that meets a method without an implementation fails with the name of the method. Some look at
//! data that no port reads; they call the methods of [`Database`] that have a default, and fail if it is not replaced.
//!
//! [`assign`]: license_manager_domain::LicenseManager::assign
//! [`activate`]: license_manager_domain::LicenseManager::activate
//! [`revoke`]: license_manager_domain::LicenseManager::revoke

pub mod agreements;
pub mod concurrency;
pub mod deletions;
pub mod deliveries;
pub mod enrollment_jobs;
pub mod following;
pub mod history;
pub mod idempotency;
pub mod jobs;
pub mod license_pages;
pub mod license_reads;
pub mod license_writes;
pub mod lookups;
pub mod operations;
pub mod outbox;
pub mod plans;
pub mod products;
pub mod purge;
pub mod renewals;
pub mod retirement;
pub mod schedule;
pub mod staff_actions;
pub mod staff_records;
mod suite;
pub mod transfers;
pub mod units_of_work;
pub mod users;
pub mod utilization;
pub mod webhooks;

#[doc(hidden)] // for the tests of this repository's own stores
pub mod fixtures;

/// The example of the README, to be compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

use std::sync::Arc;

use chrono::{DateTime, Utc};
use license_manager_domain::ports::Store;
use license_manager_domain::{CustomerId, Email, LicenseId, LicenseStatus, LmsUserId};

/// A database of a test's own with the store under test, and access to data that no port reads.
pub trait Database: Sync {
    /// The store under test.
    fn store(&self) -> Arc<dyn Store>;

    /// The history of a row, oldest first. The tables are named as in [`license_manager_domain::history`]:
    /// `customer_agreement`, `subscription_plan`, `license`, `license_source`, `product`, `subscription_plan_renewal`,
    /// `license_transfer_job`, `notification` and `license_event`.
    fn history(&self, table: &str, id: &str) -> Vec<HistoryEntry> {
        let _ = (table, id);
        panic!("this obligation reads the history: implement Database::history")
    }

    /// The personal data in a license's history, oldest first.
    fn told_of(&self, license: LicenseId) -> Vec<Told> {
        let _ = license;
        panic!("this obligation reads personal data in the history: implement Database::told_of")
    }

    /// The waiting messages, in the order of their creation.
    fn outbox(&self) -> Vec<Waiting> {
        panic!("this obligation reads the outbox: implement Database::outbox")
    }

    /// The number of stored words of mails; see [`license_manager_domain::outbox::MailWords`].
    fn words(&self) -> i64 {
        panic!("this obligation counts words of mails: implement Database::words")
    }

    /// The Salesforce opportunity of a license.
    fn source(&self, license: LicenseId) -> Option<String> {
        let _ = license;
        panic!("this obligation reads the source of a license: implement Database::source")
    }

    /// Gives a role to an existing user.
    fn add_role(&self, username: &str, role: &str, customer: Option<CustomerId>) {
        let _ = (username, role, customer);
        panic!("this obligation gives a role: implement Database::add_role")
    }

    /// Runs work within a trace, and returns the trace parent that the store keeps with messages that are added in it.
    /// `None` if the store keeps no traces, as it may.
    fn within_a_trace(&self, work: &mut dyn FnMut()) -> Option<String> {
        work();
        None
    }
}

/// An entry of a row's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// `+` for a new row, `~` for a changed one, `-` for a deleted one.
    pub kind: char,
    /// Who changed it; `None` for the service.
    pub user: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// The personal data in an entry of a license's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The status of the license.
    pub status: LicenseStatus,
    /// The address of the holder.
    pub email: Option<Email>,
    /// The LMS user id of the holder.
    pub lms_user_id: Option<LmsUserId>,
    /// Whether the license has an activation key.
    pub has_key: bool,
}

/// A waiting message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The name of its topic.
    pub topic: String,
    /// The license it is about.
    pub license: Option<LicenseId>,
    /// Its payload as JSON.
    pub payload: String,
}
