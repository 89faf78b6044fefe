//! The API's description: an OpenAPI 3.1 document at `/api/schema/`, the committed `docs/openapi.json`, and a page to try the API
//! with, at `/api-docs/`.
//!
//! # How an endpoint is documented
//!
//! 1. Put `#[utoipa::path(…)]` on its handler: method, whole path, tag, parameters, and the answers that are its own. The doc
//!    comment of the handler becomes the description. A handler of two paths gets one function for each; agreements,
//!    which have two names, are described below the first one.
//! 2. Derive `Deserr` and `ToSchema` for the request it reads (`http::fields` tells how), and `ToSchema` for the body it answers,
//!    with `#[schema(as = Name)]` for the name clients see, which no other body may have: of two, one would vanish without a word.
//!    Clients read the doc comments of the fields.
//! 3. Name the handler in `api/mod.rs`, which also makes it an endpoint.
//! 4. Run `make openapi`, which writes `docs/openapi.json`, and look at the difference. Examples come from the answers of the
//!    conformance cases. One stays as long as it fits and every sentence in it is still said, which a test holds. An endpoint that
//!    no case asks is asked in `tests/tests/openapi/asked.rs`.
//!
//! What is the same everywhere is not repeated: `crates/server/tests/openapi/complete.rs` adds operation ids, the ids of the path,
//! the errors that the caller's token, the path, the paging, a body and too many requests can lead to, idempotency keys, cookie
//! credentials, and problem details as a second form of every error. An answer's fields are always present, so all of them become
//! `required`.
//!
//! Tests hold that every registered path is documented, that `docs/openapi.json` is up to date, that what the server really
//! answers fits, and that it accepts and refuses what the document says; `make fuzz` tries what nobody thought of.

pub mod errors;
pub mod page;
pub mod parameters;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;

/// The document.
pub const TEXT: &str = include_str!("../../../../docs/openapi.json");

/// This document.
#[utoipa::path(
    get,
    path = "/api/schema/",
    tag = "Service",
    security(()),
    params(parameters::FormatQuery),
    responses((status = 200, description = "An OpenAPI 3.1 document", body = Object))
)]
pub async fn document() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(TEXT)
}
