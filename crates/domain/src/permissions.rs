//! Who may do what: the roles of callers, and the actions that each permits. The rules in words: [`crate::rules`],
//! "Permissions". The API and the console use the same table.
//!
//! **No use case checks permissions.** A program checks them before it calls [`crate::LicenseManager`]: the
//! [`crate::Actor`] that it passes is only recorded in the history. [`GRANTS`] is data: a program with the same roles
//! can use it, and another program can have its own table.
//!
//! ```
//! use license_manager_domain::CustomerId;
//! use license_manager_domain::permissions::{Action, HeldRole, Rights, Role};
//!
//! let [own, other] = [1, 2].map(|number| CustomerId(uuid::Uuid::from_u128(number)));
//! let admin = Rights::new([HeldRole { role: Role::SubscriptionsAdmin, customer: Some(own) }], None);
//! assert!(admin.may_for(Action::Administer, own));
//! assert!(!admin.may_for(Action::Administer, other));
//! ```

use crate::model::ids::CustomerId;
use crate::ports::{CustomerScope, User};

/// A role of a caller, for one customer or for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Administers the subscriptions of a customer.
    SubscriptionsAdmin,
    /// Learns with licenses of a customer.
    Learner,
    /// Provisions. Only the role for all customers counts.
    ProvisioningAdmin,
    /// Supports all customers: whoever is an administrator by their token.
    Staff,
    /// The service that retires people.
    RetirementWorker,
    /// Reads everything.
    Viewer,
    /// Runs the service. Only the role for all customers counts.
    Operator,
}

/// What a role can permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Assigning, revoking, reminding and enrolling.
    Administer,
    /// Reading plans and their licenses.
    Read,
    /// Reading agreements and active plans as learners do.
    ReadOffers,
    /// Getting and using a license of one's own.
    Learn,
    /// Creating and editing agreements, plans and renewals.
    Provision,
    /// Reading what was provisioned, and correcting it by hand.
    Support,
    /// Looking up a person's licenses.
    LookUp,
    /// Retiring people.
    Retire,
    /// Reading the console's pages.
    Browse,
    /// Assigning, reminding and revoking in the console.
    ManageSeats,
    /// Looking after the service: the sessions of others.
    Operate,
}

/// A role, and what it permits.
#[derive(Debug)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// Its names in tokens.
    pub in_tokens: &'static [&'static str],
    /// Its name among the role assignments in the database.
    pub in_database: Option<&'static str>,
    /// The actions that it permits. Superusers may do everything without a role.
    pub permits: &'static [Action],
}

/// All roles.
pub const GRANTS: [Grant; 7] = {
    use Action::{
        Administer, Browse, Learn, LookUp, ManageSeats, Operate, Provision, Read, ReadOffers, Retire, Support,
    };
    [
        Grant {
            role: Role::SubscriptionsAdmin,
            in_tokens: &["enterprise_openedx_operator", "enterprise_admin"],
            in_database: Some("enterprise_subscriptions_admin"),
            permits: &[Administer, Read, ReadOffers, Learn, Browse, ManageSeats],
        },
        Grant {
            role: Role::Learner,
            in_tokens: &["enterprise_learner"],
            in_database: Some("enterprise_subscriptions_learner"),
            permits: &[ReadOffers, Learn],
        },
        Grant {
            role: Role::ProvisioningAdmin,
            in_tokens: &["enterprise_provisioning_admin"],
            in_database: None,
            permits: &[Provision, Support, Browse, ManageSeats],
        },
        Grant {
            role: Role::Staff,
            in_tokens: &[],
            in_database: None,
            permits: &[Read, ReadOffers, Support, LookUp, Browse, ManageSeats],
        },
        Grant { role: Role::RetirementWorker, in_tokens: &[], in_database: None, permits: &[Retire] },
        Grant {
            role: Role::Viewer,
            in_tokens: &[],
            in_database: Some("license_manager_viewer"),
            permits: &[Read, ReadOffers, Browse],
        },
        Grant {
            role: Role::Operator,
            in_tokens: &[],
            in_database: Some("license_manager_operator"),
            permits: &[Read, ReadOffers, Support, LookUp, Provision, Browse, ManageSeats, Operate],
        },
    ]
};

impl Role {
    /// The role with this name in tokens.
    pub fn in_token(name: &str) -> Option<Self> {
        GRANTS.iter().find(|grant| grant.in_tokens.contains(&name)).map(|grant| grant.role)
    }

