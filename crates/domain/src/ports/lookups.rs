use super::licenses::{LicenseFilter, LicenseOrder};
use super::repositories::{CustomerScope, LimitOffset};
use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::{CustomerId, LicenseId, PlanId};
use crate::model::license::License;
use crate::model::plan::PlanDetails;

/// Which licenses of which plans a reader wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseSearch {
    /// Of customers the reader may see.
    pub scope: CustomerScope,
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// Of this plan.
    pub plan: Option<PlanId>,
    /// Those that match.
    pub filter: LicenseFilter,
}

impl LicenseSearch {
    /// The customers whose licenses are looked at; `None` for those of every customer.
    pub fn customers(&self) -> Option<Vec<CustomerId>> {
        match (&self.scope, self.customer) {
            (CustomerScope::All, None) => None,
            (scope, Some(customer)) => Some(Some(customer).into_iter().filter(|&id| scope.covers(id)).collect()),
            (CustomerScope::Only(customers), None) => Some(customers.clone()),
        }
    }
}

/// Licenses found without knowing their plan. Nothing here is locked.
pub trait LookupRepository {
    /// The license of that id with its plan.
    fn find(&mut self, id: LicenseId) -> Result<Option<(License, PlanDetails)>, Error>;

    /// Every license the address holds or held, of whatever plan and customer, with its plan, in the order of the ids.
    fn of_email(&mut self, email: &Email) -> Result<Vec<(License, PlanDetails)>, Error>;

    /// The live licenses of these addresses in the plans, in the order of their ids.
    fn live_of_emails(&mut self, plans: &[PlanId], emails: &[Email]) -> Result<Vec<License>, Error>;

    /// One page of the licenses that match. Sorted as [`crate::ports::LicenseRepository::list`].
    fn list(
        &mut self,
        search: &LicenseSearch,
        order: &[LicenseOrder],
        limit_offset: LimitOffset,
    ) -> Result<Vec<License>, Error>;

    /// How many licenses match.
    fn count(&mut self, search: &LicenseSearch) -> Result<i64, Error>;
}
