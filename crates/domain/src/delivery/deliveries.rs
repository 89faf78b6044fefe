//! Delivery: messages of the outbox go to the upstreams, and events to webhooks.
//!
//! In three parts, because no transaction may wait for a upstream. [`Deliveries::claim`] claims what one call takes, in one
//! transaction; [`Deliveries::deliver`] calls the upstreams and uses no storage; [`Deliveries::settle`] writes the results, in another
//! transaction. If the process dies in between, the messages are claimed again when their lease ends: each is delivered at least
//! once.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::context::DeliveryContext;
use super::customers::Customers;
use super::{enrollment, files};
use crate::error::Error;
use crate::model::email::Email;
use crate::model::staff_records::Notification;
use crate::outbox::{ClaimedMessage, OutboxSelection, Topic, WaitingMessage};
use crate::ports::{OutboxFilter, StoreExt};
use crate::queue::{Backlog, Claim, Lease, Queue, QueueKind, RetrySchedule};
use crate::saturating_time;
use crate::use_cases::manager::LicenseManager;

/// What an operator can set about deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverySettings {
    /// How long a lease lasts that nobody prolongs.
    pub lease: Duration,
    /// The first pause before a message is tried again, a hundred years at most; later pauses and those of webhooks grow from it
    /// ([`RetrySchedule`]).
    pub retry_base: Duration,
    /// The address of the learner portal, without a slash at its end.
    pub learner_portal: String,
    /// The address of the admin portal, without a slash at its end.
    pub admin_portal: String,
    /// Who is told that a revocation cap is used up.
    pub customer_success: Option<Email>,
}

impl DeliverySettings {
    pub(super) fn retries(&self, queue: Queue) -> RetrySchedule {
        match queue {
            Queue::Webhook(_) => RetrySchedule::of_webhooks(self.retry_base),
            _ => RetrySchedule::of_messages(self.retry_base),
        }
    }
}

/// Delivers what a license manager owes. Cheap to clone; its clones share what they remember of customers.
#[derive(Clone)]
pub struct Deliveries {
    pub(super) manager: LicenseManager,
    pub(super) settings: Arc<DeliverySettings>,
    pub(super) customers: Arc<Customers>,
}

/// Messages that were claimed together, with what their delivery has to know.
pub struct Batch {
    pub(super) lease: Lease,
    pub(super) messages: Vec<ClaimedMessage>,
    pub(super) context: DeliveryContext,
}

impl Batch {
    /// How many messages.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there was nothing to claim.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Where the messages wait.
    pub fn queue(&self) -> Queue {
        self.lease.queue
    }

    /// The traces that wrote the messages, each once.
    pub fn trace_parents(&self) -> BTreeSet<&str> {
        self.messages.iter().filter_map(|claimed| claimed.trace_parent.as_deref()).collect()
    }

    pub(super) fn ids(&self) -> Vec<Uuid> {
        self.messages.iter().map(|claimed| claimed.message.id.0).collect()
    }
}

/// The result of one message's step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum StepResult {
    /// It is done, and this is to be written.
    Done(Completion),
    /// A part of it is done, and the next one is due.
    Continues,
    /// It may succeed later.
    Failed(Problem),
    /// It was refused for good: the message is dead-lettered.
    Refused(Problem),
    /// It is not to be tried before this moment; that costs no try.
    Postponed(DateTime<Utc>, Option<Problem>),
}

/// Why a step failed. The text is for an operator, and names no person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) text: String,
    /// What a webhook answered.
    pub(super) status: Option<u16>,
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self { text, status: None }
    }
}

impl From<&str> for Problem {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// What is to be written together with the end of a step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Completion {
    Nothing,
    /// The status with which a webhook took an event.
    Posted(u16),
    /// These mails were sent.
    Mailed(Vec<Notification>),
    /// The result of a bulk enrollment, or of the next part of one.
    Enrolled(enrollment::Report),
    /// The results of a bulk enrollment are where they belong.
    Filed(files::Filed),
}

/// Why a payload is refused that cannot be read. The cause is not told: it may quote an address.
pub(super) const UNREADABLE: &str = "its payload cannot be read";

pub(super) fn unreadable() -> StepResult {
    StepResult::Refused(UNREADABLE.into())
}

/// The result of one message's step, for whoever counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryResult {
    /// The upstream took it.
    Delivered,
    /// It failed, and is tried again, or dead-lettered after the last try.
    Failed,
    /// It is dead-lettered: the upstream refused it. Of webhooks also: it was the last try.
    Refused,
    /// It was not tried, or costs no try: the upstream wants to be left alone.
    Postponed,
}

names!(DeliveryResult {
    Delivered => "delivered",
    Failed => "failed",
    Refused => "refused",
    Postponed => "postponed",
});

impl From<&StepResult> for DeliveryResult {
    fn from(result: &StepResult) -> Self {
        match result {
            StepResult::Done(_) | StepResult::Continues => Self::Delivered,
            StepResult::Failed(_) => Self::Failed,
            StepResult::Refused(_) => Self::Refused,
            StepResult::Postponed(..) => Self::Postponed,
        }
    }
}

