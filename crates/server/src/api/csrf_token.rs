//! `GET /csrf/api/v1/token/`: a token for requests with cookie credentials.

use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::csrf::{CSRF_COOKIE, cookie_token};
use crate::config;
use crate::config::Secret;
use crate::state::State;

/// A token to repeat in the header `X-CSRFToken`.
#[derive(Serialize, ToSchema)]
#[schema(as = CsrfToken)]
struct Body {
    #[serde(rename = "csrfToken")]
    csrf_token: String,
}

/// Returns the token in the browser's cookie, so that several pages share it, or a new one, and sets the cookie. Only pages of allowed
/// origins can read the response.
#[utoipa::path(
    get,
    path = "/csrf/api/v1/token/",
    tag = "Service",
    security(()),
    responses(
        (status = 200, description = "The token", body = Body, headers(("Set-Cookie" = String, description = "`csrftoken`")))
    )
)]
pub async fn csrf_token(request: HttpRequest, state: State) -> HttpResponse {
    let token = cookie_token(&request).unwrap_or_else(|| Secret::random().expose().to_owned());
    let cookie = Cookie::build(CSRF_COOKIE, token.clone())
        .path("/")
        .secure(state.browser.csrf_cookie_secure)
        .same_site(match state.browser.csrf_cookie_same_site {
            config::SameSite::Lax => SameSite::Lax,
            config::SameSite::Strict => SameSite::Strict,
            config::SameSite::None => SameSite::None,
        })
        .finish();
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .cookie(cookie)
        .json(Body { csrf_token: token })
}
