//! Examples: requests and answers that `make openapi` took from the conformance cases.

use serde_json::{Value, json};

use crate::http::problem::PROBLEM_JSON;

/// By operation id: the request's body under `request`, the answers' under their status, and where an answer has several media types,
/// those that are not JSON under status and media type: `200 text/csv`.
const EXAMPLES: &str = include_str!("examples.json");

/// Adds each example where the document has its operation and status.
pub fn add(document: &mut Value) -> serde_json::Result<()> {
    let examples: Value = serde_json::from_str(EXAMPLES)?;
    let paths = document["paths"].as_object_mut();
    let operations = paths.into_iter().flat_map(|paths| paths.values_mut().filter_map(Value::as_object_mut)).flatten();
    for (_, operation) in operations {
        let Some(examples) = operation["operationId"].as_str().and_then(|id| examples.get(id)?.as_object()) else {
            continue;
        };
        for (whose, example) in examples {
            let (place, only) =
                whose.split_once(' ').map_or((whose.as_str(), None), |(place, only)| (place, Some(only)));
            let described = match place {
                "request" => operation.get_mut("requestBody"),
                status => operation["responses"].get_mut(status),
            };
            // Answers that endpoints share, by reference, have no example of their own.
            let content = described.and_then(|described| described.get_mut("content")?.as_object_mut());
            let shows = |media_type: &str| only.map_or(media_type != PROBLEM_JSON, |only| media_type == only);
            // A status alone comes before one with a media type, which has the last word.
            for (_, content) in content.into_iter().flatten().filter(|(media_type, _)| shows(media_type)) {
                content["example"] = json!(example);
            }
        }
    }
    Ok(())
}
