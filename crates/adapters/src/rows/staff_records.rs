//! Notifications that were sent, and what was done for licenses.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use license_manager_domain::model::{LicenseMark, Notification, NotificationKind};
use license_manager_domain::{CustomerId, Error, LicenseId, PlanId};
use uuid::Uuid;

use crate::schema::{license_event, notification};

#[derive(Queryable, Selectable)]
#[diesel(table_name = notification, check_for_backend(Pg, Sqlite))]
pub(crate) struct NotificationRow {
    id: i64,
    enterprise_customer_uuid: Uuid,
    enterprise_customer_user_id: i64,
    subscription_plan_uuid: Uuid,
    notification_type: String,
    last_sent: DateTime<Utc>,
}

impl TryFrom<NotificationRow> for Notification {
    type Error = Error;

    fn try_from(row: NotificationRow) -> Result<Self, Error> {
        let NotificationRow { id, notification_type: kind, .. } = row;
        Ok(Self {
            customer: CustomerId(row.enterprise_customer_uuid),
            customer_user: row.enterprise_customer_user_id,
            plan: PlanId(row.subscription_plan_uuid),
            kind: NotificationKind::from_name(&kind)
                .ok_or_else(|| Error::internal(format!("notification {id} is of the unknown type {kind:?}")))?,
            last_sent: row.last_sent,
        })
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = license_event, check_for_backend(Pg, Sqlite))]
pub(crate) struct LicenseEventRow {
    license_uuid: Uuid,
    event_name: String,
    created: DateTime<Utc>,
}

impl From<LicenseEventRow> for LicenseMark {
    fn from(row: LicenseEventRow) -> Self {
        Self { license: LicenseId(row.license_uuid), event_name: row.event_name, created: row.created }
    }
}
