//! Webhooks and their deliveries.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::Sqlite;
use license_manager_domain::outbox::EventName;
use license_manager_domain::webhooks::{
    OffReason, Webhook, WebhookBacklog, WebhookDelivery, WebhookSecret, WebhookState,
};
use license_manager_domain::{CustomerId, Error, MessageId, WebhookId};
use uuid::Uuid;

use super::queue::BacklogRow;
use crate::schema::{webhook, webhook_delivery};
use crate::sql_types::{SqlTextList, SqlTimestamp, SqlUuid};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = webhook, primary_key(uuid), treat_none_as_null = true)]
#[diesel(check_for_backend(Pg, Sqlite))]
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

pub(crate) fn waiting_for(rows: Vec<WaitingForRow>) -> HashMap<WebhookId, i64> {
    rows.into_iter().map(|row| (WebhookId(row.webhook), row.number)).collect()
}

#[derive(Queryable, Selectable)]
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
