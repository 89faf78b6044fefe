//! Adds messages to the outbox, and counts those that wait. The repository is in [`crate::rows::outbox`]. Only one unit of
//! work writes at a time, so nothing happens between its statements.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use license_manager_domain::Error;
use license_manager_domain::outbox::Message;
use license_manager_domain::queue::Queue;
use serde::Serializer;

use super::json::json;
use super::queue::claimable_sql;
use super::unit::SqliteUnit;
use crate::prepared::prepared_sql;
use crate::rows::outbox::words_of;
use crate::rows::queue::{self, BacklogRow};
use crate::sql_types::SqlTimestamp;
use crate::traces;

/// More than most messages take in JSON. A buffer that is too small grows by doubling, and copies all payloads. What is not
/// written to of one that is too large takes no memory.
const ROW_LENGTH: usize = 1_536;

impl SqliteUnit<'_> {
    /// Stores the words of messages, unless an earlier part of the transaction has stored them.
    fn add_words(&mut self, messages: &[Message]) -> Result<(), Error> {
        let words: Vec<_> =
            words_of(messages).into_iter().map(|(id, words)| (id, &words.greeting, &words.closing)).collect();
        if words.is_empty() {
            return Ok(());
        }
        let statement = prepared_sql(
            "INSERT OR IGNORE INTO outbox_words (uuid, greeting, closing)
             SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each(?1)",
        )
        .bind::<Text, _>(json(words)?);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    /// Stores the events among messages for the webhooks that are told of them.
    fn add_events(&mut self, messages: &[Message]) -> Result<(), Error> {
        let events = messages.iter().filter_map(|message| Some((message.id, message.payload.event()?)));
        let events: Vec<_> = events.collect();
        if events.is_empty() {
            return Ok(());
        }
        let statement = prepared_sql(
            "INSERT INTO webhook_delivery (webhook_uuid, uuid, event_type, license_uuid, payload, not_before, due_since, created,
                                           trace_parent)
             SELECT webhook.uuid, message.uuid, event.value ->> 1, license_uuid, payload, message.created, message.created,
                    message.created, trace_parent
             FROM jsonb_each(?1) AS event
             CROSS JOIN webhook ON webhook.event_types = '[]'
                 OR EXISTS (SELECT 1 FROM json_each(webhook.event_types) AS own WHERE own.value = event.value ->> 1)
             CROSS JOIN outbox AS message ON message.uuid = event.value ->> 0
                AND (webhook.enterprise_customer_uuid IS NULL
                     OR webhook.enterprise_customer_uuid = message.enterprise_customer_uuid)",
        )
        .bind::<Text, _>(json(events)?);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    /// Adds messages, and the deliveries of those that are events to webhooks.
    pub(crate) fn add_messages(&mut self, messages: &[Message]) -> Result<(), Error> {
        self.add_words(messages)?;
        // One after another, so that no payload is in memory by itself for longer.
        let rows = messages.iter().map(|message| {
            (
                message.id,
                message.payload.topic().as_str(),
                message.license,
                message.plan,
                message.customer,
                message.payload.to_text(),
                message.created.timestamp_micros(),
                queue::lanes(message.payload.steps()),
                message.payload.words().map(|words| words.id),
            )
        });
        let mut json_rows = Vec::with_capacity(messages.len() * ROW_LENGTH);
        serde_json::Serializer::new(&mut json_rows).collect_seq(rows).map_err(Error::internal)?;
        // jsonb_each gives the rows in their order; sorting them would copy every payload.
        let statement = prepared_sql(
            "INSERT INTO outbox (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload,
                                 created, not_before, lanes, lane, trace_parent, words_uuid)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                    value ->> 6, value ->> 7, substr(value ->> 7, 1, instr((value ->> 7) || ' ', ' ') - 1), ?2,
                    value ->> 8
             FROM jsonb_each(?1)",
        )
        .bind::<Text, _>(String::from_utf8(json_rows).map_err(Error::internal)?)
        .bind::<Nullable<Text>, _>(traces::parent());
        self.write(|connection| statement.execute(connection))?;
        self.add_events(messages)
    }

    /// The backlog of each queue, counted up to `limit`.
    pub(crate) fn backlog_of_queues(&mut self, now: DateTime<Utc>, limit: i64) -> Result<Vec<BacklogRow>, Error> {
        let claimable = claimable_sql(&queue::OUTBOX);
        let names: Vec<&str> = Queue::MESSAGES.iter().map(|queue| queue.as_str()).collect();
        let query = prepared_sql(format!(
            "WITH parked AS MATERIALIZED (
                 SELECT lane, count(*) AS number
                 FROM (SELECT lane FROM outbox WHERE parked_at IS NOT NULL ORDER BY position LIMIT ?3)
                 GROUP BY lane)
             SELECT known.value AS queue, coalesce(parked.number, 0) AS parked,
                    (SELECT count(*) FROM (SELECT 1 FROM outbox
                                           WHERE outbox.lane = known.value AND parked_at IS NULL
                                           ORDER BY not_before, position
                                           LIMIT ?3)) AS waiting,
                    (SELECT waiting.not_before FROM outbox AS waiting
                     WHERE waiting.lane = known.value AND waiting.not_before <= ?2
                       AND {claimable}
                     ORDER BY waiting.not_before, waiting.position
                     LIMIT 1) AS due_since
             FROM json_each(?1) AS known LEFT JOIN parked ON parked.lane = known.value
             ORDER BY known.key"
        ))
        .bind::<Text, _>(json(names)?)
        .bind::<SqlTimestamp, _>(now)
        .bind::<BigInt, _>(limit.max(0));
        self.read(|connection| query.load(connection))
    }
}
