//! Protects every answer, and refuses host names that links must not carry.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError};

use crate::http::error::ApiError;
use crate::state::AppState;
use crate::telemetry::monitor::is_watched;

/// Middleware for `from_fn`. Most answers hold personal data: no cache may keep them, and a cache that does all the
/// same must tell callers apart. Browsers must not guess another media type. Headers that the handler has set stay;
/// `Vary` also names what the handler looked at.
pub async fn protect(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    for (name, value) in [(CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")] {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    let own = headers.get(VARY).and_then(|value| value.to_str().ok());
    let vary = own.and_then(|own| HeaderValue::from_str(&format!("{own}, {CALLER}")).ok());
    headers.insert(VARY, vary.unwrap_or(HeaderValue::from_static(CALLER)));
    Ok(response)
}

/// The headers that tell who asks.
const CALLER: &str = "Authorization, Cookie";

/// Middleware for `from_fn`: answers 400 to requests for host names that are not in `server.allowed_hosts`, if any are.
/// Links in answers carry the host name of the request.
pub async fn only_allowed_hosts(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let state = AppState::of(request.request())?;
    let is_allowed = {
        let connection = request.connection_info();
        let host = without_port(connection.host());
        let mut allowed = state.browser.allowed_hosts.iter();
        allowed.len() == 0 || allowed.any(|name| name.eq_ignore_ascii_case(host)) || is_watched(request.path())
    };
    if is_allowed {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let message = "This service does not answer for this host name.";
    let error = ApiError::detail(StatusCode::BAD_REQUEST, message);
    Ok(request.into_response(error.error_response()).map_into_right_body())
}

/// The host name of `host:port`. An address of IPv6 keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}
