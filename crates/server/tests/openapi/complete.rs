//! What the endpoints' attributes need not repeat.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use license_manager::api::endpoint::AGREEMENTS;
use license_manager::http::problem::PROBLEM_JSON;
use license_manager::telemetry::monitor::WATCHED;

use crate::document::{CSRF_TOKENS, JWT, JWT_COOKIES};

/// Errors that endpoints share: status, name among the components, description.
const ERRORS: &[(&str, &str, &str)] = &[
    ("401", "Unauthenticated", "No token, or none that holds."),
    (
        "403",
        "Forbidden",
        "The caller's roles do not permit it, or what was named does not exist; or cookies came without a CSRF token.",
    ),
    ("404", "NotFound", "The path, or what it names, or the page does not exist."),
    ("405", "MethodNotAllowed", "The path has other methods, named in Allow."),
    ("406", "NotAcceptable", "Answers are JSON; the request accepts none."),
    ("413", "TooLarge", "The body is too large."),
    ("415", "NoJson", "The body is not declared as application/json."),
    (
        "409",
        "KeyInUse",
        "The first request with this Idempotency-Key is still being done, or its answer was too large to keep.",
    ),
    ("422", "KeyOfAnotherRequest", "The Idempotency-Key belongs to another request."),
    ("429", "TooManyRequests", "The caller sent too many requests."),
    (
        "503",
        "Unavailable",
        "The database, or another service that is needed, does not answer or is not configured. The request changed nothing \
         and can be sent again.",
    ),
];

/// Where the schemas are.
const SCHEMAS: &str = "#/components/schemas/";

/// Completes the document: see the front page of `license_manager::openapi`.
pub fn complete(document: &mut Value) {
    put_fields_in_place(document);
    let Some(paths) = document["paths"].as_object_mut() else { return };
    add_second_names(paths);
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            operation["operationId"] = json!(operation_id(method, path));
            summarize(operation);
            parameters(path, operation);
            responses(path, operation);
            if path.starts_with("/api/v1/") && method != "get" {
                idempotency_key(operation);
                operation["security"] = security(&CSRF_TOKENS);
            }
        }
    }
    document["security"] = security(&[]);
    let mut components = Map::new();
    for (status, name, description) in ERRORS {
        components.insert((*name).to_owned(), error(status, description));
    }
    document["components"]["responses"] = components.into();
    document["components"]["parameters"] = json!({ "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A name for this request, such as a new UUID: sent again with the same key, it is not done again and gets \
                        the first answer, for 24 hours.",
        "required": false,
        "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
    } });
    document["components"]["headers"] = json!({ "IdempotencyReplayed": {
        "description": "`true` where this is the first answer again.",
        "schema": { "type": "string" },
    } });
    merge_parts(document);
    name_items(document);
    require_answers(document);
    problem_details(document);
}

fn add_second_names(paths: &mut Map<String, Value>) {
    let [first, second] = AGREEMENTS;
    let named = paths.iter().filter_map(|(path, item)| Some((format!("{second}{}", path.strip_prefix(first)?), item)));
    let named: Vec<_> = named.map(|(path, item)| (path, item.clone())).collect();
    paths.extend(named);
}

/// A token in a header, or in cookies with these schemes beside them.
fn security(beside_cookies: &[&str]) -> Value {
    let cookies = JWT_COOKIES.iter().chain(beside_cookies).map(|scheme| ((*scheme).to_owned(), json!([])));
    json!([{ JWT: [] }, cookies.collect::<Map<_, _>>()])
}

