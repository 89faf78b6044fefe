//! `GET /csrf/api/v1/token/`: a token for requests with cookie credentials.

use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::ports::IdSource as _;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::csrf::cookie_token;
use crate::config;
use crate::state::State;
use crate::system::RandomIds;

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
        (status = 200, description = "The token", body = Body, headers(("Set-Cookie" = String, description = "The cookie `license_manager_csrftoken`, or as configured")))
    )
)]
pub async fn csrf_token(request: HttpRequest, state: State) -> HttpResponse {
    let name = &state.browser.csrf_cookie;
    // 32 letters and digits, the form of Django's own tokens: a Django service whose cookie has the same name keeps it.
    let token = cookie_token(&request, name).unwrap_or_else(|| RandomIds.next().simple().to_string());
    let cookie = Cookie::build(name, token.clone())
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
