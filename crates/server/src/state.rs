//! The state that handlers share.

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use license_manager_domain::{Error, LicenseManager};
use tokio::sync::Notify;

use crate::auth::TokenVerifier;
use crate::auth::throttle::Throttle;
use crate::config::{SameSite, Secret, ServerConfig};
use crate::http::error::ApiError;
use crate::telemetry::monitor::Monitor;

/// The state, as handlers get it.
pub type State = web::Data<AppState>;

/// The state that handlers share.
pub struct AppState {
    /// The use cases.
    pub manager: LicenseManager,
    /// The verifier of access tokens.
    pub verifier: TokenVerifier,
    /// The largest request body, in bytes.
    pub body_limit: usize,
    /// The rules for cookies.
    pub browser: BrowserPolicy,
    /// The rate limits.
    pub throttle: Throttle,
    /// The URL of the learner portal, with or without a trailing slash.
    pub learner_portal: String,
    /// The user name of the service that may retire people.
    pub retirement_worker: String,
    /// The secret that signs the checksums of subsidies, if any.
    pub subsidy_secret: Option<Secret>,
    /// Wakes the job runner.
    pub wake_jobs: Arc<Notify>,
    /// Health and metrics.
    pub monitor: Arc<Monitor>,
}

impl AppState {
    /// How long before its renewal a plan is locked.
    pub fn renewal_lock(&self) -> chrono::Duration {
        self.manager.settings().renewal_lock
    }

    /// The state of the request's application.
    pub fn of(request: &HttpRequest) -> Result<State, ApiError> {
        let state = request.app_data::<State>().cloned();
        state.ok_or_else(|| Error::internal("the application was built without its state").into())
    }
}

/// The rules for requests that authenticate with cookies.
#[derive(Debug, Clone)]
pub struct BrowserPolicy {
    /// The web applications that may send them, as origins in the form browsers send.
    pub allowed_origins: Vec<String>,
    /// Whether the CSRF cookie is sent only over https.
    pub csrf_cookie_secure: bool,
    /// The SameSite rule of the CSRF cookie.
    pub csrf_cookie_same_site: SameSite,
}

impl BrowserPolicy {
    /// The configured policy.
    pub fn from_config(config: &ServerConfig) -> Self {
        Self {
            allowed_origins: config.allowed_origins.clone(),
            csrf_cookie_secure: config.csrf_cookie_secure,
            csrf_cookie_same_site: config.csrf_cookie_same_site,
        }
    }
}
