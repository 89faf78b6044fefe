//! The services around this one that promises of the outbox are delivered to, and what goes there.
//!
//! They are called by the worker, outside of any transaction and with nobody waiting for an answer. Each delivery can happen
//! twice: where a service can recognize what it got before, it is told the id of the promise.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::model::email::Email;
use crate::model::ids::{CustomerId, LicenseId, LmsUserId, MessageId};

/// Why something was not delivered. The texts are for an operator, and name no person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// The service did not answer, or said that it cannot now: "answered 502 Bad Gateway". The same may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// The service has had enough for now, and wants nothing before this moment. Costs no try.
    #[error("is not to be asked before {0}")]
    Busy(DateTime<Utc>),
    /// The service refused what it was asked, for good: "answered 400 Bad Request". Of several things delivered together,
    /// one may be the reason, so they are to be tried apart.
    #[error("{0}")]
    Refused(String),
}

/// Somebody the LMS is to expect: the learner belongs to the customer as soon as they have an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLearner {
    /// Whose learner.
    pub customer: CustomerId,
    /// Who.
    pub email: Email,
}

/// A person who administers a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerAdmin {
    /// The id of their link to the customer, in the LMS.
    pub customer_user: i64,
    /// Their account in the LMS.
    pub lms_user_id: LmsUserId,
    /// Their address.
    pub email: Email,
}

/// An enrollment that a license pays for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicensedEnrollment {
    /// Who.
    pub email: Email,
    /// In which course run.
    pub course_run_key: String,
    /// Paid for by which license.
    pub license: LicenseId,
    /// Where a learner who has yet to activate the license does so.
    pub activation_link: Option<String>,
}

/// What came of enrollments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnrollmentResults {
    /// Learner and course run of each that succeeded.
    pub successes: Vec<(Email, String)>,
    /// Of each that happens once the learner has an account.
    pub pending: Vec<(Email, String)>,
    /// Of each that failed.
    pub failures: Vec<(Email, String)>,
    /// What the LMS does not take for an address.
    pub invalid_addresses: Vec<String>,
}

/// The part of the LMS that knows who belongs to which customer, and who is enrolled where.
#[async_trait]
pub trait LearnerRegistry: Send + Sync {
    /// Links learners to their customers: those without an account as soon as they have one. At most
    /// [`PENDING_LEARNERS_PER_CALL`] learners, all of one customer. Linking again changes nothing.
    async fn link(&self, learners: &[PendingLearner]) -> Result<(), Undelivered>;

    /// Ends what a learner's license of the customer paid for.
    async fn end_enrollments(&self, customer: CustomerId, learner: LmsUserId) -> Result<(), Undelivered>;

    /// Ends what these licenses paid for, because their plan has expired. At most [`EXPIRED_LICENSES_PER_CALL`]. Enrollments that
    /// were modified after `unless_modified_after` are left alone.
    async fn expire_enrollments(
        &self,
        licenses: &[LicenseId],
        unless_modified_after: Option<DateTime<Utc>>,
    ) -> Result<(), Undelivered>;

    /// Enrolls learners of the customer. At most [`ENROLLED_LEARNERS_PER_CALL`] learners in [`ENROLLED_COURSES_PER_CALL`]
    /// course runs. `notify`: whether the LMS tells them.
    async fn enroll(
        &self,
        customer: CustomerId,
        enrollments: &[LicensedEnrollment],
        notify: bool,
    ) -> Result<EnrollmentResults, Undelivered>;

    /// Takes learners out of the customer; they can be linked again. At most [`UNLINKED_LEARNERS_PER_CALL`].
    async fn unlink(&self, customer: CustomerId, learners: &[Email]) -> Result<(), Undelivered>;

    /// Everybody who administers the customer.
    async fn admins(&self, customer: CustomerId) -> Result<Vec<CustomerAdmin>, Undelivered>;
}

/// The most learners linked in one call.
pub const PENDING_LEARNERS_PER_CALL: usize = 50;
/// The most licenses whose enrollments end in one call.
pub const EXPIRED_LICENSES_PER_CALL: usize = 100;
/// The most learners enrolled in one call.
pub const ENROLLED_LEARNERS_PER_CALL: usize = 25;
/// The most course runs that learners are enrolled in in one call.
pub const ENROLLED_COURSES_PER_CALL: usize = 25;
/// The most learners unlinked in one call.
pub const UNLINKED_LEARNERS_PER_CALL: usize = 100;

