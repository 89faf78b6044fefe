//! Endpoints that events are told to, and what each was and is to be told. Whoever writes has the file to itself; so nothing comes
//! between statements.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use license_manager_domain::ports::{
    LimitOffset, WebhookDeliveryFilter, WebhookDeliveryRepository, WebhookReplay, WebhookRepository,
};
use license_manager_domain::queue::Backlog;
use license_manager_domain::webhooks::{Webhook, WebhookDelivery, WebhookState};
use license_manager_domain::{Error, WebhookId};

use super::SqliteUnit;
use super::error::storage_error;
use super::queue::claimable;
use crate::rows::queue::{BacklogRow, WEBHOOK_DELIVERY};
use crate::rows::webhooks::{DeliveryRow, WebhookRow};
use crate::schema::{webhook, webhook_delivery};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl WebhookRepository for SqliteUnit<'_> {
    fn add(&mut self, webhook: &Webhook) -> Result<(), Error> {
        let row = WebhookRow::from(webhook);
        diesel::insert_into(webhook::table).values(row).execute(self.written()?).map_err(storage_error)?;
        Ok(())
    }

    fn save(&mut self, webhook: &Webhook) -> Result<(), Error> {
        let row = WebhookRow::from(webhook);
        let statement = diesel::update(webhook::table.find(SqlUuid(webhook.id.0))).set(row);
        match statement.execute(self.written()?).map_err(storage_error)? {
            1 => Ok(()),
            _ => Err(Error::internal("there is no such webhook")),
        }
    }

    fn find(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error> {
        let query = webhook::table.find(SqlUuid(id.0)).select(WebhookRow::as_select());
        Ok(query.get_result(self.conn).optional().map_err(storage_error)?.map(Webhook::from))
    }

    fn lock(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error> {
        self.written()?;
        WebhookRepository::find(self, id)
    }

    fn rest(&mut self, id: WebhookId, until: DateTime<Utc>) -> Result<(), Error> {
        diesel::update(webhook::table.find(SqlUuid(id.0)))
            .set(webhook::rest_until.eq(SqlTimestamp(until)))
            .execute(self.written()?)
            .map_err(storage_error)?;
        Ok(())
    }

    fn list(&mut self, limit_offset: LimitOffset) -> Result<Vec<Webhook>, Error> {
        let rows: Vec<WebhookRow> = webhook::table
            .select(WebhookRow::as_select())
            .order((webhook::created, webhook::uuid))
            .offset(limit_offset.offset.max(0))
            .limit(limit_offset.limit.max(0))
            .load(self.conn)
            .map_err(storage_error)?;
        Ok(rows.into_iter().map(Webhook::from).collect())
    }

    fn count(&mut self) -> Result<i64, Error> {
        webhook::table.count().get_result(self.conn).map_err(storage_error)
    }

    fn remove(&mut self, id: WebhookId) -> Result<bool, Error> {
        let conn = self.written()?;
        let deliveries = webhook_delivery::table.filter(webhook_delivery::webhook_uuid.eq(SqlUuid(id.0)));
        diesel::delete(deliveries).execute(conn).map_err(storage_error)?;
        Ok(diesel::delete(webhook::table.find(SqlUuid(id.0))).execute(conn).map_err(storage_error)? > 0)
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

impl WebhookDeliveryRepository for SqliteUnit<'_> {
    fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<Backlog, Error> {
        // Counted endpoint by endpoint, in an index: what was delivered is far more than what waits.
        let claimable = claimable(&WEBHOOK_DELIVERY);
        let row: BacklogRow = sql_query(format!(
            "SELECT '' AS queue,
                    (SELECT count(*)
                     FROM (SELECT 1 FROM webhook CROSS JOIN webhook_delivery
                           WHERE webhook_uuid = webhook.uuid AND state = 'waiting' LIMIT ?2)) AS waiting,
                    (SELECT count(*)
                     FROM (SELECT 1 FROM webhook CROSS JOIN webhook_delivery
                           WHERE webhook_uuid = webhook.uuid AND state = 'parked' LIMIT ?2)) AS parked,
                    (SELECT min(first) FROM (
                         SELECT (SELECT not_before FROM webhook_delivery AS waiting
                                 WHERE waiting.webhook_uuid = webhook.uuid AND not_before <= ?1
                                   AND {claimable}
                                 ORDER BY not_before, position LIMIT 1) AS first
                         FROM webhook WHERE is_active AND (rest_until IS NULL OR rest_until <= ?1))) AS due_since"
        ))
        .bind::<SqlTimestamp, _>(now)
        .bind::<BigInt, _>(limit)
        .get_result(self.conn)
        .map_err(storage_error)?;
        Ok(row.backlog())
    }

    fn list(
        &mut self,
        filter: &WebhookDeliveryFilter,
        limit_offset: LimitOffset,
    ) -> Result<Vec<WebhookDelivery>, Error> {
        let rows: Vec<DeliveryRow> = matching!(webhook_delivery::table.select(DeliveryRow::as_select()), filter)
            .order(webhook_delivery::position.desc())
            .offset(limit_offset.offset.max(0))
            .limit(limit_offset.limit.max(0))
            .load(self.conn)
            .map_err(storage_error)?;
        rows.into_iter().map(WebhookDelivery::try_from).collect()
    }

    fn count(&mut self, filter: &WebhookDeliveryFilter) -> Result<i64, Error> {
        matching!(webhook_delivery::table.count(), filter).get_result(self.conn).map_err(storage_error)
    }

    fn replay(&mut self, replay: &WebhookReplay, now: DateTime<Utc>) -> Result<usize, Error> {
        sql_query(
            "UPDATE webhook_delivery
             SET state = 'waiting', attempts = 0, not_before = ?5, due_since = ?5, claimed_by = NULL, delivered_at = NULL
             WHERE webhook_uuid = ?1 AND (?2 IS NULL OR uuid = ?2) AND (?3 IS NULL OR state = ?3)
               AND (?4 IS NULL OR created >= ?4) AND (claimed_by IS NULL OR not_before <= ?5)",
        )
        .bind::<SqlUuid, _>(replay.webhook.0)
        .bind::<Nullable<SqlUuid>, _>(replay.id.map(|id| id.0))
        .bind::<Nullable<Text>, _>(replay.state.map(WebhookState::as_str))
        .bind::<Nullable<SqlTimestamp>, _>(replay.since)
        .bind::<SqlTimestamp, _>(now)
        .execute(self.written()?)
        .map_err(storage_error)
    }

    fn remove_old(&mut self, delivered: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        // The endpoints that deliveries name are found from one to the next, and not by reading every delivery.
        sql_query(
            "WITH RECURSIVE endpoint (uuid) AS (
                 SELECT min(webhook_uuid) FROM webhook_delivery
                 UNION ALL
                 SELECT (SELECT min(webhook_uuid) FROM webhook_delivery WHERE webhook_uuid > endpoint.uuid)
                 FROM endpoint WHERE endpoint.uuid IS NOT NULL),
             old (position) AS (
                 SELECT position FROM webhook_delivery WHERE state = 'delivered' AND delivered_at <= ?1
                 UNION ALL
                 SELECT orphan.position
                 FROM endpoint JOIN webhook_delivery AS orphan ON orphan.webhook_uuid = endpoint.uuid
                 WHERE NOT EXISTS (SELECT 1 FROM webhook WHERE webhook.uuid = endpoint.uuid))
             DELETE FROM webhook_delivery WHERE position IN (SELECT position FROM old LIMIT ?2)",
        )
        .bind::<SqlTimestamp, _>(delivered)
        .bind::<BigInt, _>(limit)
        .execute(self.written()?)
        .map_err(storage_error)
    }
}
