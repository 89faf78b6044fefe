//! Notifications that were sent, and events of licenses.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use license_manager_domain::history::Change;
use license_manager_domain::model::{LicenseMark, Notification};
use license_manager_domain::ports::{
    LicenseEventFilter, LicenseEventRepository, LimitOffset, NotificationFilter, NotificationRepository,
};
use license_manager_domain::{Error, LicenseId, NotificationId, PlanId};
use uuid::Uuid;

use super::recording::{Kind, with_history};
use super::unit::PostgresUnit;
use crate::one_of::one_of;
use crate::rows::staff_records::{LicenseEventRow, NotificationRow, matching_events, matching_notifications};
use crate::schema::{LICENSE_EVENT, NOTIFICATION, license_event, notification};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl NotificationRepository for PostgresUnit<'_> {
    fn list(
        &mut self,
        filter: &NotificationFilter,
        limit_offset: LimitOffset,
    ) -> Result<Vec<(NotificationId, Notification)>, Error> {
        let query = matching_notifications!(notification::table.select(NotificationRow::as_select()), filter)
            .order((notification::last_sent.desc(), notification::id.desc()))
            .offset(limit_offset.offset)
            .limit(limit_offset.limit);
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
        let mut rows: Vec<&Notification> = notifications.iter().collect();
        rows.sort_unstable_by_key(|sent| (sent.plan, sent.customer_user, sent.kind));
        let column = |value: fn(&Notification) -> Uuid| rows.iter().map(|sent| value(sent)).collect::<Vec<_>>();
        let statement = diesel::sql_query(
            "INSERT INTO notification (enterprise_customer_uuid, enterprise_customer_user_id, subscription_plan_uuid,
                                       notification_type, last_sent, created, modified)
             SELECT customer, customer_user, plan, kind, last_sent, $6, $6
             FROM unnest($1, $2, $3, $4, $5) AS input (customer, customer_user, plan, kind, last_sent)
             ON CONFLICT (subscription_plan_uuid, enterprise_customer_user_id, notification_type) DO UPDATE SET
                 last_sent = excluded.last_sent, modified = excluded.modified
             RETURNING notification.*",
        )
        .bind::<Array<SqlUuid>, _>(column(|sent| sent.customer.0))
        .bind::<Array<BigInt>, _>(rows.iter().map(|sent| sent.customer_user).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(column(|sent| sent.plan.0))
        .bind::<Array<Text>, _>(rows.iter().map(|sent| sent.kind.as_str()).collect::<Vec<_>>())
        .bind::<Array<SqlTimestamp>, _>(rows.iter().map(|sent| sent.last_sent).collect::<Vec<_>>())
        .bind::<SqlTimestamp, _>(change.at);
        let statement = with_history(statement, &NOTIFICATION, Kind::AddedOrChanged, change);
        self.write_rows(rows.len(), "notifications", |connection| statement.execute(connection))
    }

    fn delete(&mut self, filter: &NotificationFilter, change: &Change) -> Result<usize, Error> {
        let statement = matching_notifications!(diesel::delete(notification::table), filter);
        let statement = statement.returning(notification::all_columns);
        let statement = with_history(statement, &NOTIFICATION, Kind::Deleted, change);
        self.write(|connection| statement.execute(connection))
    }
}

impl LicenseEventRepository for PostgresUnit<'_> {
    fn list(&mut self, filter: &LicenseEventFilter, limit_offset: LimitOffset) -> Result<Vec<LicenseMark>, Error> {
        let query = matching_events!(license_event::table.select(LicenseEventRow::as_select()), filter)
            .order(license_event::id.desc())
            .offset(limit_offset.offset)
            .limit(limit_offset.limit);
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
        let mut ids: Vec<Uuid> = licenses.iter().map(|license| license.0).collect();
        ids.sort_unstable();
        let statement = diesel::sql_query(
            "INSERT INTO license_event (license_uuid, event_name, created)
             SELECT license_uuid, $2, $3 FROM unnest($1) AS input (license_uuid)
             ON CONFLICT (license_uuid, event_name) DO NOTHING",
        )
        .bind::<Array<SqlUuid>, _>(ids)
        .bind::<Text, _>(event_name)
        .bind::<SqlTimestamp, _>(now);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn delete(&mut self, filter: &LicenseEventFilter, change: &Change) -> Result<usize, Error> {
        let statement = matching_events!(diesel::delete(license_event::table), filter);
        let statement = statement.returning(license_event::all_columns);
        let statement = with_history(statement, &LICENSE_EVENT, Kind::Deleted, change);
        self.write(|connection| statement.execute(connection))
    }
}
