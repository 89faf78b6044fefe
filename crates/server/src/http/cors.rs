//! CORS: which web applications may call this service from a browser.

use actix_cors::Cors;
use actix_web::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};

use crate::auth::csrf::CSRF_HEADER;
use crate::http::idempotency::{KEY_HEADER, REPLAYED_HEADER};
use crate::state::BrowserPolicy;
use crate::telemetry::logging::REQUEST_ID_HEADER;

/// How long a browser may cache the response to a preflight, in seconds.
const MAX_AGE: usize = 60 * 60;

/// The middleware that answers preflights. The allowed applications may send cookies and read responses.
pub fn cors(browser: &BrowserPolicy) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([ACCEPT, AUTHORIZATION, CONTENT_TYPE, CSRF_HEADER, KEY_HEADER, REQUEST_ID_HEADER])
        // What the portals' HTTP clients add to their requests.
        .allowed_headers(["use-jwt-cookie", "x-requested-with", "cache-control", "pragma", "user-agent"])
        // W3C trace context.
        .allowed_headers(["traceparent", "tracestate"])
        .allowed_headers(&browser.allowed_headers)
        .expose_headers([REQUEST_ID_HEADER, RETRY_AFTER, REPLAYED_HEADER])
        .supports_credentials()
        .max_age(MAX_AGE);
    browser.allowed_origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}
