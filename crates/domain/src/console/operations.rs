//! Lists for operators: work that waits, and moves of licenses.

use chrono::{DateTime, Utc};

use super::queries::{LicenseRow, ListPage, PlanRow};
use crate::error::Error;
use crate::model::enrollment::{BulkEnrollment, EnrollmentNumbers};
use crate::model::ids::{
    AgreementId, CustomerId, EnrollmentJobId, LicenseId, MessageId, PlanId, TransferJobId, WebhookId,
};
use crate::model::jobs::JobKind;
use crate::model::plan::LicenseCounts;
use crate::outbox::{EventName, WaitingMessage};
use crate::ports::CustomerScope;
use crate::webhooks::{OffReason, WebhookDelivery, WebhookState};

/// A part of a list by the places of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// How many rows to skip.
    pub offset: i64,
    /// The most rows to return.
    pub limit: i64,
    /// Whether the list is in reverse: its last row comes first.
    pub is_reversed: bool,
}

impl Slice {
    /// A part of a list in its usual order.
    pub const fn new(offset: i64, limit: i64) -> Self {
        Self { offset, limit, is_reversed: false }
    }
}

/// The number of messages among which those that wait are filtered, from the first one on.
pub const MESSAGES_LOOKED_AT: i64 = 20_000;

/// Which messages to list. Of those that wait, a topic or a queue is looked for among the first [`MESSAGES_LOOKED_AT`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageFilters {
    /// Dead letters, or messages that wait.
    pub dead_lettered: Option<bool>,
    /// Only these.
    pub ids: Option<Vec<MessageId>>,
    /// Of the topic with this name.
    pub topic: Option<String>,
    /// In the queue with this name.
    pub queue: Option<String>,
}

/// Which jobs on plans to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilters {
    /// Only of these plans.
    pub plans: Option<Vec<PlanId>>,
    /// Of plans whose title contains this, in any case.
    pub title: Option<String>,
    /// Of this kind.
    pub kind: Option<JobKind>,
    /// Those whose last batch failed, or others.
    pub has_failed: Option<bool>,
}

/// A job on a plan in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// The plan.
    pub plan: PlanId,
    /// Its title.
    pub plan_title: String,
    /// What the job does; `None` for a kind that this version does not know.
    pub kind: Option<JobKind>,
    /// Who asked for it.
    pub requested_by: Option<String>,
    /// When.
    pub requested_at: DateTime<Utc>,
    /// Why, if they said so.
    pub reason: Option<String>,
    /// When it is due, or until when it is worked on.
    pub not_before: DateTime<Utc>,
    /// Whether somebody works on it.
    pub is_claimed: bool,
    /// The failures since the last batch that was done.
    pub attempts: i32,
    /// The last problem.
    pub last_error: Option<String>,
    /// The number of licenses that the plan should have.
    pub desired: Option<i32>,
    /// The numbers of its licenses.
    pub counts: LicenseCounts,
}

/// Which bulk enrollments to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnrollmentFilters {
    /// Only this one.
    pub id: Option<EnrollmentJobId>,
    /// Of customers whose name or slug contains this, in any case.
    pub customer: Option<String>,
    /// Those whose enrollments or file are still to be done, or others.
    pub is_unfinished: Option<bool>,
}

/// The message that carries out a bulk enrollment, while it waits or after it was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentTry {
    /// Its id.
    pub message: MessageId,
    /// The failed attempts.
    pub attempts: i32,
    /// When it is tried next.
    pub not_before: DateTime<Utc>,
    /// Why it failed last.
    pub last_error: Option<String>,
    /// When it was given up.
    pub given_up: Option<DateTime<Utc>>,
}

/// A bulk enrollment in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentRow {
    /// Its id.
    pub id: EnrollmentJobId,
    /// Its customer.
    pub customer: CustomerId,
    /// The customer's name, or else slug.
    pub customer_name: Option<String>,
    /// The name of its stage.
    pub stage: String,
    /// What was asked for.
    pub enrollment: BulkEnrollment,
    /// The results so far.
    pub numbers: EnrollmentNumbers,
    /// What is still to be delivered for it.
    pub waiting: Option<EnrollmentTry>,
    /// When it was asked for.
    pub created: DateTime<Utc>,
    /// When it was last written.
    pub modified: DateTime<Utc>,
}

