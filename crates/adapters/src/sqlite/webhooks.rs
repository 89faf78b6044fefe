//! Webhooks that are to be changed, and their deliveries. The repositories are in [`crate::rows::webhooks`]. Only one unit of
//! work writes at a time, so nothing happens between its statements.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use license_manager_domain::ports::WebhookRepository;
use license_manager_domain::webhooks::Webhook;
use license_manager_domain::{Error, WebhookId};

use super::json::json;
use super::queue::claimable_sql;
use super::unit::SqliteUnit;
use crate::prepared::prepared_sql;
use crate::rows::queue::WEBHOOK_DELIVERY;
use crate::rows::webhooks::{WaitingForRow, WebhookBacklogRow};
use crate::sql_types::SqlTimestamp;

impl SqliteUnit<'_> {
    /// Reads a webhook, which nobody else changes meanwhile.
    pub(crate) fn lock_webhook(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error> {
        self.require_write()?;
        WebhookRepository::find(self, id)
    }

    /// The backlog of all webhooks, counted up to `limit`.
    pub(crate) fn webhook_backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<WebhookBacklogRow, Error> {
        // Counts one webhook after the other, by an index: far more deliveries are done than waiting.
        let claimable = claimable_sql(&WEBHOOK_DELIVERY);
        let waiting = |webhooks: &str| {
            format!(
                "(SELECT count(*)
                  FROM (SELECT 1 FROM webhook CROSS JOIN webhook_delivery
                        WHERE {webhooks} AND webhook_uuid = webhook.uuid AND state = 'waiting' LIMIT ?2))"
            )
        };
        let (of_active, of_off) = (waiting("is_active"), waiting("NOT is_active"));
        let query = prepared_sql(format!(
            "SELECT '' AS queue, {of_active} AS waiting, {of_off} AS kept,
                    (SELECT count(*) FROM webhook WHERE NOT is_active) AS off,
                    (SELECT coalesce(sum(dropped), 0) FROM webhook) AS dropped,
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
            "SELECT asked.value AS webhook,
                    (SELECT count(*)
                     FROM (SELECT 1 FROM webhook_delivery WHERE webhook_uuid = asked.value AND state = 'waiting'
                           LIMIT ?2)) AS number
             FROM json_each(?1) AS asked",
        )
        .bind::<Text, _>(json(webhooks)?)
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
        let old = "SELECT position, webhook_uuid
                   FROM webhook CROSS JOIN webhook_delivery
                   WHERE NOT is_active AND webhook_uuid = webhook.uuid AND state = 'waiting' AND not_before <= ?1
                     AND (claimed_by IS NULL OR not_before <= ?2)
                   ORDER BY webhook_uuid, not_before, position LIMIT ?3";
        let statements = [
            format!(
                "UPDATE webhook SET dropped = dropped + own.number
                 FROM (SELECT webhook_uuid, count(*) AS number FROM ({old}) GROUP BY webhook_uuid) AS own
                 WHERE webhook.uuid = own.webhook_uuid"
            ),
            format!("DELETE FROM webhook_delivery WHERE position IN (SELECT position FROM ({old}))"),
        ];
        let mut dropped = 0;
        for statement in statements {
            let statement = prepared_sql(statement)
                .bind::<SqlTimestamp, _>(due)
                .bind::<SqlTimestamp, _>(now)
                .bind::<BigInt, _>(limit.max(0));
            dropped = self.write(|connection| statement.execute(connection))?;
        }
        Ok(dropped)
    }

    /// Removes deliveries that were completed long ago, or whose webhook is gone.
    pub(crate) fn remove_old_deliveries(&mut self, delivered: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        // Finds one webhook after the other in an index, instead of reading every delivery.
        let statement = prepared_sql(
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
        .bind::<BigInt, _>(limit.max(0));
        self.write(|connection| statement.execute(connection))
    }
}
