//! Which web applications may call this service from a browser, and read its answers (CORS).

use actix_cors::Cors;
use actix_web::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};

use crate::config::{SameSite, ServerConfig};
use crate::csrf::CSRF_HEADER;
use crate::idempotency::{KEY_HEADER, REPLAYED_HEADER};
use crate::logging::REQUEST_ID_HEADER;

/// How long a browser may remember what it was told about a path, in seconds.
const MAX_AGE: usize = 60 * 60;

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

/// The middleware that answers preflights, and lets applications of these origins read answers to requests with cookies.
pub fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([ACCEPT, AUTHORIZATION, CONTENT_TYPE, CSRF_HEADER, KEY_HEADER, REQUEST_ID_HEADER])
        // What the portals' HTTP clients add to their requests.
        .allowed_headers(["use-jwt-cookie", "x-requested-with", "cache-control", "pragma"])
        .expose_headers([REQUEST_ID_HEADER, RETRY_AFTER, REPLAYED_HEADER])
        .supports_credentials()
        .max_age(MAX_AGE);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}
