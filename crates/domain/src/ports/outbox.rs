use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::delivery::{Backlog, DeliveryClaim, Lane, OutboxSelection, Parcel, Standing, Waiting};
use crate::error::Error;
use crate::model::ids::MessageId;
use crate::outbox::Message;

/// A filter for messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboxFilter {
    /// Only dead letters.
    pub parked_only: bool,
    /// Only messages of this topic.
    pub topic: Option<String>,
}

/// What was promised to the outside, to be delivered later.
///
/// Every method MUST use a number of statements that does not depend on how many messages there are.
pub trait OutboxRepository {
    /// Adds messages, due when they were made. They exist exactly when the transaction is committed. Of one license, messages are
    /// delivered in the order they were added.
    ///
    /// Where the process records traces, MUST keep with each message and each delivery what it is a part of, as `traceparent` of W3C
    /// Trace Context has it, for [`Parcel::trace_parent`] and [`crate::webhooks::WebhookParcel::trace_parent`]. Nothing here depends
    /// on it.
    ///
    /// Of each license event, MUST promise a delivery to every active webhook of its customer, or of all customers, that wants
    /// events of its name; in the same order.
    fn add(&mut self, messages: &[Message]) -> Result<(), Error>;

    /// The number of waiting messages.
    fn count(&mut self) -> Result<i64, Error>;

    /// The lanes in which [`OutboxRepository::claim`] would find something now.
    fn due(&mut self, now: DateTime<Utc>) -> Result<Vec<Lane>, Error>;

    /// How every lane stands, in the order of [`Lane::ALL`]. MUST look at no more than `limit` messages that wait in a lane, and at no
    /// more than `limit` parked ones.
    fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<Vec<Backlog>, Error>;

    /// Claims messages that wait in the lane and are due, and counts them due again when the claim ends. The one that is due longest
    /// comes first; of equals, the one added first.
    ///
    /// MUST leave out a message while an earlier one of the same license has a step left in this lane, and is not parked; so
    /// never claims two of one license. MUST return no message that another claim holds; waits for nobody. Of the requests to
    /// look at a plan's utilization, MUST claim the first alone, and remove the others that are not parked: they ask for the
    /// same. Of a topic that is not known, MUST return [`crate::outbox::Topic::Unknown`].
    fn claim(&mut self, claim: &DeliveryClaim) -> Result<Vec<Parcel>, Error>;

    /// Prolongs the claim to those of the messages that it still holds.
    fn extend(&mut self, claim: Uuid, messages: &[MessageId], until: DateTime<Utc>) -> Result<(), Error>;

    /// Those of the messages that the claim still holds, locked. A claim that has ended holds its messages until another one
    /// takes them.
    fn held(&mut self, claim: Uuid, messages: &[MessageId]) -> Result<Vec<MessageId>, Error>;

    /// Ends a claim: removes the messages that are done, and writes how the others go on. Messages that the claim does not hold
    /// MUST stay as they are.
    fn settle(&mut self, claim: Uuid, done: &[MessageId], standing: &[Standing]) -> Result<(), Error>;

    /// The messages that match, in the order they were added.
    fn list(&mut self, filter: &OutboxFilter, limit: i64) -> Result<Vec<Waiting>, Error>;

    /// Makes messages due at `now` with all their attempts, unless they are being delivered. Returns their number.
    fn retry(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error>;

    /// Removes messages that are not being delivered at `now`. Returns their number.
    fn discard(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error>;
}
