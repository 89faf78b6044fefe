//! Notifications that were sent, and what was done for licenses.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text, Timestamptz, Uuid as SqlUuid};
use license_manager_domain::history::Change;
use license_manager_domain::model::{LicenseMark, Notification, NotificationKind};
use license_manager_domain::ports::{
    LicenseEventFilter, LicenseEventRepository, LimitOffset, NotificationFilter, NotificationRepository,
};
use license_manager_domain::{CustomerId, Error, LicenseId, PlanId};
use uuid::Uuid;

use super::PostgresUnit;
use super::recording::{Kind, with_history};
use super::schema::{NOTIFICATION, license_event, notification};

type NotificationRow = (i64, Uuid, i64, Uuid, String, DateTime<Utc>);

fn sent((id, customer, customer_user, plan, kind, last_sent): NotificationRow) -> Result<Notification, Error> {
    let kind = NotificationKind::from_name(&kind)
        .ok_or_else(|| Error::internal(format!("notification {id} is of the unknown type {kind:?}")))?;
    Ok(Notification { customer: CustomerId(customer), customer_user, plan: PlanId(plan), kind, last_sent })
}

/// The notifications that match, as a boxed query: a macro, because the types of a list and of a count differ.
macro_rules! matching_notifications {
    ($query:expr, $filter:expr) => {{
        let filter: &NotificationFilter = $filter;
        let mut query = $query.into_boxed();
        if let Some(customer) = filter.customer {
            query = query.filter(notification::enterprise_customer_uuid.eq(customer.0));
        }
        if let Some(plan) = filter.plan {
            query = query.filter(notification::subscription_plan_uuid.eq(plan.0));
        }
        if let Some(kind) = filter.kind {
            query = query.filter(notification::notification_type.eq(kind.as_str()));
        }
        query
    }};
}

impl NotificationRepository for PostgresUnit<'_> {
    fn list(&mut self, filter: &NotificationFilter, limit_offset: LimitOffset) -> Result<Vec<Notification>, Error> {
        let query = matching_notifications!(notification::table, filter)
            .order((notification::last_sent.desc(), notification::id.desc()))
            .offset(limit_offset.offset)
            .limit(limit_offset.limit);
        self.read(|connection| query.load::<NotificationRow>(connection))?.into_iter().map(sent).collect()
    }

    fn count(&mut self, filter: &NotificationFilter) -> Result<i64, Error> {
        let query = matching_notifications!(notification::table.count(), filter);
        self.read(|connection| query.get_result(connection))
    }

    fn of_plans(&mut self, plans: &[PlanId]) -> Result<Vec<Notification>, Error> {
        let plans: Vec<Uuid> = plans.iter().map(|plan| plan.0).collect();
        let query = notification::table.filter(notification::subscription_plan_uuid.eq_any(plans));
        self.read(|connection| query.load::<NotificationRow>(connection))?.into_iter().map(sent).collect()
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
        .bind::<Array<Timestamptz>, _>(rows.iter().map(|sent| sent.last_sent).collect::<Vec<_>>())
        .bind::<Timestamptz, _>(change.at);
        let statement = with_history(statement, &NOTIFICATION, Kind::AddedOrChanged, change);
        self.write_rows(rows.len(), "notifications", |connection| statement.execute(connection))
    }
}

type EventRow = (i64, Uuid, String, DateTime<Utc>);

/// The events that match, as a boxed query.
macro_rules! matching_events {
    ($query:expr, $filter:expr) => {{
        let filter: &LicenseEventFilter = $filter;
        let mut query = $query.into_boxed();
        if let Some(license) = filter.license {
            query = query.filter(license_event::license_uuid.eq(license.0));
        }
        if let Some(name) = &filter.event_name {
            query = query.filter(license_event::event_name.eq(name.clone()));
        }
        query
    }};
}

impl LicenseEventRepository for PostgresUnit<'_> {
    fn list(&mut self, filter: &LicenseEventFilter, limit_offset: LimitOffset) -> Result<Vec<LicenseMark>, Error> {
        let query = matching_events!(license_event::table, filter)
            .order(license_event::id.desc())
            .offset(limit_offset.offset)
            .limit(limit_offset.limit);
        let rows = self.read(|connection| query.load::<EventRow>(connection))?;
        let mark = |(_, license, event_name, created)| LicenseMark { license: LicenseId(license), event_name, created };
        Ok(rows.into_iter().map(mark).collect())
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
        .bind::<Timestamptz, _>(now);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }
}
