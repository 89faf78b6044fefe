use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::Error;
use crate::model::ids::{LicenseId, PlanId};
use crate::outbox::ClaimedMessage;
use crate::ports::Task;
use crate::queue::{Claim, ClaimedJob, Lease, Queue, QueueKind, Settlement};

/// How far the end of a plan is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpirationProgress {
    /// The plan, one of a chain of renewals.
    pub plan: PlanId,
    /// When it ended; a plan that got more time since starts anew.
    pub expiration_date: DateTime<Utc>,
    /// What is being done.
    pub step: ExpirationStep,
    /// The last license that was looked after.
    pub after: LicenseId,
}

/// A part of the end of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpirationStep {
    /// The LMS is told.
    Enrollments,
    /// Events are written to the outbox.
    Events,
}

/// Whether a task was to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskClaim {
    /// The caller has it. How far the previous holder came, where that was noted.
    Taken(Option<ExpirationProgress>),
    /// Somebody else has it, at least until then unless they finish before.
    HeldUntil(DateTime<Utc>),
}

/// Leased work of every kind: messages, events for webhooks, jobs on plans, tasks of operations.
///
/// A piece of work is known by its queue and its id: of a message its id, of a job its plan, of a task its key. Every method MUST use a
/// number of statements that does not depend on how much work there is, and no claim may read all the work that waits.
pub trait QueueRepository {
    /// The queues of a kind in which a claim would find something now, the one first in which work is due longest.
    fn due(&mut self, kind: QueueKind, now: DateTime<Utc>) -> Result<Vec<Queue>, Error>;

    /// Claims messages, or events for a webhook, that are due. The one that is due longest comes first; of equals, the one added
    /// first.
    ///
    /// MUST return nothing that another lease holds, and wait for nobody. MUST leave out a message while an earlier one of the same
    /// license has a step left in this queue, and is not dead-lettered; so never claims two of one license. Of messages of
    /// [`crate::outbox::Topic::MERGED`], MUST leave out all but the first of a plan, and remove those of
    /// [`crate::outbox::merged_plans`]. MUST return nothing for a webhook that is not active, or rests.
    fn claim(&mut self, claim: &Claim) -> Result<Vec<ClaimedMessage>, Error>;

    /// Claims the job of the queue that is due longest and that nobody else holds.
    fn claim_job(&mut self, claim: &Claim) -> Result<Option<ClaimedJob>, Error>;

    /// Claims a task that nobody holds, whose lease has ended, or that this lease holds already. Of many at once, one gets it.
    fn claim_task(&mut self, task: Task, claim: &Claim) -> Result<TaskClaim, Error>;

    /// Makes the lease of the work that it still holds last until then, and tells how much that is.
    fn prolong(&mut self, lease: Lease, work: &[Uuid], until: DateTime<Utc>) -> Result<usize, Error>;

    /// The work that the lease still holds, locked. A lease that has ended holds its work until somebody else claims it.
    fn held(&mut self, lease: Lease, work: &[Uuid]) -> Result<Vec<Uuid>, Error>;

    /// Ends a lease: removes what is completed, or marks it where it is kept, and writes how the rest goes on. Work that the lease does
    /// not hold MUST stay as it is.
    fn settle(&mut self, lease: Lease, settlements: &[Settlement]) -> Result<(), Error>;
}
