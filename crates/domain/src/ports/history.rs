use chrono::{DateTime, Utc};

use super::repositories::LimitOffset;
use crate::error::Error;
use crate::history::{EntityRef, Version};
use crate::model::ids::{LicenseId, PlanId};

/// What history keeps of every row, read. Who writes a row records it; see the other repositories.
///
/// Versions have the order in which they were recorded, which is the order of their numbers.
pub trait HistoryRepository {
    /// The versions of a row, the newest first.
    fn versions(&mut self, of: EntityRef, limit_offset: LimitOffset) -> Result<Vec<Version>, Error>;

    /// How many versions a row has: none where it never existed.
    fn count(&mut self, of: EntityRef) -> Result<i64, Error>;

    /// The newest version of a row that was recorded at this moment or before it; a deletion is one too.
    fn as_of(&mut self, of: EntityRef, at: DateTime<Utc>) -> Result<Option<Version>, Error>;

    /// For each of these licenses what [`HistoryRepository::as_of`] finds, in the order of their ids; those that did not exist
    /// are missing. One statement.
    fn licenses_as_of(&mut self, licenses: &[LicenseId], at: DateTime<Utc>) -> Result<Vec<Version>, Error>;

    /// The licenses that are in the plan now and were written after the moment, in the order of their ids.
    fn licenses_written_after(&mut self, plan: PlanId, at: DateTime<Utc>) -> Result<Vec<LicenseId>, Error>;
}
