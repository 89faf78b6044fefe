//! What was promised to the outside. Whoever writes has the file to itself; so nothing comes between statements.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use license_manager_domain::delivery::{Backlog, DeliveryClaim, Lane, OutboxSelection, Parcel, Standing, Waiting};
use license_manager_domain::outbox::{Message, Topic};
use license_manager_domain::ports::{OutboxFilter, OutboxRepository};
use license_manager_domain::{Error, MessageId, PlanId};
use serde::Serialize;
use uuid::Uuid;

use super::SqliteUnit;
use super::error::storage_error;
use crate::rows::IdRow;
use crate::rows::outbox::{BacklogRow, LaneRow, ParcelRow, WaitingRow};
use crate::schema::outbox;
use crate::sql_types::{SqlTimestamp, SqlUuid};
use crate::traces;

fn json(values: impl Serialize) -> Result<String, Error> {
    serde_json::to_string(&values).map_err(Error::internal)
}

/// Whether nothing that has to be delivered first keeps the message `waiting` in its lane.
const IN_TURN: &str = "
    NOT EXISTS (SELECT 1 FROM outbox AS earlier
                WHERE earlier.license_uuid = waiting.license_uuid AND earlier.position < waiting.position
                  AND earlier.parked_at IS NULL AND instr(earlier.lanes, waiting.lane) > 0)
    AND (waiting.topic <> 'utilization_thresholds'
         OR NOT EXISTS (SELECT 1 FROM outbox AS earlier
                        WHERE earlier.subscription_plan_uuid = waiting.subscription_plan_uuid
                          AND earlier.position < waiting.position AND earlier.topic = 'utilization_thresholds'
                          AND earlier.parked_at IS NULL))";

/// The messages an operator means that nobody delivers now: `?1` are ids, or null for the parked ones of the topic `?2`, or of
/// any.
const MEANT: &str = "
    (uuid IN (SELECT value FROM json_each(?1)) OR ?1 IS NULL AND parked_at IS NOT NULL AND (?2 IS NULL OR topic = ?2))
    AND (claimed_by IS NULL OR not_before <= ?3)";

impl SqliteUnit<'_> {
    /// Runs a statement over the messages an operator means, and tells how many there were.
    fn on_meant(&mut self, statement: &str, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
        let (ids, topic) = match selection {
            OutboxSelection::Messages(ids) => (Some(json(ids)?), None),
            OutboxSelection::Parked(topic) => (None, topic.as_deref()),
        };
        sql_query(format!("{statement} WHERE {MEANT}"))
            .bind::<Nullable<Text>, _>(ids)
            .bind::<Nullable<Text>, _>(topic)
            .bind::<SqlTimestamp, _>(now)
            .execute(self.written()?)
            .map_err(storage_error)
    }
}

/// The length of a message in JSON, beside its payload.
const ROW_OVERHEAD: usize = 224;