/// Such as `get_subscriptions_subscription_uuid_licenses`.
fn operation_id(method: &str, path: &str) -> String {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let words = path.split(['/', '-', '{', '}']).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// Leaves the first sentence of the handler's first paragraph as the summary, and puts the rest before its description.
fn summarize(operation: &mut Value) {
    let paragraph = operation["summary"].as_str().unwrap_or_default().replace('\n', " ");
    if let Some((sentence, rest)) = paragraph.split_once(". ") {
        let more = operation["description"].as_str().map(|more| format!("\n\n{more}")).unwrap_or_default();
        operation["description"] = json!(format!("{rest}{more}"));
        operation["summary"] = json!(sentence);
    } else {
        operation["summary"] = json!(paragraph.trim_end_matches('.'));
    }
}

/// Names the parameters of the path that the attribute does not: UUIDs, and numbers where they are called ids. A
/// parameter is there or not, but never null.
fn parameters(path: &str, operation: &mut Value) {
    let mut parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    for name in path.split(['{', '}']).skip(1).step_by(2) {
        if !parameters.iter().any(|parameter| parameter["name"] == name) {
            let schema = match name.ends_with("_id") {
                true => json!({ "type": "integer", "minimum": 1 }),
                false => json!({ "type": "string", "format": "uuid" }),
            };
            parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
        }
    }
    for parameter in &mut parameters {
        if let Some(kinds) = parameter["schema"]["type"].as_array() {
            let kind = kinds.iter().find(|kind| *kind != "null").cloned();
            parameter["schema"]["type"] = kind.unwrap_or_default();
        }
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
}

/// Adds the errors that any endpoint of the kind can answer, unless the attribute describes them.
fn responses(path: &str, operation: &mut Value) {
    let parameter = |wanted: fn(&Value) -> bool| operation["parameters"].as_array().into_iter().flatten().any(wanted);
    let has_body = operation.get("requestBody").is_some();
    let is_open = operation.get("security").is_some();
    let uuid_in_query = parameter(|parameter| parameter["in"] == "query" && parameter["schema"]["format"] == "uuid");
    let is_missing = path.contains('{') || parameter(|parameter| parameter["name"] == "page");
    let mut add = |status: &str, response: Value| {
        operation["responses"].as_object_mut().map(|all| all.entry(status).or_insert(response));
    };
    if has_body || uuid_in_query {
        let schema = if has_body { "BadRequest" } else { "Detail" };
        add(
            "400",
            json!({ "description": "The request cannot be read, or a rule forbids it.", "content": content(schema) }),
        );
    }
    for (status, name, _) in ERRORS {
        let applies = match *status {
            "401" | "403" => !is_open,
            "404" => is_missing,
            "409" | "422" => false,
            "413" | "415" => has_body,
            "429" => !WATCHED.contains(&path),
            _ => true,
        };
        if applies {
            add(status, json!({ "$ref": format!("#/components/responses/{name}") }));
        }
    }
}

/// Adds the header `Idempotency-Key`, and what it can lead to.
fn idempotency_key(operation: &mut Value) {
    let key = json!({ "$ref": "#/components/parameters/IdempotencyKey" });
    match operation["parameters"].as_array_mut() {
        Some(parameters) => parameters.push(key),
        None => operation["parameters"] = json!([key]),
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (_, response) in responses.iter_mut().filter(|(status, _)| status.starts_with('2')) {
        response["headers"]["Idempotency-Replayed"] = json!({ "$ref": "#/components/headers/IdempotencyReplayed" });
    }
    let unusable = json!({ "description": "The Idempotency-Key cannot be used.", "content": content("Detail") });
    responses.entry("400").or_insert(unusable);
    responses.entry("413").or_insert(json!({ "$ref": "#/components/responses/TooLarge" }));
    responses.entry("409").or_insert(json!({ "$ref": "#/components/responses/KeyInUse" }));
    match responses.get_mut("422") {
        Some(own) => {
            let schema = &mut own["content"]["application/json"]["schema"];
            *schema = json!({ "anyOf": [schema, { "$ref": "#/components/schemas/Detail" }] });
            let description = own["description"].as_str().unwrap_or_default();
            own["description"] = json!(format!("{description}; or the Idempotency-Key belongs to another request."));
        }
        None => {
            responses.insert("422".to_owned(), json!({ "$ref": "#/components/responses/KeyOfAnotherRequest" }));
        }
    }
}

fn error(status: &str, description: &str) -> Value {
    let text = json!({ "type": "string" });
    let header = |name: &str, description: &str| json!({ name: { "description": description, "schema": text } });
    let headers = match status {
        "401" => header("WWW-Authenticate", "`JWT realm=\"api\"`"),
        "405" => header("Allow", "The methods of the path, separated by commas."),
        "409" | "429" | "503" => header("Retry-After", "In how many seconds to try again."),
        _ => json!({}),
    };
    json!({ "description": description, "headers": headers, "content": content("Detail") })
}

fn content(schema: &str) -> Value {
    json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
}

/// Replaces each reference to the schema of a request's field by the schema, and removes optional fields from
/// `required`.
fn put_fields_in_place(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    let names: Vec<_> = schemas.keys().filter(|name| name.starts_with("inline")).cloned().collect();
    let fields: Map<_, _> = names.into_iter().filter_map(|name| schemas.remove_entry(&name)).collect();
    put_in_place(document, &fields);
}

fn put_in_place(part: &mut Value, fields: &Map<String, Value>) {
    match part {
        Value::Object(object) => {
            let properties = object.get("properties").and_then(Value::as_object);
            let is_optional = |property: &Value| {
                let name = schema_name(property).unwrap_or_default();
                name.starts_with("inline::optional") || name.starts_with("inline::nullable")
            };
            let optional = properties.into_iter().flatten().filter(|(_, property)| is_optional(property));
            let optional: BTreeSet<_> = optional.map(|(name, _)| name.clone()).collect();
            if let Some(required) = object.get_mut("required").and_then(Value::as_array_mut) {
                required.retain(|name| !name.as_str().is_some_and(|name| optional.contains(name)));
                if required.is_empty() {
                    object.remove("required");
                }
            }
            let target = object.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix(SCHEMAS));
            if let Some(Value::Object(field)) = target.and_then(|name| fields.get(name)) {
                object.remove("$ref");
                object.extend(field.clone());
            }
            object.values_mut().for_each(|part| put_in_place(part, fields));
            join_null(object);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| put_in_place(item, fields)),
        _ => {}
    }
}

/// Writes "a text or null" as one schema with two types. The derive macro makes two schemas of it.
fn join_null(object: &mut Map<String, Value>) {
    let Some([text, null]) = object.get("oneOf").and_then(Value::as_array).map(Vec::as_slice) else { return };
    if text["type"] != "string" || *null != json!({ "type": "null" }) {
        return;
    }
    let text = text.as_object().cloned().unwrap_or_default();
    object.remove("oneOf");
    object.extend(text);
    object.insert("type".to_owned(), json!(["string", "null"]));
}

/// Makes one object of those that hold the fields of others: tools have trouble with `allOf`.
fn merge_parts(document: &mut Value) {
    let schemas = document["components"]["schemas"].as_object().cloned().unwrap_or_default();
    for (name, schema) in &schemas {
        if schema.get("allOf").is_some() {
            document["components"]["schemas"][name] = merged(schema, &schemas);
        }
    }
}

/// Gives the items of pages, which the derive macro repeats in each `Page_Item`, their name.
fn name_items(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    let pages: Vec<_> = schemas.keys().filter(|name| name.contains("Page_")).cloned().collect();
    for page in pages {
        let name = page.split_once('_').map_or("", |(_, item)| item);
        let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
        let items = schemas[&page]["properties"]["results"]["items"].take();
        schemas[&page]["properties"]["results"]["items"] = reference;
        let items = merged(&items, schemas);
        schemas.entry(name).or_insert(items);
    }
}

/// A schema with the fields of all its parts as its own.
fn merged(schema: &Value, schemas: &Map<String, Value>) -> Value {
    let Some(parts) = schema["allOf"].as_array() else { return schema.clone() };
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in parts {
        let part = schema_name(part).and_then(|name| schemas.get(name)).unwrap_or(part);
        let part = merged(part, schemas);
        properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
    }
    let mut whole = json!({ "type": "object", "properties": properties, "required": required });
    if let Some(description) = schema.get("description") {
        whole["description"] = description.clone();
    }
    whole
}

/// The name of the schema that a reference leads to.
fn schema_name(part: &Value) -> Option<&str> {
    part["$ref"].as_str()?.strip_prefix(SCHEMAS)
}

/// The fields that an answer has only where there is something to say.
const MAY_BE_ABSENT: [&str; 2] = ["next_cursor", "num_not_carried_over"];

/// Answers have all their other fields, which the derive macros, for whom an `Option` is a field that can be missing,
/// cannot know.
fn require_answers(document: &mut Value) {
    let mut names = BTreeSet::new();
    let operations = document["paths"].as_object().into_iter().flat_map(Map::values).filter_map(Value::as_object);
    let answers: Vec<_> = operations.flat_map(Map::values).map(|operation| &operation["responses"]).collect();
    for answer in answers {
        mention(document, answer, &mut names);
    }
    let schemas = document["components"]["schemas"].as_object_mut();
    for (_, schema) in schemas.into_iter().flatten().filter(|(name, _)| names.contains(*name)) {
        if let Some(properties) = schema["properties"].as_object() {
            let required = properties.keys().filter(|name| !MAY_BE_ABSENT.contains(&name.as_str()));
            schema["required"] = required.cloned().collect();
        }
    }
}

/// Collects the names of the schemas that a part of the document mentions, directly or not.
fn mention(document: &Value, part: &Value, names: &mut BTreeSet<String>) {
    match part {
        Value::Object(object) => {
            if let Some(name) = schema_name(part).filter(|name| names.insert((*name).to_owned())) {
                mention(document, &document["components"]["schemas"][name], names);
            }
            object.values().for_each(|value| mention(document, value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| mention(document, item, names)),
        _ => {}
    }
}

/// Adds the other form of errors that have a body.
fn problem_details(document: &mut Value) {
    let add = |response: &mut Value| {
        if let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) {
            let schema = json!({ "$ref": "#/components/schemas/Problem" });
            content.insert(PROBLEM_JSON.to_owned(), json!({ "schema": schema }));
        }
    };
    document["components"]["responses"].as_object_mut().into_iter().flat_map(Map::values_mut).for_each(add);
    let items = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    let operations = items.filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    let responses = operations.filter_map(|operation| operation["responses"].as_object_mut()).flatten();
    let errors = responses.filter(|(status, _)| status.starts_with(['4', '5']));
    errors.for_each(|(_, response)| add(response));
}
