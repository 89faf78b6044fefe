//! Logouts that an OpenID Connect provider tells this service, without a browser.

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::error::PageError;
use crate::form;
use crate::host::{Access, at_database};
use crate::provider::{LoggedOut, ProviderError};
use crate::{Console, secrets, session};

/// The most notes of old tokens that one logout removes.
const SWEPT: i64 = 100;

/// `POST /console/back-channel-logout/`: ends the sessions that a logout token names.
pub(crate) async fn log_out(
    request: HttpRequest,
    console: web::Data<Console>,
    payload: web::Payload,
) -> Result<HttpResponse, PageError> {
    session::admit(&console, &request, None)?;
    let fields = form::read(&request, &mut payload.into_inner()).await?;
    let Some(provider) = console.provider.clone() else { return Err(PageError::NotFound) };
    let Some(token) = fields.text("logout_token") else {
        return Ok(refused("The form has no logout_token."));
    };
    let LoggedOut { ids, token_id, until } = match provider.logged_out(&token).await {
        Ok(logged_out) => logged_out,
        Err(ProviderError::Refused(problem)) => {
            tracing::info!(problem, "a logout token was refused");
            return Ok(refused(&problem));
        }
        Err(ProviderError::Unavailable(problem)) => {
            tracing::warn!(problem, "a logout token cannot be verified");
            return Err(PageError::ProviderUnavailable);
        }
    };
    let hash = secrets::hash(&token_id);
    let ended = at_database(&console, Access::Write, move |console| {
        if console.store.logout_is_noted(&hash)? {
            return Ok(None);
        }
        // The note is last: if this fails in between, the provider tries again.
        let ended = console.store.end_sessions_of_provider(&ids)?;
        console.store.remove_old_logouts(console.manager.now(), SWEPT)?;
        Ok(console.store.note_logout(&hash, until)?.then_some(ended))
    })
    .await?;
    match ended {
        Some(ended) => {
            tracing::info!(ended, "the provider logged somebody out");
            Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).finish())
        }
        None => Ok(refused("The logout token was used before.")),
    }
}

/// An error as OpenID Connect Back-Channel Logout describes it.
fn refused(problem: &str) -> HttpResponse {
    let body = serde_json::json!({ "error": "invalid_request", "error_description": problem });
    HttpResponse::build(StatusCode::BAD_REQUEST)
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(body.to_string())
}
