//! What was promised to the outside.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};
use license_manager_domain::delivery::{Backlog, Lane, Lanes, Parcel, Waiting};
use license_manager_domain::outbox::{Message, Topic};
use license_manager_domain::{CustomerId, LicenseId, MessageId, PlanId};
use uuid::Uuid;

use crate::sql_types::{SqlTimestamp, SqlUuid};

#[derive(QueryableByName)]
pub(crate) struct LaneRow {
    #[diesel(sql_type = Text)]
    pub lane: String,
}

#[derive(QueryableByName)]
pub(crate) struct BacklogRow {
    #[diesel(sql_type = Text)]
    lane: String,
    #[diesel(sql_type = BigInt)]
    waiting: i64,
    #[diesel(sql_type = BigInt)]
    parked: i64,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    due_since: Option<DateTime<Utc>>,
}

impl BacklogRow {
    /// `None` for a lane that another version knows.
    pub(crate) fn backlog(self) -> Option<Backlog> {
        let Self { lane, waiting, parked, due_since } = self;
        Some(Backlog { lane: Lane::from_name(&lane)?, waiting, parked, due_since })
    }
}

#[derive(QueryableByName)]
pub(crate) struct ParcelRow {
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    license_uuid: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    subscription_plan_uuid: Option<Uuid>,
    #[diesel(sql_type = SqlUuid)]
    enterprise_customer_uuid: Uuid,
    #[diesel(sql_type = Text)]
    payload: String,
    #[diesel(sql_type = SqlTimestamp)]
    created: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    lanes: String,
    #[diesel(sql_type = SmallInt)]
    attempts: i16,
    #[diesel(sql_type = Nullable<Text>)]
    trace_parent: Option<String>,
}

impl From<ParcelRow> for Parcel {
    fn from(row: ParcelRow) -> Self {
        let message = Message {
            id: MessageId(row.uuid),
            topic: Topic::from_name(&row.topic),
            license: row.license_uuid.map(LicenseId),
            plan: row.subscription_plan_uuid.map(PlanId),
            customer: CustomerId(row.enterprise_customer_uuid),
            payload: row.payload,
            created: row.created,
        };
        Self { message, lanes: Lanes::from_text(&row.lanes), attempts: row.attempts, trace_parent: row.trace_parent }
    }
}

#[derive(QueryableByName)]
pub(crate) struct WaitingRow {
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = Text)]
    lane: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    license_uuid: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    subscription_plan_uuid: Option<Uuid>,
    #[diesel(sql_type = SqlUuid)]
    enterprise_customer_uuid: Uuid,
    #[diesel(sql_type = SqlTimestamp)]
    created: DateTime<Utc>,
    #[diesel(sql_type = SmallInt)]
    attempts: i16,
    #[diesel(sql_type = SqlTimestamp)]
    not_before: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    last_error: Option<String>,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    parked_at: Option<DateTime<Utc>>,
}

impl From<WaitingRow> for Waiting {
    fn from(row: WaitingRow) -> Self {
        Self {
            id: MessageId(row.uuid),
            topic: row.topic,
            lane: row.lane,
            license: row.license_uuid.map(LicenseId),
            plan: row.subscription_plan_uuid.map(PlanId),
            customer: CustomerId(row.enterprise_customer_uuid),
            created: row.created,
            attempts: row.attempts,
            not_before: row.not_before,
            last_error: row.last_error,
            parked_at: row.parked_at,
        }
    }
}
