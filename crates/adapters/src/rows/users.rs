//! Users and their role assignments.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use license_manager_domain::ports::{
    AssignedRole, LimitOffset, RoleAssignment, RoleAssignmentFilter, RoleAssignmentRepository, User, UserRepository,
};
use license_manager_domain::{CustomerId, Error, RoleAssignmentId};
use uuid::Uuid;

use super::shared::{SharedStatement, for_both_databases, part};
use crate::backends::{Pg, Sqlite};
use crate::prepared::prepared_sql;
use crate::schema::{role_assignment, users};
use crate::sql_types::{SqlTimestamp, SqlUuid};

/// The statements that erase a user: their name in what people did, what is kept for the way back to the service that was
/// imported from, and at last the user.
pub(crate) fn erasure(username: &str) -> [impl SharedStatement + use<>; 4] {
    [
        "UPDATE staff_action SET username = NULL WHERE username = $1",
        "UPDATE staff_action SET about_user = NULL WHERE about_user = $1",
        "DELETE FROM imported_value
         WHERE (source_table = 'core_user' AND source_key = $1)
            OR (source_table IN ('core_user_groups', 'core_user_user_permissions')
                AND substr(source_key, 1, length($1) + 2) = $1 || ': ')",
        "DELETE FROM users WHERE username = $1",
    ]
    .map(|statement| prepared_sql(statement).bind::<Text, _>(username.to_owned()))
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(Pg, Sqlite))]
pub(crate) struct UserRow {
    username: String,
    email: Option<String>,
    is_staff: bool,
    is_superuser: bool,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = role_assignment, check_for_backend(Pg, Sqlite))]
pub(crate) struct RoleAssignmentRow {
    id: i64,
    username: String,
    role: String,
    enterprise_customer_uuid: Option<Uuid>,
    created: DateTime<Utc>,
}

impl From<RoleAssignmentRow> for AssignedRole {
    fn from(row: RoleAssignmentRow) -> Self {
        let role = RoleAssignment { role: row.role, customer: row.enterprise_customer_uuid.map(CustomerId) };
        Self { id: RoleAssignmentId(row.id), username: row.username, role, created: row.created }
    }
}

for_both_databases! {
    impl UserRepository for Unit {
        fn find(&mut self, username: &str) -> Result<Option<User>, Error> {
            let query = users::table
                .left_join(role_assignment::table)
                .filter(users::username.eq(username))
                .order(role_assignment::id)
                .select((UserRow::as_select(), Option::<RoleAssignmentRow>::as_select()));
            let mut user = None;
            for (row, role) in self.read(|connection| query.load(connection))? {
                let UserRow { username, email, is_staff, is_superuser } = row;
                let user = user.get_or_insert(User { username, email, is_staff, is_superuser, roles: Vec::new() });
                user.roles.extend(role.map(|role| AssignedRole::from(role).role));
            }
            Ok(user)
        }

        fn remember(
            &mut self,
            username: &str,
            email: Option<&str>,
            is_staff: bool,
            now: DateTime<Utc>,
        ) -> Result<(), Error> {
            // The address is that of the latest token that had one.
            let statement = prepared_sql(
                "INSERT INTO users (username, email, is_staff, is_superuser, created, modified)
                 VALUES ($1, $2, $3, false, $4, $4)
                 ON CONFLICT (username) DO UPDATE
                 SET email = coalesce(excluded.email, users.email), is_staff = excluded.is_staff,
                     modified = excluded.modified",
            )
            .bind::<Text, _>(username)
            .bind::<Nullable<Text>, _>(email)
            .bind::<Bool, _>(is_staff)
            .bind::<SqlTimestamp, _>(now);
            self.write_rows(1, "users", |connection| statement.execute(connection))
        }

        fn set_superuser(&mut self, username: &str, is_superuser: bool, now: DateTime<Utc>) -> Result<(), Error> {
            let statement = diesel::update(users::table.find(username))
                .set((users::is_superuser.eq(is_superuser), users::modified.eq(SqlTimestamp(now))));
            self.write_rows(1, "users", |connection| statement.execute(connection))
        }
    }
}

/// Restricts a query to the role assignments that match, and boxes it. A macro, because the types of a list and of a
/// count differ.
macro_rules! matching {
    ($query:expr, $filter:expr) => {{
        let filter: &RoleAssignmentFilter = $filter;
        let mut query = $query.into_boxed();
        if let Some(username) = &filter.username {
            query = query.filter(role_assignment::username.eq(username.clone()));
        }
        if let Some(role) = &filter.role {
            query = query.filter(role_assignment::role.eq(role.clone()));
        }
        if let Some(customer) = filter.customer {
            query = query.filter(role_assignment::enterprise_customer_uuid.eq(SqlUuid(customer.0)));
        }
        query
    }};
}

for_both_databases! {
    impl RoleAssignmentRepository for Unit {
        fn list(
            &mut self,
            filter: &RoleAssignmentFilter,
            limit_offset: LimitOffset,
        ) -> Result<Vec<AssignedRole>, Error> {
            let query = matching!(role_assignment::table.select(RoleAssignmentRow::as_select()), filter)
                .order(role_assignment::id);
            let query = part(query, limit_offset);
            self.list::<RoleAssignmentRow, _>(query)
        }

        fn count(&mut self, filter: &RoleAssignmentFilter) -> Result<i64, Error> {
            let query = matching!(role_assignment::table.count(), filter);
            self.read(|connection| query.get_result(connection))
        }

        fn find(&mut self, id: RoleAssignmentId) -> Result<Option<AssignedRole>, Error> {
            let query = role_assignment::table.find(id.0).select(RoleAssignmentRow::as_select());
            let row = self.read(|connection| query.get_result(connection).optional())?;
            Ok(row.map(AssignedRole::from))
        }

        fn add(
            &mut self,
            username: &str,
            role: &RoleAssignment,
            now: DateTime<Utc>,
        ) -> Result<(AssignedRole, bool), Error> {
            let customer = role.customer.map(|customer| SqlUuid(customer.0));
            let statement = diesel::insert_into(role_assignment::table)
                .values((
                    role_assignment::username.eq(username),
                    role_assignment::role.eq(&role.role),
                    role_assignment::enterprise_customer_uuid.eq(customer),
                    role_assignment::created.eq(SqlTimestamp(now)),
                ))
                .on_conflict_do_nothing()
                .returning(RoleAssignmentRow::as_returning());
            let added = self.write(|connection| statement.get_result(connection).optional())?;
            if let Some(row) = added {
                return Ok((row.into(), true));
            }
            let query = role_assignment::table
                .select(RoleAssignmentRow::as_select())
                .filter(role_assignment::username.eq(username))
                .filter(role_assignment::role.eq(&role.role))
                .into_boxed();
            let query = match customer {
                Some(customer) => query.filter(role_assignment::enterprise_customer_uuid.eq(customer)),
                None => query.filter(role_assignment::enterprise_customer_uuid.is_null()),
            };
            Ok((self.read(|connection| query.get_result(connection))?.into(), false))
        }

        fn remove(&mut self, id: RoleAssignmentId) -> Result<bool, Error> {
            let statement = diesel::delete(role_assignment::table.find(id.0));
            Ok(self.write(|connection| statement.execute(connection))? > 0)
        }
    }
}
