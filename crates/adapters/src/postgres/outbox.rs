//! The outbox.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use license_manager_domain::Error;
use license_manager_domain::outbox::{MailWords, Message, OutboxSelection, WaitingMessage};
use license_manager_domain::ports::{OutboxFilter, OutboxRepository};
use license_manager_domain::queue::{Backlog, Queue};
use uuid::Uuid;

use super::arrays::column;
use super::queue::claimable_sql;
use super::unit::PostgresUnit;
use crate::one_of::one_of;
use crate::prepared::prepared_sql;
use crate::rows::outbox::{WaitingRow, WordsRow, words_by_id, words_of};
use crate::rows::queue::{self, BacklogRow};
use crate::rows::shared::sorted_uuids;
use crate::schema::{outbox, outbox_words};
use crate::sql_types::{SqlTimestamp, SqlUuid};
use crate::traces;

/// The messages that an operator has chosen and that are not claimed: those with the ids `$1`, or if that is NULL all
/// dead-lettered messages of the topic `$2`, or of any topic.
const MEANT: &str = "
    (uuid = ANY ($1) OR $1 IS NULL AND parked_at IS NOT NULL AND ($2 IS NULL OR topic = $2))
    AND (claimed_by IS NULL OR not_before <= $3)";

impl PostgresUnit<'_> {
    /// Runs a statement over the messages that an operator has chosen, and returns their number.
    fn on_meant(&mut self, statement: &str, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
        let (ids, topic) = match selection {
            OutboxSelection::Messages(ids) => (Some(sorted_uuids(ids.iter().map(|message| message.0))), None),
            OutboxSelection::DeadLettered(topic) => (None, topic.as_deref()),
        };
        let statement = sql_query(format!("{statement} WHERE {MEANT}"))
            .bind::<Nullable<Array<SqlUuid>>, _>(ids)
            .bind::<Nullable<Text>, _>(topic)
            .bind::<SqlTimestamp, _>(now);
        self.write(|connection| statement.execute(connection))
    }

    /// The words with these ids.
    pub(super) fn words(&mut self, ids: BTreeSet<Uuid>) -> Result<HashMap<Uuid, Arc<MailWords>>, Error> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let query = outbox_words::table.filter(one_of(outbox_words::uuid, ids));
        let query = query.select((outbox_words::uuid, outbox_words::greeting, outbox_words::closing));
        Ok(words_by_id(self.read(|connection| query.load::<WordsRow>(connection))?))
    }

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
}

impl OutboxRepository for PostgresUnit<'_> {
    fn add(&mut self, messages: &[Message]) -> Result<(), Error> {
        self.require_write()?;
        if messages.is_empty() {
            return Ok(());
        }
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

    fn count(&mut self) -> Result<i64, Error> {
        self.read(|connection| outbox::table.count().get_result(connection))
    }

    fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<Vec<(Queue, Backlog)>, Error> {
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
        let rows: Vec<BacklogRow> = self.read(|connection| query.load(connection))?;
        Ok(rows.into_iter().filter_map(BacklogRow::of_queue).collect())
    }

    fn list(&mut self, filter: &OutboxFilter, limit: i64) -> Result<Vec<WaitingMessage>, Error> {
        let query = sql_query(
            "SELECT * FROM outbox
             WHERE (NOT $1 OR parked_at IS NOT NULL) AND ($2 IS NULL OR topic = $2)
             ORDER BY position LIMIT $3",
        )
        .bind::<Bool, _>(filter.dead_lettered_only)
        .bind::<Nullable<Text>, _>(filter.topic.as_deref())
        .bind::<BigInt, _>(limit.max(0));
        self.list::<WaitingRow, _>(query)
    }

    fn retry(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
        let statement = "UPDATE outbox SET attempts = 0, not_before = $3, claimed_by = NULL, parked_at = NULL";
        self.on_meant(statement, selection, now)
    }

    fn discard(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
        self.on_meant("DELETE FROM outbox", selection, now)
    }
}