impl OutboxRepository for SqliteUnit<'_> {
    fn add(&mut self, messages: &[Message]) -> Result<(), Error> {
        let conn = self.written()?;
        if messages.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = messages
            .iter()
            .map(|message| {
                let lanes = message.lanes();
                (
                    message.id,
                    message.topic.as_str(),
                    message.license,
                    message.plan,
                    message.customer,
                    message.payload.as_str(),
                    message.created.timestamp_micros(),
                    lanes.current().map_or("", Lane::as_str),
                    lanes.as_text(),
                )
            })
            .collect();
        // One buffer of about the right size: it holds every payload of a request, and would grow by doubling.
        let payloads: usize = messages.iter().map(|message| message.payload.len() * 5 / 4 + ROW_OVERHEAD).sum();
        let mut json = Vec::with_capacity(payloads);
        serde_json::to_writer(&mut json, &rows).map_err(Error::internal)?;
        drop(rows);
        // json_each gives the rows in their order; sorting them would copy every payload.
        sql_query(
            "INSERT INTO outbox (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload,
                                 created, not_before, lane, lanes, trace_parent)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                    value ->> 6, value ->> 7, value ->> 8, ?2
             FROM json_each(?1)",
        )
        .bind::<Text, _>(String::from_utf8(json).map_err(Error::internal)?)
        .bind::<Nullable<Text>, _>(traces::parent())
        .execute(conn)
        .map_err(storage_error)?;
        // The messages just added have the last positions, by which they are found: an index made on the fly would read the whole
        // outbox. Where no webhook is active none is looked at a second time.
        sql_query(
            "INSERT INTO webhook_delivery (webhook_uuid, uuid, event_type, license_uuid, payload, not_before, due_since, created,
                                           trace_parent)
             SELECT webhook.uuid, outbox.uuid, outbox.payload ->> 'event', license_uuid, payload, outbox.created,
                    outbox.created, outbox.created, trace_parent
             FROM webhook CROSS JOIN outbox NOT INDEXED
             WHERE webhook.is_active
               AND outbox.position > (SELECT max(position) FROM outbox) - ?1 AND outbox.topic = 'license_event'
               AND (webhook.enterprise_customer_uuid IS NULL
                    OR webhook.enterprise_customer_uuid = outbox.enterprise_customer_uuid)
               AND (webhook.event_types = '[]'
                    OR EXISTS (SELECT 1 FROM json_each(webhook.event_types) WHERE value = outbox.payload ->> 'event'))
               AND outbox.payload ->> 'event' IS NOT NULL
             ORDER BY outbox.position",
        )
        .bind::<BigInt, _>(messages.len() as i64)
        .execute(conn)
        .map_err(storage_error)?;
        Ok(())
    }

    fn count(&mut self) -> Result<i64, Error> {
        outbox::table.count().get_result(self.conn).map_err(storage_error)
    }

    fn due(&mut self, now: DateTime<Utc>) -> Result<Vec<Lane>, Error> {
        let names: Vec<&str> = Lane::ALL.iter().map(|lane| lane.as_str()).collect();
        let rows: Vec<LaneRow> = sql_query(format!(
            "SELECT known.value AS lane FROM json_each(?1) AS known
             WHERE EXISTS (SELECT 1 FROM outbox AS waiting
                           WHERE waiting.lane = known.value AND waiting.parked_at IS NULL AND waiting.not_before <= ?2
                             AND {IN_TURN})"
        ))
        .bind::<Text, _>(json(names)?)
        .bind::<SqlTimestamp, _>(now)
        .load(self.conn)
        .map_err(storage_error)?;
        Ok(rows.iter().filter_map(|row| Lane::from_name(&row.lane)).collect())
    }

    fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<Vec<Backlog>, Error> {
        let names: Vec<&str> = Lane::ALL.iter().map(|lane| lane.as_str()).collect();
        let rows: Vec<BacklogRow> = sql_query(format!(
            "WITH parked AS MATERIALIZED (
                 SELECT lane, count(*) AS number
                 FROM (SELECT lane FROM outbox WHERE parked_at IS NOT NULL ORDER BY position LIMIT ?3)
                 GROUP BY lane)
             SELECT known.value AS lane, coalesce(parked.number, 0) AS parked,
                    (SELECT count(*) FROM (SELECT 1 FROM outbox
                                           WHERE outbox.lane = known.value AND parked_at IS NULL
                                           ORDER BY not_before, position
                                           LIMIT ?3)) AS waiting,
                    (SELECT waiting.not_before FROM outbox AS waiting
                     WHERE waiting.lane = known.value AND waiting.parked_at IS NULL AND waiting.not_before <= ?2
                       AND {IN_TURN}
                     ORDER BY waiting.not_before, waiting.position
                     LIMIT 1) AS due_since
             FROM json_each(?1) AS known LEFT JOIN parked ON parked.lane = known.value
             ORDER BY known.key"
        ))
        .bind::<Text, _>(json(names)?)
        .bind::<SqlTimestamp, _>(now)
        .bind::<BigInt, _>(limit)
        .load(self.conn)
        .map_err(storage_error)?;
        Ok(rows.into_iter().filter_map(BacklogRow::backlog).collect())
    }

    fn claim(&mut self, claim: &DeliveryClaim) -> Result<Vec<Parcel>, Error> {
        let conn = self.written()?;
        let rows: Vec<ParcelRow> = sql_query(format!(
            "SELECT * FROM outbox AS waiting
             WHERE lane = ?1 AND parked_at IS NULL AND not_before <= ?2 AND {IN_TURN}
             ORDER BY not_before, position
             LIMIT ?3"
        ))
        .bind::<Text, _>(claim.lane.as_str())
        .bind::<SqlTimestamp, _>(claim.now)
        .bind::<BigInt, _>(claim.limit as i64)
        .load(conn)
        .map_err(storage_error)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let parcels: Vec<Parcel> = rows.into_iter().map(Parcel::from).collect();
        let ids: Vec<MessageId> = parcels.iter().map(|parcel| parcel.message.id).collect();
        sql_query("UPDATE outbox SET claimed_by = ?1, not_before = ?2 WHERE uuid IN (SELECT value FROM json_each(?3))")
            .bind::<SqlUuid, _>(claim.id)
            .bind::<SqlTimestamp, _>(claim.until)
            .bind::<Text, _>(json(ids)?)
            .execute(conn)
            .map_err(storage_error)?;
        let looks = parcels.iter().filter(|parcel| parcel.message.topic == Topic::UtilizationThresholds);
        let plans: Vec<PlanId> = looks.filter_map(|parcel| parcel.message.plan).collect();
        if !plans.is_empty() {
            sql_query(
                "DELETE FROM outbox
                 WHERE topic = 'utilization_thresholds' AND parked_at IS NULL AND claimed_by IS NOT ?1
                   AND subscription_plan_uuid IN (SELECT value FROM json_each(?2))",
            )
            .bind::<SqlUuid, _>(claim.id)
            .bind::<Text, _>(json(plans)?)
            .execute(conn)
            .map_err(storage_error)?;
        }
        Ok(parcels)
    }

    fn extend(&mut self, claim: Uuid, messages: &[MessageId], until: DateTime<Utc>) -> Result<(), Error> {
        sql_query(
            "UPDATE outbox SET not_before = ?3
             WHERE uuid IN (SELECT value FROM json_each(?1)) AND claimed_by = ?2",
        )
        .bind::<Text, _>(json(messages)?)
        .bind::<SqlUuid, _>(claim)
        .bind::<SqlTimestamp, _>(until)
        .execute(self.written()?)
        .map_err(storage_error)?;
        Ok(())
    }

    fn held(&mut self, claim: Uuid, messages: &[MessageId]) -> Result<Vec<MessageId>, Error> {
        let rows: Vec<IdRow> =
            sql_query("SELECT uuid FROM outbox WHERE uuid IN (SELECT value FROM json_each(?1)) AND claimed_by = ?2")
                .bind::<Text, _>(json(messages)?)
                .bind::<SqlUuid, _>(claim)
                .load(self.written()?)
                .map_err(storage_error)?;
        Ok(rows.into_iter().map(|row| MessageId(row.uuid)).collect())
    }

    fn settle(&mut self, claim: Uuid, done: &[MessageId], standing: &[Standing]) -> Result<(), Error> {
        let conn = self.written()?;
        if !done.is_empty() {
            sql_query("DELETE FROM outbox WHERE uuid IN (SELECT value FROM json_each(?1)) AND claimed_by = ?2")
                .bind::<Text, _>(json(done)?)
                .bind::<SqlUuid, _>(claim)
                .execute(conn)
                .map_err(storage_error)?;
        }
        if !standing.is_empty() {
            let rows: Vec<_> = standing
                .iter()
                .map(|stand| {
                    (
                        stand.id,
                        stand.lanes.current().map_or("", Lane::as_str),
                        stand.lanes.as_text(),
                        stand.attempts,
                        stand.not_before.timestamp_micros(),
                        stand.last_error.as_deref(),
                        stand.parked_at.map(|moment| moment.timestamp_micros()),
                    )
                })
                .collect();
            sql_query(
                "UPDATE outbox
                 SET lane = input.value ->> 1, lanes = input.value ->> 2, attempts = input.value ->> 3,
                     not_before = input.value ->> 4, last_error = input.value ->> 5, parked_at = input.value ->> 6,
                     claimed_by = NULL
                 FROM json_each(?1) AS input
                 WHERE outbox.uuid = input.value ->> 0 AND outbox.claimed_by = ?2",
            )
            .bind::<Text, _>(json(rows)?)
            .bind::<SqlUuid, _>(claim)
            .execute(conn)
            .map_err(storage_error)?;
        }
        Ok(())
    }

    fn list(&mut self, filter: &OutboxFilter, limit: i64) -> Result<Vec<Waiting>, Error> {
        let rows: Vec<WaitingRow> = sql_query(
            "SELECT * FROM outbox
             WHERE (NOT ?1 OR parked_at IS NOT NULL) AND (?2 IS NULL OR topic = ?2)
             ORDER BY position LIMIT ?3",
        )
        .bind::<Bool, _>(filter.parked_only)
        .bind::<Nullable<Text>, _>(filter.topic.as_deref())
        .bind::<BigInt, _>(limit)
        .load(self.conn)
        .map_err(storage_error)?;
        Ok(rows.into_iter().map(Waiting::from).collect())
    }

    fn retry(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
        let statement = "UPDATE outbox SET attempts = 0, not_before = ?3, claimed_by = NULL, parked_at = NULL";
        self.on_meant(statement, selection, now)
    }

    fn discard(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
        self.on_meant("DELETE FROM outbox", selection, now)
    }
}
