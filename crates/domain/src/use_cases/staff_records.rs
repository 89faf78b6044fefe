//! Records for staff: roles, sent notifications and license events.

use super::manager::LicenseManager;
use super::staff_actions::Done;
use crate::error::{Entity, Error, FieldErrors};
use crate::history::Actor;
use crate::model::ids::RoleAssignmentId;
use crate::model::staff_action::StaffActionKind;
use crate::permissions::{HeldRole, Role};
use crate::ports::{AssignedRole, RoleAssignment, StoreExt, UnitOfWork};

impl LicenseManager {
    /// Gives a user a role, and tells whether it is new. Adds an unknown user.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a role that is not one of [`RoleAssignment::ROLES`], and for a customer with a role that
    /// counts only for all customers.
    pub fn give_role(
        &self,
        actor: &Actor,
        username: &str,
        role: &RoleAssignment,
    ) -> Result<(AssignedRole, bool), Error> {
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
            let (assigned, is_new) = unit.role_assignments().add(username, role, self.now())?;
            if is_new {
                self.record_of_role(unit, actor, StaffActionKind::RoleGiven, &assigned)?;
            }
            Ok((assigned, is_new))
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
    pub fn take_role(&self, actor: &Actor, id: RoleAssignmentId) -> Result<(), Error> {
        self.store.write(|unit| {
            let missing = Error::NotFound(Entity::RoleAssignment);
            let assigned = unit.role_assignments().find(id)?.ok_or_else(|| missing.clone())?;
            match unit.role_assignments().remove(id)? {
                true => self.record_of_role(unit, actor, StaffActionKind::RoleTaken, &assigned),
                false => Err(missing),
            }
        })
    }

    fn record_of_role(
        &self,
        unit: &mut dyn UnitOfWork,
        actor: &Actor,
        kind: StaffActionKind,
        assigned: &AssignedRole,
    ) -> Result<(), Error> {
        let AssignedRole { username, role, .. } = assigned;
        let subject = match role.customer {
            Some(customer) => format!("{} for {customer}", role.role),
            None => format!("{} for all customers", role.role),
        };
        self.record(unit, actor, kind, Done { user: Some(username.clone()), ..Done::to(subject) })
    }
}
