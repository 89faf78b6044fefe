//! Endpoints that events are told to, and what each was and is to be told.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Nullable, SmallInt, Text};
use license_manager_domain::ports::{
    LimitOffset, WebhookDeliveryFilter, WebhookDeliveryRepository, WebhookReplay, WebhookRepository,
};
use license_manager_domain::webhooks::{
    Webhook, WebhookBacklog, WebhookClaim, WebhookDelivery, WebhookParcel, WebhookStanding, WebhookState,
};
use license_manager_domain::{Error, WebhookId};
use uuid::Uuid;

use super::PostgresUnit;
use super::arrays::column;
use super::error::Failure;
use crate::rows::IdRow;
use crate::rows::webhooks::{DeliveryRow, WebhookBacklogRow, WebhookParcelRow, WebhookRow};
use crate::schema::{webhook, webhook_delivery};
use crate::sql_types::{SqlTimestamp, SqlUuid};

/// Whether no delivery of an earlier event of the same license keeps `waiting` waiting. OFFSET 0 keeps the planner from turning the
/// question into a join over the whole table.
const IN_TURN: &str = "
    NOT EXISTS (SELECT FROM webhook_delivery AS earlier
                WHERE earlier.webhook_uuid = waiting.webhook_uuid AND earlier.license_uuid = waiting.license_uuid
                  AND earlier.position < waiting.position AND earlier.state = 'waiting'
                OFFSET 0)";

