//! Notifications that were sent, and events of licenses.

use chrono::{DateTime, Utc};
use diesel::dsl::max;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::model::{LicenseMark, Notification};
use license_manager_domain::ports::{
    LicenseEventFilter, LicenseEventRepository, LimitOffset, NotificationFilter, NotificationRepository,
};
use license_manager_domain::{Error, LicenseId, NotificationId, PlanId};

use super::json::json;
use super::unit::SqliteUnit;
use crate::one_of::one_of;
use crate::rows::staff_records::{LicenseEventRow, NotificationRow, matching_events, matching_notifications};
use crate::schema::{LICENSE_EVENT, NOTIFICATION, license_event, notification};
use crate::sql_types::SqlTimestamp;

#[derive(QueryableByName)]
struct Saved {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

impl NotificationRepository for SqliteUnit<'_> {
    fn list(
        &mut self,
        filter: &NotificationFilter,
        limit_offset: LimitOffset,
    ) -> Result<Vec<(NotificationId, Notification)>, Error> {
        let query = matching_notifications!(notification::table.select(NotificationRow::as_select()), filter)
            .order((notification::last_sent.desc(), notification::id.desc()))
            .offset(limit_offset.offset.max(0))
            .limit(limit_offset.limit.max(0));
        self.list::<NotificationRow, _>(query)
    }

    fn count(&mut self, filter: &NotificationFilter) -> Result<i64, Error> {
        self.read(|connection| matching_notifications!(notification::table.count(), filter).get_result(connection))
    }

    fn find_by_plans(&mut self, plans: &[PlanId]) -> Result<Vec<Notification>, Error> {
        let about = one_of(notification::subscription_plan_uuid, plans.iter().map(|plan| plan.0));
        let query = notification::table.select(NotificationRow::as_select()).filter(about);
        let found: Vec<(NotificationId, Notification)> = self.list::<NotificationRow, _>(query)?;
        Ok(found.into_iter().map(|(_, notification)| notification).collect())
    }

    fn save(&mut self, notifications: &[Notification], change: &Change) -> Result<(), Error> {
        self.require_write()?;
        if notifications.is_empty() {
            return Ok(());
        }
        let last: Option<i64> =
            self.write(|connection| notification::table.select(max(notification::id)).get_result(connection))?;
        let rows: Vec<_> = notifications
            .iter()
            .map(|sent| {
                (sent.customer, sent.customer_user, sent.plan, sent.kind.as_str(), sent.last_sent.timestamp_micros())
            })
            .collect();
        // Without "WHERE true", SQLite would take ON for the condition of a join.
        let query = diesel::sql_query(
            "INSERT INTO notification (enterprise_customer_uuid, enterprise_customer_user_id, subscription_plan_uuid,
                                       notification_type, last_sent, created, modified)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, ?2, ?2
             FROM json_each(?1) WHERE true
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

    fn delete(&mut self, filter: &NotificationFilter, change: &Change) -> Result<usize, Error> {
        let query = matching_notifications!(notification::table.select(notification::id), filter);
        let ids: Vec<i64> = self.write(|connection| query.load(connection))?;
        self.record(&NOTIFICATION, &json(&ids)?, ChangeKind::Deleted, change)?;
        let statement = diesel::delete(notification::table.filter(one_of(notification::id, ids)));
        self.write(|connection| statement.execute(connection))
    }
}

impl LicenseEventRepository for SqliteUnit<'_> {
    fn list(&mut self, filter: &LicenseEventFilter, limit_offset: LimitOffset) -> Result<Vec<LicenseMark>, Error> {
        let query = matching_events!(license_event::table.select(LicenseEventRow::as_select()), filter)
            .order(license_event::id.desc())
            .offset(limit_offset.offset.max(0))
            .limit(limit_offset.limit.max(0));
        self.list::<LicenseEventRow, _>(query)
    }

    fn count(&mut self, filter: &LicenseEventFilter) -> Result<i64, Error> {
        self.read(|connection| matching_events!(license_event::table.count(), filter).get_result(connection))
    }

    fn add(&mut self, licenses: &[LicenseId], event_name: &str, now: DateTime<Utc>) -> Result<(), Error> {
        let statement = diesel::sql_query(
            "INSERT INTO license_event (license_uuid, event_name, created)
             SELECT value, ?2, ?3 FROM json_each(?1) WHERE true
             ON CONFLICT (license_uuid, event_name) DO NOTHING",
        )
        .bind::<Text, _>(json(licenses)?)
        .bind::<Text, _>(event_name)
        .bind::<SqlTimestamp, _>(now);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn delete(&mut self, filter: &LicenseEventFilter, change: &Change) -> Result<usize, Error> {
        let query = matching_events!(license_event::table.select(license_event::id), filter);
        let ids: Vec<i64> = self.write(|connection| query.load(connection))?;
        self.record(&LICENSE_EVENT, &json(&ids)?, ChangeKind::Deleted, change)?;
        let statement = diesel::delete(license_event::table.filter(one_of(license_event::id, ids)));
        self.write(|connection| statement.execute(connection))
    }
}
