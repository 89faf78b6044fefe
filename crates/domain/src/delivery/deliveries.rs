//! Claims, delivers and settles messages of the outbox and events for webhooks.
//!
//! These are three calls, because no transaction may wait for an upstream. [`Deliveries::claim`] claims messages in one
//! transaction, [`Deliveries::deliver`] calls the upstreams without storage, and [`Deliveries::settle`] writes the
//! results in another transaction. If the process dies in between, the messages are claimed again when their lease
//! ends: each is delivered at least once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::context::DeliveryContext;
use super::customers::CustomerCache;
use super::results::{Problem, StepResult};
use crate::error::Error;
use crate::history::Actor;
use crate::model::email::Email;
use crate::model::ids::{CustomerId, LicenseId, MessageId};
use crate::model::staff_action::StaffActionKind;
use crate::model::staff_records::Notification;
use crate::outbox::{ClaimedMessage, CustomMessage, Message, OutboxSelection, Payload, Topic, WaitingMessage};
use crate::ports::{OutboxFilter, StoreExt, UnitOfWork};
use crate::queue::{Backlog, Claim, Lease, Queue, QueueKind, RetrySchedule};
use crate::saturating_time;
use crate::use_cases::manager::LicenseManager;
use crate::use_cases::staff_actions::Done;

/// The settings of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverySettings {
    /// The length of a lease.
    pub lease: Duration,
    /// The pause before the first retry of a message, at most a hundred years. [`RetrySchedule`] computes the others
    /// from it.
    pub retry_base: Duration,
    /// The address of the learner portal, without a slash at its end.
    pub learner_portal: String,
    /// The address of the admin portal, without a slash at its end.
    pub admin_portal: String,
    /// The recipient of mails about used-up revocation caps.
    pub customer_success: Option<Email>,
}

impl DeliverySettings {
    /// Settings for these portals, with leases of two minutes, a first retry after a minute, and no recipient of mails about
    /// used-up revocation caps.
    pub fn new(learner_portal: impl Into<String>, admin_portal: impl Into<String>) -> Self {
        Self {
            lease: Duration::seconds(120),
            retry_base: Duration::seconds(60),
            learner_portal: learner_portal.into(),
            admin_portal: admin_portal.into(),
            customer_success: None,
        }
    }

    pub(super) fn retries(&self, queue: Queue) -> RetrySchedule {
        match queue {
            Queue::Webhook(_) => RetrySchedule::of_webhooks(self.retry_base),
            _ => RetrySchedule::of_messages(self.retry_base),
        }
    }
}

/// Delivers the messages of a license manager. It is cheap to clone; clones share a cache of customers.
#[derive(Clone)]
pub struct Deliveries {
    pub(super) manager: LicenseManager,
    pub(super) settings: Arc<DeliverySettings>,
    pub(super) customers: Arc<CustomerCache>,
}

/// Messages that were claimed together, with the data for their delivery.
pub struct Batch {
    pub(super) lease: Lease,
    pub(super) messages: Vec<ClaimedMessage>,
    pub(super) context: DeliveryContext,
}

impl Batch {
    /// The number of messages.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there are no messages.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The queue of the messages.
    pub fn queue(&self) -> Queue {
        self.lease.queue
    }

    /// The traces that wrote the messages, without duplicates.
    pub fn trace_parents(&self) -> BTreeSet<&str> {
        self.messages.iter().filter_map(|claimed| claimed.trace_parent.as_deref()).collect()
    }

    /// Since when the message is tried: an event that was kept for a webhook that was off, since that was switched on.
    pub(super) fn due_since(&self, claimed: &ClaimedMessage) -> DateTime<Utc> {
        let switched_on = self.context.webhook.as_ref().and_then(|webhook| webhook.switched_at);
        switched_on.map_or(claimed.due_since, |moment| moment.max(claimed.due_since))
    }

    pub(super) fn ids(&self) -> Vec<Uuid> {
        self.messages.iter().map(|claimed| claimed.message.id.0).collect()
    }
}

/// The result of one message's step, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryResult {
    /// The upstream accepted it.
    Delivered,
    /// It failed. It is retried, or dead-lettered after the last attempt.
    Failed,
    /// The upstream refused it, or it was the last attempt at a webhook. It is dead-lettered.
    Refused,
    /// The upstream requested a pause, or it was not tried after others failed. This counts as no attempt.
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
            StepResult::Postponed(..) | StepResult::Untried(_) => Self::Postponed,
        }
    }
}

/// The results of a batch, for [`Deliveries::settle`].
pub struct Outcome {
    /// For each message of the batch, in order.
    pub(super) results: Vec<StepResult>,
    /// The notifications that admins got, by message; of a failed message too.
    pub(super) notified: HashMap<MessageId, Vec<Notification>>,
    /// The end of a pause that the upstream requested.
    pub(super) pause_until: Option<DateTime<Utc>>,
    /// The end of a pause that the webhook requested. Storage keeps it.
    pub(super) webhook_pause_until: Option<DateTime<Utc>>,
}

impl Outcome {
    pub(super) fn of(results: Vec<StepResult>) -> Self {
        Self { results, notified: HashMap::new(), pause_until: None, webhook_pause_until: None }
    }

    /// The end of a pause that the upstream of a message queue requested.
    pub fn pause_until(&self) -> Option<DateTime<Utc>> {
        self.pause_until
    }

    /// The topic and the result of each message of the batch.
    pub fn results(&self, batch: &Batch) -> impl Iterator<Item = (Topic, DeliveryResult)> {
        batch
            .messages
            .iter()
            .zip(&self.results)
            .map(|(claimed, result)| (claimed.message.payload.topic(), result.into()))
    }
}

