//! Users and their role assignments.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use license_manager_domain::Error;
use license_manager_domain::ports::{User, UserRepository};

use super::unit::SqliteUnit;
use crate::rows::users::{RoleAssignmentRow, UserRow, user};
use crate::schema::{role_assignment, users};
use crate::sql_types::SqlTimestamp;

impl UserRepository for SqliteUnit<'_> {
    fn find(&mut self, username: &str) -> Result<Option<User>, Error> {
        let query = users::table
            .left_join(role_assignment::table)
            .filter(users::username.eq(username))
            .order(role_assignment::id)
            .select((UserRow::as_select(), Option::<RoleAssignmentRow>::as_select()));
        let rows = self.read(|connection| query.load(connection))?;
        Ok(user(rows))
    }

    fn remember(
        &mut self,
        username: &str,
        email: Option<&str>,
        is_staff: bool,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let statement = diesel::sql_query(
            "INSERT INTO users (username, email, is_staff, created, modified) VALUES (?1, ?2, ?3, ?4, ?4)
             ON CONFLICT (username) DO UPDATE
             SET email = coalesce(excluded.email, email), is_staff = excluded.is_staff, modified = excluded.modified",
        )
        .bind::<Text, _>(username)
        .bind::<Nullable<Text>, _>(email)
        .bind::<Bool, _>(is_staff)
        .bind::<SqlTimestamp, _>(now);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn set_superuser(&mut self, username: &str, is_superuser: bool, now: DateTime<Utc>) -> Result<(), Error> {
        let statement = diesel::update(users::table.filter(users::username.eq(username)))
            .set((users::is_superuser.eq(is_superuser), users::modified.eq(SqlTimestamp(now))));
        self.write_rows(1, "users", |connection| statement.execute(connection))
    }
}
