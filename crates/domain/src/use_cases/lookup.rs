//! Licenses across plans, for support staff and admins.

use std::cmp::Reverse;
use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::manager::LicenseManager;
use super::page::Page;
use crate::error::{Entity, Error};
use crate::model::email::Email;
use crate::model::ids::{AgreementId, CustomerId, LicenseId};
use crate::model::license::License;
use crate::model::plan::PlanDetails;
use crate::model::renewal::RenewalChains;
use crate::ports::{
    AgreementFilter, CustomerScope, LicenseOrder, LicensePosition, LicenseSearch, LimitOffset, StoreExt,
};

/// The most matches of a search whose ids are read at once.
const FOUND_AT_ONCE: i64 = 20_000;

/// A license of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PersonalLicense {
    /// The license.
    pub license: License,
    /// Its plan.
    pub plan: PlanDetails,
    /// The slug of its customer.
    pub customer_slug: Option<String>,
}

/// The licenses of a person.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PersonalLicenses {
    /// The licenses, latest assigned first.
    pub licenses: Vec<PersonalLicense>,
    /// The renewals of the customers' plans.
    pub chains: RenewalChains,
    /// The time of reading.
    pub now: DateTime<Utc>,
}

impl LicenseManager {
    /// All licenses that have or had this address in any of its stored forms, of one customer or of all, latest assigned
    /// first.
    pub fn licenses_of_email(&self, email: &Email, customer: Option<CustomerId>) -> Result<PersonalLicenses, Error> {
        self.store.read(|unit| {
            let mut found = unit.lookups().find_by_emails(&email.stored_forms())?;
            found.retain(|(_, plan)| customer.is_none_or(|customer| customer == plan.customer));
            found.sort_by_key(|(license, _)| (Reverse(license.assigned_date()), license.id));

            let mut customers: Vec<CustomerId> = found.iter().map(|(_, plan)| plan.customer).collect();
            customers.sort_unstable();
            customers.dedup();
            let limit_offset = LimitOffset { offset: 0, limit: customers.len() as i64 };
            let filter = AgreementFilter { scope: CustomerScope::Only(customers), customer: None, agreement: None };
            let slugs: HashMap<AgreementId, Option<String>> = unit
                .agreements()
                .list(&filter, limit_offset)?
                .into_iter()
                .map(|agreement| (agreement.id, agreement.customer_slug))
                .collect();
            let agreements: Vec<AgreementId> = slugs.keys().copied().collect();
            let chains = RenewalChains::new(unit.renewals().find_by_agreements(&agreements)?);
            let licenses = found
                .into_iter()
                .map(|(license, plan)| {
                    let customer_slug = slugs.get(&plan.plan.agreement).cloned().flatten();
                    PersonalLicense { license, plan, customer_slug }
                })
                .collect();
            Ok(PersonalLicenses { licenses, chains, now: self.now() })
        })
    }

    /// The licenses of many plans that match. `limit_offset` chooses the page from the number of matches.
    pub fn search_licenses<E: From<Error>>(
        &self,
        search: &LicenseSearch,
        order: &[LicenseOrder],
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
    ) -> Result<Page<License>, E> {
        if !search.filter.email_words.is_empty()
            && let Some(page) = self.found_at_once(search, order, &limit_offset)?
        {
            return Ok(page);
        }
        self.page(
            |unit| unit.lookups().count(search),
            limit_offset,
            |unit, part| unit.lookups().list(search, order, part),
        )
    }

    /// The page of a search that finds few licenses. It searches once for their number and the page.
    fn found_at_once<E: From<Error>>(
        &self,
        search: &LicenseSearch,
        order: &[LicenseOrder],
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
    ) -> Result<Option<Page<License>>, E> {
        let found = self.store.read(|unit| unit.lookups().first_ids(search, order, FOUND_AT_ONCE + 1))?;
        let total = found.len() as i64;
        if total > FOUND_AT_ONCE {
            return Ok(None);
        }
        let LimitOffset { offset, limit } = limit_offset(total)?;
        let (offset, limit) = (usize::try_from(offset).unwrap_or(0), usize::try_from(limit).unwrap_or(0));
        let ids: Vec<LicenseId> = found.into_iter().skip(offset).take(limit).collect();
        let mut items = self.store.read(|unit| unit.licenses().find_by_ids(&ids))?;
        let places: HashMap<LicenseId, usize> = ids.into_iter().zip(0..).collect();
        items.sort_by_key(|license| places.get(&license.id).copied());
        Ok(Some(Page { total, items }))
    }

    /// The next `limit` licenses of many plans that match, after the position or the first ones, with the number of all
    /// matches; and whether more follow.
    pub fn licenses_after(
        &self,
        search: &LicenseSearch,
        order: &[LicenseOrder],
        after: Option<&LicensePosition>,
        limit: i64,
    ) -> Result<(Page<License>, bool), Error> {
        self.store.read(|unit| {
            let total = unit.lookups().count(search)?;
            let mut items = unit.lookups().list_after(search, order, after, limit.saturating_add(1))?;
            let more = items.len() as i64 > limit;
            items.truncate(usize::try_from(limit).unwrap_or(0));
            Ok((Page { total, items }, more))
        })
    }

    /// The customer of a license.
    pub fn customer_of_license(&self, id: LicenseId) -> Result<Option<CustomerId>, Error> {
        self.store.read(|unit| Ok(unit.lookups().find(id)?.map(|(_, plan)| plan.customer)))
    }

    /// One license.
    ///
    /// # Errors
    /// [`Entity::License`] not found.
    pub fn license(&self, id: LicenseId) -> Result<License, Error> {
        self.store.read(|unit| {
            let found = unit.lookups().find(id)?.ok_or(Error::NotFound(Entity::License))?;
            Ok(found.0)
        })
    }
}
