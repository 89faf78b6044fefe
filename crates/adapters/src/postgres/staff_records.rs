//! Writes notifications that were sent, and deletes events of licenses. The repositories are in
//! [`crate::rows::staff_records`].

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use license_manager_domain::Error;
use license_manager_domain::history::Change;
use license_manager_domain::model::Notification;
use license_manager_domain::ports::{LicenseEventFilter, NotificationFilter};
use uuid::Uuid;

use super::recording::{Kind, with_history};
use super::unit::PostgresUnit;
use crate::prepared::prepared_sql;
use crate::rows::staff_records::{matching_events, matching_notifications};
use crate::schema::{LICENSE_EVENT, NOTIFICATION, license_event, notification};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl PostgresUnit<'_> {
    /// Adds notifications, or changes when they were sent.
    pub(crate) fn save_notifications(&mut self, notifications: &[Notification], change: &Change) -> Result<(), Error> {
        let mut rows: Vec<&Notification> = notifications.iter().collect();
        rows.sort_unstable_by_key(|sent| (sent.plan, sent.customer_user, sent.kind));
        let column = |value: fn(&Notification) -> Uuid| rows.iter().map(|sent| value(sent)).collect::<Vec<_>>();
        let statement = prepared_sql(
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

    /// Deletes the notifications that match.
    pub(crate) fn delete_notifications(
        &mut self,
        filter: &NotificationFilter,
        change: &Change,
    ) -> Result<usize, Error> {
        let statement = matching_notifications!(diesel::delete(notification::table), filter);
        let statement = statement.returning(notification::all_columns);
        let statement = with_history(statement, &NOTIFICATION, Kind::Deleted, change);
        self.write(|connection| statement.execute(connection))
    }

    /// Deletes the events that match.
    pub(crate) fn delete_events(&mut self, filter: &LicenseEventFilter, change: &Change) -> Result<usize, Error> {
        let statement = matching_events!(diesel::delete(license_event::table), filter);
        let statement = statement.returning(license_event::all_columns);
        let statement = with_history(statement, &LICENSE_EVENT, Kind::Deleted, change);
        self.write(|connection| statement.execute(connection))
    }
}
