//! Lists of a plan's licenses.

use super::manager::LicenseManager;
use super::page::Page;
use crate::error::Error;
use crate::model::ids::{LicenseId, PlanId};
use crate::model::license::License;
use crate::model::plan::LicenseCounts;
use crate::ports::{LicenseFilter, LicenseOrder, LimitOffset, StoreExt};

impl LicenseManager {
    /// The plan's licenses that match. `limit_offset` is asked for the part to read once the number of matches is known.
    pub fn licenses<E: From<Error>>(
        &self,
        plan: PlanId,
        filter: &LicenseFilter,
        order: &[LicenseOrder],
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
    ) -> Result<Page<License>, E> {
        self.page(
            |unit| unit.licenses().count(plan, filter),
            limit_offset,
            |unit, part| unit.licenses().list(plan, filter, order, part),
        )
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
