//! Webhooks and their deliveries.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use license_manager_domain::outbox::EventName;
use license_manager_domain::ports::{
    LimitOffset, WebhookDeliveryFilter, WebhookDeliveryRepository, WebhookReplay, WebhookRepository,
};
use license_manager_domain::webhooks::{
    OffReason, Webhook, WebhookBacklog, WebhookDelivery, WebhookSecret, WebhookState,
};
use license_manager_domain::{CustomerId, Error, MessageId, WebhookId};
use uuid::Uuid;

use super::queue::BacklogRow;
use super::shared::{for_both_databases, part};
use crate::backends::{Pg, Sqlite};
use crate::prepared::prepared_sql;
use crate::schema::{webhook, webhook_delivery};
use crate::sql_types::{SqlTextList, SqlTimestamp, SqlUuid, SqlUuidList};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = webhook, primary_key(uuid), treat_none_as_null = true)]
#[diesel(treat_none_as_default_value = false, check_for_backend(Pg, Sqlite))]
pub(crate) struct WebhookRow {
    uuid: SqlUuid,
    url: String,
    secret: String,
    event_types: SqlTextList,
    enterprise_customer_uuid: Option<SqlUuid>,
    is_active: bool,
    rest_until: Option<SqlTimestamp>,
    created_by: Option<String>,
    created: SqlTimestamp,
    modified: SqlTimestamp,
    previous_secret: Option<String>,
    previous_secret_until: Option<SqlTimestamp>,
    switched_at: Option<SqlTimestamp>,
    off_reason: Option<String>,
    dropped: i64,
}

impl From<&Webhook> for WebhookRow {
    fn from(webhook: &Webhook) -> Self {
        let previous = webhook.previous_secret.as_ref();
        Self {
            uuid: SqlUuid(webhook.id.0),
            url: webhook.url.clone(),
            secret: webhook.secret.expose().to_owned(),
            event_types: SqlTextList(webhook.event_types.iter().map(|event| event.as_str().to_owned()).collect()),
            enterprise_customer_uuid: webhook.customer.map(|customer| SqlUuid(customer.0)),
            is_active: webhook.is_active,
            rest_until: None,
            created_by: webhook.created_by.clone(),
            created: SqlTimestamp(webhook.created),
            modified: SqlTimestamp(webhook.modified),
            previous_secret: previous.map(|(secret, _)| secret.expose().to_owned()),
            previous_secret_until: previous.map(|(_, until)| SqlTimestamp(*until)),
            switched_at: webhook.switched_at.map(SqlTimestamp),
            off_reason: webhook.off_reason.map(|reason| reason.as_str().to_owned()),
            dropped: webhook.dropped,
        }
    }
}

impl From<WebhookRow> for Webhook {
    fn from(row: WebhookRow) -> Self {
        Self {
            id: WebhookId(row.uuid.0),
            url: row.url,
            secret: WebhookSecret::from_storage(row.secret),
            previous_secret: row
                .previous_secret
                .zip(row.previous_secret_until)
                .map(|(secret, until)| (WebhookSecret::from_storage(secret), until.0)),
            event_types: row.event_types.0.iter().filter_map(|name| EventName::from_name(name)).collect(),
            customer: row.enterprise_customer_uuid.map(|id| CustomerId(id.0)),
            is_active: row.is_active,
            switched_at: row.switched_at.map(|moment| moment.0),
            off_reason: row.off_reason.and_then(|name| OffReason::from_name(&name)),
            dropped: row.dropped,
            created_by: row.created_by,
            created: row.created.0,
            modified: row.modified.0,
        }
    }
}

/// The backlog of all webhooks.
#[derive(QueryableByName)]
pub(crate) struct WebhookBacklogRow {
    #[diesel(embed)]
    deliveries: BacklogRow,
    #[diesel(sql_type = BigInt)]
    kept: i64,
    #[diesel(sql_type = BigInt)]
    off: i64,
    #[diesel(sql_type = BigInt)]
    dropped: i64,
}

impl From<WebhookBacklogRow> for WebhookBacklog {
    fn from(row: WebhookBacklogRow) -> Self {
        let WebhookBacklogRow { kept, off, dropped, .. } = row;
        Self { deliveries: row.deliveries.backlog(), kept, off, dropped }
    }
}

/// The number of deliveries that wait for a webhook.
#[derive(QueryableByName)]
pub(crate) struct WaitingForRow {
    #[diesel(sql_type = SqlUuid)]
    webhook: Uuid,
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = webhook_delivery, check_for_backend(Pg, Sqlite))]
pub(crate) struct DeliveryRow {
    uuid: Uuid,
    event_type: String,
    state: String,
    attempts: i16,
    not_before: DateTime<Utc>,
    last_status: Option<i16>,
    last_error: Option<String>,
    created: DateTime<Utc>,
    delivered_at: Option<DateTime<Utc>>,
}