/// The results of a batch, for [`Deliveries::settle`].
pub struct Outcome {
    /// For each message of the batch, in its order.
    pub(super) results: Vec<StepResult>,
    /// Until when the upstream wants to be left alone.
    pub(super) rest_until: Option<DateTime<Utc>>,
    /// The same of a webhook; storage keeps it.
    pub(super) webhook_rest_until: Option<DateTime<Utc>>,
}

impl Outcome {
    /// Until when the upstream of a queue of messages wants to be left alone.
    pub fn rest_until(&self) -> Option<DateTime<Utc>> {
        self.rest_until
    }

    /// The result of each message of the batch, by its topic.
    pub fn results(&self, batch: &Batch) -> impl Iterator<Item = (Topic, DeliveryResult)> {
        batch
            .messages
            .iter()
            .zip(&self.results)
            .map(|(claimed, result)| (claimed.message.payload.topic(), result.into()))
    }
}

impl LicenseManager {
    /// The deliveries of what this license manager owes, to the upstreams that it has.
    pub fn deliveries(&self, settings: DeliverySettings) -> Deliveries {
        Deliveries { manager: self.clone(), settings: Arc::new(settings), customers: Arc::default() }
    }

    /// Messages that wait, as an operator sees them.
    pub fn outbox(&self, filter: &OutboxFilter, limit: i64) -> Result<Vec<WaitingMessage>, Error> {
        self.store.read(|unit| unit.outbox().list(filter, limit))
    }

    /// How many messages wait in each queue. No more than `limit` of each are counted.
    pub fn backlog(&self, limit: i64) -> Result<Vec<(Queue, Backlog)>, Error> {
        self.store.read(|unit| unit.outbox().backlog(self.now(), limit))
    }

    /// Makes messages due now, with all their tries, and tells how many. Those being delivered are left alone.
    pub fn retry_messages(&self, selection: &OutboxSelection) -> Result<usize, Error> {
        self.store.write(|unit| unit.outbox().retry(selection, self.now()))
    }

    /// Removes messages, and tells how many. Those being delivered are left alone.
    pub fn discard_messages(&self, selection: &OutboxSelection) -> Result<usize, Error> {
        self.store.write(|unit| unit.outbox().discard(selection, self.now()))
    }
}

impl Deliveries {
    /// The queues of messages, or of webhooks, in which something can be claimed now.
    pub fn due(&self, kind: QueueKind) -> Result<Vec<Queue>, Error> {
        self.manager.store.read(|unit| unit.queue().due(kind, self.manager.now()))
    }

    /// Claims the next messages of a queue, as many as one call to the upstream takes.
    pub fn claim(&self, queue: Queue) -> Result<Batch, Error> {
        let lease = Lease { id: self.manager.ids.next(), queue };
        self.manager.store.write(|unit| {
            let now = self.manager.now();
            let claim = Claim {
                lease,
                now,
                until: saturating_time::after(now, self.settings.lease),
                limit: queue.batch_size(),
            };
            let messages = unit.queue().claim(&claim)?;
            let context = DeliveryContext::read(unit, queue, &messages, now)?;
            Ok(Batch { lease, messages, context })
        })
    }

    /// How long a lease lasts: whoever delivers a batch prolongs it before that is over.
    pub fn lease(&self) -> Duration {
        self.settings.lease
    }

    /// How long it is until a moment; nothing where it is past.
    pub fn until(&self, moment: DateTime<Utc>) -> std::time::Duration {
        (moment - self.manager.now()).to_std().unwrap_or_default()
    }

    /// Prolongs the lease of a batch whose delivery takes longer.
    pub fn prolong(&self, batch: &Batch) -> Result<(), Error> {
        let until = saturating_time::after(self.manager.now(), self.settings.lease);
        self.manager.store.write(|unit| unit.queue().prolong(batch.lease, &batch.ids(), until))?;
        Ok(())
    }

    /// The outcome of a delivery that ended without one, such as by a panic: every message counts as tried.
    pub fn failed(&self, batch: &Batch, problem: &str) -> Outcome {
        let failed = |claimed| self.failed_step(batch.queue(), claimed, problem.into());
        Outcome { results: batch.messages.iter().map(failed).collect(), rest_until: None, webhook_rest_until: None }
    }

    /// The result of a step that failed: an event for a webhook is refused with its last try.
    pub(super) fn failed_step(&self, queue: Queue, claimed: &ClaimedMessage, problem: Problem) -> StepResult {
        let (failures, now) = (claimed.attempts.saturating_add(1), self.manager.now());
        let retries = self.settings.retries(queue);
        match (queue, retries.next(claimed.message.id.0, failures, claimed.due_since, now)) {
            (Queue::Webhook(_), None) => StepResult::Refused(problem),
            _ => StepResult::Failed(problem),
        }
    }
}
