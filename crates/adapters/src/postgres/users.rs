//! Users and their role assignments.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use license_manager_domain::Error;
use license_manager_domain::ports::{User, UserRepository};

use super::unit::PostgresUnit;
use crate::rows::users::{RoleAssignmentRow, UserRow, user};
use crate::schema::{role_assignment, users};
use crate::sql_types::SqlTimestamp;

impl UserRepository for PostgresUnit<'_> {
    fn find(&mut self, username: &str) -> Result<Option<User>, Error> {
        let query = users::table
            .left_join(role_assignment::table)
            .filter(users::username.eq(username))
            .order(role_assignment::id)
            .select((UserRow::as_select(), Option::<RoleAssignmentRow>::as_select()));
        Ok(user(self.read(|connection| query.load(connection))?))
    }

    fn remember(
        &mut self,
        username: &str,
        email: Option<&str>,
        is_staff: bool,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let statement = diesel::insert_into(users::table)
            .values((
                users::username.eq(username),
                users::email.eq(email),
                users::is_staff.eq(is_staff),
                users::is_superuser.eq(false),
                users::created.eq(SqlTimestamp(now)),
                users::modified.eq(SqlTimestamp(now)),
            ))
            .on_conflict(users::username)
            .do_update()
            .set((
                // The address of the latest token that had one.
                users::email.eq(sql::<Nullable<Text>>("COALESCE(excluded.email, users.email)")),
                users::is_staff.eq(is_staff),
                users::modified.eq(SqlTimestamp(now)),
            ));
        self.write_rows(1, "users", |connection| statement.execute(connection))
    }

    fn set_superuser(&mut self, username: &str, is_superuser: bool, now: DateTime<Utc>) -> Result<(), Error> {
        let statement = diesel::update(users::table.find(username))
            .set((users::is_superuser.eq(is_superuser), users::modified.eq(SqlTimestamp(now))));
        self.write_rows(1, "users", |connection| statement.execute(connection))
    }
}
