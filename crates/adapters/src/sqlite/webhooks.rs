//! Endpoints that events are told to, and what each was and is to be told. Whoever writes has the file to itself; so nothing comes
//! between statements.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};
use license_manager_domain::outbox::EventName;
use license_manager_domain::ports::{
    LimitOffset, WebhookDeliveryFilter, WebhookDeliveryRepository, WebhookReplay, WebhookRepository,
};
use license_manager_domain::webhooks::{
    Webhook, WebhookBacklog, WebhookClaim, WebhookDelivery, WebhookParcel, WebhookSecret, WebhookStanding, WebhookState,
};
use license_manager_domain::{CustomerId, Error, MessageId, WebhookId};
use serde::Serialize;
use uuid::Uuid;

use super::SqliteUnit;
use super::error::storage_error;
use super::rows::IdRow;
use super::schema::{webhook, webhook_delivery};
use super::types::{SqlMoment, SqlUuid};

/// Whether no delivery of an earlier event of the same license keeps `waiting` waiting.
const IN_TURN: &str = "
    NOT EXISTS (SELECT 1 FROM webhook_delivery AS earlier
                WHERE earlier.webhook_uuid = waiting.webhook_uuid AND earlier.license_uuid = waiting.license_uuid
                  AND earlier.position < waiting.position AND earlier.state = 'waiting')";

fn json(values: impl Serialize) -> Result<String, Error> {
    serde_json::to_string(&values).map_err(Error::internal)
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = webhook, primary_key(uuid), treat_none_as_null = true)]
struct WebhookRow {
    uuid: SqlUuid,
    url: String,
    secret: String,
    event_types: String,
    enterprise_customer_uuid: Option<SqlUuid>,
    is_active: bool,
    rest_until: Option<SqlMoment>,
    created_by: Option<String>,
    created: SqlMoment,
    modified: SqlMoment,
}

impl TryFrom<&Webhook> for WebhookRow {
    type Error = Error;

    fn try_from(webhook: &Webhook) -> Result<Self, Error> {
        let event_types: Vec<&str> = webhook.event_types.iter().map(|event| event.as_str()).collect();
        Ok(Self {
            uuid: SqlUuid(webhook.id.0),
            url: webhook.url.clone(),
            secret: webhook.secret.expose().to_owned(),
            event_types: json(event_types)?,
            enterprise_customer_uuid: webhook.customer.map(|customer| SqlUuid(customer.0)),
            is_active: webhook.is_active,
            rest_until: None,
            created_by: webhook.created_by.clone(),
            created: SqlMoment(webhook.created),
            modified: SqlMoment(webhook.modified),
        })
    }
}

impl TryFrom<WebhookRow> for Webhook {
    type Error = Error;

    fn try_from(row: WebhookRow) -> Result<Self, Error> {
        let event_types: Vec<String> = serde_json::from_str(&row.event_types).map_err(Error::internal)?;
        Ok(Self {
            id: WebhookId(row.uuid.0),
            url: row.url,
            secret: WebhookSecret::from_storage(row.secret),
            event_types: event_types.iter().filter_map(|name| EventName::from_name(name)).collect(),
            customer: row.enterprise_customer_uuid.map(|customer| CustomerId(customer.0)),
            is_active: row.is_active,
            created_by: row.created_by,
            created: row.created.0,
            modified: row.modified.0,
        })
    }
}

