//! The API's document in OpenAPI 3.1: `docs/openapi.json`, served at `/api/schema/`, and Swagger UI at `/api-docs/`.
//!
//! # How an endpoint is documented
//!
//! 1. Put `#[utoipa::path(…)]` on its handler: method, whole path, tag, parameters and its own responses. The handler's doc comment
//!    becomes the description. A handler has one path. Paths of agreements are described with the first of their two names.
//! 2. Derive `Deserr` and `ToSchema` for its request (see `http::fields`), and `ToSchema` for the body of its response, with
//!    `#[schema(as = Name)]`. The name must be unique: of two schemas with one name, one is lost. A name below `inline::` does not appear
//!    in the document. Doc comments of fields become descriptions.
//! 3. List the handler in `api/mod.rs`, which also routes it.
//! 4. Run `make openapi`, which writes `docs/openapi.json`, and check the difference. Examples come from the conformance cases, or for
//!    endpoints without a case from `tests/tests/e2e/openapi/asked.rs`. A test checks that they are still valid.
//!
//! Common parts are not repeated: `crates/server/tests/openapi/complete.rs` adds operation ids, the ids of the path,
//! the errors for tokens, paths, pages, bodies and rate limits, idempotency keys, cookie credentials, and problem details. A response
//! always has all its fields, so they become `required`.
//!
//! Tests check that every registered path is documented, that `docs/openapi.json` is up to date, and that the server's behavior matches
//! it. `make fuzz` sends random requests.

pub mod errors;
pub mod page;
pub mod parameters;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;

/// The document.
pub const TEXT: &str = include_str!("../../../../docs/openapi.json");

/// Returns this document.
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