/// Which webhooks to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookFilters {
    /// Of a customer whose name or slug contains this, in any case. Those of all customers do not match.
    pub customer: Option<String>,
    /// Active ones, or those that are off.
    pub is_active: Option<bool>,
}

/// A webhook in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRow {
    /// Its id.
    pub id: WebhookId,
    /// Where it is.
    pub url: String,
    /// The events that it is told; all if there are none.
    pub event_types: Vec<EventName>,
    /// The customer whose events it is told; `None` for all.
    pub customer: Option<CustomerId>,
    /// The customer's name, or else slug.
    pub customer_name: Option<String>,
    /// Whether deliveries are made.
    pub is_active: bool,
    /// Why it is off, if that is known.
    pub off_reason: Option<OffReason>,
    /// The number of waiting deliveries, up to [`crate::webhooks::WAITING_COUNTED`].
    pub waiting: i64,
    /// The number of events that waited too long while it was off.
    pub dropped: i64,
    /// When it was added.
    pub created: DateTime<Utc>,
}

/// Which transfer jobs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransferFilters {
    /// With this in the name of the customer or the title of a plan, in any case.
    pub text: Option<String>,
    /// Of this agreement.
    pub agreement: Option<AgreementId>,
    /// From or to this plan.
    pub plan: Option<PlanId>,
    /// Completed ones, or others.
    pub is_completed: Option<bool>,
}

/// A transfer job in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    /// Its id.
    pub id: TransferJobId,
    /// Its agreement.
    pub agreement: AgreementId,
    /// The customer's name, or else slug.
    pub customer_name: Option<String>,
    /// The plan that licenses leave.
    pub old_plan: PlanId,
    /// Its title.
    pub old_title: String,
    /// The plan that they get to.
    pub new_plan: PlanId,
    /// Its title.
    pub new_title: String,
    /// Staff's notes.
    pub notes: Option<String>,
    /// Whether all licenses move.
    pub transfer_all: bool,
    /// When they were moved.
    pub completed_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created: DateTime<Utc>,
}

/// Reads for operators. The same holds as for [`super::ConsoleQueries`]. Totals are counted up to
/// [`super::MOST_COUNTED`].
pub trait ConsoleOperations: Send + Sync {
    /// Messages, in the order of addition.
    fn message_rows(&self, filters: &MessageFilters, slice: Slice) -> Result<ListPage<WaitingMessage>, Error>;

    /// The names of the topics of messages, each with the number of its messages, among the first
    /// [`super::MOST_COUNTED`].
    fn message_topics(&self, filters: &MessageFilters) -> Result<Vec<(String, i64)>, Error>;

    /// Jobs on plans, longest due first.
    fn job_rows(&self, filters: &JobFilters, now: DateTime<Utc>, slice: Slice) -> Result<ListPage<JobRow>, Error>;

    /// Bulk enrollments, latest first.
    fn enrollment_rows(&self, filters: &EnrollmentFilters, slice: Slice) -> Result<ListPage<EnrollmentRow>, Error>;

    /// Webhooks, in the order of addition.
    fn webhook_rows(&self, filters: &WebhookFilters, slice: Slice) -> Result<ListPage<WebhookRow>, Error>;

    /// Deliveries of a webhook, latest first.
    fn delivery_rows(
        &self,
        webhook: WebhookId,
        state: Option<WebhookState>,
        slice: Slice,
    ) -> Result<ListPage<WebhookDelivery>, Error>;

    /// Transfer jobs, latest first.
    fn transfer_rows(&self, filters: &TransferFilters, slice: Slice) -> Result<ListPage<TransferRow>, Error>;

    /// The first `limit` of these licenses, in the order of their ids.
    fn license_rows(&self, licenses: &[LicenseId], limit: i64) -> Result<Vec<LicenseRow>, Error>;

    /// Up to `limit` active plans that are current at this time, are not frozen, and less than a tenth of whose licenses
    /// are unassigned, scarcest first.
    fn scarce_plans(&self, scope: &CustomerScope, now: DateTime<Utc>, limit: i64) -> Result<Vec<PlanRow>, Error>;
}
