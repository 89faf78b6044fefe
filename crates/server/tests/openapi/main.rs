//! The OpenAPI document is complete, and every change to it is deliberate.

mod complete;
mod document;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use actix_web::App;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_SECURITY_POLICY;
use license_manager::api;
use serde_json::{Value, json};

fn document() -> Value {
    document::value()
}

/// All operations by method and path.
fn operations(document: &Value) -> BTreeMap<(String, String), &Value> {
    let paths = document["paths"].as_object().unwrap();
    let methods = |path: &str, item: &Value| {
        let path = path.to_owned();
        item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    let keys = paths.iter().flat_map(|(path, item)| methods(path, item));
    keys.map(|(method, path)| {
        let operation = &document["paths"][path.as_str()][method.to_lowercase()];
        ((method, path), operation)
    })
    .collect()
}

#[test]
fn every_endpoint_is_documented_and_nothing_else() {
    let registered: BTreeSet<_> = api::endpoints()
        .registered()
        // HEAD is GET without the body.
        .filter(|(method, _)| *method != "HEAD")
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .collect();
    let document = document();
    let documented: BTreeSet<_> =
        operations(&document).into_keys().filter(|(_, path)| path.starts_with("/api/v1/")).collect();
    let missing: Vec<_> = registered.difference(&documented).collect();
    assert!(missing.is_empty(), "document these as crates/server/src/openapi/mod.rs says: {missing:?}");
    let strange: Vec<_> = documented.difference(&registered).collect();
    assert!(strange.is_empty(), "these are documented, but do not exist: {strange:?}");
}

#[test]
fn the_committed_document_is_up_to_date() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let now = format!("{:#}\n", document());
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&file, now).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    let difference = now.lines().zip(committed.lines()).enumerate().find(|(_, (now, committed))| now != committed);
    assert!(
        now == committed,
        "the API differs from docs/openapi.json, first in {difference:?}. If clients can live with that, run `make openapi` and commit the file."
    );
}

#[test]
fn every_operation_has_its_own_id_a_summary_and_a_known_tag() {
    let document = document();
    let tags: BTreeSet<_> =
        document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).map(Value::to_string).collect();
    let mut ids = BTreeSet::new();
    for (key, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].to_string()), "{key:?}: {}", operation["operationId"]);
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{key:?}");
        for tag in operation["tags"].as_array().unwrap() {
            assert!(tags.contains(&tag.to_string()), "{key:?}: {tag}");
        }
    }
}

#[test]
fn every_operation_has_an_example() {
    let document = document();
    for (key, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            for media_type in response["content"].as_object().into_iter().flat_map(|content| content.values()) {
                let shown = media_type.get("example").is_some();
                assert!(
                    shown || !status.starts_with('2') || key.1 == "/api/schema/",
                    "{key:?} {status}: `make openapi` finds no example"
                );
            }
        }
        let request = &operation["requestBody"];
        assert!(
            request.is_null() || !request["content"]["application/json"]["example"].is_null(),
            "{key:?}: no request"
        );
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(document: &Value, part: &Value) {
        match part {
            Value::Object(object) => {
                if let Some(target) = object.get("$ref").and_then(Value::as_str) {
                    let pointer = target.strip_prefix('#').unwrap_or(target);
                    assert!(document.pointer(pointer).is_some(), "{target}");
                }
                object.values().for_each(|value| check(document, value));
            }
            Value::Array(items) => items.iter().for_each(|item| check(document, item)),
            _ => {}
        }
    }
    let document = document();
    check(&document, &document);
}

#[test]
fn the_document_is_openapi_3_1_and_asks_for_a_token_where_one_is_needed() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    let named = |alternative: &Value| {
        let parts: Vec<_> = alternative.as_object().unwrap().keys().map(|scheme| &schemes[scheme]["name"]).collect();
        json!(parts)
    };
    let cookies = ["edx-jwt-cookie-header-payload", "edx-jwt-cookie-signature"];
    let with_cookies = [vec!["license_manager_csrftoken", "X-CSRFToken"], cookies.to_vec()].concat();
    for ((method, path), operation) in operations(&document) {
        let alternatives = operation.get("security").unwrap_or(&document["security"]).as_array().unwrap();
        let found: Vec<_> = alternatives.iter().map(named).collect();
        let expected = match (path.starts_with("/api/v1/"), method.as_str()) {
            (false, _) => vec![json!([])],
            (true, "GET") => vec![json!(["Authorization"]), json!(cookies)],
            (true, _) => vec![json!(["Authorization"]), json!(with_cookies)],
        };
        assert_eq!(found, expected, "{method} {path}");
        assert_eq!(operation["responses"].get("401").is_some(), path.starts_with("/api/v1/"), "{path}");
    }
}

#[test]
fn unsafe_methods_take_an_idempotency_key() {
    let document = document();
    for ((method, path), operation) in operations(&document) {
        let keyed = path.starts_with("/api/v1/") && method != "GET";
        let key = json!({ "$ref": "#/components/parameters/IdempotencyKey" });
        let parameters = operation["parameters"].as_array();
        assert_eq!(parameters.is_some_and(|parameters| parameters.contains(&key)), keyed, "{method} {path}");
        for status in ["400", "409", "422"] {
            assert!(!keyed || operation["responses"].get(status).is_some(), "{method} {path}: {status}");
        }
    }
}

#[test]
fn ids_in_a_path_are_uuids_or_numbers() {
    let document = document();
    for ((method, path), operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|it| it["in"] == "path") {
            let name = parameter["name"].as_str().unwrap();
            let kind = if name.ends_with("_uuid") { "string" } else { "integer" };
            assert_eq!(parameter["schema"]["type"], kind, "{method} {path}: {name}");
        }
    }
}

#[test]
fn every_error_with_a_body_has_the_form_of_problem_details_too() {
    let document = document();
    let shared = document["components"]["responses"].as_object().unwrap().iter();
    let operations = operations(&document);
    let own = operations.values().flat_map(|operation| operation["responses"].as_object().unwrap());
    let own = own.filter(|(status, response)| status.starts_with(['4', '5']) && response.get("$ref").is_none());
    for (name, response) in shared.chain(own).filter(|(_, response)| response.get("content").is_some()) {
        let schema = &response["content"]["application/problem+json"]["schema"];
        assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{name}: {response}");
    }
}

#[actix_web::test]
async fn the_page_reads_the_document_and_may_load_nothing_from_elsewhere() {
    let app = actix_web::test::init_service(App::new().configure(api::configure)).await;
    let get = async |path: &str| {
        actix_web::test::call_service(&app, actix_web::test::TestRequest::get().uri(path).to_request()).await
    };
    for file in ["", "index.css/", "swagger-ui.css/", "swagger-ui-bundle.js/", "swagger-ui-standalone-preset.js/"] {
        let answer = get(&format!("/api-docs/{file}")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{file}");
        let policy = answer.headers().get(CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap();
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("http"), "{policy}");
    }
    let script = actix_web::test::read_body(get("/api-docs/swagger-initializer.js/").await).await;
    let script = String::from_utf8(script.to_vec()).unwrap();
    assert!(script.contains(r#""url": "/api/schema/""#) && script.contains(r#""validatorUrl": "none""#), "{script}");
    assert_eq!(get("/api-docs/nothing.js/").await.status(), StatusCode::NOT_FOUND);
}
