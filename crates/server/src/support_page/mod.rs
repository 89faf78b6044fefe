//! The page that other support tools link to: it shows and edits a subscription plan.
//!
//! The page only calls the API, with the session of the user signed in to the browser, and can do what that user may.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::{HttpResponse, web};

/// Load nothing from other hosts, and allow no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// The prefix of pages for people.
pub const PATH: &str = "/admin/";

/// Adds the page and its files.
pub fn configure(service: &mut web::ServiceConfig) {
    service
        .route("/admin/subscriptions/subscriptionplan/{subscription_uuid}/change/", web::get().to(page))
        .route("/admin/plan.js/", web::get().to(script))
        .route("/admin/plan.css/", web::get().to(style));
}

async fn page() -> HttpResponse {
    file("text/html; charset=utf-8", include_str!("plan.html"))
}

async fn script() -> HttpResponse {
    file("text/javascript; charset=utf-8", include_str!("plan.js"))
}

async fn style() -> HttpResponse {
    file("text/css; charset=utf-8", include_str!("plan.css"))
}

fn file(content_type: &str, content: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(content)
}
