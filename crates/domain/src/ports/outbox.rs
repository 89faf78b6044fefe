use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::outbox::{Message, OutboxSelection, WaitingMessage};
use crate::queue::{Backlog, Queue};

/// A filter for messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboxFilter {
    /// Only dead letters.
    pub dead_lettered_only: bool,
    /// Only messages of this topic.
    pub topic: Option<String>,
}

/// What the outside is owed, to be delivered later. [`super::QueueRepository`] hands it out.
///
/// Every method MUST use a number of statements that does not depend on how many messages there are.
pub trait OutboxRepository {
    /// Adds messages, due when they were made. They exist exactly when the transaction is committed. Of one license, messages are
    /// delivered in the order they were added.
    ///
    /// Where the process records traces, MUST keep with each message and each delivery what it is a part of, as `traceparent` of W3C
    /// Trace Context has it, for [`crate::outbox::ClaimedMessage::trace_parent`]. Nothing here depends on it.
    ///
    /// MUST add a delivery of each message to every webhook that [wants](crate::webhooks::Webhook::wants) it, in the same order.
    fn add(&mut self, messages: &[Message]) -> Result<(), Error>;

    /// The number of waiting messages.
    fn count(&mut self) -> Result<i64, Error>;

    /// How many messages wait in each of [`Queue::MESSAGES`], in that order. MUST look at no more than `limit` messages that wait in a
    /// queue, and at no more than `limit` dead-lettered ones.
    fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<Vec<(Queue, Backlog)>, Error>;

    /// The messages that match, in the order they were added.
    fn list(&mut self, filter: &OutboxFilter, limit: i64) -> Result<Vec<WaitingMessage>, Error>;

    /// Makes messages due at `now` with all their attempts, unless they are being delivered. Returns their number.
    fn retry(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error>;

    /// Removes messages that are not being delivered at `now`. Returns their number.
    fn discard(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error>;
}
