use chrono::{DateTime, Utc};

use super::repositories::LimitOffset;
use crate::error::Error;
use crate::history::Change;
use crate::model::ids::{CustomerId, LicenseEventId, LicenseId, NotificationId, PlanId};
use crate::model::staff_records::{LicenseMark, Notification, NotificationKind};

/// A filter for notifications.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotificationFilter {
    /// Only these.
    pub ids: Option<Vec<NotificationId>>,
    /// To admins of this customer.
    pub customer: Option<CustomerId>,
    /// About this plan.
    pub plan: Option<PlanId>,
    /// Of this kind.
    pub kind: Option<NotificationKind>,
}

/// Sent notifications.
pub trait NotificationRepository {
    /// The notifications that match, latest sent first; of equals, latest added first.
    fn list(
        &mut self,
        filter: &NotificationFilter,
        limit_offset: LimitOffset,
    ) -> Result<Vec<(NotificationId, Notification)>, Error> {
        not_provided!("notifications.list", filter, limit_offset)
    }

    /// The number of notifications that match.
    fn count(&mut self, filter: &NotificationFilter) -> Result<i64, Error> {
        not_provided!("notifications.count", filter)
    }

    /// All notifications about these plans, in any order.
    fn find_by_plans(&mut self, plans: &[PlanId]) -> Result<Vec<Notification>, Error> {
        not_provided!("notifications.find_by_plans", plans)
    }

    /// Adds sent notifications and their history. An existing one of the same plan, admin and kind gets the new time.
    /// The notifications must be distinct.
    fn save(&mut self, notifications: &[Notification], change: &Change) -> Result<(), Error> {
        not_provided!("notifications.save", notifications, change)
    }

    /// Deletes the notifications that match, records that, and returns their number.
    fn delete(&mut self, filter: &NotificationFilter, change: &Change) -> Result<usize, Error> {
        not_provided!("notifications.delete", filter, change)
    }
}

/// A filter for license events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LicenseEventFilter {
    /// Only these.
    pub ids: Option<Vec<LicenseEventId>>,
    /// Of this license.
    pub license: Option<LicenseId>,
    /// With this name.
    pub event_name: Option<String>,
}

/// Actions that were done for licenses. Only deletions are recorded: an event tells itself when it was added, and never
/// changes.
pub trait LicenseEventRepository {
    /// The events that match, latest first.
    fn list(&mut self, filter: &LicenseEventFilter, limit_offset: LimitOffset) -> Result<Vec<LicenseMark>, Error> {
        not_provided!("license_events.list", filter, limit_offset)
    }

    /// The number of events that match.
    fn count(&mut self, filter: &LicenseEventFilter) -> Result<i64, Error> {
        not_provided!("license_events.count", filter)
    }

    /// Marks licenses with an event. Existing marks stay unchanged.
    fn add(&mut self, licenses: &[LicenseId], event_name: &str, now: DateTime<Utc>) -> Result<(), Error> {
        not_provided!("license_events.add", licenses, event_name, now)
    }

    /// Deletes the events that match, records that, and returns their number.
    fn delete(&mut self, filter: &LicenseEventFilter, change: &Change) -> Result<usize, Error> {
        not_provided!("license_events.delete", filter, change)
    }
}
