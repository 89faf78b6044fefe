//! Upstream services that receive the outbox's messages.
//!
//! The worker calls them outside of any transaction, and nobody waits for the answer. Each delivery can happen twice;
//! services that can drop duplicates get the message's id.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::model::email::Email;
use crate::model::ids::{CustomerId, LicenseId, LmsUserId, MessageId};
use crate::outbox::CustomMessage;

/// Why a delivery failed. The texts are for operators and name no person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undelivered {
    /// The service did not answer, or is temporarily unable: "answered 502 Bad Gateway". A retry may succeed.
    #[error("{0}")]
    Unavailable(String),
    /// The service asked not to be called before this time. Does not count as an attempt.
    #[error("is not to be asked before {0}")]
    Busy(DateTime<Utc>),
    /// The service rejected the request for good: "answered 400 Bad Request". If it carried several items, one of them
    /// may be the cause, so they are retried one by one.
    #[error("{0}")]
    Refused(String),
    /// It was not sent, because others before it failed by the service's own fault. Does not count as an attempt.
    #[error("{0}")]
    Untried(String),
}

/// A learner to link to a customer, now or as soon as they have an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLearner {
    /// The customer.
    pub customer: CustomerId,
    /// The learner's email address.
    pub email: Email,
}

/// An admin of a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerAdmin {
    /// The customer user id in the LMS.
    pub customer_user: i64,
    /// The LMS user id.
    pub lms_user_id: Option<LmsUserId>,
    /// The email address.
    pub email: Email,
}

/// An enrollment paid for by a license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicensedEnrollment {
    /// The learner's email address.
    pub email: Email,
    /// The course run.
    pub course_run_key: String,
    /// The license.
    pub license: LicenseId,
    /// The activation link, if the license is not activated yet.
    pub activation_link: Option<String>,
}

/// The results of enrollments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnrollmentResults {
    /// Email address and course run of each success.
    pub successes: Vec<(Email, String)>,
    /// Those that succeed once the learner has an account.
    pub pending: Vec<(Email, String)>,
    /// Those that failed.
    pub failures: Vec<(Email, String)>,
    /// Addresses that the LMS rejects as invalid.
    pub invalid_addresses: Vec<String>,
}

/// The LMS's learners and enrollments.
#[async_trait]
pub trait LearnerRegistry: Send + Sync {
    /// Links learners to their customer; those without an account as soon as they have one. Takes at most
    /// [`PENDING_LEARNERS_PER_CALL`] learners of one customer. Linking again changes nothing.
    async fn link(&self, learners: &[PendingLearner]) -> Result<(), Undelivered>;

    /// Ends the enrollments paid for by a learner's license of the customer.
    async fn end_enrollments(&self, customer: CustomerId, learner: LmsUserId) -> Result<(), Undelivered>;

    /// Ends the enrollments paid for by these licenses, because their plan expired. Takes at most
    /// [`EXPIRED_LICENSES_PER_CALL`]. Enrollments modified after `unless_modified_after` stay.
    async fn expire_enrollments(
        &self,
        licenses: &[LicenseId],
        unless_modified_after: Option<DateTime<Utc>>,
    ) -> Result<(), Undelivered>;

    /// Enrolls learners of the customer. Takes at most [`ENROLLED_LEARNERS_PER_CALL`] learners and
    /// [`ENROLLED_COURSES_PER_CALL`] course runs. `notify` makes the LMS notify them.
    async fn enroll(
        &self,
        customer: CustomerId,
        enrollments: &[LicensedEnrollment],
        notify: bool,
    ) -> Result<EnrollmentResults, Undelivered>;

    /// Unlinks learners from the customer; they can be linked again. Takes at most [`UNLINKED_LEARNERS_PER_CALL`].
    async fn unlink(&self, customer: CustomerId, learners: &[Email]) -> Result<(), Undelivered>;

    /// All admins of the customer.
    async fn admins(&self, customer: CustomerId) -> Result<Vec<CustomerAdmin>, Undelivered>;
}

/// The most learners linked per call.
pub const PENDING_LEARNERS_PER_CALL: usize = 50;
/// The most licenses per call whose enrollments end.
pub const EXPIRED_LICENSES_PER_CALL: usize = 100;
/// The most learners enrolled per call.
pub const ENROLLED_LEARNERS_PER_CALL: usize = 25;
/// The most course runs per call that learners are enrolled in.
pub const ENROLLED_COURSES_PER_CALL: usize = 25;
/// The most learners unlinked per call.
pub const UNLINKED_LEARNERS_PER_CALL: usize = 100;

