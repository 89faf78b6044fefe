//! Records of the service's own actions, for staff.

use chrono::{DateTime, Utc};

use crate::history::Row;
use crate::model::ids::{CustomerId, LicenseEventId, LicenseId, NotificationId, PlanId};

/// A utilization mail sent to an admin. There is one record per admin, plan and kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The customer.
    pub customer: CustomerId,
    /// The admin's customer user id in the LMS.
    pub customer_user: i64,
    /// The plan.
    pub plan: PlanId,
    /// The kind of mail.
    pub kind: NotificationKind,
    /// When the mail was last sent.
    pub last_sent: DateTime<Utc>,
}

/// The kind of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotificationKind {
    /// Few licenses are left.
    LimitedAllocationsRemaining,
    /// No license is left.
    NoAllocationsRemaining,
    /// The plan's utilization.
    PeriodicInformational,
}

names!(NotificationKind {
    LimitedAllocationsRemaining => "limited_allocations_remaining",
    NoAllocationsRemaining => "no_allocations_remaining",
    PeriodicInformational => "periodic_informational",
});

/// A notification as history shows it.
impl From<(NotificationId, &Notification)> for Row {
    fn from((id, notification): (NotificationId, &Notification)) -> Self {
        Self::from([
            ("id", id.0.into()),
            ("enterprise_customer_uuid", notification.customer.0.into()),
            ("enterprise_customer_user_id", notification.customer_user.into()),
            ("subscription_plan_uuid", notification.plan.0.into()),
            ("notification_type", notification.kind.as_str().into()),
            ("last_sent", notification.last_sent.into()),
        ])
    }
}

/// A license event as history shows it.
impl From<&LicenseMark> for Row {
    fn from(mark: &LicenseMark) -> Self {
        Self::from([
            ("id", mark.id.0.into()),
            ("license_uuid", mark.license.0.into()),
            ("event_name", mark.event_name.as_str().into()),
            ("created", mark.created.into()),
        ])
    }
}

/// Records that an action was done for a license, so that it is done once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseMark {
    /// Its id.
    pub id: LicenseEventId,
    /// The license.
    pub license: LicenseId,
    /// The action, such as `edx.server.license-manager.expired.license.unlinked`.
    pub event_name: String,
    /// When.
    pub created: DateTime<Utc>,
}
