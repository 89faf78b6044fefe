//! What was promised to the outside.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, SmallInt, Text};
use license_manager_domain::delivery::{
    Backlog, DeliveryClaim, Lane, Lanes, OutboxSelection, Parcel, Standing, Waiting,
};
use license_manager_domain::outbox::{Message, Topic};
use license_manager_domain::ports::{OutboxFilter, OutboxRepository};
use license_manager_domain::{Error, MessageId};
use uuid::Uuid;

use super::PostgresUnit;
use super::arrays::{column, sorted_uuids};
use crate::rows::IdRow;
use crate::rows::outbox::{BacklogRow, LaneRow, ParcelRow, WaitingRow};
use crate::schema::outbox;
use crate::sql_types::{SqlTimestamp, SqlUuid};
use crate::traces;

/// Whether nothing that has to be delivered first keeps the message `waiting` in its lane. OFFSET 0 keeps the planner from turning
/// the questions into joins over the whole table: each is answered from an index, for the few messages that are looked at.
const IN_TURN: &str = "
    NOT EXISTS (SELECT FROM outbox AS earlier
                WHERE earlier.license_uuid = waiting.license_uuid AND earlier.position < waiting.position
                  AND earlier.parked_at IS NULL AND strpos(earlier.lanes, waiting.lane) > 0
                OFFSET 0)
    AND (waiting.topic <> 'utilization_thresholds'
         OR NOT EXISTS (SELECT FROM outbox AS earlier
                        WHERE earlier.subscription_plan_uuid = waiting.subscription_plan_uuid
                          AND earlier.position < waiting.position AND earlier.topic = 'utilization_thresholds'
                          AND earlier.parked_at IS NULL
                        OFFSET 0))";

/// The messages an operator means that nobody delivers now: `$1` are ids, or null for the parked ones of the topic `$2`, or of
/// any.
const MEANT: &str = "
    (uuid = ANY ($1) OR $1 IS NULL AND parked_at IS NOT NULL AND ($2 IS NULL OR topic = $2))
    AND (claimed_by IS NULL OR not_before <= $3)";

impl PostgresUnit<'_> {
    /// Runs a statement over the messages an operator means, and tells how many there were.
    fn on_meant(&mut self, statement: &str, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
        let (ids, topic) = match selection {
            OutboxSelection::Messages(ids) => (Some(sorted_uuids(ids.iter().map(|message| message.0))), None),
            OutboxSelection::Parked(topic) => (None, topic.as_deref()),
        };
        let statement = sql_query(format!("{statement} WHERE {MEANT}"))
            .bind::<Nullable<Array<SqlUuid>>, _>(ids)
            .bind::<Nullable<Text>, _>(topic)
            .bind::<SqlTimestamp, _>(now);
        self.write(|connection| statement.execute(connection))
    }
}

