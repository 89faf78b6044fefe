//! Who may do what: the roles of callers, and the actions that each permits. The rules in words: [`crate::rules`],
//! "Permissions".

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
pub const GRANTS: [Grant; 5] = {
    use Action::{Administer, Learn, LookUp, Provision, Read, ReadOffers, Retire, Support};
    [
        Grant {
            role: Role::SubscriptionsAdmin,
            in_tokens: &["enterprise_openedx_operator", "enterprise_admin"],
            in_database: Some("enterprise_subscriptions_admin"),
            permits: &[Administer, Read, ReadOffers, Learn],
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
            permits: &[Provision, Support],
        },
        Grant { role: Role::Staff, in_tokens: &[], in_database: None, permits: &[Read, ReadOffers, Support, LookUp] },
        Grant { role: Role::RetirementWorker, in_tokens: &[], in_database: None, permits: &[Retire] },
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
