use chrono::{DateTime, Utc};

use super::queue::QueuedWork;
use super::{MemoryUnit, Tables, size};
use crate::error::Error;
use crate::model::ids::MessageId;
use crate::outbox::{Message, OutboxSelection, WaitingMessage};
use crate::ports::{OutboxFilter, OutboxRepository};
use crate::queue::{Backlog, Queue};

impl QueuedWork {
    fn is_message(&self) -> bool {
        Queue::MESSAGES.contains(&self.queue)
    }

    /// Whether the message is selected, and not being delivered.
    fn is_selected(&self, selection: &OutboxSelection, now: DateTime<Utc>) -> bool {
        let has_topic = |wanted: &String| self.message().is_some_and(|own| own.payload.topic().as_str() == wanted);
        let chosen = match selection {
            OutboxSelection::Messages(ids) => ids.contains(&MessageId(self.id)),
            OutboxSelection::DeadLettered(topic) => {
                self.dead_lettered_at.is_some() && topic.as_ref().is_none_or(has_topic)
            }
        };
        self.is_message() && chosen && !self.is_claimed(now)
    }

    fn shown(&self) -> Option<WaitingMessage> {
        let message = self.message().filter(|_| self.is_message())?;
        Some(WaitingMessage {
            id: message.id,
            topic: message.payload.topic().as_str().to_owned(),
            queue: self.queue.as_str().to_owned(),
            license: message.license,
            plan: message.plan,
            customer: message.customer,
            created: message.created,
            attempts: self.attempts,
            not_before: self.not_before,
            last_error: self.last_error.clone(),
            dead_lettered_at: self.dead_lettered_at,
        })
    }
}

impl Tables {
    /// The waiting messages, oldest first.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.queue.iter().filter(|work| work.is_message()).filter_map(QueuedWork::message)
    }
}

impl OutboxRepository for MemoryUnit<'_> {
    fn add(&mut self, messages: &[Message]) -> Result<(), Error> {
        self.written()?.enqueue(messages);
        Ok(())
    }

    fn count(&mut self) -> Result<i64, Error> {
        Ok(self.tables.messages().count() as i64)
    }

    fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<Vec<(Queue, Backlog)>, Error> {
        let dead = self.tables.queue.iter().filter(|work| work.is_message() && work.dead_lettered_at.is_some());
        let dead: Vec<Queue> = dead.take(size(limit)).map(|work| work.queue).collect();
        let backlog = |queue: Queue| {
            let dead_lettered = dead.iter().filter(|own| **own == queue).count() as i64;
            (queue, Backlog { dead_lettered, ..self.tables.backlog(&[queue], now, limit) })
        };
        Ok(Queue::MESSAGES.into_iter().map(backlog).collect())
    }

    fn list(&mut self, filter: &OutboxFilter, limit: i64) -> Result<Vec<WaitingMessage>, Error> {
        let matches = |message: &WaitingMessage| {
            (!filter.dead_lettered_only || message.dead_lettered_at.is_some())
                && filter.topic.as_ref().is_none_or(|topic| *topic == message.topic)
        };
        let found = self.tables.queue.iter().filter_map(QueuedWork::shown).filter(matches);
        Ok(found.take(size(limit)).collect())
    }

    fn retry(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
        let selected = self.written()?.queue.iter_mut().filter(|work| work.is_selected(selection, now));
        Ok(selected.map(|work| work.revive(now)).count())
    }

    fn discard(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
        let queue = &mut self.written()?.queue;
        let before = queue.len();
        queue.retain(|work| !work.is_selected(selection, now));
        Ok(before - queue.len())
    }
}
