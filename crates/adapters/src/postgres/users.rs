//! Users and the roles the database gives them.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use license_manager_domain::ports::{RoleAssignment, User, UserRepository};
use license_manager_domain::{CustomerId, Error};
use uuid::Uuid;

use super::PostgresUnit;
use super::schema::{role_assignment, users};

/// A user beside one of their roles.
type Row = ((String, Option<String>, bool, bool), Option<(String, Option<Uuid>)>);

impl UserRepository for PostgresUnit<'_> {
    fn find(&mut self, username: &str) -> Result<Option<User>, Error> {
        let query = users::table
            .left_join(role_assignment::table)
            .filter(users::username.eq(username))
            .order(role_assignment::id)
            .select((
                (users::username, users::email, users::is_staff, users::is_superuser),
                (role_assignment::role, role_assignment::enterprise_customer_uuid).nullable(),
            ));
        let rows = self.read(|connection| query.load::<Row>(connection))?;
        let mut user = None;
        for ((username, email, is_staff, is_superuser), role) in rows {
            let user = user.get_or_insert(User { username, email, is_staff, is_superuser, roles: Vec::new() });
            user.roles.extend(role.map(|(role, customer)| RoleAssignment { role, customer: customer.map(CustomerId) }));
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
        let statement = diesel::insert_into(users::table)
            .values((
                users::username.eq(username),
                users::email.eq(email),
                users::is_staff.eq(is_staff),
                users::is_superuser.eq(false),
                users::created.eq(now),
                users::modified.eq(now),
            ))
            .on_conflict(users::username)
            .do_update()
            .set((
                // The address of the latest token that had one.
                users::email.eq(sql::<Nullable<Text>>("COALESCE(excluded.email, users.email)")),
                users::is_staff.eq(is_staff),
                users::modified.eq(now),
            ));
        self.write_rows(1, "users", |connection| statement.execute(connection))
    }

    fn set_superuser(&mut self, username: &str, is_superuser: bool, now: DateTime<Utc>) -> Result<(), Error> {
        let statement = diesel::update(users::table.find(username))
            .set((users::is_superuser.eq(is_superuser), users::modified.eq(now)));
        self.write_rows(1, "users", |connection| statement.execute(connection))
    }
}
