//! Pages of lists.

use super::manager::LicenseManager;
use crate::error::Error;
use crate::model::ids::NotificationId;
use crate::model::staff_action::StaffAction;
use crate::model::staff_records::{LicenseMark, Notification};
use crate::model::transfer::TransferJobSummary;
use crate::ports::{
    AssignedRole, LicenseEventFilter, LimitOffset, NotificationFilter, RoleAssignmentFilter, StaffActionFilter,
    StoreExt, TransferFilter, UnitOfWork,
};

/// One page of the matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The number of all matches.
    pub total: i64,
    /// The matches of this page.
    pub items: Vec<T>,
}

impl<T> From<Option<T>> for Page<T> {
    /// The page of at most one item.
    fn from(item: Option<T>) -> Self {
        Self { total: i64::from(item.is_some()), items: item.into_iter().collect() }
    }
}

/// Defines methods that list what matches a filter.
macro_rules! lists {
    ($($(#[$doc:meta])* $method:ident($repository:ident, $filter:ty) -> $item:ty;)+) => {
        impl LicenseManager {$(
            $(#[$doc])*
            pub fn $method<E: From<Error>>(
                &self,
                filter: &$filter,
                limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
            ) -> Result<Page<$item>, E> {
                let list = |unit: &mut dyn UnitOfWork, part| unit.$repository().list(filter, part);
                self.page(|unit| unit.$repository().count(filter), limit_offset, list)
            }
        )+}
    };
}

impl LicenseManager {
    /// Counts the matches, lets `limit_offset` choose the page, and lists it, on one connection.
    pub(crate) fn page<T, E: From<Error>>(
        &self,
        count: impl Fn(&mut dyn UnitOfWork) -> Result<i64, Error>,
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
        list: impl Fn(&mut dyn UnitOfWork, LimitOffset) -> Result<Vec<T>, Error>,
    ) -> Result<Page<T>, E> {
        self.store.read(|unit| {
            let total = count(unit)?;
            let part = match limit_offset(total) {
                Ok(part) => part,
                Err(error) => return Ok(Err(error)),
            };
            Ok(Ok(Page { total, items: list(unit, part)? }))
        })?
    }
}

lists! {
    /// The role assignments that match. `limit_offset` chooses the page from the number of matches.
    role_assignments(role_assignments, RoleAssignmentFilter) -> AssignedRole;
    /// The notifications that match. `limit_offset` chooses the page from the number of matches.
    notifications(notifications, NotificationFilter) -> (NotificationId, Notification);
    /// The license events that match. `limit_offset` chooses the page from the number of matches.
    license_events(license_events, LicenseEventFilter) -> LicenseMark;
    /// What people did to the service. `limit_offset` chooses the page from the number of matches.
    staff_actions(staff_actions, StaffActionFilter) -> StaffAction;
    /// The transfer jobs that match. `limit_offset` chooses the page from the number of matches.
    transfer_jobs(transfers, TransferFilter) -> TransferJobSummary;
}
