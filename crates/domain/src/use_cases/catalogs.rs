//! Whether a catalog that a plan or an agreement is about to get is its customer's.
//!
//! Checked before the transaction that saves it, since the catalog service may be slow or away.

use super::agreements::{AgreementChanges, NewAgreement};
use super::manager::LicenseManager;
use super::plans::{NewPlan, PlanChanges};
use crate::error::{Error, FieldErrors};
use crate::model::ids::{AgreementId, CatalogId, CustomerId, PlanId};
use crate::ports::StoreExt;

/// A catalog somebody chose for a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChosenCatalog {
    customer: CustomerId,
    catalog: CatalogId,
    /// The field it was chosen by.
    field: &'static str,
}

const OF_AGREEMENT: &str = "default_enterprise_catalog_uuid";
const OF_PLAN: &str = "enterprise_catalog_uuid";

impl LicenseManager {
    /// The catalog a new agreement would get, where owners of catalogs are checked.
    pub fn catalog_of_new_agreement(&self, new: &NewAgreement) -> Option<ChosenCatalog> {
        let catalog = new.changes.default_catalog.flatten().filter(|_| self.settings.validate_catalogs)?;
        Some(ChosenCatalog { customer: new.customer, catalog, field: OF_AGREEMENT })
    }

    /// The other catalog that an agreement would get, where owners of catalogs are checked. An agreement that does not exist
    /// gets none.
    pub fn catalog_of_changed_agreement(
        &self,
        id: AgreementId,
        changes: &AgreementChanges,
    ) -> Result<Option<ChosenCatalog>, Error> {
        let chosen = changes.default_catalog.flatten().filter(|_| self.settings.validate_catalogs);
        let Some(catalog) = chosen else { return Ok(None) };
        let agreement = self.store.read(|unit| unit.agreements().find(id))?;
        let changed = agreement.filter(|agreement| agreement.default_catalog != Some(catalog));
        Ok(changed.map(|agreement| ChosenCatalog { customer: agreement.customer, catalog, field: OF_AGREEMENT }))
    }

    /// The catalog a new plan would get, its own or its agreement's, where owners of catalogs are checked. A plan of an
    /// agreement that does not exist gets none.
    pub fn catalog_of_new_plan(&self, new: &NewPlan) -> Result<Option<ChosenCatalog>, Error> {
        if !self.settings.validate_catalogs {
            return Ok(None);
        }
        let agreement = self.store.read(|unit| unit.agreements().find(new.agreement))?;
        Ok(agreement.and_then(|agreement| {
            let catalog = new.changes.catalog.or(agreement.default_catalog)?;
            Some(ChosenCatalog { customer: agreement.customer, catalog, field: OF_PLAN })
        }))
    }

    /// The other catalog that a plan would get, where owners of catalogs are checked. A plan that does not exist gets none.
    pub fn catalog_of_changed_plan(&self, id: PlanId, changes: &PlanChanges) -> Result<Option<ChosenCatalog>, Error> {
        let Some(catalog) = changes.catalog.filter(|_| self.settings.validate_catalogs) else { return Ok(None) };
        let details = self.store.read(|unit| unit.plans().find(id))?;
        let changed = details.filter(|details| details.plan.catalog != catalog);
        Ok(changed.map(|details| ChosenCatalog { customer: details.customer, catalog, field: OF_PLAN }))
    }

    /// Asks the catalog service whose catalog it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is not the customer's, or does not exist; [`Error::Upstream`] where the catalog service does
    /// not say.
    pub async fn check_owner(&self, chosen: Option<ChosenCatalog>) -> Result<(), Error> {
        let Some(ChosenCatalog { customer, catalog, field }) = chosen else { return Ok(()) };
        let problem = match self.catalog.owner(catalog).await? {
            Some(owner) if owner == customer => return Ok(()),
            Some(_) => format!("{field} names a catalog of another customer."),
            None => format!("{field} names no catalog there is."),
        };
        Err(Error::Invalid(FieldErrors::one(field, problem)))
    }
}