impl WebhookRepository for PostgresUnit<'_> {
    fn add(&mut self, webhook: &Webhook) -> Result<(), Error> {
        let statement = diesel::insert_into(webhook::table).values(WebhookRow::from(webhook));
        self.write_rows(1, "webhooks", |connection| statement.execute(connection))
    }

    fn save(&mut self, webhook: &Webhook) -> Result<(), Error> {
        let statement = diesel::update(webhook::table.find(SqlUuid(webhook.id.0))).set(WebhookRow::from(webhook));
        self.write_rows(1, "webhooks", |connection| statement.execute(connection))
    }

    fn find(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error> {
        let query = webhook::table.find(SqlUuid(id.0)).select(WebhookRow::as_select());
        Ok(self.read(|connection| query.get_result(connection).optional())?.map(Webhook::from))
    }

    fn lock(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error> {
        let query = webhook::table.find(SqlUuid(id.0)).select(WebhookRow::as_select()).for_update();
        Ok(self.write(|connection| query.get_result(connection).optional())?.map(Webhook::from))
    }

    fn list(&mut self, limit_offset: LimitOffset) -> Result<Vec<Webhook>, Error> {
        let query = webhook::table
            .select(WebhookRow::as_select())
            .order((webhook::created, webhook::uuid))
            .offset(limit_offset.offset)
            .limit(limit_offset.limit);
        let rows: Vec<WebhookRow> = self.read(|connection| query.load(connection))?;
        Ok(rows.into_iter().map(Webhook::from).collect())
    }

    fn count(&mut self) -> Result<i64, Error> {
        self.read(|connection| webhook::table.count().get_result(connection))
    }

    fn remove(&mut self, id: WebhookId) -> Result<bool, Error> {
        let statement = diesel::delete(webhook::table.find(SqlUuid(id.0)));
        let removed = self.write(|connection| statement.execute(connection))? > 0;
        let statement =
            diesel::delete(webhook_delivery::table.filter(webhook_delivery::webhook_uuid.eq(SqlUuid(id.0))));
        self.write(|connection| statement.execute(connection))?;
        Ok(removed)
    }
}

/// The deliveries that match, as a boxed query: a macro, because the types of a list and of a count differ.
macro_rules! matching {
    ($query:expr, $filter:expr) => {{
        let filter: &WebhookDeliveryFilter = $filter;
        let mut query = $query.filter(webhook_delivery::webhook_uuid.eq(SqlUuid(filter.webhook.0))).into_boxed();
        if let Some(state) = filter.state {
            query = query.filter(webhook_delivery::state.eq(state.as_str()));
        }
        if let Some(id) = filter.id {
            query = query.filter(webhook_delivery::uuid.eq(SqlUuid(id.0)));
        }
        query
    }};
}

impl WebhookDeliveryRepository for PostgresUnit<'_> {
    fn due(&mut self, now: DateTime<Utc>) -> Result<Vec<WebhookId>, Error> {
        let query = sql_query(format!(
            "SELECT webhook.uuid
             FROM webhook CROSS JOIN LATERAL (
                 SELECT not_before FROM webhook_delivery AS waiting
                 WHERE waiting.webhook_uuid = webhook.uuid AND state = 'waiting' AND not_before <= $1 AND {IN_TURN}
                 ORDER BY not_before, position LIMIT 1) AS first
             WHERE is_active AND (rest_until IS NULL OR rest_until <= $1)
             ORDER BY first.not_before, webhook.uuid"
        ))
        .bind::<SqlTimestamp, _>(now);
        let rows: Vec<IdRow> = self.read(|connection| query.load(connection))?;
        Ok(rows.into_iter().map(|row| WebhookId(row.uuid)).collect())
    }

    fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<WebhookBacklog, Error> {
        // Counted endpoint by endpoint, in the order of an index: what was delivered is far more than what waits.
        let query = sql_query(format!(
            "SELECT (SELECT count(*)
                     FROM (SELECT FROM webhook CROSS JOIN LATERAL (
                               SELECT FROM webhook_delivery
                               WHERE webhook_uuid = webhook.uuid AND state = 'waiting'
                               ORDER BY not_before, position LIMIT $2) AS own
                           LIMIT $2) AS counted) AS waiting,
                    (SELECT count(*)
                     FROM (SELECT FROM webhook CROSS JOIN LATERAL (
                               SELECT FROM webhook_delivery
                               WHERE webhook_uuid = webhook.uuid AND state = 'parked'
                               ORDER BY position LIMIT $2) AS own
                           LIMIT $2) AS counted) AS parked,
                    (SELECT min(first.not_before)
                     FROM webhook CROSS JOIN LATERAL (
                         SELECT not_before FROM webhook_delivery AS waiting
                         WHERE waiting.webhook_uuid = webhook.uuid AND state = 'waiting' AND not_before <= $1 AND {IN_TURN}
                         ORDER BY not_before, position LIMIT 1) AS first
                     WHERE is_active AND (rest_until IS NULL OR rest_until <= $1)) AS due_since"
        ))
        .bind::<SqlTimestamp, _>(now)
        .bind::<BigInt, _>(limit);
        let row: WebhookBacklogRow = self.read(|connection| query.get_result(connection))?;
        Ok(row.into())
    }

    fn claim(&mut self, claim: &WebhookClaim) -> Result<Vec<WebhookParcel>, Error> {
        let statement = sql_query(format!(
            "WITH chosen AS MATERIALIZED (
                 SELECT uuid, row_number() OVER (ORDER BY not_before, position) AS place
                 FROM (SELECT uuid, not_before, position FROM webhook_delivery AS waiting
                       WHERE webhook_uuid = $3 AND state = 'waiting' AND not_before <= $4 AND {IN_TURN}
                         AND EXISTS (SELECT FROM webhook
                                     WHERE uuid = $3 AND is_active AND (rest_until IS NULL OR rest_until <= $4))
                       ORDER BY not_before, position
                       LIMIT $5
                       FOR UPDATE OF waiting SKIP LOCKED) AS due),
             claimed AS (
                 UPDATE webhook_delivery SET claimed_by = $1, not_before = $2
                 FROM chosen WHERE webhook_uuid = $3 AND webhook_delivery.uuid = chosen.uuid
                 RETURNING webhook_delivery.*, chosen.place)
             SELECT * FROM claimed ORDER BY place"
        ))
        .bind::<SqlUuid, _>(claim.id)
        .bind::<SqlTimestamp, _>(claim.until)
        .bind::<SqlUuid, _>(claim.webhook.0)
        .bind::<SqlTimestamp, _>(claim.now)
        .bind::<BigInt, _>(claim.limit as i64);
        let rows: Vec<WebhookParcelRow> = self.write(|connection| statement.load(connection))?;
        Ok(rows.into_iter().map(WebhookParcel::from).collect())
    }

    fn extend(&mut self, claim: Uuid, webhook: WebhookId, until: DateTime<Utc>) -> Result<(), Error> {
        let statement = sql_query(
            "UPDATE webhook_delivery SET not_before = $3
             WHERE webhook_uuid = $1 AND claimed_by = $2 AND state = 'waiting'",
        )
        .bind::<SqlUuid, _>(webhook.0)
        .bind::<SqlUuid, _>(claim)
        .bind::<SqlTimestamp, _>(until);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn settle(
        &mut self,
        claim: Uuid,
        webhook: WebhookId,
        standing: &[WebhookStanding],
        rest_until: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        self.require_write()?;
        if rest_until.is_some() {
            let statement = diesel::update(webhook::table.find(SqlUuid(webhook.0)))
                .set(webhook::rest_until.eq(rest_until.map(SqlTimestamp)));
            self.write(|connection| statement.execute(connection))?;
        }
        let statement = sql_query(
            "UPDATE webhook_delivery
             SET state = input.state, attempts = input.attempts, not_before = input.not_before,
                 last_status = input.last_status, last_error = input.last_error, delivered_at = input.delivered_at,
                 claimed_by = NULL
             FROM unnest($3, $4, $5, $6, $7, $8, $9)
                 AS input (uuid, state, attempts, not_before, last_status, last_error, delivered_at)
             WHERE webhook_uuid = $1 AND webhook_delivery.uuid = input.uuid AND claimed_by = $2",
        )
        .bind::<SqlUuid, _>(webhook.0)
        .bind::<SqlUuid, _>(claim)
        .bind::<Array<SqlUuid>, _>(column(standing, |stand| stand.id.0))
        .bind::<Array<Text>, _>(column(standing, |stand| stand.state.as_str()))
        .bind::<Array<SmallInt>, _>(column(standing, |stand| stand.attempts))
        .bind::<Array<SqlTimestamp>, _>(column(standing, |stand| stand.not_before))
        .bind::<Array<Nullable<SmallInt>>, _>(column(standing, |stand| stand.last_status))
        .bind::<Array<Nullable<Text>>, _>(column(standing, |stand| stand.last_error.as_deref()))
        .bind::<Array<Nullable<SqlTimestamp>>, _>(column(standing, |stand| stand.delivered_at));
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn list(
        &mut self,
        filter: &WebhookDeliveryFilter,
        limit_offset: LimitOffset,
    ) -> Result<Vec<WebhookDelivery>, Error> {
        let query = matching!(webhook_delivery::table.select(DeliveryRow::as_select()), filter)
            .order(webhook_delivery::position.desc())
            .offset(limit_offset.offset)
            .limit(limit_offset.limit);
        let rows: Vec<DeliveryRow> = self.read(|connection| query.load(connection))?;
        rows.into_iter()
            .map(WebhookDelivery::try_from)
            .collect::<Result<_, _>>()
            .map_err(|error| self.fail(Failure::lasting(error)))
    }

    fn count(&mut self, filter: &WebhookDeliveryFilter) -> Result<i64, Error> {
        let query = matching!(webhook_delivery::table.count(), filter);
        self.read(|connection| query.get_result(connection))
    }

    fn replay(&mut self, replay: &WebhookReplay, now: DateTime<Utc>) -> Result<usize, Error> {
        let statement = sql_query(
            "UPDATE webhook_delivery
             SET state = 'waiting', attempts = 0, not_before = $5, due_since = $5, claimed_by = NULL, delivered_at = NULL
             WHERE webhook_uuid = $1 AND ($2 IS NULL OR uuid = $2) AND ($3 IS NULL OR state = $3)
               AND ($4 IS NULL OR created >= $4) AND (claimed_by IS NULL OR not_before <= $5)",
        )
        .bind::<SqlUuid, _>(replay.webhook.0)
        .bind::<Nullable<SqlUuid>, _>(replay.id.map(|id| id.0))
        .bind::<Nullable<Text>, _>(replay.state.map(WebhookState::as_str))
        .bind::<Nullable<SqlTimestamp>, _>(replay.since)
        .bind::<SqlTimestamp, _>(now);
        self.write(|connection| statement.execute(connection))
    }

    fn remove_old(&mut self, delivered: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        // The endpoints that deliveries name are found from one to the next, and not by reading every delivery.
        let statement = sql_query(
            "WITH RECURSIVE endpoint (uuid) AS (
                 (SELECT webhook_uuid FROM webhook_delivery ORDER BY webhook_uuid LIMIT 1)
                 UNION ALL
                 SELECT (SELECT webhook_uuid FROM webhook_delivery WHERE webhook_uuid > endpoint.uuid
                         ORDER BY webhook_uuid LIMIT 1)
                 FROM endpoint WHERE endpoint.uuid IS NOT NULL),
             old (webhook_uuid, uuid) AS (
                 SELECT webhook_uuid, uuid FROM webhook_delivery WHERE state = 'delivered' AND delivered_at <= $1
                 UNION ALL
                 SELECT orphan.webhook_uuid, orphan.uuid
                 FROM endpoint JOIN webhook_delivery AS orphan ON orphan.webhook_uuid = endpoint.uuid
                 WHERE NOT EXISTS (SELECT FROM webhook WHERE webhook.uuid = endpoint.uuid))
             DELETE FROM webhook_delivery
             WHERE (webhook_uuid, uuid) IN (SELECT webhook_uuid, uuid FROM old LIMIT $2)",
        )
        .bind::<SqlTimestamp, _>(delivered)
        .bind::<BigInt, _>(limit);
        self.write(|connection| statement.execute(connection))
    }
}
