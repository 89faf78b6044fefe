//! The API's description: an OpenAPI 3.1 document made from the code, at `/api/schema/`, and a page to try the API with, at
//! `/api-docs/`.
//!
//! # How an endpoint is documented
//!
//! 1. Put `#[utoipa::path(…)]` on its handler: method, whole path, tag, parameters, and the answers that are its own. The doc
//!    comment of the handler becomes the description. A handler of two paths gets one function for each; agreements,
//!    which have two names, are described below the first one, and `complete.rs` adds the second.
//! 2. Derive `ToSchema` for the body it answers, with `#[schema(as = Name)]` for the name clients see, which no other body may
//!    have: of two, one would vanish without a word. A request's body is read field by field, so a struct beside the
//!    handler describes it: clients read the doc comments of its fields, and what may be left out is an `Option`.
//! 3. Name the handler in `Document`, below.
//! 4. Run `make openapi`. It takes examples from the answers of the conformance cases (`examples.json`, never edited by hand)
//!    and writes `docs/openapi.json`. An example stays as long as it fits and every sentence in it is still said, which a test
//!    holds. Look at the difference. An endpoint that no case asks is asked in
//!    `tests/tests/openapi/asked.rs`.
//!
//! What is the same everywhere is not repeated: `complete.rs` adds operation ids, the ids of the path, the errors that the
//! caller's token, the path, the paging, a body and too many requests can lead to, idempotency keys, cookie credentials, and
//! problem details as a second form of every error. An answer's fields are always present, so all of them become `required`.
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

use crate::api;
use crate::auth::csrf::CSRF_COOKIE;
use crate::auth::identity::{HEADER_PAYLOAD_COOKIE, SIGNATURE_COOKIE};

/// The scheme of the token in a header.
const JWT: &str = "jwt";

/// The schemes of the token in cookies.
const JWT_COOKIES: [&str; 2] = ["jwtCookieHeaderPayload", "jwtCookieSignature"];

/// What requests with cookie credentials that change something need beside them.
const CSRF_TOKENS: [&str; 2] = ["csrfCookie", "csrfHeader"];

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
    modifiers(&Credentials),
    tags(
        (name = "Plans", description = "Subscription plans, for a customer's admins."),
        (name = "Licenses", description = "The licenses of a plan, for a customer's admins."),
        (name = "Learners", description = "What learners see and do."),
        (name = "Provisioning", description = "What provisioning admins do for every customer."),
        (name = "Renewals", description = "How a plan is carried on by another one; for provisioning admins."),
        (name = "Transfers", description = "Licenses that move from one plan to another; for provisioning admins."),
        (name = "Products", description = "What is sold; for provisioning admins."),
        (name = "Webhooks", description = "Endpoints that events of licenses are told to; for provisioning admins and staff."),
        (name = "Staff", description = "What is looked up and kept for people, across customers."),
        (name = "Service", description = "The service itself; no token is needed."),
    ),
    paths(
        document,
        api::admin_license_view::list,
        api::auto_apply::auto_apply,
        api::bulk_enrollment::request,
        api::bulk_enrollment::results,
        api::bulk_enrollment::status,
        api::csrf_token::csrf_token,
        api::customer_agreements::list,
        api::customer_agreements::retrieve,
        api::health::health,
        api::health::live,
        api::health::ready,
        api::history::of_agreement,
        api::history::of_license,
        api::history::of_plan,
        api::learner_licenses::list,
        api::license_activation::activate,
        api::license_assignment::assign,
        api::license_reminder::remind,
        api::license_reminder::remind_all,
        api::license_revocation::revoke,
        api::license_revocation::revoke_all,
        api::license_subsidy::subsidy,
        api::licenses::csv,
        api::licenses::list,
        api::licenses::overview,
        api::licenses::own,
        api::licenses::retrieve,
        api::licenses_of_many_plans::assign,
        api::licenses_of_many_plans::list,
        api::licenses_of_many_plans::retrieve,
        api::licenses_of_many_plans::revoke,
        api::provisioning::agreement_settings::retrieve,
        api::provisioning::agreement_settings::sync,
        api::provisioning::agreement_settings::update,
        api::provisioning::agreements::create,
        api::provisioning::agreements::list,
        api::provisioning::agreements::retrieve,
        api::provisioning::agreements::update,
        api::provisioning::licenses::retrieve,
        api::provisioning::licenses::update,
        api::provisioning::plan_upkeep::delete_revoked,
        api::provisioning::plan_upkeep::freeze,
        api::provisioning::plan_upkeep::provision,
        api::provisioning::plans::create,
        api::provisioning::plans::list,
        api::provisioning::plans::retrieve,
        api::provisioning::plans::update,
        api::provisioning::products::create,
        api::provisioning::products::create_plan_type,
        api::provisioning::products::list,
        api::provisioning::products::list_plan_types,
        api::provisioning::products::product_history,
        api::provisioning::products::retrieve,
        api::provisioning::products::retrieve_plan_type,
        api::provisioning::products::update,
        api::provisioning::products::update_plan_type,
        api::provisioning::records::license_events,
        api::provisioning::records::notifications,
        api::provisioning::renewals::create,
        api::provisioning::renewals::delete,
        api::provisioning::renewals::list,
        api::provisioning::renewals::process,
        api::provisioning::renewals::renewal_history,
        api::provisioning::renewals::retrieve,
        api::provisioning::renewals::update,
        api::provisioning::role_assignments::create,
        api::provisioning::role_assignments::delete,
        api::provisioning::role_assignments::list,
        api::provisioning::scheduled_operations::list,
        api::provisioning::transfers::create,
        api::provisioning::transfers::list,
        api::provisioning::transfers::process,
        api::provisioning::transfers::retrieve,
        api::provisioning::webhook_deliveries::list,
        api::provisioning::webhook_deliveries::replay,
        api::provisioning::webhook_deliveries::replay_many,
        api::provisioning::webhooks::create,
        api::provisioning::webhooks::delete,
        api::provisioning::webhooks::list,
        api::provisioning::webhooks::retrieve,
        api::provisioning::webhooks::update,
        api::retire_user::retire,
        api::revert::revert,
        api::staff_lookup::look_up,
        api::subscriptions::list,
        api::subscriptions::list_for_learner,
        api::subscriptions::retrieve,
        api::subscriptions::retrieve_for_learner,
        api::utilization::utilization,
    ),
    components(schemas(errors::Detail, errors::BadRequest, errors::Problem))
)]
struct Document;

/// The credentials: a header, or the cookies of a browser.
struct Credentials;

impl utoipa::Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let mut add = |scheme, key: fn(ApiKeyValue) -> ApiKey, name, description| {
            let value = ApiKeyValue::with_description(name, description);
            components.add_security_scheme(scheme, SecurityScheme::ApiKey(key(value)));
        };
        // A header of its own because the scheme is `JWT`, not `Bearer`.
        add(JWT, ApiKey::Header, "Authorization", "`JWT <token>`: an access token of the configured issuer.");
        let [head, signature] = JWT_COOKIES;
        add(head, ApiKey::Cookie, HEADER_PAYLOAD_COOKIE, "A token's first two parts, where no such header is sent.");
        add(signature, ApiKey::Cookie, SIGNATURE_COOKIE, "Its third part.");
        let [cookie, header] = CSRF_TOKENS;
        add(cookie, ApiKey::Cookie, CSRF_COOKIE, "The CSRF token that `/csrf/api/v1/token/` sets.");
        add(header, ApiKey::Header, "X-CSRFToken", "The same token.");
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
