use chrono::{DateTime, Utc};

use super::repositories::LimitOffset;
use crate::error::Error;
use crate::model::staff_action::{StaffAction, StaffActionKind};

/// A filter for what people did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaffActionFilter {
    /// By this user.
    pub by: Option<String>,
    /// Of this kind.
    pub kind: Option<StaffActionKind>,
}

/// What people did to the service. [`super::RetirementRepository::erase_user`] takes a retired person's name out of it.
pub trait StaffActionRepository {
    /// Adds an action, as part of the transaction that does it.
    fn add(&mut self, action: &StaffAction) -> Result<(), Error> {
        not_provided!("staff_actions.add", action)
    }

    /// The actions that match, latest first. Kinds that this version does not know are left out.
    fn list(&mut self, filter: &StaffActionFilter, limit_offset: LimitOffset) -> Result<Vec<StaffAction>, Error> {
        not_provided!("staff_actions.list", filter, limit_offset)
    }

    /// Removes up to `limit` of the actions up to this time, oldest first, and returns their number.
    fn remove_old(&mut self, until: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        not_provided!("staff_actions.remove_old", until, limit)
    }

    /// The number of actions that match.
    fn count(&mut self, filter: &StaffActionFilter) -> Result<i64, Error> {
        not_provided!("staff_actions.count", filter)
    }
}
