use chrono::{DateTime, Utc};

use super::repositories::{LimitOffset, RoleAssignment};
use crate::error::Error;
use crate::model::ids::{CustomerId, RoleAssignmentId};

/// A user's role in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedRole {
    /// Its id.
    pub id: RoleAssignmentId,
    /// The user.
    pub username: String,
    /// The role.
    pub role: RoleAssignment,
    /// When it was assigned.
    pub created: DateTime<Utc>,
}

/// A filter for role assignments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleAssignmentFilter {
    /// Of this user.
    pub username: Option<String>,
    /// With this role.
    pub role: Option<String>,
    /// For exactly this customer, not for all customers.
    pub customer: Option<CustomerId>,
}

/// The users' roles in the database.
pub trait RoleAssignmentRepository {
    /// The assignments that match, sorted by id.
    fn list(&mut self, filter: &RoleAssignmentFilter, limit_offset: LimitOffset) -> Result<Vec<AssignedRole>, Error> {
        not_provided!("role_assignments.list", filter, limit_offset)
    }

    /// The number of assignments that match.
    fn count(&mut self, filter: &RoleAssignmentFilter) -> Result<i64, Error> {
        not_provided!("role_assignments.count", filter)
    }

    /// The assignment with this id.
    fn find(&mut self, id: RoleAssignmentId) -> Result<Option<AssignedRole>, Error> {
        not_provided!("role_assignments.find", id)
    }

    /// Assigns a role to an existing user, unless they have it. Returns the assignment, and whether it is new. MUST fail if
    /// the user does not exist.
    fn add(
        &mut self,
        username: &str,
        role: &RoleAssignment,
        now: DateTime<Utc>,
    ) -> Result<(AssignedRole, bool), Error> {
        not_provided!("role_assignments.add", username, role, now)
    }

    /// Removes an assignment; `false` if it does not exist.
    fn remove(&mut self, id: RoleAssignmentId) -> Result<bool, Error> {
        not_provided!("role_assignments.remove", id)
    }
}