/// A kind of mail. [`crate::rules`], "Mails", describes their contents and recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MailKind {
    /// A license was assigned.
    Assignment,
    /// An assigned license is not activated yet.
    Reminder,
    /// A license was activated.
    PostActivation,
    /// A license was auto-applied.
    AutoApplied,
    /// The same, for a customer whose learners use their own portal.
    AutoAppliedNoPortal,
    /// A plan's revocation cap is used up; to customer success.
    RevocationCap,
    /// The utilization of a plan a week after it began to auto-apply licenses; to admins.
    InitialUtilization,
    /// Three quarters of a plan's licenses are allocated; to admins.
    LimitedAllocations,
    /// All of a plan's licenses are allocated; to admins.
    NoAllocations,
    /// The results of a bulk enrollment; to its requester.
    BulkEnrollmentResult,
}

names!(MailKind {
    Assignment => "assignment",
    Reminder => "reminder",
    PostActivation => "post_activation",
    AutoApplied => "auto_applied",
    AutoAppliedNoPortal => "auto_applied_no_portal",
    RevocationCap => "revocation_cap",
    InitialUtilization => "initial_utilization",
    LimitedAllocations => "limited_allocations",
    NoAllocations => "no_allocations",
    BulkEnrollmentResult => "bulk_enrollment_result",
});

/// A mail to one person.
#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    /// The message's id, the same for every attempt.
    pub id: MessageId,
    /// The kind.
    pub kind: MailKind,
    /// The recipient.
    pub to: Email,
    /// The recipient's LMS user id, if known.
    pub lms_user_id: Option<LmsUserId>,
    /// The values in the text, by name; [`crate::rules`], "Mails", lists those of each kind. Texts, numbers and times
    /// in whole seconds.
    pub properties: Map<String, Value>,
    /// What a mail service may note in the recipient's profile, by name.
    pub attributes: Map<String, Value>,
}

/// A mail that was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsentMail {
    /// Its index among the mails of the call.
    pub place: usize,
    /// Why it was not sent.
    pub problem: Undelivered,
}

/// Sends mails.
#[async_trait]
pub trait CampaignMail: Send + Sync {
    /// Sends mails of one kind, at most [`MAILS_PER_CALL`]. Returns those that were not sent; all others MUST have been
    /// sent, and are not sent again.
    ///
    /// # Errors
    /// If none was sent, and nobody knows which mail is the cause.
    async fn send(&self, kind: MailKind, mails: &[Mail]) -> Result<Vec<UnsentMail>, Undelivered>;

    /// Merges the profiles of email addresses into those of their accounts. Takes at most [`MAILS_PER_CALL`].
    async fn identify(&self, people: &[(Email, LmsUserId)]) -> Result<(), Undelivered>;
}

/// The most mails per call.
pub const MAILS_PER_CALL: usize = 50;

/// An event of a license.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackedEvent {
    /// The message's id, the same for every attempt.
    pub id: MessageId,
    /// Its full name.
    pub name: String,
    /// The holder's LMS user id, if known.
    pub lms_user_id: Option<LmsUserId>,
    /// The holder's email address.
    pub email: Option<Email>,
    /// Its properties.
    pub properties: Map<String, Value>,
    /// When it happened.
    pub at: DateTime<Utc>,
}

/// Collects events.
#[async_trait]
pub trait EventTracking: Send + Sync {
    /// Sends events, at most [`EVENTS_PER_CALL`]. On failure, some may have been sent.
    async fn track(&self, events: &[TrackedEvent]) -> Result<(), Undelivered>;
}

/// The most events per call.
pub const EVENTS_PER_CALL: usize = 75;

/// A message of the embedding program, to be delivered.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomItem {
    /// The message's id, the same for every attempt.
    pub id: MessageId,
    /// The customer it is about.
    pub customer: CustomerId,
    /// The license it is about, if there is one.
    pub license: Option<LicenseId>,
    /// The message.
    pub message: CustomMessage,
    /// When it was added.
    pub at: DateTime<Utc>,
}

/// Delivers the messages that the embedding program has added; see [`CustomMessage`].
#[async_trait]
pub trait CustomDelivery: Send + Sync {
    /// Delivers messages, at most [`EVENTS_PER_CALL`], of any names. On failure, some may have been delivered. They share
    /// the queue of events: return soon.
    async fn deliver(&self, items: &[CustomItem]) -> Result<(), Undelivered>;
}

/// The LMS's accounts.
#[async_trait]
pub trait AccountLookup: Send + Sync {
    /// The account of an email address; `None` if there is none.
    ///
    /// # Errors
    /// [`crate::Error::Upstream`] without a usable answer.
    async fn account(&self, email: &Email) -> Result<Option<LmsUserId>, crate::Error>;
}
