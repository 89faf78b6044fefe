use super::licenses::{LicenseFilter, LicenseOrder, LicensePosition};
use super::repositories::{CustomerScope, LimitOffset};
use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::{CustomerId, LicenseId, LmsUserId, PlanId};
use crate::model::license::License;
use crate::model::plan::PlanDetails;

/// A search for licenses in all plans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseSearch {
    /// The customers that the reader may see.
    pub scope: CustomerScope,
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// Of this plan.
    pub plan: Option<PlanId>,
    /// Those that match.
    pub filter: LicenseFilter,
}

impl LicenseSearch {
    /// The customers to search; `None` for all.
    pub fn customers(&self) -> Option<Vec<CustomerId>> {
        self.scope.customers(self.customer)
    }
}

/// Finds licenses in all plans. Nothing is locked.
pub trait LookupRepository {
    /// The license with this id, with its plan.
    fn find(&mut self, id: LicenseId) -> Result<Option<(License, PlanDetails)>, Error> {
        not_provided!("lookups.find", id)
    }

    /// The existing licenses with these ids, with their plans, sorted by id.
    fn find_by_ids(&mut self, ids: &[LicenseId]) -> Result<Vec<(License, PlanDetails)>, Error> {
        not_provided!("lookups.find_by_ids", ids)
    }

    /// All licenses that have or had one of these email addresses, with their plans, sorted by id.
    fn find_by_emails(&mut self, emails: &[Email]) -> Result<Vec<(License, PlanDetails)>, Error> {
        not_provided!("lookups.find_by_emails", emails)
    }

    /// The live licenses of these addresses in the plans, sorted by id.
    fn find_live_by_emails(&mut self, plans: &[PlanId], emails: &[Email]) -> Result<Vec<License>, Error> {
        not_provided!("lookups.find_live_by_emails", plans, emails)
    }

    /// The activated licenses of these people in all plans of these customers, with their plans, sorted by id: those with
    /// one of the LMS user ids, and those that have an address of `emails` and no LMS user id.
    fn find_activated(
        &mut self,
        customers: &[CustomerId],
        lms_user_ids: &[LmsUserId],
        emails: &[Email],
    ) -> Result<Vec<(License, PlanDetails)>, Error> {
        not_provided!("lookups.find_activated", customers, lms_user_ids, emails)
    }

    /// A page of the licenses that match, sorted like [`crate::ports::LicenseRepository::list`].
    fn list(
        &mut self,
        search: &LicenseSearch,
        order: &[LicenseOrder],
        limit_offset: LimitOffset,
    ) -> Result<Vec<License>, Error> {
        not_provided!("lookups.list", search, order, limit_offset)
    }

    /// The next licenses that match, sorted likewise, after the position, or the first ones. Where an index has the
    /// order, MUST read no more of it than it returns. A license that changes meanwhile is returned once at most.
    fn list_after(
        &mut self,
        search: &LicenseSearch,
        order: &[LicenseOrder],
        after: Option<&LicensePosition>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        not_provided!("lookups.list_after", search, order, after, limit)
    }

    /// The ids of the first `limit` licenses that match, sorted likewise.
    fn first_ids(
        &mut self,
        search: &LicenseSearch,
        order: &[LicenseOrder],
        limit: i64,
    ) -> Result<Vec<LicenseId>, Error> {
        not_provided!("lookups.first_ids", search, order, limit)
    }

    /// The number of licenses that match.
    fn count(&mut self, search: &LicenseSearch) -> Result<i64, Error> {
        not_provided!("lookups.count", search)
    }
}
