//! Delivery: what was promised to the outside goes there.
//!
//! In three parts, because storage waits for nobody and upstreams take their time. [`Deliveries::claim`] takes what one call
//! carries, in one transaction; [`Deliveries::deliver`] calls the upstreams and touches no storage; [`Deliveries::settle`] writes
//! what came of it, in another transaction. Whoever dies in between leaves messages that are claimed again when the claim ends:
//! each is delivered at least once.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::{enrollment, files};
use crate::delivery::customers::Customers;
use crate::delivery::facts::Facts;
use crate::delivery::{Backlog, DeliveryClaim, Lane, OutboxSelection, Parcel, RetryPolicy, Waiting};
use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::MessageId;
use crate::model::staff_records::Notification;
use crate::outbox::Topic;
use crate::ports::{OutboxFilter, StoreExt};
use crate::saturating_time;
use crate::use_cases::manager::LicenseManager;

/// What an operator can set about deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverySettings {
    /// How long a claim lasts that nobody prolongs.
    pub lease: Duration,
    /// When a step that failed is tried again.
    pub retries: RetryPolicy,
    /// The address of the learner portal, without a slash at its end.
    pub learner_portal: String,
    /// The address of the admin portal, without a slash at its end.
    pub admin_portal: String,
    /// Who is told that a revocation cap is used up.
    pub customer_success: Option<Email>,
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
    pub(super) claim: Uuid,
    pub(super) parcels: Vec<Parcel>,
    pub(super) facts: Facts,
}

impl Batch {
    /// How many messages.
    pub fn len(&self) -> usize {
        self.parcels.len()
    }

    /// Whether nothing was there to be claimed.
    pub fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    /// What the messages were promised as parts of, each once.
    pub fn trace_parents(&self) -> BTreeSet<&str> {
        self.parcels.iter().filter_map(|parcel| parcel.trace_parent.as_deref()).collect()
    }

    pub(super) fn ids(&self) -> Vec<MessageId> {
        self.parcels.iter().map(|parcel| parcel.message.id).collect()
    }
}

/// What came of one message's step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// It is done, and this is to be noted.
    Done(Effect),
    /// A part of it is done, and the next one is due.
    Continues,
    /// It may succeed later.
    Failed(String),
    /// It was refused for good.
    Refused(String),
    /// It was not tried, and is not to be before this moment.
    Postponed(DateTime<Utc>),
}

/// What is to be noted together with the end of a step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Effect {
    Nothing,
    /// These mails went out.
    Told(Vec<Notification>),
    /// This came of a bulk enrollment, or of the next part of one.
    Enrolled(enrollment::Report),
    /// The results of a bulk enrollment are where they belong.
    Filed(files::Filed),
}

/// What came of one message's step, for whoever counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryResult {
    /// The upstream took it.
    Delivered,
    /// It did not go through, and is tried again, or parked after the last try.
    Failed,
    /// The upstream wants none of it; it is parked.
    Refused,
    /// It was not tried, because the upstream wants to be left alone or what it needs has changed.
    Postponed,
}

impl DeliveryResult {
    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Postponed => "postponed",
        }
    }
}

impl From<&Verdict> for DeliveryResult {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Done(_) | Verdict::Continues => Self::Delivered,
            Verdict::Failed(_) => Self::Failed,
            Verdict::Refused(_) => Self::Refused,
            Verdict::Postponed(_) => Self::Postponed,
        }
    }
}

/// What came of a batch, for [`Deliveries::settle`].
pub struct Outcome {
    /// For each parcel of the batch, in its order.
    pub(super) verdicts: Vec<Verdict>,
    pub(super) rest_until: Option<DateTime<Utc>>,
}

impl Outcome {
    /// Where the upstream wants to be left alone: until when.
    pub fn rest_until(&self) -> Option<DateTime<Utc>> {
        self.rest_until
    }

    /// What came of each message of the batch, by its topic.
    pub fn results(&self, batch: &Batch) -> impl Iterator<Item = (Topic, DeliveryResult)> {
        batch.parcels.iter().zip(&self.verdicts).map(|(parcel, verdict)| (parcel.message.topic, verdict.into()))
    }

    /// The outcome of a delivery that ended without one, such as by a panic: every message counts as tried.
    pub fn failed(batch: &Batch, problem: &str) -> Self {
        let verdicts = batch.parcels.iter().map(|_| Verdict::Failed(problem.to_owned())).collect();
        Self { verdicts, rest_until: None }
    }
}

impl LicenseManager {
    /// The deliveries of what this license manager owes, to the upstreams that it has.
    pub fn deliveries(&self, settings: DeliverySettings) -> Deliveries {
        Deliveries { manager: self.clone(), settings: Arc::new(settings), customers: Arc::default() }
    }

    /// Messages that wait, as an operator sees them.
    pub fn outbox(&self, filter: &OutboxFilter, limit: i64) -> Result<Vec<Waiting>, Error> {
        self.store.read(|unit| unit.outbox().list(filter, limit))
    }

    /// How the lanes of the outbox stand. No more than `limit` messages of each are counted.
    pub fn backlog(&self, limit: i64) -> Result<Vec<Backlog>, Error> {
        self.store.read(|unit| unit.outbox().backlog(self.now(), limit))
    }

    /// Has messages tried again from now on, with all their tries, and tells how many. Those being delivered are left alone.
    pub fn retry_messages(&self, selection: &OutboxSelection) -> Result<usize, Error> {
        self.store.write(|unit| unit.outbox().retry(selection, self.now()))
    }

    /// Gives messages up, and tells how many. Those being delivered are left alone.
    pub fn discard_messages(&self, selection: &OutboxSelection) -> Result<usize, Error> {
        self.store.write(|unit| unit.outbox().discard(selection, self.now()))
    }
}

impl Deliveries {
    /// The lanes in which something can be claimed now.
    pub fn due(&self) -> Result<Vec<Lane>, Error> {
        self.manager.store.read(|unit| unit.outbox().due(self.manager.now()))
    }

    /// Claims the next messages of a lane, as many as one call to the upstream takes.
    pub fn claim(&self, lane: Lane) -> Result<Batch, Error> {
        let id = self.manager.ids.next();
        self.manager.store.write(|unit| {
            let now = self.manager.now();
            let until = saturating_time::after(now, self.settings.lease);
            let claim = DeliveryClaim { id, lane, now, until, limit: lane.batch_size() };
            let parcels = unit.outbox().claim(&claim)?;
            let facts = Facts::read(unit, &parcels, now)?;
            Ok(Batch { claim: id, parcels, facts })
        })
    }

    /// How long a claim lasts: whoever delivers a batch prolongs it before that is over.
    pub fn lease(&self) -> Duration {
        self.settings.lease
    }

    /// How long it is until a moment; nothing where it is past.
    pub fn until(&self, moment: DateTime<Utc>) -> std::time::Duration {
        (moment - self.manager.now()).to_std().unwrap_or_default()
    }

    /// Prolongs the claim to a batch whose delivery takes longer.
    pub fn extend(&self, batch: &Batch) -> Result<(), Error> {
        let until = saturating_time::after(self.manager.now(), self.settings.lease);
        self.manager.store.write(|unit| unit.outbox().extend(batch.claim, &batch.ids(), until))
    }
}
