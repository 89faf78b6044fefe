//! Users and their role assignments.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use license_manager_domain::ports::{AssignedRole, RoleAssignment, User};
use license_manager_domain::{CustomerId, RoleAssignmentId};
use uuid::Uuid;

use crate::schema::{role_assignment, users};

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

/// The user of the rows, one row for each role assignment.
pub(crate) fn user(rows: Vec<(UserRow, Option<RoleAssignmentRow>)>) -> Option<User> {
    let mut user = None;
    for (UserRow { username, email, is_staff, is_superuser }, role) in rows {
        let user = user.get_or_insert(User { username, email, is_staff, is_superuser, roles: Vec::new() });
        user.roles.extend(role.map(|role| AssignedRole::from(role).role));
    }
    user
}

/// Restricts a query to the role assignments that match, and boxes it. A macro, because the types of a list and of a
/// count differ.
macro_rules! matching {
    ($query:expr, $filter:expr) => {{
        use $crate::schema::role_assignment;
        use $crate::sql_types::SqlUuid;

        let filter: &license_manager_domain::ports::RoleAssignmentFilter = $filter;
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
pub(crate) use matching;
