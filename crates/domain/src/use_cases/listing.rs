//! Lists of a plan's licenses.

use super::manager::LicenseManager;
use crate::error::Error;
use crate::model::ids::{LicenseId, PlanId};
use crate::model::license::License;
use crate::model::plan::LicenseCounts;
use crate::ports::{LicenseFilter, LicenseOrder, LimitOffset, StoreExt};

/// Some of the licenses that matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicensePage {
    /// How many matched in all.
    pub total: i64,
    /// Those of this page.
    pub licenses: Vec<License>,
}

impl LicenseManager {
    /// The plan's licenses that match. `limit_offset` is asked for the part to read once the number of matches is known.
    pub fn licenses<E: From<Error>>(
        &self,
        plan: PlanId,
        filter: &LicenseFilter,
        order: &[LicenseOrder],
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
    ) -> Result<LicensePage, E> {
        let total = self.store.read(|unit| unit.licenses().count(plan, filter))?;
        let limit_offset = limit_offset(total)?;
        let licenses = self.store.read(|unit| unit.licenses().list(plan, filter, order, limit_offset))?;
        Ok(LicensePage { total, licenses })
    }

    /// How many of the plan's licenses match, in each state.
    pub fn license_overview(&self, plan: PlanId, filter: &LicenseFilter) -> Result<LicenseCounts, Error> {
        self.store.read(|unit| unit.licenses().count_by_status(plan, filter))
    }

    /// The plan's licenses that were ever handed out, in the order of their ids: the next `limit` after `after`.
    pub fn handed_out_licenses(
        &self,
        plan: PlanId,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        self.store.read(|unit| unit.licenses().handed_out_after(plan, after, limit))
    }
}
