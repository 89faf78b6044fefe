use chrono::{DateTime, Utc};

use super::repositories::LimitOffset;
use crate::error::Error;
use crate::history::{EntityRef, Version};
use crate::model::ids::{LicenseId, PlanId};

/// Reads history. The other repositories record it.
///
/// Versions are sorted by their numbers, which is the order of recording.
pub trait HistoryRepository {
    /// The versions of a row, newest first.
    fn versions(&mut self, of: EntityRef, limit_offset: LimitOffset) -> Result<Vec<Version>, Error>;

    /// The number of versions of a row; 0 if it never existed.
    fn count(&mut self, of: EntityRef) -> Result<i64, Error>;

    /// The newest version of a row recorded at this time or before; it can be a deletion.
    fn as_of(&mut self, of: EntityRef, at: DateTime<Utc>) -> Result<Option<Version>, Error>;

    /// The result of [`HistoryRepository::as_of`] for each of these licenses, sorted by id; those that did not exist
    /// are missing. One statement.
    fn licenses_as_of(&mut self, licenses: &[LicenseId], at: DateTime<Utc>) -> Result<Vec<Version>, Error>;

    /// The licenses that are now in the plan and were written after this time, sorted by id.
    fn licenses_written_after(&mut self, plan: PlanId, at: DateTime<Utc>) -> Result<Vec<LicenseId>, Error>;
}
