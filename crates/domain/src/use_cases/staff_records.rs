//! Records for staff: roles, sent notifications and license events.

use super::manager::LicenseManager;
use super::page::Page;
use crate::error::{Entity, Error, FieldErrors};
use crate::model::ids::RoleAssignmentId;
use crate::model::staff_records::{LicenseMark, Notification};
use crate::ports::{
    AssignedRole, LicenseEventFilter, LimitOffset, NotificationFilter, RoleAssignment, RoleAssignmentFilter, StoreExt,
};

impl LicenseManager {
    /// The role assignments that match. `limit_offset` chooses the page from the number of matches.
    pub fn role_assignments<E: From<Error>>(
        &self,
        filter: &RoleAssignmentFilter,
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
    ) -> Result<Page<AssignedRole>, E> {
        self.page(
            |unit| unit.role_assignments().count(filter),
            limit_offset,
            |unit, part| unit.role_assignments().list(filter, part),
        )
    }

    /// Gives a user a role, and tells whether it is new. Adds an unknown user.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a role that is not one of [`RoleAssignment::ROLES`].
    pub fn give_role(&self, username: &str, role: &RoleAssignment) -> Result<(AssignedRole, bool), Error> {
        if !RoleAssignment::ROLES.contains(&role.role.as_str()) {
            let message = format!("This must be one of: {}.", RoleAssignment::ROLES.join(", "));
            return Err(Error::Invalid(FieldErrors::one("role", message)));
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

    /// The notifications that match. `limit_offset` chooses the page from the number of matches.
    pub fn notifications<E: From<Error>>(
        &self,
        filter: &NotificationFilter,
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
    ) -> Result<Page<Notification>, E> {
        self.page(
            |unit| unit.notifications().count(filter),
            limit_offset,
            |unit, part| unit.notifications().list(filter, part),
        )
    }

    /// The license events that match. `limit_offset` chooses the page from the number of matches.
    pub fn license_events<E: From<Error>>(
        &self,
        filter: &LicenseEventFilter,
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
    ) -> Result<Page<LicenseMark>, E> {
        self.page(
            |unit| unit.license_events().count(filter),
            limit_offset,
            |unit, part| unit.license_events().list(filter, part),
        )
    }
}
