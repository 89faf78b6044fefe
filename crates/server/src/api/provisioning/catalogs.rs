//! Use cases that give a plan or an agreement a catalog.

use std::sync::Arc;

use actix_web::web;
use license_manager_domain::{Error, LicenseManager};

use crate::http::answer::blocking;
use crate::http::error::ApiError;
use crate::state::AppState;

/// Runs a use case. If it has to know first whose a catalog is, asks the catalog service and runs it again.
pub(super) async fn knowing_catalogs<T: Send + 'static>(
    state: &web::Data<AppState>,
    work: impl Fn(&LicenseManager) -> Result<T, Error> + Send + Sync + 'static,
) -> Result<Result<T, Error>, ApiError> {
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
