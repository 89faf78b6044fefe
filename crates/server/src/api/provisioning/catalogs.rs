//! Use cases that set the catalog of a plan or an agreement.

use std::sync::Arc;

use license_manager_domain::{Error, LicenseManager};

use crate::http::{ApiResult, blocking};
use crate::state::State;

/// Runs a use case. If it needs to know the owner of a catalog, asks the catalog service and runs the use case again.
pub(super) async fn knowing_catalogs<T: Send + 'static>(
    state: &State,
    work: impl Fn(&LicenseManager) -> Result<T, Error> + Send + Sync + 'static,
) -> ApiResult<Result<T, Error>> {
    let work = Arc::new(work);
    let run = |manager: LicenseManager| {
        let work = work.clone();
        blocking(move || Ok(work(&manager)))
    };
    match run(state.manager.clone()).await? {
        Err(Error::UnknownCatalogOwner(catalog)) => match state.manager.catalog_owner(catalog).await {
            Ok(owner) => run(state.manager.clone().with_catalog_owner(owner)).await,
            Err(error) => Ok(Err(error)),
        },
        done => Ok(done),
    }
}
