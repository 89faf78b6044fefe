//! Enterprise license management: customer agreements, subscription plans and licenses, and their business rules.
//!
//! A customer has one [`CustomerAgreement`] with [`SubscriptionPlan`]s, and each plan has [`License`]s. An admin
//! assigns licenses to learners by email address, a learner activates a license, and an admin can revoke it.
//! [`LicenseManager`] has these use cases as methods. It needs three ports: a [`ports::Store`], a [`ports::Clock`] and
//! a [`ports::IdSource`].
//!
//! The crate depends on no database, no HTTP library and no async runtime. [`memory::MemoryStore`] is a store for
//! examples and tests, with the feature `memory`:
//!
//! ```
//! use std::sync::Arc;
//! use chrono::Duration;
//! use license_manager_domain::memory::MemoryStore;
//! use license_manager_domain::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let manager = LicenseManager::new(
//!     Arc::new(MemoryStore::with_seeded_products()),
//!     Arc::new(SystemClock),
//!     Arc::new(RandomIds),
//!     Settings::default(),
//! );
//! let (admin, now) = (Actor::user("admin"), manager.now());
//!
//! // A customer buys three seats of a catalog for a year …
//! let customer = CustomerId(uuid::Uuid::from_u128(1));
//! let catalog = CatalogId(uuid::Uuid::from_u128(2));
//! let agreement = manager.create_agreement(&admin, NewAgreement { customer, changes: AgreementChanges::default() })?;
//! let plan = manager.create_plan(&admin, ChangeReason::New, NewPlan {
//!     agreement: agreement.details.agreement.id,
//!     title: "Engineering".to_owned(),
//!     start_date: now,
//!     expiration_date: now + Duration::days(365),
//!     changes: PlanChanges {
//!         catalog: Some(catalog),
//!         is_active: Some(true),
//!         desired_num_licenses: Edit::Set(3),
//!         salesforce_opportunity_line_item: Edit::Set("00k000000000000001".to_owned()),
//!         ..PlanChanges::default()
//!     },
//! })?.details.plan.id;
//!
//! // … an admin assigns one to a learner …
//! let email: Email = "amy@example.com".parse()?;
//! let learners: Assignees = [email.clone()].into_iter().collect();
//! manager.assign(&admin, plan, &learners, &AssignmentMail::default())?;
//!
//! // … and the learner activates it with the key from the mail.
//! let person = Person { email: Some(email), lms_user_id: Some(LmsUserId(7)) };
//! let key = manager.own_licenses_of_plan(plan, &person)?[0].activation_key().ok_or("no key")?;
//! manager.activate(&Actor::user("amy"), key, &person)?;
//! assert_eq!(manager.plan(plan)?.counts, LicenseCounts { activated: 1, unassigned: 2, ..Default::default() });
//! # Ok(())
//! # }
//! ```
//!
//! # Embedding it
//!
//! - **The methods** are listed by subject at [`LicenseManager`].
//! - **The store** is yours: [`own_store`] shows how to write one, and which use case needs which part of it. Your
//!   store may be partial. The crate `license-manager-contract` tests it; `license-manager-adapters` has stores for
//!   Postgres and SQLite.
//! - **Transactions.** Each use case runs in one transaction of the store. It writes rows, their history and the messages
//!   that they cause, or nothing. [`LicenseManager::over`] runs use cases in a transaction of yours.
//! - **Messages.** Mails, events and calls wait in the [`outbox`] until your program delivers them: [`delivery`] shows
//!   how. If your program does not deliver them, they stay there. [`LicenseManager::add_message`] adds messages of your
//!   own.
//! - **Jobs.** Work that is too large for a request becomes a job. Your program runs jobs with
//!   [`LicenseManager::run_next_job`], and [`operations`] on a schedule or by hand.
//! - **Who may do what** is yours to enforce. An [`Actor`] is recorded in the history and never checked: no method
//!   refuses a caller. [`permissions`] has the roles of the service as data, with functions that decide by them.
//! - **Errors.** [`Error`] says what is wrong and what to do, in words that you may show to users. [`Error::code`]
//!   names it for programs.
//!
//! # Threads and async
//!
//! Methods block their thread while the store works. Within an async runtime, call them on a thread for blocking work,
//! such as that of `tokio::task::spawn_blocking`.
//!
//! A few methods are asynchronous, because they call upstreams. Most of them do not call the store, such as
//! [`delivery::Deliveries::deliver`], [`LicenseManager::catalog_owner`] and [`LicenseManager::first_covering`]. But
//! some [`operations`] and [`LicenseManager::ping_webhook`] call the store, too. Set the thread for these calls with
//! [`LicenseManager::with_blocking`]: [`ports::Blocking`] has the code for tokio. Without it they call the store on the
//! thread that polls them. That blocks the runtime, and a store that waits for an async library by `block_on` panics:
//! "Cannot start a runtime from within a runtime".
//!
//! # Features
//!
//! | feature | default | provides |
//! |---|---|---|
//! | `cron` | yes | cron expressions for the schedule of operations |
//! | `csv` | yes | bulk enrollments, whose results are CSV |
//! | `html` | yes | HTML in expiration messages, sanitized; otherwise tags become text |
//! | `idn` | yes | international domains of email addresses; otherwise they are refused |
//! | `url` | yes | webhooks, whose addresses are checked |
//! | `serde` | | `Serialize` and `Deserialize` for the entities of [`model`] |
//! | `memory` | | [`memory`], a store for examples and tests |
//! | `console` | | the ports of the web console |
//!
//! Without features it builds fewer than forty crates.
//!
//! # Modules
//!
//! | module | contents |
//! |---|---|
//! | [`prelude`] | what most programs need |
//! | [`model`] | entities, such as [`License`] and [`SubscriptionPlan`], and their rules |
//! | [`use_cases`] | the methods of [`LicenseManager`], with their arguments and results |
//! | [`operations`] | recurring operations and their schedule |
//! | [`ports`] | the traits that adapters implement |
//! | [`own_store`] | how to write a store |
//! | [`outbox`] | the messages to upstreams and webhooks |
//! | [`delivery`] | the delivery of messages |
//! | [`queue`] | queues of leased work, with retries |
//! | [`webhooks`] | endpoints that receive events |
//! | [`history`] | who changed what, when and why |
//! | [`permissions`] | who may do what |
//! | [`error`](mod@error) | errors |
//! | [`memory`] | a store in memory |
//! | [`rules`] | the business rules in words |
//!
//! `examples/embedding.rs` runs through a year of a customer. `examples/own_store` has its own store.

