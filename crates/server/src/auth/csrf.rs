//! CSRF protection for requests that authenticate with cookies.
//!
//! A browser also sends cookies with requests that another site's page starts. So a request that changes something must
//! pass two checks: its `Origin` (or `Referer`) is allowed, and its `X-CSRFToken` header equals its CSRF cookie
//! (double submit). Only a page that can read this service's answers knows the token.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, ORIGIN, REFERER};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use reqwest::Url;

use crate::http::error::ApiError;
use crate::state::BrowserPolicy;

/// The header that repeats the token.
pub const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrftoken");

/// The token in the request's cookie, if it is 32 to 64 ASCII letters and digits, as this service and the platform's
/// other services issue them.
pub fn cookie_token(request: &HttpRequest, cookie_name: &str) -> Option<String> {
    let cookie = request.cookie(cookie_name)?;
    let token = cookie.value();
    let sound = (32..=64).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
    sound.then(|| token.to_owned())
}

/// Checks a request that authenticates with cookies.
///
/// # Errors
/// 403 that says what is missing.
pub fn check(request: &HttpRequest, browser: &BrowserPolicy) -> Result<(), ApiError> {
    if request.method().is_safe() {
        return Ok(());
    }
    check_origin(request, &browser.allowed_origins)?;
    let sent = request.headers().get(CSRF_HEADER).map(|value| value.as_bytes()).unwrap_or_default();
    match cookie_token(request, &browser.csrf_cookie) {
        Some(token) if verify_slices_are_equal(token.as_bytes(), sent).is_ok() => Ok(()),
        _ => Err(refusal(
            "Requests with cookie credentials need a CSRF token: get one from /csrf/api/v1/token and repeat it in the \
             header X-CSRFToken.",
        )),
    }
}

/// Browsers send `Origin` with every request that changes something. Without it, only an https `Referer` is accepted,
/// because nobody on the network can have removed the header there.
fn check_origin(request: &HttpRequest, allowed_origins: &[String]) -> Result<(), ApiError> {
    let connection = request.connection_info();
    let text = |name: HeaderName| header(request.headers(), name);
    let page = match text(ORIGIN) {
        Some(origin) => origin_of(origin),
        None if connection.scheme() == "https" => text(REFERER).and_then(origin_of),
        None => return Ok(()),
    };
    let own = origin_of(&format!("{}://{}", connection.scheme(), connection.host()));
    match page {
        Some(page) if own.as_ref() == Some(&page) || allowed_origins.contains(&page) => Ok(()),
        _ => Err(refusal("Requests with cookie credentials are not taken from pages of this origin.")),
    }
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    // A header that is not text was sent all the same, and matches no origin.
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// The origin of a URL in the form browsers send it; `None` for URLs without one.
fn origin_of(address: &str) -> Option<String> {
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some(url.origin().ascii_serialization())
}

fn refusal(message: &str) -> ApiError {
    ApiError::detail(StatusCode::FORBIDDEN, message)
}
