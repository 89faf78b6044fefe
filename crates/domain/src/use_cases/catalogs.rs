//! The catalog of a plan or an agreement must belong to its customer, if [`crate::Settings::validate_catalogs`] is set.
//!
//! The catalog service can be slow, so callers ask it before the transaction. The use case checks its answer.

use super::manager::LicenseManager;
use crate::error::{Error, FieldErrors};
use crate::model::ids::{CatalogId, CustomerId};
use crate::ports::CatalogOwner;

impl LicenseManager {
    /// Asks the catalog service for the owner of a catalog. After [`Error::UnknownCatalogOwner`], repeat the use case
    /// with the answer: `manager.clone().with_catalog_owner(owner)`. Do not call this within a transaction.
    ///
    /// # Errors
    /// [`Error::Upstream`] without a usable answer.
    pub async fn catalog_owner(&self, catalog: CatalogId) -> Result<CatalogOwner, Error> {
        Ok(CatalogOwner { catalog, owner: self.catalog.owner(catalog).await? })
    }

    /// Refuses a catalog of another customer. `field` names it in the error.
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
