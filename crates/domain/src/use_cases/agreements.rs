//! Customer agreements.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::manager::{LicenseManager, find_agreement};
use super::page::Page;
use crate::error::{Conflict, Error, Refusal};
use crate::history::Actor;
use crate::model::agreement::CustomerAgreement;
use crate::model::edit::Edit;
use crate::model::ids::{AgreementId, CatalogId, CustomerId, PlanId};
use crate::model::plan::{LicenseCounts, PlanDetails};
use crate::model::renewal::RenewalChains;
use crate::ports::{AgreementFilter, LimitOffset, StoreExt, UnitOfWork};

/// A new agreement. Absent fields have the defaults of [`CustomerAgreement::new`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // each is the field of the same name in CustomerAgreement
pub struct NewAgreement {
    pub customer: CustomerId,
    pub changes: AgreementChanges,
}

/// Changes of an agreement. `None` and [`Edit::Keep`] keep a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each is the field of the same name in CustomerAgreement
pub struct AgreementChanges {
    /// The customer cannot change: another one is refused.
    pub customer: Option<CustomerId>,
    pub customer_slug: Edit<String>,
    pub customer_name: Edit<String>,
    pub default_catalog: Edit<CatalogId>,
    pub disable_expiration_notifications: Option<bool>,
    pub enable_auto_applied_subscriptions_with_universal_link: Option<bool>,
}

impl AgreementChanges {
    pub(crate) fn apply(self, agreement: &mut CustomerAgreement) -> Result<(), Error> {
        if self.customer.is_some_and(|customer| customer != agreement.customer) {
            return Err(Refusal::CustomerIsFixed.into());
        }
        set_fields! { agreement, self:
            customer_slug, customer_name, default_catalog, disable_expiration_notifications,
            enable_auto_applied_subscriptions_with_universal_link
        }
        agreement.check_names()
    }
}

/// An agreement with all its plans.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgreementDetails {
    /// The agreement.
    pub agreement: CustomerAgreement,
    /// Its plans, latest start first.
    pub plans: Vec<PlanDetails>,
    /// The renewals of its plans, and perhaps of others.
    pub chains: Arc<RenewalChains>,
    /// The time of reading.
    pub now: DateTime<Utc>,
}

impl AgreementDetails {
    /// Whole days until the last of its plans expires, renewals included; at least 0.
    pub fn net_days_until_expiration(&self) -> i64 {
        let days = self.plans.iter().map(|details| self.chains.days_until_expiration(&details.plan, self.now));
        days.max().unwrap_or(0).max(0)
    }

    /// The plan whose licenses are auto-applied: the active and current one that started last.
    pub fn auto_applicable_plan(&self) -> Option<&PlanDetails> {
        self.plans
            .iter()
            .filter(|details| details.plan.is_active && details.plan.is_current(self.now))
            .filter(|details| details.plan.should_auto_apply_licenses == Some(true))
            .max_by_key(|details| details.plan.start_date)
    }

    /// The catalogs of its active plans that, renewals included, expire in a whole day or more; sorted and without
    /// duplicates. Plans that have not started count.
    pub fn available_catalogs(&self) -> Vec<CatalogId> {
        let available = |details: &&PlanDetails| {
            details.plan.is_active && self.chains.days_until_expiration(&details.plan, self.now) > 0
        };
        let mut catalogs: Vec<_> = self.plans.iter().filter(available).map(|details| details.plan.catalog).collect();
        catalogs.sort_unstable();
        catalogs.dedup();
        catalogs
    }
}

/// An agreement, its plans and the numbers of their licenses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgreementOverview {
    /// The agreement and its plans.
    pub details: AgreementDetails,
    /// The numbers of licenses by plan.
    pub counts: HashMap<PlanId, LicenseCounts>,
}

impl LicenseManager {
    /// Creates the agreement of a customer.
    ///
    /// # Errors
    /// [`crate::Conflict`] if the customer has one or the slug is taken; [`Error::Invalid`] for texts that are too long
    /// or a catalog of another customer; [`Error::UnknownCatalogOwner`] until its owner is known.
    pub fn create_agreement(&self, actor: &Actor, new: NewAgreement) -> Result<AgreementOverview, Error> {
        let now = self.now();
        if let Edit::Set(catalog) = new.changes.default_catalog {
            self.check_catalog("default_enterprise_catalog_uuid", new.customer, catalog)?;
        }
        let mut agreement = CustomerAgreement::new(AgreementId(self.ids.next()), new.customer, now);
        new.changes.apply(&mut agreement)?;
        self.store.write(|unit| {
            // A second request often repeats the slug too. The customer is what its sender must look at.
            if unit.agreements().find_by_customer(new.customer)?.is_some() {
                return Err(Conflict::AgreementOfCustomer.into());
            }
            unit.agreements().add(&agreement, &actor.change(now))?;
            self.agreement_overview(unit, agreement.clone())
        })
    }

