//! Role assignments of users.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use license_manager_domain::ports::{
    AssignedRole, LimitOffset, RoleAssignment, RoleAssignmentFilter, RoleAssignmentRepository,
};
use license_manager_domain::{Error, RoleAssignmentId};

use super::unit::PostgresUnit;
use crate::rows::users::{RoleAssignmentRow, matching};
use crate::schema::role_assignment;
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl RoleAssignmentRepository for PostgresUnit<'_> {
    fn list(&mut self, filter: &RoleAssignmentFilter, limit_offset: LimitOffset) -> Result<Vec<AssignedRole>, Error> {
        let query = matching!(role_assignment::table.select(RoleAssignmentRow::as_select()), filter)
            .order(role_assignment::id)
            .offset(limit_offset.offset)
            .limit(limit_offset.limit);
        Ok(self
            .read(|connection| query.load::<RoleAssignmentRow>(connection))?
            .into_iter()
            .map(AssignedRole::from)
            .collect())
    }

    fn count(&mut self, filter: &RoleAssignmentFilter) -> Result<i64, Error> {
        let query = matching!(role_assignment::table.count(), filter);
        self.read(|connection| query.get_result(connection))
    }

    fn add(
        &mut self,
        username: &str,
        role: &RoleAssignment,
        now: DateTime<Utc>,
    ) -> Result<(AssignedRole, bool), Error> {
        let statement = diesel::insert_into(role_assignment::table)
            .values((
                role_assignment::username.eq(username),
                role_assignment::role.eq(&role.role),
                role_assignment::enterprise_customer_uuid.eq(role.customer.map(|customer| SqlUuid(customer.0))),
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
            .filter(
                role_assignment::enterprise_customer_uuid
                    .is_not_distinct_from(role.customer.map(|customer| SqlUuid(customer.0))),
            );
        Ok((self.read(|connection| query.get_result(connection))?.into(), false))
    }

    fn remove(&mut self, id: RoleAssignmentId) -> Result<bool, Error> {
        let statement = diesel::delete(role_assignment::table.find(id.0));
        Ok(self.write(|connection| statement.execute(connection))? > 0)
    }
}
