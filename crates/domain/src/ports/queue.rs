use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::Error;
use crate::model::ids::{LicenseId, PlanId};
use crate::outbox::ClaimedMessage;
use crate::queue::{Claim, ClaimedJob, Lease, Queue, QueueKind, Settlement};

/// A piece of work that only one run of an operation does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// The operation, such as `expire-subscriptions`.
    pub operation: &'static str,
    /// The id of the plan, agreement or customer that the work is about.
    pub key: Uuid,
}

impl Task {
    /// The queue that it waits in.
    pub fn queue(self) -> Queue {
        Queue::Operation(self.operation)
    }
}

/// The progress of processing an expired plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpirationProgress {
    /// The plan, one of a chain of renewals.
    pub plan: PlanId,
    /// Its expiration date. If it changes, the progress is void.
    pub expiration_date: DateTime<Utc>,
    /// The current step.
    pub step: ExpirationStep,
    /// The last processed license.
    pub after: LicenseId,
}

/// A step of processing an expired plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpirationStep {
    /// Enrollments are ended in the LMS.
    Enrollments,
    /// Events are added to the outbox.
    Events,
}

/// The result of claiming a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskClaim {
    /// The caller holds it. Contains the progress of the previous holder, if any.
    Taken(Option<ExpirationProgress>),
    /// Another lease holds it until this time.
    HeldUntil(DateTime<Utc>),
}

/// Leased work: messages, events for webhooks, jobs on plans and tasks of operations.
///
/// Its queue and an id identify work: the id of a message, the plan of a job or the key of a task. The number of
/// statements of a method MUST NOT depend on the amount of work, and no claim may read all waiting work.
pub trait QueueRepository {
    /// The queues of a kind with claimable work, longest due first.
    fn due(&mut self, kind: QueueKind, now: DateTime<Utc>) -> Result<Vec<Queue>, Error> {
        not_provided!("queue.due", kind, now)
    }

    /// Claims due messages, or events for a webhook: longest due first, then in the order of addition.
    ///
    /// MUST skip work that another lease holds, and MUST NOT wait for locks. MUST skip a message while an earlier one
    /// of the same license has a step in this queue and is not dead-lettered; thus claims at most one of a license. MUST
    /// skip an event for a webhook likewise while an earlier one names the same email address or LMS user id.
    /// MUST claim only the first message of [`crate::outbox::Topic::MERGED`] of a plan, and remove the others as
    /// [`crate::outbox::merged_plans`] says. MUST return each message with its words. MUST return nothing for a webhook that is inactive or paused.
    fn claim(&mut self, claim: &Claim) -> Result<Vec<ClaimedMessage>, Error> {
        not_provided!("queue.claim", claim)
    }

    /// Claims the longest due job of the queue that no other lease holds.
    fn claim_job(&mut self, claim: &Claim) -> Result<Option<ClaimedJob>, Error> {
        not_provided!("queue.claim_job", claim)
    }

    /// Claims a task unless another lease holds it. Of concurrent callers, one gets it.
    fn claim_task(&mut self, task: Task, claim: &Claim) -> Result<TaskClaim, Error> {
        not_provided!("queue.claim_task", task, claim)
    }

    /// Prolongs the lease of the work that it still holds, and returns the amount of this work.
    fn prolong(&mut self, lease: Lease, work: &[Uuid], until: DateTime<Utc>) -> Result<usize, Error> {
        not_provided!("queue.prolong", lease, work, until)
    }

    /// The work that the lease still holds, locked. An ended lease holds its work until another lease claims it.
    fn held(&mut self, lease: Lease, work: &[Uuid]) -> Result<Vec<Uuid>, Error> {
        not_provided!("queue.held", lease, work)
    }

    /// Settles work. Removes completed work; marks completed deliveries to webhooks instead. Work that the lease does
    /// not hold MUST stay as it is.
    fn settle(&mut self, lease: Lease, settlements: &[Settlement]) -> Result<(), Error> {
        not_provided!("queue.settle", lease, settlements)
    }
}
