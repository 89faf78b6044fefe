//! Notifications that were sent, and events of licenses.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Text;
use license_manager_domain::history::Change;
use license_manager_domain::model::{LicenseMark, Notification, NotificationKind};
use license_manager_domain::ports::{
    LicenseEventFilter, LicenseEventRepository, LimitOffset, NotificationFilter, NotificationRepository,
};
use license_manager_domain::{CustomerId, Error, LicenseEventId, LicenseId, NotificationId, PlanId};
use uuid::Uuid;

use super::shared::{for_both_databases, part, sorted_uuids};
use crate::backends::{Pg, Sqlite};
use crate::one_of::one_of;
use crate::prepared::prepared_sql;
use crate::schema::{license_event, notification};
use crate::sql_types::{SqlTimestamp, SqlUuidList};

#[derive(Queryable, Selectable)]
#[diesel(table_name = notification, check_for_backend(Pg, Sqlite))]
struct NotificationRow {
    id: i64,
    enterprise_customer_uuid: Uuid,
    enterprise_customer_user_id: i64,
    subscription_plan_uuid: Uuid,
    notification_type: String,
    last_sent: DateTime<Utc>,
}

impl TryFrom<NotificationRow> for (NotificationId, Notification) {
    type Error = Error;

    fn try_from(row: NotificationRow) -> Result<Self, Error> {
        let NotificationRow { id, notification_type: kind, .. } = row;
        let notification = Notification {
            customer: CustomerId(row.enterprise_customer_uuid),
            customer_user: row.enterprise_customer_user_id,
            plan: PlanId(row.subscription_plan_uuid),
            kind: NotificationKind::from_name(&kind)
                .ok_or_else(|| Error::internal(format!("notification {id} is of the unknown type {kind:?}")))?,
            last_sent: row.last_sent,
        };
        Ok((NotificationId(id), notification))
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = license_event, check_for_backend(Pg, Sqlite))]
struct LicenseEventRow {
    id: i64,
    license_uuid: Uuid,
    event_name: String,
    created: DateTime<Utc>,
}

impl From<LicenseEventRow> for LicenseMark {
    fn from(row: LicenseEventRow) -> Self {
        let (id, license) = (LicenseEventId(row.id), LicenseId(row.license_uuid));
        Self { id, license, event_name: row.event_name, created: row.created }
    }
}

/// Restricts a query to the notifications that match, and boxes it. A macro, because the types of a list and of a count
/// differ.
macro_rules! matching_notifications {
    ($query:expr, $filter:expr) => {{
        use $crate::schema::notification;
        use $crate::sql_types::SqlUuid;

        let filter: &license_manager_domain::ports::NotificationFilter = $filter;
        let mut query = $query.into_boxed();
        if let Some(ids) = &filter.ids {
            query = query.filter($crate::one_of::one_of(notification::id, ids.iter().map(|id| id.0)));
        }
        if let Some(customer) = filter.customer {
            query = query.filter(notification::enterprise_customer_uuid.eq(SqlUuid(customer.0)));
        }
        if let Some(plan) = filter.plan {
            query = query.filter(notification::subscription_plan_uuid.eq(SqlUuid(plan.0)));
        }
        if let Some(kind) = filter.kind {
            query = query.filter(notification::notification_type.eq(kind.as_str()));
        }
        query
    }};
}
pub(crate) use matching_notifications;

/// Restricts a query to the events that match, and boxes it. A macro, because the types of a list and of a count
/// differ.
macro_rules! matching_events {
    ($query:expr, $filter:expr) => {{
        use $crate::schema::license_event;
        use $crate::sql_types::SqlUuid;

        let filter: &license_manager_domain::ports::LicenseEventFilter = $filter;
        let mut query = $query.into_boxed();
        if let Some(ids) = &filter.ids {
            query = query.filter($crate::one_of::one_of(license_event::id, ids.iter().map(|id| id.0)));
        }
        if let Some(license) = filter.license {
            query = query.filter(license_event::license_uuid.eq(SqlUuid(license.0)));
        }
        if let Some(name) = &filter.event_name {
            query = query.filter(license_event::event_name.eq(name.clone()));
        }
        query
    }};
}
pub(crate) use matching_events;

for_both_databases! {
    impl NotificationRepository for Unit {
        fn list(
            &mut self,
            filter: &NotificationFilter,
            limit_offset: LimitOffset,
        ) -> Result<Vec<(NotificationId, Notification)>, Error> {
            let query = matching_notifications!(notification::table.select(NotificationRow::as_select()), filter)
                .order((notification::last_sent.desc(), notification::id.desc()));
            let query = part(query, limit_offset);
            self.list::<NotificationRow, _>(query)
        }

        fn count(&mut self, filter: &NotificationFilter) -> Result<i64, Error> {
            let query = matching_notifications!(notification::table.count(), filter);
            self.read(|connection| query.get_result(connection))
        }

        fn find_by_plans(&mut self, plans: &[PlanId]) -> Result<Vec<Notification>, Error> {
            let query = notification::table
                .select(NotificationRow::as_select())
                .filter(one_of(notification::subscription_plan_uuid, plans.iter().map(|plan| plan.0)));
            let found: Vec<(NotificationId, Notification)> = self.list::<NotificationRow, _>(query)?;
            Ok(found.into_iter().map(|(_, notification)| notification).collect())
        }

        fn save(&mut self, notifications: &[Notification], change: &Change) -> Result<(), Error> {
            self.require_write()?;
            if notifications.is_empty() {
                return Ok(());
            }
            self.save_notifications(notifications, change)
        }

        fn delete(&mut self, filter: &NotificationFilter, change: &Change) -> Result<usize, Error> {
            self.delete_notifications(filter, change)
        }
    }
}

for_both_databases! {
    impl LicenseEventRepository for Unit {
        fn list(&mut self, filter: &LicenseEventFilter, limit_offset: LimitOffset) -> Result<Vec<LicenseMark>, Error> {
            let query = matching_events!(license_event::table.select(LicenseEventRow::as_select()), filter)
                .order(license_event::id.desc());
            let query = part(query, limit_offset);
            self.list::<LicenseEventRow, _>(query)
        }

        fn count(&mut self, filter: &LicenseEventFilter) -> Result<i64, Error> {
            let query = matching_events!(license_event::table.count(), filter);
            self.read(|connection| query.get_result(connection))
        }

        fn add(&mut self, licenses: &[LicenseId], event_name: &str, now: DateTime<Utc>) -> Result<(), Error> {
            self.require_write()?;
            if licenses.is_empty() {
                return Ok(());
            }
            let statement = prepared_sql(format!(
                "INSERT INTO license_event (license_uuid, event_name, created)
                 SELECT value, $1, $2 FROM {} WHERE true
                 ON CONFLICT (license_uuid, event_name) DO NOTHING",
                Self::each("$3")
            ))
            .bind::<Text, _>(event_name)
            .bind::<SqlTimestamp, _>(now)
            .bind::<SqlUuidList, _>(sorted_uuids(licenses.iter().map(|license| license.0)));
            self.write(|connection| statement.execute(connection))?;
            Ok(())
        }

        fn delete(&mut self, filter: &LicenseEventFilter, change: &Change) -> Result<usize, Error> {
            self.delete_events(filter, change)
        }
    }
}
