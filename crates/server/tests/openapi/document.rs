//! The API's document as the code describes it, with the examples that the committed one has.

use license_manager::api::{self, csrf_token, health};
use license_manager::config::Config;
use license_manager::openapi::{self, errors};
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};

use crate::complete::complete;

/// The scheme of the token in a header.
pub const JWT: &str = "jwt";

/// The schemes of the token in cookies.
pub const JWT_COOKIES: [&str; 2] = ["jwtCookieHeaderPayload", "jwtCookieSignature"];

/// What requests with cookie credentials that change something need beside them.
pub const CSRF_TOKENS: [&str; 2] = ["csrfCookie", "csrfHeader"];

/// What is said of the API as a whole, and the endpoints that need no token.
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
        csrf_token::csrf_token,
        health::health,
        health::live,
        health::ready,
        openapi::document,
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
        let Config { auth, server, .. } = Config::default();
        let [head, signature] = JWT_COOKIES;
        add(
            head,
            ApiKey::Cookie,
            &auth.cookie_header_payload,
            "A token's first two parts, where no such header is sent.",
        );
        add(signature, ApiKey::Cookie, &auth.cookie_signature, "Its third part.");
        let [cookie, header] = CSRF_TOKENS;
        add(cookie, ApiKey::Cookie, &server.csrf_cookie_name, "The CSRF token that `/csrf/api/v1/token/` sets.");
        add(header, ApiKey::Header, "X-CSRFToken", "The same token.");
    }
}

/// The document.
pub fn value() -> Value {
    let whole = Document::openapi().merge_from(api::Documented::openapi());
    let mut document = serde_json::to_value(whole).expect("the document has JSON");
    complete(&mut document);
    let committed: Value = serde_json::from_str(openapi::TEXT).expect("the committed document is JSON");
    keep_examples(&mut document["paths"], &committed["paths"]);
    document
}

/// Copies the examples of the committed document.
fn keep_examples(part: &mut Value, committed: &Value) {
    for (name, part) in part.as_object_mut().into_iter().flatten() {
        if name != "content" {
            keep_examples(part, &committed[name]);
            continue;
        }
        for (media_type, content) in part.as_object_mut().into_iter().flatten() {
            if let Some(example) = committed[name][media_type].get("example") {
                content["example"] = example.clone();
            }
        }
    }
}
