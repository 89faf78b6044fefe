//! The web console at `/console/`: pages for support staff and customers' admins.
//!
//! HTML is rendered here, from templates that are checked when compiled. Pages work without JavaScript. Handlers call
//! the use cases of [`LicenseManager`] and read lists through [`ConsoleStore`]; they know nothing of the API.
//!
//! [`Console`] is what an application gives the pages, and [`configure`] adds them.

mod addresses;
mod assets;
mod dates;
mod error;
mod form;
mod host;
mod layout;
mod pages;
mod provider;
mod secrets;
mod session;
mod session_notes;

use std::sync::Arc;

use actix_web::web;
use license_manager_domain::LicenseManager;
use license_manager_domain::console::ConsoleStore;
use license_manager_domain::ports::IdSource;

pub use host::{Access, Busy, Host, TooMany, Turn};
pub use license_manager_domain::console::ProviderIds;
pub use provider::{Attempt, DemoPerson, IdentityProvider, LoggedOut, ProviderError, SignedIn};
pub use session_notes::SessionNotes;

/// The prefix of the console's paths.
pub const PATH: &str = "/console/";

/// The path that leads to the console.
pub const ROOT_PATH: &str = "/";

/// The path that ends the session. The LMS loads it when people sign out there.
pub const LOGOUT_PATH: &str = "/logout/";

/// The path of a plan's page in the Django admin. Other tools link to it, so it leads to the plan's page here.
pub const LINKED_PATH: &str = "/admin/subscriptions/subscriptionplan/{plan}/change/";

/// What lists are read from.
#[derive(Clone)]
pub struct Source {
    /// The use cases.
    pub manager: LicenseManager,
    /// Lists and searches.
    pub store: Arc<dyn ConsoleStore>,
}

/// What the pages need.
pub struct Console {
    /// The use cases.
    pub manager: LicenseManager,
    /// Sessions, lists and searches.
    pub store: Arc<dyn ConsoleStore>,
    /// The same from a replica, for the lists of people who did not write lately.
    pub replica: Option<Source>,
    /// Where people sign in; `None` if nothing is configured.
    pub provider: Option<Arc<dyn IdentityProvider>>,
    /// The settings that are missing for a provider.
    pub missing: Vec<&'static str>,
    /// Whom the demo signs in without a provider.
    pub demo: Vec<DemoPerson>,
    /// Whether browsers send the cookies over https only.
    pub secure_cookies: bool,
    /// The application around the pages.
    pub host: Arc<dyn Host>,
    /// Whether this server runs the schedule.
    pub runs_schedule: bool,
    /// New ids.
    pub ids: Arc<dyn IdSource>,
    /// The sessions whose use is being noted; none at the start.
    pub session_notes: SessionNotes,
}

/// Adds the pages. Paths end with a slash.
pub fn configure(service: &mut web::ServiceConfig, console: web::Data<Console>) {
    let pages = web::scope("/console")
        .route("/assets/{file}/", web::get().to(assets::file))
        .configure(pages::configure)
        .default_service(web::to(pages::nothing));
    service
        .app_data(console)
        .route(ROOT_PATH, web::get().to(pages::start))
        .route(LOGOUT_PATH, web::get().to(pages::sign_in::log_out))
        .route(LINKED_PATH, web::get().to(pages::plan::linked))
        .service(pages);
}
