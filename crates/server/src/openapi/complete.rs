//! What the endpoints' attributes need not repeat.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Errors that endpoints share: status, name among the components, description.
const ERRORS: &[(&str, &str, &str)] = &[
    ("401", "Unauthenticated", "No token, or none that holds."),
    ("403", "Forbidden", "The caller's roles do not permit it, or what was named does not exist."),
    ("404", "NotFound", "The path, or what it names, or the page does not exist."),
    ("405", "MethodNotAllowed", "The path has other methods, named in Allow."),
    ("406", "NotAcceptable", "Answers are JSON; the request accepts none."),
    ("413", "TooLarge", "The body is too large."),
    ("415", "NoJson", "The body is not declared as application/json."),
    ("503", "Unavailable", "The database does not answer. The request changed nothing and can be sent again."),
];

/// Completes the document: see the module's front page.
pub fn complete(document: &mut Value) {
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            operation["operationId"] = json!(operation_id(method, path));
            parameters(path, operation);
            responses(path, operation);
        }
    }
    let mut components = Map::new();
    for (status, name, description) in ERRORS {
        components.insert((*name).to_owned(), error(status, description));
    }
    document["components"]["responses"] = components.into();
    merge_parts(document);
    require_answers(document);
}

/// Such as `get_subscriptions_subscription_uuid_licenses`.
fn operation_id(method: &str, path: &str) -> String {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let words = path.split(['/', '-', '{', '}']).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// Names the parameters of the path that the attribute does not, which are UUIDs. A parameter is there or not, but never null.
fn parameters(path: &str, operation: &mut Value) {
    let mut parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    for name in path.split(['{', '}']).skip(1).step_by(2) {
        if !parameters.iter().any(|parameter| parameter["name"] == name) {
            let schema = json!({ "type": "string", "format": "uuid" });
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
            "413" | "415" => has_body,
            _ => true,
        };
        if applies {
            add(status, json!({ "$ref": format!("#/components/responses/{name}") }));
        }
    }
}

fn error(status: &str, description: &str) -> Value {
    let text = json!({ "type": "string" });
    let header = |name: &str, description: &str| json!({ name: { "description": description, "schema": text } });
    let headers = match status {
        "401" => header("WWW-Authenticate", "`JWT realm=\"api\"`"),
        "405" => header("Allow", "The methods of the path, separated by commas."),
        "503" => header("Retry-After", "In how many seconds to try again."),
        _ => json!({}),
    };
    json!({ "description": description, "headers": headers, "content": content("Detail") })
}

fn content(schema: &str) -> Value {
    json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
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
    part["$ref"].as_str()?.strip_prefix("#/components/schemas/")
}

/// Answers always have all their fields, which the derive macros, for whom an `Option` is a field that can be missing,
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
            schema["required"] = properties.keys().cloned().collect();
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
