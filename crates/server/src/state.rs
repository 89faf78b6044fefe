//! The state that handlers share.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, web};
use license_manager_domain::{Error, LicenseManager};
use tokio::sync::Notify;

use crate::auth::throttle::Throttle;
use crate::auth::user_updates::{DeferredUpdates, RequestStore};
use crate::auth::{KeyError, TokenVerifier};
use crate::config::{Config, SameSite, Secret};
use crate::http::body_limits::BodyLimits;
use crate::http::error::ApiError;
use crate::http::turns::Turns;
use crate::lists::Replicated;
use crate::telemetry::monitor::Monitor;

/// The state, as handlers get it.
pub type State = web::Data<AppState>;

/// The state that handlers share.
pub struct AppState {
    /// The use cases. What they write also stores the update of the caller.
    pub manager: LicenseManager,
    /// The verifier of access tokens.
    pub verifier: Arc<TokenVerifier>,
    /// The limits for bodies.
    pub body_limits: BodyLimits,
    /// The rules for cookies.
    pub browser: BrowserPolicy,
    /// The rate limits.
    pub throttle: Throttle,
    /// The URL of the learner portal, with or without a trailing slash.
    pub learner_portal: String,
    /// The user name of the service that may retire people, if any.
    pub retirement_worker: Option<String>,
    /// The secret that signs the checksums of subsidies, if any.
    pub subsidy_secret: Option<Secret>,
    /// Wakes the job runner.
    pub wake_jobs: Arc<Notify>,
    /// Health and metrics.
    pub monitor: Arc<Monitor>,
    /// Whose turn it is at the database.
    pub turns: Arc<Turns>,
    /// The updates of users whose requests have written nothing, until they are stored.
    pub deferred_updates: Arc<DeferredUpdates>,
    /// How long these wait. The learner portal reads a learner's licenses and activates one right away: then
    /// the activation stores them, and a transaction is saved.
    pub update_delay: Duration,
    /// The database with its replica, if it has one.
    pub replicated: Option<Arc<Replicated>>,
}

impl AppState {
    /// The state of a service with these settings.
    ///
    /// # Errors
    /// When the keys of an issuer of tokens cannot be used.
    pub async fn new(
        config: &Config,
        manager: LicenseManager,
        monitor: Arc<Monitor>,
        wake_jobs: Arc<Notify>,
    ) -> Result<Self, KeyError> {
        let deferred_updates = Arc::new(DeferredUpdates::default());
        Ok(Self {
            manager: RequestStore::manager(&manager, deferred_updates.clone()),
            verifier: Arc::new(TokenVerifier::from_config(&config.auth).await?),
            body_limits: BodyLimits::from_config(&config.server),
            browser: BrowserPolicy::from_config(config),
            throttle: Throttle::new(&config.throttle, config.server.trust_forwarded_for),
            learner_portal: config.portals.learner_url.clone(),
            retirement_worker: config.auth.retirement_worker.clone(),
            subsidy_secret: config.auth.subsidy_secret().cloned(),
            wake_jobs,
            turns: monitor.turns.clone(),
            deferred_updates,
            update_delay: Duration::from_secs(1),
            replicated: None,
            monitor,
        })
    }

    /// The same state, with a replica for lists.
    pub fn with_replica(self, replicated: Option<Arc<Replicated>>) -> Self {
        Self { replicated, ..self }
    }

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
    /// Request headers that they may send besides the usual ones.
    pub allowed_headers: Vec<String>,
    /// The host names that requests may be for; empty: any.
    pub allowed_hosts: Vec<String>,
    /// The name of the cookie with the first two parts of the token.
    pub header_payload_cookie: String,
    /// The name of the cookie with the token's signature.
    pub signature_cookie: String,
    /// The name of the cookie with the CSRF token.
    pub csrf_cookie: String,
    /// Whether the CSRF cookie is sent only over https.
    pub csrf_cookie_secure: bool,
    /// The SameSite rule of the CSRF cookie.
    pub csrf_cookie_same_site: SameSite,
}

impl BrowserPolicy {
    /// The configured policy.
    pub fn from_config(Config { server, auth, .. }: &Config) -> Self {
        Self {
            allowed_origins: server.allowed_origins.clone(),
            allowed_headers: server.allowed_headers.clone(),
            allowed_hosts: server.allowed_hosts.clone(),
            header_payload_cookie: auth.cookie_header_payload.clone(),
            signature_cookie: auth.cookie_signature.clone(),
            csrf_cookie: server.csrf_cookie_name.clone(),
            csrf_cookie_secure: server.csrf_cookie_secure,
            csrf_cookie_same_site: server.csrf_cookie_same_site,
        }
    }
}