impl WebhookRepository for SqliteUnit<'_> {
    fn add(&mut self, webhook: &Webhook) -> Result<(), Error> {
        let row = WebhookRow::try_from(webhook)?;
        diesel::insert_into(webhook::table).values(row).execute(self.written()?).map_err(storage_error)?;
        Ok(())
    }

    fn save(&mut self, webhook: &Webhook) -> Result<(), Error> {
        let row = WebhookRow::try_from(webhook)?;
        let statement = diesel::update(webhook::table.find(SqlUuid(webhook.id.0))).set(row);
        match statement.execute(self.written()?).map_err(storage_error)? {
            1 => Ok(()),
            _ => Err(Error::internal("there is no such webhook")),
        }
    }

    fn find(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error> {
        let query = webhook::table.find(SqlUuid(id.0)).select(WebhookRow::as_select());
        query.get_result(self.conn).optional().map_err(storage_error)?.map(Webhook::try_from).transpose()
    }

    fn lock(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error> {
        self.written()?;
        WebhookRepository::find(self, id)
    }

    fn list(&mut self, limit_offset: LimitOffset) -> Result<Vec<Webhook>, Error> {
        let rows: Vec<WebhookRow> = webhook::table
            .select(WebhookRow::as_select())
            .order((webhook::created, webhook::uuid))
            .offset(limit_offset.offset.max(0))
            .limit(limit_offset.limit.max(0))
            .load(self.conn)
            .map_err(storage_error)?;
        rows.into_iter().map(Webhook::try_from).collect()
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

#[derive(QueryableByName)]
struct BacklogRow {
    #[diesel(sql_type = BigInt)]
    waiting: i64,
    #[diesel(sql_type = BigInt)]
    parked: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    due_since: Option<SqlMoment>,
}

#[derive(QueryableByName)]
struct ParcelRow {
    #[diesel(sql_type = Text)]
    uuid: SqlUuid,
    #[diesel(sql_type = Text)]
    payload: String,
    #[diesel(sql_type = SmallInt)]
    attempts: i16,
    #[diesel(sql_type = BigInt)]
    due_since: SqlMoment,
    #[diesel(sql_type = BigInt)]
    created: SqlMoment,
    #[diesel(sql_type = Nullable<Text>)]
    trace_parent: Option<String>,
}

impl From<ParcelRow> for WebhookParcel {
    fn from(row: ParcelRow) -> Self {
        Self {
            id: MessageId(row.uuid.0),
            payload: row.payload,
            attempts: row.attempts,
            due_since: row.due_since.0,
            created: row.created.0,
            trace_parent: row.trace_parent,
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhook_delivery)]
struct DeliveryRow {
    uuid: SqlUuid,
    event_type: String,
    state: String,
    attempts: i16,
    not_before: SqlMoment,
    last_status: Option<i16>,
    last_error: Option<String>,
    created: SqlMoment,
    delivered_at: Option<SqlMoment>,
}

impl TryFrom<DeliveryRow> for WebhookDelivery {
    type Error = Error;

    fn try_from(row: DeliveryRow) -> Result<Self, Error> {
        let state = WebhookState::from_name(&row.state);
        Ok(Self {
            id: MessageId(row.uuid.0),
            event_type: row.event_type,
            state: state.ok_or_else(|| Error::internal("a webhook's delivery is in no known state"))?,
            attempts: row.attempts,
            not_before: row.not_before.0,
            last_status: row.last_status,
            last_error: row.last_error,
            created: row.created.0,
            delivered_at: row.delivered_at.map(|moment| moment.0),
        })
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
    fn due(&mut self, now: DateTime<Utc>) -> Result<Vec<WebhookId>, Error> {
        let rows: Vec<IdRow> = sql_query(format!(
            "SELECT uuid FROM (
                 SELECT webhook.uuid,
                        (SELECT not_before FROM webhook_delivery AS waiting
                         WHERE waiting.webhook_uuid = webhook.uuid AND state = 'waiting' AND not_before <= ?1 AND {IN_TURN}
                         ORDER BY not_before, position LIMIT 1) AS first
                 FROM webhook WHERE is_active AND (rest_until IS NULL OR rest_until <= ?1))
             WHERE first IS NOT NULL
             ORDER BY first, uuid"
        ))
        .bind::<BigInt, _>(SqlMoment(now))
        .load(self.conn)
        .map_err(storage_error)?;
        Ok(rows.into_iter().map(|row| WebhookId(row.uuid.0)).collect())
    }

    fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<WebhookBacklog, Error> {
        // Counted endpoint by endpoint, in an index: what was delivered is far more than what waits.
        let row: BacklogRow = sql_query(format!(
            "SELECT (SELECT count(*)
                     FROM (SELECT 1 FROM webhook CROSS JOIN webhook_delivery
                           WHERE webhook_uuid = webhook.uuid AND state = 'waiting' LIMIT ?2)) AS waiting,
                    (SELECT count(*)
                     FROM (SELECT 1 FROM webhook CROSS JOIN webhook_delivery
                           WHERE webhook_uuid = webhook.uuid AND state = 'parked' LIMIT ?2)) AS parked,
                    (SELECT min(first) FROM (
                         SELECT (SELECT not_before FROM webhook_delivery AS waiting
                                 WHERE waiting.webhook_uuid = webhook.uuid AND state = 'waiting' AND not_before <= ?1
                                   AND {IN_TURN}
                                 ORDER BY not_before, position LIMIT 1) AS first
                         FROM webhook WHERE is_active AND (rest_until IS NULL OR rest_until <= ?1))) AS due_since"
        ))
        .bind::<BigInt, _>(SqlMoment(now))
        .bind::<BigInt, _>(limit)
        .get_result(self.conn)
        .map_err(storage_error)?;
        Ok(WebhookBacklog { waiting: row.waiting, parked: row.parked, due_since: row.due_since.map(|since| since.0) })
    }

    fn claim(&mut self, claim: &WebhookClaim) -> Result<Vec<WebhookParcel>, Error> {
        let conn = self.written()?;
        let rows: Vec<ParcelRow> = sql_query(format!(
            "SELECT * FROM webhook_delivery AS waiting
             WHERE webhook_uuid = ?1 AND state = 'waiting' AND not_before <= ?2 AND {IN_TURN}
               AND EXISTS (SELECT 1 FROM webhook
                           WHERE uuid = ?1 AND is_active AND (rest_until IS NULL OR rest_until <= ?2))
             ORDER BY not_before, position
             LIMIT ?3"
        ))
        .bind::<Text, _>(SqlUuid(claim.webhook.0))
        .bind::<BigInt, _>(SqlMoment(claim.now))
        .bind::<BigInt, _>(claim.limit as i64)
        .load(conn)
        .map_err(storage_error)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let parcels: Vec<WebhookParcel> = rows.into_iter().map(WebhookParcel::from).collect();
        let ids: Vec<MessageId> = parcels.iter().map(|parcel| parcel.id).collect();
        sql_query(
            "UPDATE webhook_delivery SET claimed_by = ?1, not_before = ?2
             WHERE webhook_uuid = ?3 AND uuid IN (SELECT value FROM json_each(?4))",
        )
        .bind::<Text, _>(SqlUuid(claim.id))
        .bind::<BigInt, _>(SqlMoment(claim.until))
        .bind::<Text, _>(SqlUuid(claim.webhook.0))
        .bind::<Text, _>(json(ids)?)
        .execute(conn)
        .map_err(storage_error)?;
        Ok(parcels)
    }

    fn extend(&mut self, claim: Uuid, webhook: WebhookId, until: DateTime<Utc>) -> Result<(), Error> {
        sql_query(
            "UPDATE webhook_delivery SET not_before = ?3
             WHERE webhook_uuid = ?1 AND claimed_by = ?2 AND state = 'waiting'",
        )
        .bind::<Text, _>(SqlUuid(webhook.0))
        .bind::<Text, _>(SqlUuid(claim))
        .bind::<BigInt, _>(SqlMoment(until))
        .execute(self.written()?)
        .map_err(storage_error)?;
        Ok(())
    }

    fn settle(
        &mut self,
        claim: Uuid,
        webhook: WebhookId,
        standing: &[WebhookStanding],
        rest_until: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        let conn = self.written()?;
        if let Some(until) = rest_until {
            diesel::update(webhook::table.find(SqlUuid(webhook.0)))
                .set(webhook::rest_until.eq(SqlMoment(until)))
                .execute(conn)
                .map_err(storage_error)?;
        }
        let rows: Vec<_> = standing
            .iter()
            .map(|stand| {
                (
                    stand.id,
                    stand.state.as_str(),
                    stand.attempts,
                    SqlMoment::number(stand.not_before),
                    stand.last_status,
                    stand.last_error.as_deref(),
                    stand.delivered_at.map(SqlMoment::number),
                )
            })
            .collect();
        sql_query(
            "UPDATE webhook_delivery
             SET state = input.value ->> 1, attempts = input.value ->> 2, not_before = input.value ->> 3,
                 last_status = input.value ->> 4, last_error = input.value ->> 5, delivered_at = input.value ->> 6,
                 claimed_by = NULL
             FROM json_each(?3) AS input
             WHERE webhook_uuid = ?1 AND uuid = input.value ->> 0 AND claimed_by = ?2",
        )
        .bind::<Text, _>(SqlUuid(webhook.0))
        .bind::<Text, _>(SqlUuid(claim))
        .bind::<Text, _>(json(rows)?)
        .execute(conn)
        .map_err(storage_error)?;
        Ok(())
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
        .bind::<Text, _>(SqlUuid(replay.webhook.0))
        .bind::<Nullable<Text>, _>(replay.id.map(|id| SqlUuid(id.0)))
        .bind::<Nullable<Text>, _>(replay.state.map(WebhookState::as_str))
        .bind::<Nullable<BigInt>, _>(replay.since.map(SqlMoment))
        .bind::<BigInt, _>(SqlMoment(now))
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
        .bind::<BigInt, _>(SqlMoment(delivered))
        .bind::<BigInt, _>(limit)
        .execute(self.written()?)
        .map_err(storage_error)
    }
}
