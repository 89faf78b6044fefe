//! What the service notes down of its own doings, for staff to look up.

use chrono::{DateTime, Utc};

use crate::model::ids::{CustomerId, LicenseId, PlanId};

/// A mail about how a plan is used that went to an admin: one for each admin, plan and kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The customer.
    pub customer: CustomerId,
    /// The admin, as the LMS numbers the customer's people.
    pub customer_user: i64,
    /// The plan.
    pub plan: PlanId,
    /// What it told.
    pub kind: NotificationKind,
    /// When it was last sent.
    pub last_sent: DateTime<Utc>,
}

/// What a notification tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotificationKind {
    /// Few licenses are left.
    LimitedAllocationsRemaining,
    /// No license is left.
    NoAllocationsRemaining,
    /// How the plan is used.
    PeriodicInformational,
}

names!(NotificationKind {
    LimitedAllocationsRemaining => "limited_allocations_remaining",
    NoAllocationsRemaining => "no_allocations_remaining",
    PeriodicInformational => "periodic_informational",
});

/// The mark that something was done for a license, so that it is done once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseMark {
    /// The license.
    pub license: LicenseId,
    /// What was done, such as `edx.server.license-manager.expired.license.unlinked`.
    pub event_name: String,
    /// When.
    pub created: DateTime<Utc>,
}