#[macro_use]
mod names;

#[cfg(feature = "console")]
pub mod console;
pub mod delivery;
pub mod error;
pub mod history;
#[cfg(feature = "memory")]
pub mod memory;
pub mod model;
pub mod operations;
pub mod outbox;
/// The items of this page: [`ports::Store`], [`ports::UnitOfWork`], [`ports::Blocking`], [`history::Change`],
/// [`Error::NotProvided`], [`LicenseManager::over`] and [`delivery::Deliveries`].
///
#[doc = include_str!("../OWN_STORE.md")]
pub mod own_store {}
pub mod permissions;
pub mod ports;
pub mod prelude;
pub mod queue;
/// The example of the README, to be compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
#[doc = include_str!("../RULES.md")]
pub mod rules {}
mod saturating_time;
pub mod use_cases;
pub mod webhooks;
#[doc(hidden)] // shared with the console and the commands
pub mod words;

pub use error::{Conflict, Entity, Error, FieldErrors, Refusal, Upstream};
pub use history::Actor;
pub use model::{
    ActivationKey, AgreementId, AutoScaling, BulkEnrollment, CatalogId, ChangeReason, CustomerAgreement, CustomerId,
    Edit, Email, EnrollmentJobId, ExpirationMessage, InvalidEmail, License, LicenseColumns, LicenseCounts,
    LicenseEventId, LicenseId, LicenseState, LicenseStatus, LicenseTransferJob, LicenseTypesToCopy, LmsUserId,
    MailWordsId, MessageId, NotificationId, PlanDetails, PlanId, PlanType, PlanTypeId, Product, ProductId, RenewalId,
    RoleAssignmentId, SubscriptionPlan, SubscriptionPlanRenewal, TransferJobId, WebhookId,
};
pub use outbox::{AssignmentMail, ReminderMail};
pub use use_cases::{
    AgreementChanges, AgreementOverview, Assignees, Assignments, LicenseManager, LicenseSelection, NewAgreement,
    NewPlan, PlanChanges, PlanOverview, RenewalChanges, RevertRequest, Revocations, Settings,
};
