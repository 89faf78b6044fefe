//! What handlers share.

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use license_manager_domain::{Error, LicenseManager};
use tokio::sync::Notify;

use crate::auth::TokenVerifier;
use crate::auth::throttle::Throttle;
use crate::config::{SameSite, Secret, ServerConfig};
use crate::http::error::ApiError;
use crate::telemetry::monitor::Monitor;

/// What the handlers share.
pub struct AppState {
    /// The use cases.
    pub manager: LicenseManager,
    /// Whose tokens are trusted.
    pub verifier: TokenVerifier,
    /// The largest request body, in bytes.
    pub body_limit: usize,
    /// Which web applications may use a user's cookies, and how.
    pub browser: BrowserPolicy,
    /// How many requests a caller may make.
    pub throttle: Throttle,
    /// Where learners activate licenses, without a slash at the end or with one.
    pub learner_portal: String,
    /// The user name of the service that may retire people.
    pub retirement_worker: String,
    /// What the checksums of subsidies are signed with, where anything is configured.
    pub subsidy_secret: Option<Secret>,
    /// Rouses the runner of jobs.
    pub wake_jobs: Arc<Notify>,
    /// How this process is.
    pub monitor: Arc<Monitor>,
}

impl AppState {
    /// The state of the application that received the request.
    pub fn of(request: &HttpRequest) -> Result<web::Data<Self>, ApiError> {
        let state = request.app_data::<web::Data<Self>>().cloned();
        state.ok_or_else(|| Error::storage("the application was built without its state").into())
    }
}

/// What browsers may do with a user's cookies.
#[derive(Debug, Clone)]
pub struct BrowserPolicy {
    /// The web applications that may send them, as origins in the form browsers write.
    pub allowed_origins: Vec<String>,
    /// Whether the CSRF cookie is for https alone.
    pub csrf_cookie_secure: bool,
    /// From which sites' pages the CSRF cookie is sent.
    pub csrf_cookie_same_site: SameSite,
}

impl BrowserPolicy {
    /// The policy that is configured.
    pub fn from_config(config: &ServerConfig) -> Self {
        Self {
            allowed_origins: config.allowed_origins.clone(),
            csrf_cookie_secure: config.csrf_cookie_secure,
            csrf_cookie_same_site: config.csrf_cookie_same_site,
        }
    }
}