impl OutboxRepository for PostgresUnit<'_> {
    fn add(&mut self, messages: &[Message]) -> Result<(), Error> {
        self.require_write()?;
        if messages.is_empty() {
            return Ok(());
        }
        let lanes: Vec<Lanes> = column(messages, Message::lanes);
        // The database counts positions in the order of the rows. It looks at no message a second time where no webhook is active:
        // that is asked once, before.
        let statement = sql_query(
            "WITH message AS NOT MATERIALIZED (
                 SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) WITH ORDINALITY
                     AS message (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload,
                                 created, lane, lanes, place)),
             told AS (
                 INSERT INTO webhook_delivery
                     (webhook_uuid, uuid, event_type, license_uuid, payload, not_before, due_since, created, trace_parent)
                 SELECT webhook.uuid, message.uuid, event.name, message.license_uuid, message.payload, message.created,
                        message.created, message.created, $10
                 FROM webhook CROSS JOIN message CROSS JOIN LATERAL (SELECT message.payload::json ->> 'event') AS event (name)
                 WHERE (SELECT EXISTS (SELECT FROM webhook WHERE is_active))
                   AND message.topic = 'license_event' AND webhook.is_active
                   AND (webhook.enterprise_customer_uuid IS NULL
                        OR webhook.enterprise_customer_uuid = message.enterprise_customer_uuid)
                   AND (webhook.event_types = '{}' OR event.name = ANY (webhook.event_types))
                   AND event.name IS NOT NULL
                 ORDER BY message.place)
             INSERT INTO outbox
                 (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload, created,
                  not_before, lane, lanes, trace_parent)
             SELECT uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload, created,
                    created, lane, lanes, $10
             FROM message
             ORDER BY place",
        )
        .bind::<Array<SqlUuid>, _>(column(messages, |message| message.id.0))
        .bind::<Array<Text>, _>(column(messages, |message| message.topic.as_str()))
        .bind::<Array<Nullable<SqlUuid>>, _>(column(messages, |message| message.license.map(|license| license.0)))
        .bind::<Array<Nullable<SqlUuid>>, _>(column(messages, |message| message.plan.map(|plan| plan.0)))
        .bind::<Array<SqlUuid>, _>(column(messages, |message| message.customer.0))
        .bind::<Array<Text>, _>(column(messages, |message| message.payload.as_str()))
        .bind::<Array<SqlTimestamp>, _>(column(messages, |message| message.created))
        .bind::<Array<Text>, _>(column(&lanes, |lanes| lanes.current().map_or("", Lane::as_str)))
        .bind::<Array<Text>, _>(column(&lanes, Lanes::as_text))
        .bind::<Nullable<Text>, _>(traces::parent());
        self.write_rows(messages.len(), "messages", |connection| statement.execute(connection))
    }

    fn count(&mut self) -> Result<i64, Error> {
        self.read(|connection| outbox::table.count().get_result(connection))
    }

    fn due(&mut self, now: DateTime<Utc>) -> Result<Vec<Lane>, Error> {
        let query = sql_query(format!(
            "SELECT lane FROM unnest($1) AS known (lane)
             WHERE EXISTS (SELECT FROM outbox AS waiting
                           WHERE waiting.lane = known.lane AND waiting.parked_at IS NULL AND waiting.not_before <= $2
                             AND {IN_TURN}
                           LIMIT 1)"
        ))
        .bind::<Array<Text>, _>(column(&Lane::ALL, |lane| lane.as_str()))
        .bind::<SqlTimestamp, _>(now);
        let rows: Vec<LaneRow> = self.read(|connection| query.load(connection))?;
        Ok(rows.iter().filter_map(|row| Lane::from_name(&row.lane)).collect())
    }

    fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<Vec<Backlog>, Error> {
        // Everything is asked for in the order of an index: without one the planner may read the whole table to find that a lane is
        // empty.
        let query = sql_query(format!(
            "WITH parked AS MATERIALIZED (
                 SELECT lane, count(*) AS number
                 FROM (SELECT lane FROM outbox WHERE parked_at IS NOT NULL ORDER BY position LIMIT $3) AS counted
                 GROUP BY lane)
             SELECT known.lane, coalesce(parked.number, 0) AS parked,
                    (SELECT count(*) FROM (SELECT FROM outbox
                                           WHERE outbox.lane = known.lane AND parked_at IS NULL
                                           ORDER BY not_before, position
                                           LIMIT $3) AS counted) AS waiting,
                    (SELECT waiting.not_before FROM outbox AS waiting
                     WHERE waiting.lane = known.lane AND waiting.parked_at IS NULL AND waiting.not_before <= $2
                       AND {IN_TURN}
                     ORDER BY waiting.not_before, waiting.position
                     LIMIT 1) AS due_since
             FROM unnest($1) WITH ORDINALITY AS known (lane, place) LEFT JOIN parked ON parked.lane = known.lane
             ORDER BY known.place"
        ))
        .bind::<Array<Text>, _>(column(&Lane::ALL, |lane| lane.as_str()))
        .bind::<SqlTimestamp, _>(now)
        .bind::<BigInt, _>(limit);
        let rows: Vec<BacklogRow> = self.read(|connection| query.load(connection))?;
        Ok(rows.into_iter().filter_map(BacklogRow::backlog).collect())
    }

    fn claim(&mut self, claim: &DeliveryClaim) -> Result<Vec<Parcel>, Error> {
        // The chosen are updated by an array of their ids: how many a limit lets through is not known when a prepared statement is
        // planned, and a join would be planned as one that reads the whole table.
        let statement = sql_query(format!(
            "WITH chosen AS MATERIALIZED (
                 SELECT uuid, row_number() OVER (ORDER BY not_before, position) AS place
                 FROM (SELECT uuid, not_before, position FROM outbox AS waiting
                       WHERE lane = $3 AND parked_at IS NULL AND not_before <= $4 AND {IN_TURN}
                       ORDER BY not_before, position
                       LIMIT $5
                       FOR UPDATE SKIP LOCKED) AS due),
             claimed AS (
                 UPDATE outbox SET claimed_by = $1, not_before = $2
                 WHERE uuid = ANY (ARRAY(SELECT uuid FROM chosen))
                 RETURNING outbox.*)
             SELECT claimed.* FROM claimed JOIN chosen USING (uuid) ORDER BY place"
        ))
        .bind::<SqlUuid, _>(claim.id)
        .bind::<SqlTimestamp, _>(claim.until)
        .bind::<Text, _>(claim.lane.as_str())
        .bind::<SqlTimestamp, _>(claim.now)
        .bind::<BigInt, _>(claim.limit as i64);
        let rows: Vec<ParcelRow> = self.write(|connection| statement.load(connection))?;
        let parcels: Vec<Parcel> = rows.into_iter().map(Parcel::from).collect();
        let looks = || parcels.iter().filter(|parcel| parcel.message.topic == Topic::UtilizationThresholds);
        let plans: Vec<Uuid> = looks().filter_map(|parcel| Some(parcel.message.plan?.0)).collect();
        if !plans.is_empty() {
            let statement = sql_query(
                "DELETE FROM outbox
                 WHERE topic = 'utilization_thresholds' AND parked_at IS NULL AND subscription_plan_uuid = ANY ($1)
                   AND claimed_by IS DISTINCT FROM $2",
            )
            .bind::<Array<SqlUuid>, _>(plans)
            .bind::<SqlUuid, _>(claim.id);
            self.write(|connection| statement.execute(connection))?;
        }
        Ok(parcels)
    }

    fn extend(&mut self, claim: Uuid, messages: &[MessageId], until: DateTime<Utc>) -> Result<(), Error> {
        let statement = sql_query("UPDATE outbox SET not_before = $3 WHERE uuid = ANY ($1) AND claimed_by = $2")
            .bind::<Array<SqlUuid>, _>(sorted_uuids(messages.iter().map(|message| message.0)))
            .bind::<SqlUuid, _>(claim)
            .bind::<SqlTimestamp, _>(until);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn held(&mut self, claim: Uuid, messages: &[MessageId]) -> Result<Vec<MessageId>, Error> {
        let query =
            sql_query("SELECT uuid FROM outbox WHERE uuid = ANY ($1) AND claimed_by = $2 ORDER BY uuid FOR UPDATE")
                .bind::<Array<SqlUuid>, _>(sorted_uuids(messages.iter().map(|message| message.0)))
                .bind::<SqlUuid, _>(claim);
        let rows: Vec<IdRow> = self.write(|connection| query.load(connection))?;
        Ok(rows.into_iter().map(|row| MessageId(row.uuid)).collect())
    }

    fn settle(&mut self, claim: Uuid, done: &[MessageId], standing: &[Standing]) -> Result<(), Error> {
        self.require_write()?;
        if !done.is_empty() {
            let statement = sql_query("DELETE FROM outbox WHERE uuid = ANY ($1) AND claimed_by = $2")
                .bind::<Array<SqlUuid>, _>(sorted_uuids(done.iter().map(|message| message.0)))
                .bind::<SqlUuid, _>(claim);
            self.write(|connection| statement.execute(connection))?;
        }
        if !standing.is_empty() {
            let statement = sql_query(
                "UPDATE outbox
                 SET lane = input.lane, lanes = input.lanes, attempts = input.attempts, not_before = input.not_before,
                     last_error = input.last_error, parked_at = input.parked_at, claimed_by = NULL
                 FROM unnest($1, $2, $3, $4, $5, $6, $7)
                     AS input (uuid, lane, lanes, attempts, not_before, last_error, parked_at)
                 WHERE outbox.uuid = input.uuid AND outbox.claimed_by = $8",
            )
            .bind::<Array<SqlUuid>, _>(column(standing, |stand| stand.id.0))
            .bind::<Array<Text>, _>(column(standing, |stand| stand.lanes.current().map_or("", Lane::as_str)))
            .bind::<Array<Text>, _>(column(standing, |stand| stand.lanes.as_text()))
            .bind::<Array<SmallInt>, _>(column(standing, |stand| stand.attempts))
            .bind::<Array<SqlTimestamp>, _>(column(standing, |stand| stand.not_before))
            .bind::<Array<Nullable<Text>>, _>(column(standing, |stand| stand.last_error.as_deref()))
            .bind::<Array<Nullable<SqlTimestamp>>, _>(column(standing, |stand| stand.parked_at))
            .bind::<SqlUuid, _>(claim);
            self.write(|connection| statement.execute(connection))?;
        }
        Ok(())
    }

    fn list(&mut self, filter: &OutboxFilter, limit: i64) -> Result<Vec<Waiting>, Error> {
        let query = sql_query(
            "SELECT * FROM outbox
             WHERE (NOT $1 OR parked_at IS NOT NULL) AND ($2 IS NULL OR topic = $2)
             ORDER BY position LIMIT $3",
        )
        .bind::<Bool, _>(filter.parked_only)
        .bind::<Nullable<Text>, _>(filter.topic.as_deref())
        .bind::<BigInt, _>(limit);
        let rows: Vec<WaitingRow> = self.read(|connection| query.load(connection))?;
        Ok(rows.into_iter().map(Waiting::from).collect())
    }

    fn retry(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
        let statement = "UPDATE outbox SET attempts = 0, not_before = $3, claimed_by = NULL, parked_at = NULL";
        self.on_meant(statement, selection, now)
    }

    fn discard(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
        self.on_meant("DELETE FROM outbox", selection, now)
    }
}
