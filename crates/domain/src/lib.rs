//! Licenses, subscription plans and customer agreements: the rules of a service that hands out seats.
//!
//! An enterprise customer has one [`CustomerAgreement`], which holds [`SubscriptionPlan`]s, which hold [`License`]s. An admin
//! assigns licenses to learners' emails, a learner activates one, an admin may take it back. [`LicenseManager`] offers these
//! use cases over three ports: a [`ports::Store`], a [`ports::Clock`] and a [`ports::IdSource`].
//!
//! The crate knows no database, no HTTP and no runtime. `license-manager-adapters` stores in Postgres and SQLite;
//! [`memory::MemoryStore`] stores nowhere and serves to try the rules out:
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
//! // … hands one to a learner …
//! let email: Email = "amy@example.com".parse()?;
//! let learners: Assignees = [(email.clone(), None)].into_iter().collect();
//! manager.assign(&admin, plan, &learners, &AssignmentMail::default())?;
//!
//! // … who activates it with the key from the mail.
//! let person = Person { email, lms_user_id: Some(LmsUserId(7)) };
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
//! | [`model`] | the entities, such as [`License`] and [`SubscriptionPlan`], and the rules that need nothing else |
//! | [`use_cases`] | the methods of [`LicenseManager`], with what they take and return |
//! | [`operations`] | recurring operations, and when they run |
//! | [`ports`] | the traits that an adapter implements |
//! | [`outbox`] | the messages that each use case owes the outside |
//! | [`delivery`] | how messages are delivered |
//! | [`queue`] | work that is claimed, leased and tried again |
//! | [`webhooks`] | endpoints that are told of events |
//! | [`history`] | who changed what, when and why |
//! | [`error`](mod@error) | why a use case did not do what was asked |
//! | [`memory`] | a store for tests and for trying out, behind the feature `memory` |
//! | [`rules`] | the rules of the business, in words |
//!
//! `examples/embedding.rs` plays a longer story. Why things are as they are stands in the repository's `docs/adr`.

#[macro_use]
mod names;

pub mod delivery;
pub mod error;
pub mod history;
#[cfg(feature = "memory")]
pub mod memory;
pub mod model;
pub mod operations;
pub mod outbox;
pub mod ports;
pub mod queue;
/// `docs/RULES.md` of the repository; what it links to stands beside it there.
///
#[doc = include_str!("../../../docs/RULES.md")]
pub mod rules {}
mod saturating_time;
pub mod use_cases;
pub mod webhooks;

pub use error::{Conflict, Entity, Error, FieldErrors, Refusal, Upstream};
pub use history::Actor;
pub use model::{
    ActivationKey, AgreementId, AutoScaling, BulkEnrollment, CatalogId, ChangeReason, CustomerAgreement, CustomerId,
    Email, EnrollmentJobId, ExpirationMessage, InvalidEmail, License, LicenseColumns, LicenseCounts, LicenseId,
    LicenseState, LicenseStatus, LicenseTransferJob, LicenseTypesToCopy, LmsUserId, MessageId, PlanDetails, PlanId,
    PlanType, PlanTypeId, Product, ProductId, RenewalId, RoleAssignmentId, SubscriptionPlan, SubscriptionPlanRenewal,
    TransferJobId, WebhookId,
};
pub use outbox::{AssignmentMail, ReminderMail};
pub use use_cases::{
    AgreementChanges, AgreementOverview, Assignees, Assignments, LicenseManager, LicenseSelection, NewAgreement,
    NewPlan, PlanChanges, PlanOverview, RenewalChanges, RevertRequest, Revocations, Settings,
};
