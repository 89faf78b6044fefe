//! Webhooks and their deliveries.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use license_manager_domain::outbox::EventName;
use license_manager_domain::webhooks::{Webhook, WebhookDelivery, WebhookSecret, WebhookState};
use license_manager_domain::{CustomerId, Error, MessageId, WebhookId};
use uuid::Uuid;

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
}

impl From<&Webhook> for WebhookRow {
    fn from(webhook: &Webhook) -> Self {
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
        }
    }
}

impl From<WebhookRow> for Webhook {
    fn from(row: WebhookRow) -> Self {
        Self {
            id: WebhookId(row.uuid.0),
            url: row.url,
            secret: WebhookSecret::from_storage(row.secret),
            event_types: row.event_types.0.iter().filter_map(|name| EventName::from_name(name)).collect(),
            customer: row.enterprise_customer_uuid.map(|id| CustomerId(id.0)),
            is_active: row.is_active,
            created_by: row.created_by,
            created: row.created.0,
            modified: row.modified.0,
        }
    }
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
