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

/// The outbox. [`super::QueueRepository`] claims its messages.
///
/// The number of statements of a method MUST NOT depend on the number of messages.
pub trait OutboxRepository {
    /// Adds messages that are due at once, as part of the transaction. The messages of one license are delivered in the
    /// order of addition.
    ///
    /// MUST store the words of the messages once for each [`crate::outbox::MailWords::id`], not with each message, and
    /// remove them with the last message that has them, however it is removed.
    ///
    /// MUST add a delivery to every webhook that [wants](crate::webhooks::Webhook::wants) a message, in the same order,
    /// whether it is active or not.
    /// If the process records traces, MUST store the current W3C `traceparent` for
    /// [`crate::outbox::ClaimedMessage::trace_parent`].
    fn add(&mut self, messages: &[Message]) -> Result<(), Error> {
        not_provided!("outbox.add", messages)
    }

    /// The number of waiting messages.
    fn count(&mut self) -> Result<i64, Error> {
        not_provided!("outbox.count")
    }

    /// The backlog of each of [`Queue::MESSAGES`], in this order. MUST read at most `limit` waiting messages of a
    /// queue, and at most `limit` dead-lettered ones.
    fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<Vec<(Queue, Backlog)>, Error> {
        not_provided!("outbox.backlog", now, limit)
    }

    /// The messages that match, in the order they were added.
    fn list(&mut self, filter: &OutboxFilter, limit: i64) -> Result<Vec<WaitingMessage>, Error> {
        not_provided!("outbox.list", filter, limit)
    }

    /// Makes messages due at `now` with all their attempts, unless they are being delivered. Returns their number.
    fn retry(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
        not_provided!("outbox.retry", selection, now)
    }

    /// Removes messages that are not being delivered at `now`. Returns their number.
    fn discard(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
        not_provided!("outbox.discard", selection, now)
    }
}
