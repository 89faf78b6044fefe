//! Lists of a plan's licenses.

use super::manager::{LicenseManager, count_matching};
use super::page::Page;
use crate::error::Error;
use crate::model::ids::{LicenseId, PlanId};
use crate::model::license::License;
use crate::model::plan::LicenseCounts;
use crate::ports::{LicenseFilter, LicenseOrder, LimitOffset, StoreExt};

impl LicenseManager {
    /// The plan's licenses that match. `limit_offset` chooses the page from the number of matches.
    pub fn licenses<E: From<Error>>(
        &self,
        plan: PlanId,
        filter: &LicenseFilter,
        order: &[LicenseOrder],
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
    ) -> Result<Page<License>, E> {
        self.page(
            |unit| match filter.only_statuses() {
                Some(_) => Ok(count_matching(unit, plan, filter)?.all()),
                None => unit.licenses().count(plan, filter),
            },
            limit_offset,
            |unit, part| unit.licenses().list(plan, filter, order, part),
        )
    }

    /// The numbers of the plan's licenses that match, by status.
    pub fn license_overview(&self, plan: PlanId, filter: &LicenseFilter) -> Result<LicenseCounts, Error> {
        self.store.read(|unit| count_matching(unit, plan, filter))
    }

    /// The next `limit` licenses of the plan after `after` that are not unassigned, in the order of their ids.
    pub fn handed_out_licenses(
        &self,
        plan: PlanId,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        self.store.read(|unit| unit.licenses().handed_out_after(plan, after, limit))
    }
}
