use chrono::{DateTime, Utc};

use super::repositories::LimitOffset;
use crate::error::Error;
use crate::history::{EntityRef, Version};
use crate::model::ids::{LicenseId, PlanId};

/// A part of a table's history: up to `limit` versions, sorted by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryPart {
    /// The table.
    pub table: &'static str,
    /// Versions recorded at this time or before can be superseded.
    pub until: DateTime<Utc>,
    /// Versions with higher numbers than this.
    pub after: i64,
    /// The most versions to look at.
    pub limit: i64,
}

/// The superseded versions of a part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SupersededVersions {
    /// The number of the part's last version; `None` if the part is empty.
    pub last: Option<i64>,
    /// How many are superseded.
    pub count: i64,
}

/// Reads history, and removes what is old. The other repositories record it.
///
/// Versions are sorted by their numbers, which is the order of recording.
pub trait HistoryRepository {
    /// The versions of a row, newest first.
    fn versions(&mut self, of: EntityRef, limit_offset: LimitOffset) -> Result<Vec<Version>, Error> {
        not_provided!("history.versions", of, limit_offset)
    }

    /// The number of versions of a row; 0 if it never existed.
    fn count(&mut self, of: EntityRef) -> Result<i64, Error> {
        not_provided!("history.count", of)
    }

    /// The newest version of a row recorded at this time or before; it can be a deletion.
    fn as_of(&mut self, of: EntityRef, at: DateTime<Utc>) -> Result<Option<Version>, Error> {
        not_provided!("history.as_of", of, at)
    }

    /// The result of [`HistoryRepository::as_of`] for each of these licenses, sorted by id; those that did not exist
    /// are missing. One statement.
    fn licenses_as_of(&mut self, licenses: &[LicenseId], at: DateTime<Utc>) -> Result<Vec<Version>, Error> {
        not_provided!("history.licenses_as_of", licenses, at)
    }

    /// The time since when history is complete; `None` if no version was ever removed.
    fn complete_since(&mut self) -> Result<Option<DateTime<Utc>>, Error> {
        not_provided!("history.complete_since")
    }

    /// Sets that time, unless it is later already.
    fn set_complete_since(&mut self, moment: DateTime<Utc>) -> Result<(), Error> {
        not_provided!("history.set_complete_since", moment)
    }

    /// The names of the tables that have a history.
    fn tables(&mut self) -> Result<Vec<&'static str>, Error> {
        not_provided!("history.tables")
    }

    /// Looks at the versions of a part, and counts those that are superseded: a later version of the row was recorded at
    /// `until` or before. Removing them changes no answer of [`HistoryRepository::as_of`] for `until` or later.
    ///
    /// A store that finds the messages of a person by the history MUST NOT count, nor remove, versions of a license about
    /// which it has a message that was written at `until` or before.
    fn superseded(&mut self, part: &HistoryPart) -> Result<SupersededVersions, Error> {
        not_provided!("history.superseded", part)
    }

    /// Removes the superseded versions with numbers up to `last` from a part, whatever its limit. Returns their number.
    /// Utilization reports MUST stay as they are.
    fn remove_superseded(&mut self, part: &HistoryPart, last: i64) -> Result<usize, Error> {
        not_provided!("history.remove_superseded", part, last)
    }

    /// The licenses that are now in the plan and were written after this time, sorted by id.
    fn licenses_written_after(&mut self, plan: PlanId, at: DateTime<Utc>) -> Result<Vec<LicenseId>, Error> {
        not_provided!("history.licenses_written_after", plan, at)
    }
}