impl LicenseManager {
    /// The deliveries of this license manager.
    pub fn deliveries(&self, settings: DeliverySettings) -> Deliveries {
        Deliveries { manager: self.clone(), settings: Arc::new(settings), customers: Arc::default() }
    }

    /// Adds a message of the embedding program to the outbox. The [deliveries](crate::delivery) pass it to what
    /// [`LicenseManager::with_custom_delivery`] was given, in the order of the license's messages if it is about one.
    ///
    /// Use [`LicenseManager::over`] to add it in the transaction that causes it. Name a person only in a message about their
    /// license: it is deleted when they are retired.
    pub fn add_message(
        &self,
        customer: CustomerId,
        license: Option<LicenseId>,
        message: CustomMessage,
    ) -> Result<MessageId, Error> {
        let id = MessageId(self.ids.next());
        let payload = Payload::Custom(message);
        let message = Message { license, ..Message::new(id, customer, payload, self.now()) };
        self.store.write(|unit| unit.outbox().add(std::slice::from_ref(&message)))?;
        Ok(id)
    }

    /// The waiting messages that match.
    pub fn outbox(&self, filter: &OutboxFilter, limit: i64) -> Result<Vec<WaitingMessage>, Error> {
        self.store.read(|unit| unit.outbox().list(filter, limit))
    }

    /// The waiting messages of each queue. Counts at most `limit` of each.
    pub fn backlog(&self, limit: i64) -> Result<Vec<(Queue, Backlog)>, Error> {
        self.store.read(|unit| unit.outbox().backlog(self.now(), limit))
    }

    /// Retries messages now, with no attempts counted, and returns their number. Messages being delivered stay as they
    /// are.
    pub fn retry_messages(&self, actor: &Actor, selection: &OutboxSelection) -> Result<usize, Error> {
        self.store.write(|unit| {
            let number = unit.outbox().retry(selection, self.now())?;
            self.record_of_messages(unit, actor, StaffActionKind::MessagesRetried, selection, number)?;
            Ok(number)
        })
    }

    /// Removes messages and returns their number. Messages being delivered stay.
    pub fn discard_messages(&self, actor: &Actor, selection: &OutboxSelection) -> Result<usize, Error> {
        self.store.write(|unit| {
            let number = unit.outbox().discard(selection, self.now())?;
            self.record_of_messages(unit, actor, StaffActionKind::MessagesDropped, selection, number)?;
            Ok(number)
        })
    }

    fn record_of_messages(
        &self,
        unit: &mut dyn UnitOfWork,
        actor: &Actor,
        kind: StaffActionKind,
        selection: &OutboxSelection,
        number: usize,
    ) -> Result<(), Error> {
        if number == 0 {
            return Ok(());
        }
        let subject = match selection {
            OutboxSelection::DeadLettered(topic) => topic.clone(),
            OutboxSelection::Messages(_) => None,
        };
        self.record(unit, actor, kind, Done { subject, number, ..Done::default() })
    }
}

impl Deliveries {
    /// The queues of a kind with messages to claim.
    pub fn due(&self, kind: QueueKind) -> Result<Vec<Queue>, Error> {
        self.manager.store.read(|unit| unit.queue().due(kind, self.manager.now()))
    }

    /// Claims the next messages of a queue, as many as one call takes.
    pub fn claim(&self, queue: Queue) -> Result<Batch, Error> {
        let lease = Lease { id: self.manager.ids.next(), queue };
        // If this waits for its turn to write, others wait before it, who settle messages that they have sent.
        let asked = self.manager.now();
        self.manager.store.write(|unit| {
            let now = self.manager.now();
            let claim = Claim {
                lease,
                now: asked,
                until: saturating_time::after(now, self.settings.lease),
                limit: queue.batch_size(),
            };
            let messages = unit.queue().claim(&claim)?;
            let context = DeliveryContext::read(unit, queue, &messages, now)?;
            Ok(Batch { lease, messages, context })
        })
    }

    /// The length of a lease. Prolong the lease before it ends.
    pub fn lease(&self) -> Duration {
        self.settings.lease
    }

    /// The duration until a time; zero if it is past.
    pub fn duration_until(&self, moment: DateTime<Utc>) -> std::time::Duration {
        (moment - self.manager.now()).to_std().unwrap_or_default()
    }

    /// Prolongs the lease of a batch.
    pub fn prolong(&self, batch: &Batch) -> Result<(), Error> {
        self.manager.store.write(|unit| {
            // A settlement at the same time locks them in the same order.
            let held = unit.queue().held(batch.lease, &batch.ids())?;
            let until = saturating_time::after(self.manager.now(), self.settings.lease);
            unit.queue().prolong(batch.lease, &held, until)
        })?;
        Ok(())
    }

    /// The outcome of a delivery that panicked: every message has failed.
    pub fn panicked_outcome(&self, batch: &Batch, problem: &str) -> Outcome {
        let failed = |claimed| self.failed_step(batch, claimed, problem.into());
        Outcome::of(batch.messages.iter().map(failed).collect())
    }

    /// The result of a failed step. The last attempt at a webhook counts as refused.
    pub(super) fn failed_step(&self, batch: &Batch, claimed: &ClaimedMessage, problem: Problem) -> StepResult {
        let (failures, now) = (claimed.attempts.saturating_add(1), self.manager.now());
        let retries = self.settings.retries(batch.queue());
        match (batch.queue(), retries.next(claimed.message.id.0, failures, batch.due_since(claimed), now)) {
            (Queue::Webhook(_), None) => StepResult::Refused(problem),
            _ => StepResult::Failed(problem),
        }
    }
}
