//! Enterprise license management: customer agreements, subscription plans and licenses, and their business rules.
//!
//! A customer has one [`CustomerAgreement`] with [`SubscriptionPlan`]s, and each plan has [`License`]s. An admin
//! assigns licenses to learners by email address, a learner activates a license, and an admin can revoke it.
//! [`LicenseManager`] has these use cases as methods. It needs three ports: a [`ports::Store`], a [`ports::Clock`] and
//! a [`ports::IdSource`].
//!
//! The crate depends on no database, no HTTP library and no async runtime. The crate `license-manager-adapters` has
//! stores for Postgres and SQLite. [`memory::MemoryStore`] is a store for examples and tests:
//!
//! ```
//! use std::sync::Arc;
//! use chrono::{Duration, Utc};
//! use license_manager_domain::memory::MemoryStore;
//! use license_manager_domain::ports::{FixedClock, Person, SequentialIds};
//! use license_manager_domain::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = chrono::DateTime::UNIX_EPOCH + Duration::days(20_000);
//! let manager = LicenseManager::new(
//!     Arc::new(MemoryStore::with_seeded_products()),
//!     Arc::new(FixedClock::new(now)),
//!     Arc::new(SequentialIds::default()),
//!     Settings::default(),
//! );
//! let admin = Actor::user("admin");
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
//!         desired_num_licenses: Some(Some(3)),
//!         salesforce_opportunity_line_item: Some(Some("00k000000000000001".to_owned())),
//!         ..PlanChanges::default()
//!     },
//! })?.details.plan.id;
//!
//! // … an admin assigns one to a learner …
//! let email: Email = "amy@example.com".parse()?;
//! let learners: Assignees = [(email.clone(), None)].into_iter().collect();
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
//! # Modules
//!
//! | module | contents |
//! |---|---|
//! | [`model`] | entities, such as [`License`] and [`SubscriptionPlan`], and their rules |
//! | [`use_cases`] | the methods of [`LicenseManager`], with their arguments and results |
//! | [`operations`] | recurring operations and their schedule |
//! | [`ports`] | the traits that adapters implement |
//! | [`outbox`] | the messages to upstreams and webhooks |
//! | [`delivery`] | the delivery of messages |
//! | [`queue`] | queues of leased work, with retries |
//! | [`webhooks`] | endpoints that receive events |
//! | [`history`] | who changed what, when and why |
//! | [`permissions`] | who may do what |
//! | [`error`](mod@error) | errors |
//! | [`memory`] | a store in memory, with the feature `memory` |
//! | [`rules`] | the business rules in words |
//!
//! `examples/embedding.rs` is a longer example. The reasons for the design are in the repository's `docs/adr`.

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
pub mod permissions;
pub mod ports;
pub mod queue;
/// The business rules in words. Paths on this page are those of the repository.
///
#[doc = include_str!("../RULES.md")]
pub mod rules {}
mod saturating_time;
pub mod use_cases;
pub mod webhooks;

pub use error::{Conflict, Entity, Error, FieldErrors, Refusal, Upstream};
pub use history::Actor;
pub use model::{
    ActivationKey, AgreementId, AutoScaling, BulkEnrollment, CatalogId, ChangeReason, CustomerAgreement, CustomerId,
    Email, EnrollmentJobId, ExpirationMessage, InvalidEmail, License, LicenseColumns, LicenseCounts, LicenseEventId,
    LicenseId, LicenseState, LicenseStatus, LicenseTransferJob, LicenseTypesToCopy, LmsUserId, MailWordsId, MessageId,
    NotificationId, PlanDetails, PlanId, PlanType, PlanTypeId, Product, ProductId, RenewalId, RoleAssignmentId,
    SubscriptionPlan, SubscriptionPlanRenewal, TransferJobId, WebhookId,
};
pub use outbox::{AssignmentMail, ReminderMail};
pub use use_cases::{
    AgreementChanges, AgreementOverview, Assignees, Assignments, LicenseManager, LicenseSelection, NewAgreement,
    NewPlan, PlanChanges, PlanOverview, RenewalChanges, RevertRequest, Revocations, Settings,
};
