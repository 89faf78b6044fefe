//! What people did to the service.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::sql_types::BigInt;
use license_manager_domain::Error;
use license_manager_domain::model::{StaffAction, StaffActionKind};
use license_manager_domain::ports::{LimitOffset, StaffActionFilter, StaffActionRepository};
use uuid::Uuid;

use super::shared::{SharedStatement, for_both_databases, part};
use crate::backends::{Pg, Sqlite};
use crate::prepared::prepared_sql;
use crate::schema::staff_action as table;
use crate::sql_types::{SqlTimestamp, SqlUuid};

#[derive(Queryable, Selectable)]
#[diesel(table_name = table, check_for_backend(Pg, Sqlite))]
pub(crate) struct StaffActionRow {
    uuid: Uuid,
    created: DateTime<Utc>,
    username: Option<String>,
    reason: Option<String>,
    kind: String,
    subject: Option<String>,
    about_user: Option<String>,
    number: i64,
}

impl TryFrom<StaffActionRow> for StaffAction {
    type Error = Error;

    fn try_from(row: StaffActionRow) -> Result<Self, Error> {
        let kind = StaffActionKind::from_name(&row.kind);
        Ok(Self {
            id: row.uuid,
            at: row.created,
            by: row.username,
            reason: row.reason,
            kind: kind.ok_or_else(|| Error::internal("what somebody did is of an unknown kind"))?,
            subject: row.subject,
            user: row.about_user,
            number: row.number,
        })
    }
}

/// Adds an action.
pub(crate) fn addition(action: &StaffAction) -> impl SharedStatement + use<> {
    diesel::insert_into(table::table).values((
        table::uuid.eq(SqlUuid(action.id)),
        table::created.eq(SqlTimestamp(action.at)),
        table::username.eq(action.by.clone()),
        table::reason.eq(action.reason.clone()),
        table::kind.eq(action.kind.as_str()),
        table::subject.eq(action.subject.clone()),
        table::about_user.eq(action.user.clone()),
        table::number.eq(action.number),
    ))
}

/// Restricts a query to the actions that match, and boxes it. A macro, because the types of a list and of a count
/// differ.
macro_rules! matching {
    ($query:expr, $filter:expr) => {{
        let filter: &StaffActionFilter = $filter;
        // Another version may have written other kinds.
        let mut query =
            $query.filter(table::kind.eq_any(StaffActionKind::ALL.map(StaffActionKind::as_str))).into_boxed();
        if let Some(by) = &filter.by {
            query = query.filter(table::username.eq(by.clone()));
        }
        if let Some(kind) = filter.kind {
            query = query.filter(table::kind.eq(kind.as_str()));
        }
        query
    }};
}

for_both_databases! {
    impl StaffActionRepository for Unit {
        fn add(&mut self, action: &StaffAction) -> Result<(), Error> {
            let statement = addition(action);
            self.write_rows(1, "actions", |connection| ExecuteDsl::execute(statement, connection))
        }

        fn list(&mut self, filter: &StaffActionFilter, limit_offset: LimitOffset) -> Result<Vec<StaffAction>, Error> {
            let query = matching!(table::table.select(StaffActionRow::as_select()), filter)
                .order((table::created.desc(), table::uuid.desc()));
            let query = part(query, limit_offset);
            self.list::<StaffActionRow, _>(query)
        }

        fn remove_old(&mut self, until: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
            let statement = prepared_sql(format!(
                "DELETE FROM staff_action WHERE uuid IN (
                     SELECT uuid FROM staff_action WHERE created <= $1 ORDER BY created, uuid LIMIT $2{}
                 )",
                Self::FOR_UPDATE
            ))
            .bind::<SqlTimestamp, _>(until)
            .bind::<BigInt, _>(limit.max(0));
            self.write(|connection| statement.execute(connection))
        }

        fn count(&mut self, filter: &StaffActionFilter) -> Result<i64, Error> {
            let query = matching!(table::table.count(), filter);
            self.read(|connection| query.get_result(connection))
        }
    }
}
