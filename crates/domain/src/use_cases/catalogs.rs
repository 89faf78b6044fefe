//! A catalog that a plan or an agreement gets must be its customer's, where [`crate::Settings::validate_catalogs`] says so.
//!
//! The catalog service may be slow or away, so it is asked before the transaction; the use case itself decides by what it said.

use super::manager::LicenseManager;
use crate::error::{Error, FieldErrors};
use crate::model::ids::{CatalogId, CustomerId};

/// Whose a catalog is, as the catalog service says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogOwner {
    catalog: CatalogId,
    /// Nobody's where there is no such catalog.
    owner: Option<CustomerId>,
}

impl LicenseManager {
    /// Asks the catalog service whose a catalog is. A use case that fails with [`Error::UnknownCatalogOwner`] is to be called again
    /// with the answer: `manager.clone().with_catalog_owner(owner)`. Not to be called within a transaction.
    ///
    /// # Errors
    /// [`Error::Upstream`] where the catalog service does not say.
    pub async fn catalog_owner(&self, catalog: CatalogId) -> Result<CatalogOwner, Error> {
        Ok(CatalogOwner { catalog, owner: self.catalog.owner(catalog).await? })
    }

    /// Refuses a catalog that is not the customer's, by the field that chose it.
    pub(crate) fn check_catalog(
        &self,
        field: &'static str,
        customer: CustomerId,
        catalog: CatalogId,
    ) -> Result<(), Error> {
        if !self.settings.validate_catalogs {
            return Ok(());
        }
        let known = self.catalog_owner.filter(|known| known.catalog == catalog);
        let problem = match known.ok_or(Error::UnknownCatalogOwner(catalog))?.owner {
            Some(owner) if owner == customer => return Ok(()),
            Some(_) => format!("{field} names a catalog of another customer."),
            None => format!("{field} names no catalog there is."),
        };
        Err(Error::Invalid(FieldErrors::one(field, problem)))
    }
}
