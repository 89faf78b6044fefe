//! Pages of long lists.

use super::manager::LicenseManager;
use crate::error::Error;
use crate::ports::{LimitOffset, StoreExt, UnitOfWork};

/// Some of what matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// How many matched in all.
    pub total: i64,
    /// Those of this page.
    pub items: Vec<T>,
}

impl<T> From<Option<T>> for Page<T> {
    /// The page of what is at most one.
    fn from(item: Option<T>) -> Self {
        Self { total: i64::from(item.is_some()), items: item.into_iter().collect() }
    }
}

impl LicenseManager {
    /// Counts what matches, asks `limit_offset` which part to read, and lists that part.
    pub(crate) fn page<T, E: From<Error>>(
        &self,
        count: impl Fn(&mut dyn UnitOfWork) -> Result<i64, Error>,
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
        list: impl Fn(&mut dyn UnitOfWork, LimitOffset) -> Result<Vec<T>, Error>,
    ) -> Result<Page<T>, E> {
        let total = self.store.read(count)?;
        let part = limit_offset(total)?;
        let items = self.store.read(|unit| list(unit, part))?;
        Ok(Page { total, items })
    }
}
