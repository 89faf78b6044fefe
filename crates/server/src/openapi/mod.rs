//! The API's description: an OpenAPI 3.1 document made from the code, at `/api/schema/`, and a page to try the API with, at
//! `/api-docs/`.
//!
//! # How an endpoint is documented
//!
//! 1. Put `#[utoipa::path(…)]` on its handler: method, whole path, tag, parameters, and the answers that are its own. The doc
//!    comment of the handler becomes the description. A handler of two paths gets one function for each.
//! 2. Derive `ToSchema` for the body it answers, with `#[schema(as = Name)]` for the name clients see, which no other body may
//!    have: of two, one would vanish without a word. A request's body is read field by field, so a struct beside the
//!    handler describes it: clients read the doc comments of its fields, and what may be left out is an `Option`.
//! 3. Name the handler in `Document`, below.
//! 4. Run `make openapi`. It takes examples from the answers of the conformance cases (`examples.json`, never edited by hand)
//!    and writes `docs/openapi.json`. Look at the difference. An endpoint that no case asks is asked in
//!    `tests/tests/openapi.rs`.
//!
//! What is the same everywhere is not repeated: `complete.rs` adds operation ids, the UUIDs of the path, and the errors that the
//! caller's token, the path, the paging and a body can lead to. An answer's fields are always present, so all of them
//! become `required`.
//!
//! Tests hold that every registered path is documented, that `docs/openapi.json` is up to date, and that what the server
//! really answers fits; `make fuzz` tries what nobody thought of.

mod complete;
pub mod errors;
mod examples;
pub mod page;
pub mod parameters;

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};

use crate::routes;

/// The handlers, and what is said of the API as a whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "License manager",
        description = "Hands out the seats of an enterprise's subscription plans. Every path works with and without its \
                       trailing slash.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/")),
    security(("jwt" = [])),
    modifiers(&Jwt),
    tags(
        (name = "Plans", description = "Subscription plans, for a customer's admins."),
        (name = "Licenses", description = "The licenses of a plan, for a customer's admins."),
        (name = "Learners", description = "What learners see and do."),
        (name = "Provisioning", description = "What provisioning admins do for every customer."),
        (name = "Service", description = "The service itself; no token is needed."),
    ),
    paths(
        document,
        routes::customer_agreements::list,
        routes::customer_agreements::retrieve,
        routes::health::health,
        routes::learner_licenses::list,
        routes::license_activation::activate,
        routes::license_assignment::assign,
        routes::license_revocation::revoke,
        routes::license_revocation::revoke_all,
        routes::licenses::csv,
        routes::licenses::list,
        routes::licenses::overview,
        routes::licenses::own,
        routes::provisioning::agreements::create,
        routes::provisioning::agreements::list,
        routes::provisioning::agreements::retrieve,
        routes::provisioning::agreements::update,
        routes::provisioning::plans::create,
        routes::provisioning::plans::list,
        routes::provisioning::plans::retrieve,
        routes::provisioning::plans::update,
        routes::subscriptions::list,
        routes::subscriptions::list_for_learner,
        routes::subscriptions::retrieve,
        routes::subscriptions::retrieve_for_learner,
    ),
    components(schemas(errors::Detail, errors::BadRequest))
)]
struct Document;

/// The credential. It is described as a header of its own because the scheme is `JWT`, not `Bearer`.
struct Jwt;

impl utoipa::Modify for Jwt {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let description = "`JWT <token>`: an access token of the configured issuer.";
        let scheme =
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("Authorization", description)));
        document.components.get_or_insert_default().add_security_scheme("jwt", scheme);
    }
}

/// The document.
///
/// # Errors
/// Where it has no JSON, which tests rule out.
pub fn value() -> serde_json::Result<Value> {
    let mut document = serde_json::to_value(Document::openapi())?;
    complete::complete(&mut document);
    examples::add(&mut document)?;
    Ok(document)
}

static TEXT: LazyLock<String> = LazyLock::new(|| value().map(|document| document.to_string()).unwrap_or_default());

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
    HttpResponse::Ok().content_type(ContentType::json()).body(TEXT.as_str())
}
