//! The history of rows.

use chrono::{DateTime, Utc};

use super::manager::LicenseManager;
use super::page::Page;
use crate::error::{Error, Refusal};
use crate::history::{ChangeKind, EntityRef, FieldChange, Version};
use crate::model::ids::{CustomerId, LicenseId, PlanId};
use crate::ports::{LimitOffset, StoreExt, UnitOfWork};

/// One change of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoricChange {
    /// The row after the change.
    pub version: Version,
    /// The fields that changed.
    pub changes: Vec<FieldChange>,
}

impl LicenseManager {
    /// The changes of a row, newest first. `limit_offset` chooses the page from the number of matches.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it never existed.
    pub fn history<E: From<Error>>(
        &self,
        of: EntityRef,
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
    ) -> Result<Page<HistoricChange>, E> {
        let count = |unit: &mut dyn UnitOfWork| match unit.history().count(of)? {
            0 => Err(Error::NotFound(of.entity())),
            number => Ok(number),
        };
        self.page(count, limit_offset, |unit, part| {
            // One more, to compare the last change of the page with.
            let wider = LimitOffset { limit: part.limit.saturating_add(1), ..part };
            let versions = unit.history().versions(of, wider)?;
            let shown = usize::try_from(part.limit).unwrap_or(0);
            let changes = versions.iter().enumerate().take(shown).map(|(index, version)| HistoricChange {
                changes: version.changes(versions.get(index + 1)),
                version: version.clone(),
            });
            Ok(changes.collect())
        })
    }

    /// A row at a time.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it did not exist then; [`Refusal::HistoryRemoved`] if that history was removed.
    pub fn as_of(&self, of: EntityRef, at: DateTime<Utc>) -> Result<Version, Error> {
        self.store.read(|unit| {
            refuse_removed(unit, at)?;
            let version = unit.history().as_of(of, at)?;
            version.filter(|version| version.kind != ChangeKind::Deleted).ok_or(Error::NotFound(of.entity()))
        })
    }

    /// The customer of a license, which may be deleted.
    pub fn customer_of_recorded_license(&self, id: LicenseId) -> Result<Option<CustomerId>, Error> {
        let newest = LimitOffset { offset: 0, limit: 1 };
        self.store.read(|unit| {
            let version = unit.history().versions(EntityRef::License(id), newest)?.pop();
            let plan = version.and_then(|version| version.row.uuid("subscription_plan_uuid")).map(PlanId);
            let details = plan.map(|plan| unit.plans().find(plan)).transpose()?.flatten();
            Ok(details.map(|details| details.customer))
        })
    }
}

/// Refuses a time whose history was removed.
pub(crate) fn refuse_removed(unit: &mut dyn UnitOfWork, at: DateTime<Utc>) -> Result<(), Error> {
    match unit.history().complete_since()? {
        Some(since) if at < since => Err(Refusal::HistoryRemoved { since }.into()),
        _ => Ok(()),
    }
}
