use chrono::{DateTime, Utc};

use super::repositories::LimitOffset;
use crate::error::Error;
use crate::history::Change;
use crate::model::ids::{CustomerId, LicenseId, PlanId};
use crate::model::staff_records::{LicenseMark, Notification, NotificationKind};

/// Which notifications a reader wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotificationFilter {
    /// To admins of this customer.
    pub customer: Option<CustomerId>,
    /// About this plan.
    pub plan: Option<PlanId>,
    /// Of this kind.
    pub kind: Option<NotificationKind>,
}

/// Notifications that were sent.
pub trait NotificationRepository {
    /// The notifications that match, the last sent first; of equals, the last noted first.
    fn list(&mut self, filter: &NotificationFilter, limit_offset: LimitOffset) -> Result<Vec<Notification>, Error>;

    /// How many notifications match.
    fn count(&mut self, filter: &NotificationFilter) -> Result<i64, Error>;

    /// Every notification about these plans, in no particular order.
    fn of_plans(&mut self, plans: &[PlanId]) -> Result<Vec<Notification>, Error>;

    /// Notes notifications that were sent, with their history. One of the same plan, admin and kind takes over when it was sent.
    /// No two of them may be the same.
    fn save(&mut self, notifications: &[Notification], change: &Change) -> Result<(), Error>;
}

/// Which license events a reader wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LicenseEventFilter {
    /// Of this license.
    pub license: Option<LicenseId>,
    /// Of this name.
    pub event_name: Option<String>,
}

/// What was done for licenses.
pub trait LicenseEventRepository {
    /// The events that match, the last noted first.
    fn list(&mut self, filter: &LicenseEventFilter, limit_offset: LimitOffset) -> Result<Vec<LicenseMark>, Error>;

    /// How many events match.
    fn count(&mut self, filter: &LicenseEventFilter) -> Result<i64, Error>;

    /// Notes that something was done for licenses; what was noted before stays as it is.
    fn add(&mut self, licenses: &[LicenseId], event_name: &str, now: DateTime<Utc>) -> Result<(), Error>;
}