/// A kind of mail. What each says, and to whom it goes, is in [`crate::rules`], "Mails".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MailKind {
    /// A license waits to be activated.
    Assignment,
    /// It still does.
    Reminder,
    /// A license was activated.
    PostActivation,
    /// A license was handed out by logging in.
    AutoApplied,
    /// The same, where the customer's learners come through a portal of their own.
    AutoAppliedNoPortal,
    /// A plan's revocation cap is used up; to customer success.
    RevocationCap,
    /// How a plan is used a week after it began to hand out licenses by itself; to admins.
    InitialUtilization,
    /// Three quarters of a plan's licenses are handed out; to admins.
    LimitedAllocations,
    /// All of a plan's licenses are handed out; to admins.
    NoAllocations,
    /// What came of a bulk enrollment; to the admin who asked for it.
    BulkEnrollmentResult,
}

impl MailKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Assignment,
        Self::Reminder,
        Self::PostActivation,
        Self::AutoApplied,
        Self::AutoAppliedNoPortal,
        Self::RevocationCap,
        Self::InitialUtilization,
        Self::LimitedAllocations,
        Self::NoAllocations,
        Self::BulkEnrollmentResult,
    ];

    /// Its name in the configuration and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assignment => "assignment",
            Self::Reminder => "reminder",
            Self::PostActivation => "post_activation",
            Self::AutoApplied => "auto_applied",
            Self::AutoAppliedNoPortal => "auto_applied_no_portal",
            Self::RevocationCap => "revocation_cap",
            Self::InitialUtilization => "initial_utilization",
            Self::LimitedAllocations => "limited_allocations",
            Self::NoAllocations => "no_allocations",
            Self::BulkEnrollmentResult => "bulk_enrollment_result",
        }
    }
}

/// A mail to one person.
#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    /// The promise it keeps: the same however often it is tried.
    pub id: MessageId,
    /// What it says.
    pub kind: MailKind,
    /// To whom.
    pub to: Email,
    /// Their account in the LMS, where it is known.
    pub lms_user_id: Option<LmsUserId>,
    /// What the words depend on, by name; [`crate::rules`], "Mails", lists each kind's. Texts, numbers and whole moments.
    pub properties: Map<String, Value>,
}

/// Whoever sends mails.
#[async_trait]
pub trait CampaignMail: Send + Sync {
    /// Sends mails of one kind, at most [`MAILS_PER_CALL`]. Where it fails, some of them may have been sent: they are all handed
    /// over again, with the same ids.
    async fn send(&self, kind: MailKind, mails: &[Mail]) -> Result<(), Undelivered>;

    /// Joins what is known of addresses with the accounts they turned out to belong to. At most [`MAILS_PER_CALL`].
    async fn identify(&self, people: &[(Email, LmsUserId)]) -> Result<(), Undelivered>;
}

/// The most mails sent in one call.
pub const MAILS_PER_CALL: usize = 50;

/// Something that happened to a license.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackedEvent {
    /// The promise it keeps: the same however often it is tried.
    pub id: MessageId,
    /// Its full name.
    pub name: String,
    /// To whose license, where they have an account in the LMS.
    pub lms_user_id: Option<LmsUserId>,
    /// To whose license.
    pub email: Option<Email>,
    /// What is told of it.
    pub properties: Map<String, Value>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Whoever collects events.
#[async_trait]
pub trait EventTracking: Send + Sync {
    /// Tells of events, at most [`EVENTS_PER_CALL`]. May have told some of them where it fails.
    async fn track(&self, events: &[TrackedEvent]) -> Result<(), Undelivered>;
}

/// The most events told in one call.
pub const EVENTS_PER_CALL: usize = 75;

/// The accounts of the LMS.
#[async_trait]
pub trait AccountLookup: Send + Sync {
    /// The account of an address; `None` where there is none.
    ///
    /// # Errors
    /// [`crate::Error::Upstream`] where no answer comes, or none that says so.
    async fn account(&self, email: &Email) -> Result<Option<LmsUserId>, crate::Error>;
}
