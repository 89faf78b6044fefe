//! Writes notifications that were sent, and deletes events of licenses. The repositories are in
//! [`crate::rows::staff_records`].

use diesel::dsl::max;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use license_manager_domain::Error;
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::model::Notification;
use license_manager_domain::ports::{LicenseEventFilter, NotificationFilter};

use super::json::json;
use super::unit::SqliteUnit;
use crate::one_of::one_of;
use crate::prepared::prepared_sql;
use crate::rows::staff_records::{matching_events, matching_notifications};
use crate::schema::{LICENSE_EVENT, NOTIFICATION, license_event, notification};
use crate::sql_types::SqlTimestamp;

#[derive(QueryableByName)]
struct Saved {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

impl SqliteUnit<'_> {
    /// Adds notifications, or changes when they were sent.
    pub(crate) fn save_notifications(&mut self, notifications: &[Notification], change: &Change) -> Result<(), Error> {
        let last: Option<i64> =
            self.write(|connection| notification::table.select(max(notification::id)).get_result(connection))?;
        let rows: Vec<_> = notifications
            .iter()
            .map(|sent| {
                (sent.customer, sent.customer_user, sent.plan, sent.kind.as_str(), sent.last_sent.timestamp_micros())
            })
            .collect();
        // Without "WHERE true", SQLite would take ON for the condition of a join.
        let query = prepared_sql(
            "INSERT INTO notification (enterprise_customer_uuid, enterprise_customer_user_id, subscription_plan_uuid,
                                       notification_type, last_sent, created, modified)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, ?2, ?2
             FROM jsonb_each(?1) WHERE true
             ON CONFLICT (subscription_plan_uuid, enterprise_customer_user_id, notification_type) DO UPDATE
             SET last_sent = excluded.last_sent, modified = excluded.modified
             RETURNING id",
        )
        .bind::<Text, _>(json(&rows)?)
        .bind::<SqlTimestamp, _>(change.at);
        let saved: Vec<Saved> = self.write(|connection| query.load(connection))?;
        // New rows have higher ids.
        let (added, changed): (Vec<i64>, Vec<i64>) =
            saved.into_iter().map(|saved| saved.id).partition(|id| *id > last.unwrap_or(0));
        for (ids, kind) in [(added, ChangeKind::Added), (changed, ChangeKind::Changed)] {
            let ids = json(ids)?;
            self.record(&NOTIFICATION, &ids, kind, change)?;
        }
        Ok(())
    }

    /// Deletes the notifications that match.
    pub(crate) fn delete_notifications(
        &mut self,
        filter: &NotificationFilter,
        change: &Change,
    ) -> Result<usize, Error> {
        let query = matching_notifications!(notification::table.select(notification::id), filter);
        let ids: Vec<i64> = self.write(|connection| query.load(connection))?;
        self.record(&NOTIFICATION, &json(&ids)?, ChangeKind::Deleted, change)?;
        let statement = diesel::delete(notification::table.filter(one_of(notification::id, ids)));
        self.write(|connection| statement.execute(connection))
    }

    /// Deletes the events that match.
    pub(crate) fn delete_events(&mut self, filter: &LicenseEventFilter, change: &Change) -> Result<usize, Error> {
        let query = matching_events!(license_event::table.select(license_event::id), filter);
        let ids: Vec<i64> = self.write(|connection| query.load(connection))?;
        self.record(&LICENSE_EVENT, &json(&ids)?, ChangeKind::Deleted, change)?;
        let statement = diesel::delete(license_event::table.filter(one_of(license_event::id, ids)));
        self.write(|connection| statement.execute(connection))
    }
}
