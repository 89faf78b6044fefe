//! Pages of lists.

use super::manager::LicenseManager;
use crate::error::Error;
use crate::ports::{LimitOffset, StoreExt, UnitOfWork};

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

impl LicenseManager {
    /// Counts the matches, lets `limit_offset` choose the page, and lists it.
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