impl TryFrom<DeliveryRow> for WebhookDelivery {
    type Error = Error;

    fn try_from(row: DeliveryRow) -> Result<Self, Error> {
        let state = WebhookState::from_name(&row.state);
        Ok(Self {
            id: MessageId(row.uuid),
            event_type: row.event_type,
            state: state.ok_or_else(|| Error::internal("a webhook delivery has an unknown state"))?,
            attempts: row.attempts,
            not_before: row.not_before,
            last_status: row.last_status,
            last_error: row.last_error,
            created: row.created,
            delivered_at: row.delivered_at,
        })
    }
}

for_both_databases! {
    impl WebhookRepository for Unit {
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
            self.lock_webhook(id)
        }

        fn pause_until(&mut self, id: WebhookId, until: DateTime<Utc>) -> Result<(), Error> {
            let statement = prepared_sql("UPDATE webhook SET rest_until = $1 WHERE uuid = $2")
                .bind::<SqlTimestamp, _>(until)
                .bind::<SqlUuid, _>(id.0);
            self.write(|connection| statement.execute(connection))?;
            Ok(())
        }

        fn list(&mut self, limit_offset: LimitOffset) -> Result<Vec<Webhook>, Error> {
            let query = webhook::table
                .select(WebhookRow::as_select())
                .order((webhook::created, webhook::uuid));
            let query = part(query, limit_offset);
            self.list::<WebhookRow, _>(query)
        }

        fn count(&mut self) -> Result<i64, Error> {
            self.read(|connection| webhook::table.count().get_result(connection))
        }

        fn remove(&mut self, id: WebhookId) -> Result<bool, Error> {
            // The webhook is locked before its deliveries, as everywhere.
            let statement = diesel::delete(webhook::table.find(SqlUuid(id.0)));
            let removed = self.write(|connection| statement.execute(connection))? > 0;
            let statement =
                diesel::delete(webhook_delivery::table.filter(webhook_delivery::webhook_uuid.eq(SqlUuid(id.0))));
            self.write(|connection| statement.execute(connection))?;
            Ok(removed)
        }
    }
}

/// Restricts a query to the deliveries that match, and boxes it. A macro, because the types of a list and of a count
/// differ.
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

for_both_databases! {
    impl WebhookDeliveryRepository for Unit {
        fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<WebhookBacklog, Error> {
            self.webhook_backlog(now, limit).map(WebhookBacklog::from)
        }

        fn waiting(&mut self, webhooks: &[WebhookId], limit: i64) -> Result<HashMap<WebhookId, i64>, Error> {
            let rows = self.waiting_deliveries(webhooks, limit)?;
            Ok(rows.into_iter().map(|row| (WebhookId(row.webhook), row.number)).collect())
        }

        fn list(
            &mut self,
            filter: &WebhookDeliveryFilter,
            limit_offset: LimitOffset,
        ) -> Result<Vec<WebhookDelivery>, Error> {
            let query = matching!(webhook_delivery::table.select(DeliveryRow::as_select()), filter)
                .order(webhook_delivery::position.desc());
            let query = part(query, limit_offset);
            self.list::<DeliveryRow, _>(query)
        }

        fn count(&mut self, filter: &WebhookDeliveryFilter) -> Result<i64, Error> {
            let query = matching!(webhook_delivery::table.count(), filter);
            self.read(|connection| query.get_result(connection))
        }

        fn replay(&mut self, replay: &WebhookReplay, now: DateTime<Utc>) -> Result<usize, Error> {
            let ids = replay.ids.as_ref().map(|ids| ids.iter().map(|id| id.0).collect::<Vec<_>>());
            let statement = sql_query(format!(
                "UPDATE webhook_delivery
                 SET state = 'waiting', attempts = 0, not_before = $1, due_since = $1, claimed_by = NULL,
                     delivered_at = NULL
                 WHERE webhook_uuid = $2 AND ($3 IS NULL OR uuid {}) AND ($4 IS NULL OR state = $4)
                   AND ($5 IS NULL OR created >= $5) AND (claimed_by IS NULL OR not_before <= $1)",
                Self::among("$3")
            ))
            .bind::<SqlTimestamp, _>(now)
            .bind::<SqlUuid, _>(replay.webhook.0)
            .bind::<Nullable<SqlUuidList>, _>(ids)
            .bind::<Nullable<Text>, _>(replay.state.map(WebhookState::as_str))
            .bind::<Nullable<SqlTimestamp>, _>(replay.since);
            self.write(|connection| statement.execute(connection))
        }

        fn drop_kept(&mut self, due: DateTime<Utc>, now: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
            self.drop_kept_deliveries(due, now, limit)
        }

        fn remove_old(&mut self, delivered: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
            self.remove_old_deliveries(delivered, limit)
        }
    }
}
