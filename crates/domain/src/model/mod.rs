//! The entities and their rules.
//!
//! With the feature `serde`, agreements, plans, licenses, products, renewals and transfer jobs can be read and written by
//! serde, for caches and messages of your program. Reading checks no rules, as reading from storage does not; and a license
//! is written with its activation key.

pub(crate) mod agreement;
mod domain_names;
pub(crate) mod edit;
pub(crate) mod email;
pub(crate) mod enrollment;
pub(crate) mod expiration_message;
pub(crate) mod following_plan;
pub(crate) mod idempotency;
pub(crate) mod ids;
pub(crate) mod jobs;
pub(crate) mod license;
pub(crate) mod license_columns;
pub(crate) mod plan;
pub(crate) mod product;
pub(crate) mod renewal;
pub(crate) mod spreadsheet;
pub(crate) mod staff_action;
pub(crate) mod staff_records;
pub(crate) mod transfer;
pub(crate) mod utilization;

pub use agreement::{AutoScaling, CustomerAgreement};
pub use edit::Edit;
pub use email::{Email, InvalidEmail};
#[cfg(feature = "csv")]
pub use enrollment::results_with_normal_addresses;
pub use enrollment::{BulkEnrollment, Enrollees, EnrollmentJob, EnrollmentNumbers, EnrollmentStage};
pub use expiration_message::{ExpirationMessage, ExpirationMessageChanges};
pub use following_plan::{FollowingPlan, LicenseTypesToCopy, PriorPlan};
pub use idempotency::{AnswerQuota, Claimed, FirstRequest, IdempotencyKey, REQUEST_BYTES, StoredAnswer, StoredBody};
pub use ids::{
    ActivationKey, AgreementId, CatalogId, CustomerId, EnrollmentJobId, LicenseEventId, LicenseId, LmsUserId,
    MailWordsId, MessageId, NotificationId, PlanId, PlanTypeId, ProductId, RenewalId, RoleAssignmentId, TransferJobId,
    WebhookId,
};
pub use jobs::{Job, JobKind, Reminders};
pub use license::{FormerSeat, ImpossibleTransition, License, LicenseState, LicenseStatus, Seat};
pub use license_columns::LicenseColumns;
pub use plan::{ChangeReason, LicenseCounts, PlanDetails, SubscriptionPlan, is_salesforce_id};
pub use product::{DEFAULT_PRODUCT, PlanType, Product, seeded_products};
pub use renewal::{RenewalChains, RenewalDetails, RenewalLink, RenewalTerms, SubscriptionPlanRenewal};
pub use spreadsheet::{cell_text, text_cell};
pub use staff_action::{StaffAction, StaffActionKind};
pub use staff_records::{LicenseMark, Notification, NotificationKind};
pub use transfer::{
    HeldTwice, LicenseTransferJob, TransferJobSummary, TransferOrder, TransferRun, TransferredLicenses,
};
pub use utilization::{ActivationDelay, ActivationDelays, IdleSeat, Period, SeatChange, SeatDay};
