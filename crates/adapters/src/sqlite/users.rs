//! Users and the roles the database gives them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use license_manager_domain::ports::{RoleAssignment, User, UserRepository};
use license_manager_domain::{CustomerId, Error};

use super::SqliteUnit;
use super::error::storage_error;
use super::schema::{role_assignment, users};
use super::types::{SqlMoment, SqlUuid};

type UserRow = (String, Option<String>, bool, bool);
type RoleRow = (String, Option<SqlUuid>);

impl UserRepository for SqliteUnit<'_> {
    fn find(&mut self, username: &str) -> Result<Option<User>, Error> {
        let rows: Vec<(UserRow, Option<RoleRow>)> = users::table
            .left_join(role_assignment::table)
            .filter(users::username.eq(username))
            .order(role_assignment::id)
            .select((
                (users::username, users::email, users::is_staff, users::is_superuser),
                (role_assignment::role, role_assignment::enterprise_customer_uuid).nullable(),
            ))
            .load(self.conn)
            .map_err(storage_error)?;
        let mut user: Option<User> = None;
        for ((username, email, is_staff, is_superuser), role) in rows {
            let user = user.get_or_insert(User { username, email, is_staff, is_superuser, roles: Vec::new() });
            user.roles.extend(role.map(|(role, customer)| RoleAssignment {
                role,
                customer: customer.map(|customer| CustomerId(customer.0)),
            }));
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
        diesel::sql_query(
            "INSERT INTO users (username, email, is_staff, created, modified) VALUES (?1, ?2, ?3, ?4, ?4)
             ON CONFLICT (username) DO UPDATE
             SET email = coalesce(excluded.email, email), is_staff = excluded.is_staff, modified = excluded.modified",
        )
        .bind::<Text, _>(username)
        .bind::<Nullable<Text>, _>(email)
        .bind::<Bool, _>(is_staff)
        .bind::<BigInt, _>(SqlMoment(now))
        .execute(self.written()?)
        .map_err(storage_error)?;
        Ok(())
    }

    fn set_superuser(&mut self, username: &str, is_superuser: bool, now: DateTime<Utc>) -> Result<(), Error> {
        let statement = diesel::update(users::table.filter(users::username.eq(username)))
            .set((users::is_superuser.eq(is_superuser), users::modified.eq(SqlMoment(now))));
        match statement.execute(self.written()?).map_err(storage_error)? {
            1 => Ok(()),
            _ => Err(Error::internal("there is no such user")),
        }
    }
}
