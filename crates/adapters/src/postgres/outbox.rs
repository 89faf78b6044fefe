//! Adds messages to the outbox, and counts those that wait. The repository is in [`crate::rows::outbox`].

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use license_manager_domain::Error;
use license_manager_domain::outbox::{MailWords, Message};
use license_manager_domain::queue::Queue;
use uuid::Uuid;

use super::arrays::column;
use super::queue::claimable_sql;
use super::unit::PostgresUnit;
use crate::prepared::prepared_sql;
use crate::rows::outbox::words_of;
use crate::rows::queue::{self, BacklogRow};
use crate::sql_types::{SqlTimestamp, SqlUuid};
use crate::traces;

impl PostgresUnit<'_> {
    /// Stores the words of messages, unless an earlier part of the transaction has stored them.
    fn add_words(&mut self, words: &BTreeMap<Uuid, &MailWords>) -> Result<(), Error> {
        if words.is_empty() {
            return Ok(());
        }
        let statement = prepared_sql(
            "INSERT INTO outbox_words (uuid, greeting, closing) SELECT * FROM unnest($1, $2, $3)
             ON CONFLICT (uuid) DO NOTHING",
        )
        .bind::<Array<SqlUuid>, _>(words.keys().copied().collect::<Vec<_>>())
        .bind::<Array<Text>, _>(words.values().map(|words| words.greeting.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(words.values().map(|words| words.closing.as_str()).collect::<Vec<_>>());
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    /// Adds messages, and the deliveries of those that are events to webhooks.
    pub(crate) fn add_messages(&mut self, messages: &[Message]) -> Result<(), Error> {
        self.add_words(&words_of(messages))?;
        let lanes: Vec<String> = column(messages, |message| queue::lanes(message.payload.steps()));
        // The database numbers the positions in the order of the rows.
        let statement = prepared_sql(
            "WITH message AS NOT MATERIALIZED (
                 SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $10, $11) WITH ORDINALITY
                     AS message (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload,
                                 created, lanes, event, words_uuid, place)),
             told AS (
                 INSERT INTO webhook_delivery
                     (webhook_uuid, uuid, event_type, license_uuid, payload, not_before, due_since, created, trace_parent)
                 SELECT webhook.uuid, message.uuid, message.event, message.license_uuid, message.payload, message.created,
                        message.created, message.created, $9
                 FROM message JOIN webhook
                     ON (webhook.enterprise_customer_uuid IS NULL
                         OR webhook.enterprise_customer_uuid = message.enterprise_customer_uuid)
                    AND (webhook.event_types = '{}' OR message.event = ANY (webhook.event_types))
                 WHERE message.event IS NOT NULL
                 ORDER BY message.place)
             INSERT INTO outbox
                 (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload, created,
                  not_before, lane, lanes, trace_parent, words_uuid)
             SELECT uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload, created,
                    created, split_part(lanes, ' ', 1), lanes, $9, words_uuid
             FROM message
             ORDER BY place",
        )
        .bind::<Array<SqlUuid>, _>(column(messages, |message| message.id.0))
        .bind::<Array<Text>, _>(column(messages, |message| message.payload.topic().as_str()))
        .bind::<Array<Nullable<SqlUuid>>, _>(column(messages, |message| message.license.map(|license| license.0)))
        .bind::<Array<Nullable<SqlUuid>>, _>(column(messages, |message| message.plan.map(|plan| plan.0)))
        .bind::<Array<SqlUuid>, _>(column(messages, |message| message.customer.0))
        .bind::<Array<Text>, _>(column(messages, |message| message.payload.to_text()))
        .bind::<Array<SqlTimestamp>, _>(column(messages, |message| message.created))
        .bind::<Array<Text>, _>(lanes)
        .bind::<Nullable<Text>, _>(traces::parent())
        .bind::<Array<Nullable<Text>>, _>(column(messages, |message| message.payload.event()))
        .bind::<Array<Nullable<SqlUuid>>, _>(column(messages, |message| {
            message.payload.words().map(|words| words.id.0)
        }));
        self.write_rows(messages.len(), "messages", |connection| statement.execute(connection))
    }

    /// The backlog of each queue, counted up to `limit`.
    pub(crate) fn backlog_of_queues(&mut self, now: DateTime<Utc>, limit: i64) -> Result<Vec<BacklogRow>, Error> {
        // Each subquery has the order of an index. Otherwise the planner may read the whole table to find that a queue
        // is empty.
        let claimable = claimable_sql(&queue::OUTBOX);
        let query = prepared_sql(format!(
            "WITH parked AS MATERIALIZED (
                 SELECT lane, count(*) AS number
                 FROM (SELECT lane FROM outbox WHERE parked_at IS NOT NULL ORDER BY position LIMIT $3) AS counted
                 GROUP BY lane)
             SELECT known.lane AS queue, coalesce(parked.number, 0) AS parked,
                    (SELECT count(*) FROM (SELECT FROM outbox
                                           WHERE outbox.lane = known.lane AND parked_at IS NULL
                                           ORDER BY not_before, position
                                           LIMIT $3) AS counted) AS waiting,
                    (SELECT waiting.not_before FROM outbox AS waiting
                     WHERE waiting.lane = known.lane AND waiting.not_before <= $2
                       AND {claimable}
                     ORDER BY waiting.not_before, waiting.position
                     LIMIT 1) AS due_since
             FROM unnest($1) WITH ORDINALITY AS known (lane, place) LEFT JOIN parked ON parked.lane = known.lane
             ORDER BY known.place"
        ))
        .bind::<Array<Text>, _>(column(&Queue::MESSAGES, |queue| queue.as_str()))
        .bind::<SqlTimestamp, _>(now)
        .bind::<BigInt, _>(limit.max(0));
        self.read(|connection| query.load(connection))
    }
}
