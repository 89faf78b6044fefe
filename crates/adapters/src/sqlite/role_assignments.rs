//! The roles that the database gives users, as staff hand them out.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use license_manager_domain::ports::{
    AssignedRole, LimitOffset, RoleAssignment, RoleAssignmentFilter, RoleAssignmentRepository,
};
use license_manager_domain::{Error, RoleAssignmentId};

use super::SqliteUnit;
use super::error::storage_error;
use crate::rows::users::RoleAssignmentRow;
use crate::schema::role_assignment;
use crate::sql_types::{SqlTimestamp, SqlUuid};

/// The assignments that match, as a boxed query: a macro, because the types of a list and of a count differ.
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

impl RoleAssignmentRepository for SqliteUnit<'_> {
    fn list(&mut self, filter: &RoleAssignmentFilter, limit_offset: LimitOffset) -> Result<Vec<AssignedRole>, Error> {
        let query = matching!(role_assignment::table.select(RoleAssignmentRow::as_select()), filter)
            .order(role_assignment::id)
            .offset(limit_offset.offset.max(0))
            .limit(limit_offset.limit.max(0));
        let rows = query.load::<RoleAssignmentRow>(self.conn).map_err(storage_error)?;
        Ok(rows.into_iter().map(AssignedRole::from).collect())
    }

    fn count(&mut self, filter: &RoleAssignmentFilter) -> Result<i64, Error> {
        let query = matching!(role_assignment::table.count(), filter);
        query.get_result(self.conn).map_err(storage_error)
    }

    fn add(
        &mut self,
        username: &str,
        role: &RoleAssignment,
        now: DateTime<Utc>,
    ) -> Result<(AssignedRole, bool), Error> {
        let conn = self.written()?;
        let added = diesel::insert_into(role_assignment::table)
            .values((
                role_assignment::username.eq(username),
                role_assignment::role.eq(&role.role),
                role_assignment::enterprise_customer_uuid.eq(role.customer.map(|customer| SqlUuid(customer.0))),
                role_assignment::created.eq(SqlTimestamp(now)),
            ))
            .on_conflict_do_nothing()
            .returning(RoleAssignmentRow::as_returning())
            .get_result(conn)
            .optional()
            .map_err(storage_error)?;
        if let Some(row) = added {
            return Ok((row.into(), true));
        }
        let row = role_assignment::table
            .select(RoleAssignmentRow::as_select())
            .filter(role_assignment::username.eq(username))
            .filter(role_assignment::role.eq(&role.role))
            .filter(role_assignment::enterprise_customer_uuid.is(role.customer.map(|customer| SqlUuid(customer.0))))
            .get_result(conn)
            .map_err(storage_error)?;
        Ok((row.into(), false))
    }

    fn remove(&mut self, id: RoleAssignmentId) -> Result<bool, Error> {
        let removed =
            diesel::delete(role_assignment::table.find(id.0)).execute(self.written()?).map_err(storage_error)?;
        Ok(removed > 0)
    }
}
