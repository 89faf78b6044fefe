//! The traits that the domain needs implemented: storage, time, new ids, upstream services.
//!
//! Their documentation states what an adapter MUST do. The crate `license-manager-contract` tests the storage ports on
//! any store; [`crate::own_store`] shows how to write one. Every method of a repository has a default that fails with
//! [`crate::Error::NotProvided`], so a store implements what its use cases reach.
//!
//! Ports check no business rules: `add` and `save` write what they are given. To use licenses rather than store them,
//! call [`crate::LicenseManager`].

/// The body of a method that a store need not have. The name is that of the accessor and of the method.
macro_rules! not_provided {
    ($name:literal) => {
        Err(Error::NotProvided($name))
    };
    ($name:literal, $($argument:ident),+) => {{
        let _ = ($(&$argument,)+);
        Err(Error::NotProvided($name))
    }};
}

mod backups;
mod blocking;
mod clock;
mod deliveries;
mod due_work;
mod enrollment_jobs;
mod history;
mod idempotency;
mod ids;
mod licenses;
mod lookups;
mod not_configured;
mod operations;
mod outbox;
mod purge;
mod queue;
mod renewals;
mod repositories;
mod result_files;
mod retirement;
mod role_assignments;
mod schedule;
mod staff_actions;
mod staff_records;
mod store;
mod transfers;
mod upstreams;
mod utilization;
mod webhooks;

pub use backups::{BackupMade, Backups};
pub use blocking::{Blocking, Inline};
pub use clock::{Clock, FixedClock, SystemClock};
pub use deliveries::{
    AccountLookup, CampaignMail, CustomDelivery, CustomItem, CustomerAdmin, ENROLLED_COURSES_PER_CALL,
    ENROLLED_LEARNERS_PER_CALL, EVENTS_PER_CALL, EXPIRED_LICENSES_PER_CALL, EnrollmentResults, EventTracking,
    LearnerRegistry, LicensedEnrollment, MAILS_PER_CALL, Mail, MailKind, PENDING_LEARNERS_PER_CALL, PendingLearner,
    TrackedEvent, UNLINKED_LEARNERS_PER_CALL, Undelivered, UnsentMail,
};
pub use due_work::{DueRenewal, DueWorkRepository, PlanEnd, Unlinking};
pub use enrollment_jobs::EnrollmentJobRepository;
pub use history::{HistoryPart, HistoryRepository, SupersededVersions};
pub use idempotency::IdempotencyRepository;
pub use ids::{IdSource, RandomIds, SequentialIds};
pub use licenses::{
    LicenseField, LicenseFilter, LicenseOrder, LicensePosition, LicenseRepository, Person, look_and_claim,
};
pub use lookups::{LicenseSearch, LookupRepository};
pub use not_configured::NotConfigured;
pub use operations::OperationRepository;
pub use outbox::{OutboxFilter, OutboxRepository};
pub use purge::{DeletedLicense, Purge, PurgeRepository};
pub use queue::{ExpirationProgress, ExpirationStep, QueueRepository, Task, TaskClaim};
pub use renewals::{RenewalFilter, RenewalRepository};
pub use repositories::{
    AgreementFilter, AgreementRepository, CustomerScope, JobRepository, LimitOffset, PlanFilter, PlanRepository,
    ProductRepository, RoleAssignment, User, UserRepository,
};
pub use result_files::ResultFiles;
pub use retirement::{Retiree, RetirementRepository};
pub use role_assignments::{AssignedRole, RoleAssignmentFilter, RoleAssignmentRepository};
pub use schedule::ScheduleRepository;
pub use staff_actions::{StaffActionFilter, StaffActionRepository};
pub use staff_records::{LicenseEventFilter, LicenseEventRepository, NotificationFilter, NotificationRepository};
pub use store::{NotProvided, Store, StoreExt, UnitOfWork, Work};
pub use transfers::{TransferFilter, TransferRepository};
pub use upstreams::{CATALOGS_PER_CALL, CatalogOwner, ContentCatalog, EnterpriseCustomer, EnterpriseDirectory};
pub use utilization::UtilizationRepository;
pub use webhooks::{
    WebhookDeliveryFilter, WebhookDeliveryRepository, WebhookFailure, WebhookReplay, WebhookRepository, WebhookRequest,
    WebhookSender,
};
