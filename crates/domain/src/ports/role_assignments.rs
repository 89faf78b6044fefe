use chrono::{DateTime, Utc};

use super::repositories::{LimitOffset, RoleAssignment};
use crate::error::Error;
use crate::model::ids::{CustomerId, RoleAssignmentId};

/// A role and the user whom the database gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedRole {
    /// Its id.
    pub id: RoleAssignmentId,
    /// The user.
    pub username: String,
    /// What they may do.
    pub role: RoleAssignment,
    /// Since when.
    pub created: DateTime<Utc>,
}

/// Which role assignments a reader wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleAssignmentFilter {
    /// Of this user.
    pub username: Option<String>,
    /// Of this role.
    pub role: Option<String>,
    /// For this customer, by name: not those for every customer.
    pub customer: Option<CustomerId>,
}

/// The roles that the database gives users.
pub trait RoleAssignmentRepository {
    /// The assignments that match, in the order of their ids.
    fn list(&mut self, filter: &RoleAssignmentFilter, limit_offset: LimitOffset) -> Result<Vec<AssignedRole>, Error>;

    /// How many assignments match.
    fn count(&mut self, filter: &RoleAssignmentFilter) -> Result<i64, Error>;

    /// Gives a user that exists a role, unless they have it. Returns the assignment, and whether it is new.
    fn add(&mut self, username: &str, role: &RoleAssignment, now: DateTime<Utc>)
    -> Result<(AssignedRole, bool), Error>;

    /// Takes a role away; `false` where there is no such assignment.
    fn remove(&mut self, id: RoleAssignmentId) -> Result<bool, Error>;
}