    /// Edits an agreement.
    ///
    /// # Errors
    /// As [`LicenseManager::create_agreement`]; [`Refusal::CustomerIsFixed`] for another customer.
    pub fn update_agreement(
        &self,
        actor: &Actor,
        id: AgreementId,
        changes: AgreementChanges,
    ) -> Result<AgreementOverview, Error> {
        self.store.write(|unit| {
            let now = self.now();
            unit.agreements().lock(id)?;
            let mut agreement = find_agreement(unit, id)?;
            if let Edit::Set(catalog) = changes.default_catalog
                && agreement.default_catalog != Some(catalog)
            {
                self.check_catalog("default_enterprise_catalog_uuid", agreement.customer, catalog)?;
            }
            changes.clone().apply(&mut agreement)?;
            agreement.modified = now;
            unit.agreements().save(&agreement, &actor.change(now))?;
            self.agreement_overview(unit, agreement)
        })
    }

    /// One agreement.
    ///
    /// # Errors
    /// [`crate::Entity::Agreement`] not found.
    pub fn agreement(&self, id: AgreementId) -> Result<AgreementOverview, Error> {
        self.store.read(|unit| {
            let agreement = find_agreement(unit, id)?;
            self.agreement_overview(unit, agreement)
        })
    }

    /// The agreements that match. `limit_offset` chooses the page from the number of matches.
    pub fn agreements<E: From<Error>>(
        &self,
        filter: &AgreementFilter,
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
    ) -> Result<Page<AgreementOverview>, E> {
        self.page(
            |unit| unit.agreements().count(filter),
            limit_offset,
            |unit, part| {
                let agreements = unit.agreements().list(filter, part)?;
                self.agreement_overviews(unit, agreements)
            },
        )
    }

    /// The customer of an agreement.
    pub fn customer_of_agreement(&self, id: AgreementId) -> Result<Option<CustomerId>, Error> {
        self.store.read(|unit| Ok(unit.agreements().find(id)?.map(|agreement| agreement.customer)))
    }

    fn agreement_overview(
        &self,
        unit: &mut dyn UnitOfWork,
        agreement: CustomerAgreement,
    ) -> Result<AgreementOverview, Error> {
        let details = agreement_details(unit, agreement, self.now())?;
        let plans: Vec<_> = details.plans.iter().map(|details| details.plan.id).collect();
        Ok(AgreementOverview { counts: unit.licenses().counts(&plans)?, details })
    }

    fn agreement_overviews(
        &self,
        unit: &mut dyn UnitOfWork,
        agreements: Vec<CustomerAgreement>,
    ) -> Result<Vec<AgreementOverview>, Error> {
        let ids: Vec<_> = agreements.iter().map(|agreement| agreement.id).collect();
        let mut plans: HashMap<AgreementId, Vec<PlanDetails>> = HashMap::new();
        for details in unit.plans().find_by_agreements(&ids)? {
            plans.entry(details.plan.agreement).or_default().push(details);
        }
        let chains = Arc::new(RenewalChains::new(unit.renewals().find_by_agreements(&ids)?));
        let counted: Vec<_> = plans.values().flatten().map(|details| details.plan.id).collect();
        let mut counts = unit.licenses().counts(&counted)?;
        let now = self.now();
        let overview = |agreement: CustomerAgreement| {
            let plans = plans.remove(&agreement.id).unwrap_or_default();
            let of_plan = |details: &PlanDetails| counts.remove_entry(&details.plan.id);
            let counts = plans.iter().filter_map(of_plan).collect();
            AgreementOverview { details: AgreementDetails { agreement, plans, chains: chains.clone(), now }, counts }
        };
        Ok(agreements.into_iter().map(overview).collect())
    }
}

/// The agreement with its plans.
pub(crate) fn agreement_details(
    unit: &mut dyn UnitOfWork,
    agreement: CustomerAgreement,
    now: DateTime<Utc>,
) -> Result<AgreementDetails, Error> {
    let plans = unit.plans().find_by_agreements(&[agreement.id])?;
    agreement_with_plans(unit, agreement, plans, now)
}

/// The agreement with its plans, which were just read.
pub(crate) fn agreement_with_plans(
    unit: &mut dyn UnitOfWork,
    agreement: CustomerAgreement,
    plans: Vec<PlanDetails>,
    now: DateTime<Utc>,
) -> Result<AgreementDetails, Error> {
    let chains = Arc::new(RenewalChains::new(unit.renewals().find_by_agreements(&[agreement.id])?));
    Ok(AgreementDetails { agreement, plans, chains, now })
}
