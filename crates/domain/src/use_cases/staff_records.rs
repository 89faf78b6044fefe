//! Records for staff: roles, sent notifications and license events.

use super::manager::LicenseManager;
use crate::error::{Entity, Error, FieldErrors};
use crate::model::ids::RoleAssignmentId;
use crate::permissions::{HeldRole, Role};
use crate::ports::{AssignedRole, RoleAssignment, StoreExt};

impl LicenseManager {
    /// Gives a user a role, and tells whether it is new. Adds an unknown user.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a role that is not one of [`RoleAssignment::ROLES`], and for a customer with a role that
    /// counts only for all customers.
    pub fn give_role(&self, username: &str, role: &RoleAssignment) -> Result<(AssignedRole, bool), Error> {
        if !RoleAssignment::ROLES.contains(&role.role.as_str()) {
            let message = format!("This must be one of: {}.", RoleAssignment::ROLES.join(", "));
            return Err(Error::Invalid(FieldErrors::one("role", message)));
        }
        if Role::in_database(&role.role).is_some_and(|known| HeldRole::new(known, role.customer).is_none()) {
            let message = "This role is for all customers. Leave the customer out.";
            return Err(Error::Invalid(FieldErrors::one("enterprise_customer_uuid", message)));
        }
        self.store.write(|unit| {
            if unit.users().find(username)?.is_none() {
                unit.users().remember(username, None, false, self.now())?;
            }
            unit.role_assignments().add(username, role, self.now())
        })
    }

    /// Makes a user a superuser, who has all permissions. Adds an unknown user.
    pub fn make_superuser(&self, username: &str) -> Result<(), Error> {
        self.store.write(|unit| {
            if unit.users().find(username)?.is_none() {
                unit.users().remember(username, None, false, self.now())?;
            }
            unit.users().set_superuser(username, true, self.now())
        })
    }

    /// Makes a superuser an ordinary user. Returns `false` for an unknown user.
    pub fn unmake_superuser(&self, username: &str) -> Result<bool, Error> {
        self.store.write(|unit| {
            let known = unit.users().find(username)?.is_some();
            if known {
                unit.users().set_superuser(username, false, self.now())?;
            }
            Ok(known)
        })
    }

    /// Removes a role.
    ///
    /// # Errors
    /// [`Entity::RoleAssignment`] not found.
    pub fn take_role(&self, id: RoleAssignmentId) -> Result<(), Error> {
        match self.store.write(|unit| unit.role_assignments().remove(id))? {
            true => Ok(()),
            false => Err(Error::NotFound(Entity::RoleAssignment)),
        }
    }
}
