//! Who sent a request: found out once, before anything else is done with it.

use std::time::Instant;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, ResponseError};

use crate::auth::csrf;
use crate::auth::{AccessToken, header_credential};
use crate::http::error::ApiError;
use crate::state::AppState;
use crate::telemetry::monitor::WATCHED;

/// The cookie with a token's first two parts, which scripts may read.
pub const HEADER_PAYLOAD_COOKIE: &str = "edx-jwt-cookie-header-payload";

/// The cookie with its third part, which they may not.
pub const SIGNATURE_COOKIE: &str = "edx-jwt-cookie-signature";

/// Who the credential says sent the request, or why it says nothing. In the extensions of every request that came through
/// [`identify`].
#[derive(Debug, Clone)]
struct Identity(Result<AccessToken, ApiError>);

/// Middleware, for `from_fn`: verifies the request's credential, and refuses callers who send too many requests. It refuses nobody
/// for who they are: an endpoint that needs to know the caller does, through [`token`].
pub async fn identify(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    if !WATCHED.contains(&request.path()) {
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

/// The verified token of the request's sender.
///
/// # Errors
/// 401 without a credential that holds; 403 for restricted tokens, and for cookies without a CSRF token.
pub fn token(request: &HttpRequest) -> Result<AccessToken, ApiError> {
    let identity = request.extensions().get::<Identity>().cloned();
    identity.map_or_else(|| Err(no_credential()), |identity| identity.0)
}

async fn authenticate(state: &AppState, request: &HttpRequest) -> Result<AccessToken, ApiError> {
    let in_header =
        request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(header_credential);
    match in_header {
        Some(credential) => Ok(state.verifier.verify(credential, state.manager.now()).await?),
        // What a header says is never outvoted by cookies, which a browser sends unasked.
        None => {
            let credential = cookie_credential(request).ok_or_else(no_credential)?;
            let token = state.verifier.verify(&credential, state.manager.now()).await?;
            csrf::check(request, &state.browser.allowed_origins)?;
            Ok(token)
        }
    }
}

/// The token that the two cookies hold together.
fn cookie_credential(request: &HttpRequest) -> Option<String> {
    let (start, signature) = (request.cookie(HEADER_PAYLOAD_COOKIE)?, request.cookie(SIGNATURE_COOKIE)?);
    Some(format!("{}.{}", start.value(), signature.value()))
}

fn no_credential() -> ApiError {
    ApiError::unauthenticated("Send an access token: the header Authorization: JWT <token>.")
}
