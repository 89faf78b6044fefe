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
//!     agreement: agreement.agreements[0].agreement.id,
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
//! })?.plans[0].details.plan.id;
//!
//! // … hands one to a learner …
//! let email: Email = "amy@example.com".parse()?;
//! let learners: Assignees = [(email.clone(), None)].into_iter().collect();
//! manager.assign(&admin, plan, &learners, &AssignmentMail::default())?;
//!
//! // … who activates it with the key from the mail.
//! let person = Person { email, lms_user_id: Some(LmsUserId(7)) };
//! let key = manager.own_licenses_of_plan(plan, &person)?[0].columns().activation_key.ok_or("no key")?;
//! manager.activate(&Actor::user("amy"), key, &person)?;
//! assert_eq!(manager.plan(plan)?.plans[0].counts, LicenseCounts { activated: 1, unassigned: 2, ..Default::default() });
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//!
//! | module | what stands there |
//! |---|---|
//! | [`License`], [`SubscriptionPlan`], [`CustomerAgreement`], [`Product`] | the entities and the rules that need nothing else |
//! | [`SubscriptionPlanRenewal`], [`RenewalChains`] | plans that follow plans |
//! | [`LicenseTransferJob`] | licenses that move between plans |
//! | [`ports`] | the traits an adapter implements |
//! | [`LicenseManager`] | the use cases |
//! | [`RecurringOperation`], [`CronExpression`] | what runs by itself, and when |
//! | [`SeatDay`], [`ActivationDelays`], [`IdleSeat`] | how seats are used |
//! | [`BulkEnrollment`] | enrollments that licenses pay for |
//! | [`outbox`] | what each use case owes the outside |
//! | [`delivery`] | how that is delivered |
//! | [`webhook`] | endpoints that events are told to |
//! | [`memory`] | storage for trying out and for tests |
//! | [`rules`] | the rules of the business, in words |
//!
//! `examples/embedding.rs` plays a longer story. Why things are as they are stands in the repository's `docs/adr`.

mod agreement;
pub mod delivery;
mod email;
mod enrollment;
mod error;
mod expiration_message;
mod history;
mod idempotency;
mod ids;
mod jobs;
mod license;
pub mod memory;
mod moment;
pub mod outbox;
mod plan;
pub mod ports;
mod product;
mod renewal;
/// `docs/RULES.md` of the repository; what it links to stands beside it there.
///
#[doc = include_str!("../../../docs/RULES.md")]
pub mod rules {}
mod schedule;
mod services;
mod spreadsheet;
mod staff_records;
mod transfer;
mod utilization;
pub mod webhook;

pub use agreement::{AutoScaling, CustomerAgreement};
pub use email::{Email, InvalidEmail};
pub use enrollment::{BulkEnrollment, Enrollees, EnrollmentJob, EnrollmentNumbers, EnrollmentStage};
pub use error::{Conflict, Entity, Error, FieldErrors, Neighbour, Refusal};
pub use expiration_message::{ExpirationMessage, ExpirationMessageChanges};
pub use history::{Actor, Change, ChangeKind, FieldChange, FieldKind, Recorded, Row, Value, Version};
pub use idempotency::{FirstRequest, IdempotencyKey, StoredAnswer};
pub use ids::{
    ActivationKey, AgreementId, CatalogId, CustomerId, EnrollmentJobId, LicenseId, LmsUserId, MessageId, PlanId,
    PlanTypeId, ProductId, RenewalId, RoleAssignmentId, TransferJobId, WebhookId,
};
pub use jobs::{Job, JobKind};
pub use license::{FormerSeat, ImpossibleTransition, License, LicenseColumns, LicenseState, LicenseStatus, Seat};
pub use outbox::{AssignmentMail, ReminderMail};
pub use plan::{ChangeReason, LicenseCounts, PlanDetails, SubscriptionPlan, is_salesforce_id};
pub use product::{DEFAULT_PRODUCT, PlanType, Product, seeded_products};
pub use renewal::{
    LicenseTypesToCopy, RenewalChains, RenewalDetails, RenewalLink, RenewalTerms, SubscriptionPlanRenewal,
};
pub use schedule::{
    CronExpression, FinishedRun, InvalidCronExpression, OperationSchedule, RecurringOperation, RunOutcome, RunSummary,
    Timetable,
};
pub use services::{
    AgreementChanges, AgreementOverview, AgreementPage, AgreementSettings, AgreementSettingsChanges, Assignees,
    Assignments, Batch, Begun, ChosenCatalog, Claim, Deliveries, DeliveryResult, DeliverySettings, Expiration,
    HistoricChange, HistoryPage, LearnerLicense, LearnerLicenses, LearnerView, LeftAlone, LicenseEdit, LicenseManager,
    LicensePage, LicenseSelection, NewAgreement, NewPlan, OperationFailure, OperationSettings, OperationSummary,
    Outcome, PersonalLicense, PersonalLicenses, PlanChanges, PlanOverview, PlanPage, PlanTypeChanges, PlanUpkeep,
    ProcessedRenewal, ProductChanges, RecordPage, RenewalChanges, RenewalOutcome, RenewalPage, RenewedBy, Retirement,
    RevertRequest, Reverted, Revocations, Revoked, ScheduledRun, SeedCustomer, SeedPlan, Seeds, Settings, Supervisor,
    TransferPage, TransferPreview, UNLINKED_EVENT, Unsupervised, WebhookBatch, WebhookChanges, WebhookOutcome,
    WebhookResult,
};
pub use spreadsheet::text_cell;
pub use staff_records::{LicenseMark, Notification, NotificationKind};
pub use transfer::{
    HeldTwice, LicenseTransferJob, TransferJobSummary, TransferOrder, TransferRun, TransferredLicenses,
};
pub use utilization::{ActivationDelay, ActivationDelays, IdleSeat, Period, SeatChange, SeatDay};
