//! Identifies the caller once per request, before any handler runs.

use std::time::Instant;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, ResponseError};

use crate::auth::csrf;
use crate::auth::{AccessToken, header_credential};
use crate::http::error::ApiError;
use crate::state::{AppState, BrowserPolicy};
use crate::telemetry::monitor::is_watched;

/// The verified token, or why there is none. [`identify`] stores it in the request's extensions.
#[derive(Debug, Clone)]
struct Identity(Result<AccessToken, ApiError>);

/// Middleware for `from_fn`: verifies the credential and applies the rate limits. It does not refuse anonymous callers;
/// a handler that needs the caller asks [`token`].
pub async fn identify(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    // The console has sessions of its own, and counts its requests itself.
    let is_console = [license_manager_console::PATH, license_manager_console::LOGOUT_PATH]
        .iter()
        .any(|path| request.path().starts_with(path));
    if !is_watched(request.path()) && !is_console {
        let state = AppState::of(request.request())?;
        let identity = authenticate(&state, request.request()).await;
        let user = identity.as_ref().ok();
        if let Err(error) = state.throttle.admit(request.request(), user, Instant::now()) {
            return Ok(request.into_response(error.error_response()).map_into_right_body());
        }
        request.extensions_mut().insert(Identity(identity));
    }
    Ok(next.call(request).await?.map_into_left_body())
}

/// The verified token of the caller.
///
/// # Errors
/// 401 without a valid credential; 403 for restricted tokens, and for cookies without a CSRF token.
pub fn token(request: &HttpRequest) -> Result<AccessToken, ApiError> {
    let identity = request.extensions().get::<Identity>().cloned();
    identity.map_or_else(|| Err(no_credential()), |identity| identity.0)
}

async fn authenticate(state: &AppState, request: &HttpRequest) -> Result<AccessToken, ApiError> {
    let in_header =
        request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(header_credential);
    match in_header {
        Some(credential) => Ok(state.verifier.verify(credential, state.manager.now()).await?),
        // The header wins over cookies, which browsers send unasked.
        None => {
            let credential = cookie_credential(request, &state.browser).ok_or_else(no_credential)?;
            let token = state.verifier.verify(&credential, state.manager.now()).await?;
            csrf::check(request, &state.browser)?;
            Ok(token)
        }
    }
}

/// The token assembled from both cookies.
fn cookie_credential(request: &HttpRequest, names: &BrowserPolicy) -> Option<String> {
    let (start, signature) = (request.cookie(&names.header_payload_cookie)?, request.cookie(&names.signature_cookie)?);
    Some(format!("{}.{}", start.value(), signature.value()))
}

fn no_credential() -> ApiError {
    ApiError::unauthenticated("Send an access token: the header Authorization: JWT <token>.")
}
