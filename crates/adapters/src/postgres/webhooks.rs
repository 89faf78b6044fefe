//! Locks of webhooks, and their deliveries. The repositories are in [`crate::rows::webhooks`].

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt};
use license_manager_domain::webhooks::Webhook;
use license_manager_domain::{Error, WebhookId};

use super::queue::claimable_sql;
use super::unit::PostgresUnit;
use crate::prepared::prepared_sql;
use crate::rows::queue::WEBHOOK_DELIVERY;
use crate::rows::shared::{NumberRow, sorted_uuids};
use crate::rows::webhooks::{WaitingForRow, WebhookBacklogRow, WebhookRow};
use crate::schema::webhook;
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl PostgresUnit<'_> {
    /// Locks a webhook.
    pub(crate) fn lock_webhook(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error> {
        let query = webhook::table.find(SqlUuid(id.0)).select(WebhookRow::as_select()).for_update();
        Ok(self.write(|connection| query.get_result(connection).optional())?.map(Webhook::from))
    }

    /// The backlog of all webhooks, counted up to `limit`.
    pub(crate) fn webhook_backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<WebhookBacklogRow, Error> {
        // Counts one webhook after the other, by an index: far more deliveries are done than waiting.
        let claimable = claimable_sql(&WEBHOOK_DELIVERY);
        let waiting = |webhooks: &str| {
            format!(
                "(SELECT count(*)
                  FROM (SELECT FROM webhook CROSS JOIN LATERAL (
                            SELECT FROM webhook_delivery
                            WHERE webhook_uuid = webhook.uuid AND state = 'waiting'
                            ORDER BY not_before, position LIMIT $2) AS own
                        WHERE {webhooks} LIMIT $2) AS counted)"
            )
        };
        let (of_active, of_off) = (waiting("is_active"), waiting("NOT is_active"));
        let query = prepared_sql(format!(
            "SELECT '' AS queue, {of_active} AS waiting, {of_off} AS kept,
                    (SELECT count(*) FROM webhook WHERE NOT is_active) AS off,
                    (SELECT coalesce(sum(dropped), 0)::bigint FROM webhook) AS dropped,
                    (SELECT count(*)
                     FROM (SELECT FROM webhook CROSS JOIN LATERAL (
                               SELECT FROM webhook_delivery
                               WHERE webhook_uuid = webhook.uuid AND state = 'parked'
                               ORDER BY position LIMIT $2) AS own
                           LIMIT $2) AS counted) AS parked,
                    (SELECT min(first.not_before)
                     FROM webhook CROSS JOIN LATERAL (
                         SELECT not_before FROM webhook_delivery AS waiting
                         WHERE waiting.webhook_uuid = webhook.uuid AND not_before <= $1 AND {claimable}
                         ORDER BY not_before, position LIMIT 1) AS first
                     WHERE is_active AND (rest_until IS NULL OR rest_until <= $1)) AS due_since"
        ))
        .bind::<SqlTimestamp, _>(now)
        .bind::<BigInt, _>(limit.max(0));
        self.read(|connection| query.get_result(connection))
    }

    /// The numbers of deliveries that wait for webhooks, counted up to `limit`.
    pub(crate) fn waiting_deliveries(
        &mut self,
        webhooks: &[WebhookId],
        limit: i64,
    ) -> Result<Vec<WaitingForRow>, Error> {
        let query = prepared_sql(
            "SELECT webhook, (SELECT count(*)
                              FROM (SELECT FROM webhook_delivery WHERE webhook_uuid = webhook AND state = 'waiting'
                                    ORDER BY not_before, position LIMIT $2) AS counted) AS number
             FROM unnest($1) AS webhook",
        )
        .bind::<Array<SqlUuid>, _>(sorted_uuids(webhooks.iter().map(|webhook| webhook.0)))
        .bind::<BigInt, _>(limit.max(0));
        self.read(|connection| query.load(connection))
    }

    /// Removes old deliveries that wait for webhooks that are off, and counts them there.
    pub(crate) fn drop_kept_deliveries(
        &mut self,
        due: DateTime<Utc>,
        now: DateTime<Utc>,
        limit: i64,
    ) -> Result<usize, Error> {
        // The webhooks are locked before their deliveries, as everywhere. Whoever switches one on waits for that.
        let statement = prepared_sql(
            "WITH off AS MATERIALIZED (SELECT uuid FROM webhook WHERE NOT is_active ORDER BY uuid FOR UPDATE),
             old AS MATERIALIZED (
                 SELECT delivery.webhook_uuid, delivery.uuid
                 FROM off CROSS JOIN LATERAL (
                     SELECT webhook_uuid, uuid FROM webhook_delivery
                     WHERE webhook_uuid = off.uuid AND state = 'waiting' AND not_before <= $1
                       AND (claimed_by IS NULL OR not_before <= $2)
                     ORDER BY not_before, position LIMIT $3) AS delivery
                 LIMIT $3),
             gone AS (
                 DELETE FROM webhook_delivery WHERE (webhook_uuid, uuid) IN (SELECT webhook_uuid, uuid FROM old)
                 RETURNING webhook_uuid),
             counted AS (
                 UPDATE webhook SET dropped = dropped + own.number
                 FROM (SELECT webhook_uuid, count(*) AS number FROM gone GROUP BY webhook_uuid) AS own
                 WHERE webhook.uuid = own.webhook_uuid)
             SELECT count(*) AS number FROM gone",
        )
        .bind::<SqlTimestamp, _>(due)
        .bind::<SqlTimestamp, _>(now)
        .bind::<BigInt, _>(limit.max(0));
        let dropped: NumberRow = self.write(|connection| statement.get_result(connection))?;
        usize::try_from(dropped.number).map_err(Error::internal)
    }

    /// Removes deliveries that were completed long ago, or whose webhook is gone.
    pub(crate) fn remove_old_deliveries(&mut self, delivered: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        // Finds one webhook after the other in an index, instead of reading every delivery.
        let statement = prepared_sql(
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
        .bind::<BigInt, _>(limit.max(0));
        self.write(|connection| statement.execute(connection))
    }
}