    /// The role with this name in the database.
    pub fn in_database(name: &str) -> Option<Self> {
        GRANTS.iter().find(|grant| grant.in_database == Some(name)).map(|grant| grant.role)
    }

    /// Whether it permits the action.
    pub fn permits(self, action: Action) -> bool {
        GRANTS.iter().any(|grant| grant.role == self && grant.permits.contains(&action))
    }
}

/// A role, and the customer that it is for; `None` for all customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldRole {
    /// The role.
    pub role: Role,
    /// The customer.
    pub customer: Option<CustomerId>,
}

impl HeldRole {
    /// The role, unless it counts only for all customers and is for one.
    pub fn new(role: Role, customer: Option<CustomerId>) -> Option<Self> {
        let only_for_all = matches!(role, Role::ProvisioningAdmin | Role::Operator);
        (!only_for_all || customer.is_none()).then_some(Self { role, customer })
    }
}

/// What somebody may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Whether they may do everything.
    pub is_superuser: bool,
    /// Their roles.
    pub roles: Vec<HeldRole>,
}

impl Rights {
    /// The rights of somebody with these roles in their token, and those that the database gives to the user.
    pub fn new(in_token: impl IntoIterator<Item = HeldRole>, user: Option<&User>) -> Self {
        let stored = user.into_iter().flat_map(|user| &user.roles);
        let stored = stored.filter_map(|stored| HeldRole::new(Role::in_database(&stored.role)?, stored.customer));
        Self {
            is_superuser: user.is_some_and(|user| user.is_superuser),
            roles: in_token.into_iter().chain(stored).collect(),
        }
    }

    /// The customers for which they may do this; `None` for no customer.
    pub fn scope(&self, action: Action) -> Option<CustomerScope> {
        if self.is_superuser {
            return Some(CustomerScope::All);
        }
        let granting = self.roles.iter().filter(|held| held.role.permits(action));
        let granted: Vec<Option<CustomerId>> = granting.map(|held| held.customer).collect();
        if granted.is_empty() {
            return None;
        }
        let customers: Option<Vec<CustomerId>> = granted.into_iter().collect();
        Some(customers.map_or(CustomerScope::All, CustomerScope::Only))
    }

    /// Whether they may do this for all customers.
    pub fn may(&self, action: Action) -> bool {
        self.scope(action) == Some(CustomerScope::All)
    }

    /// Whether they may do this for the customer.
    pub fn may_for(&self, action: Action, customer: CustomerId) -> bool {
        self.scope(action).is_some_and(|scope| scope.covers(customer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::RoleAssignment;

    fn customer(number: u128) -> CustomerId {
        CustomerId(uuid::Uuid::from_u128(number))
    }

    fn with_role(role: &str, customer: Option<CustomerId>) -> Rights {
        let roles = vec![RoleAssignment { role: role.to_owned(), customer }];
        let username = "amy".to_owned();
        Rights::new([], Some(&User { username, email: None, is_staff: false, is_superuser: false, roles }))
    }

    #[test]
    fn roles_for_customers_add_up_and_one_for_all_covers_everybody() {
        let admin = |customer| HeldRole { role: Role::SubscriptionsAdmin, customer };
        let of_two = Rights::new([admin(Some(customer(1))), admin(Some(customer(2)))], None);
        assert_eq!(of_two.scope(Action::Browse), Some(CustomerScope::Only(vec![customer(1), customer(2)])));
        assert!(of_two.may_for(Action::ManageSeats, customer(2)) && !of_two.may_for(Action::Browse, customer(3)));
        assert!(!of_two.may(Action::Browse));
        assert_eq!(of_two.scope(Action::Support), None);
        assert!(Rights::new([admin(None), admin(Some(customer(1)))], None).may(Action::Browse));
    }

    #[test]
    fn a_viewer_changes_nothing_and_an_operator_is_for_everybody() {
        let viewer = with_role("license_manager_viewer", Some(customer(1)));
        assert!(viewer.may_for(Action::Browse, customer(1)));
        let changing = [Action::ManageSeats, Action::Support, Action::Provision, Action::Operate, Action::Administer];
        assert!(changing.into_iter().all(|action| viewer.scope(action).is_none()));
        assert!(with_role("license_manager_operator", None).may(Action::Operate));
        assert_eq!(with_role("license_manager_operator", Some(customer(1))), Rights::default());
    }

    #[test]
    fn every_role_of_the_database_is_granted_something() {
        for role in RoleAssignment::ROLES {
            assert!(Role::in_database(role).is_some(), "{role}");
        }
    }
}
