//! Whether what was expected is part of what was sent.

use chrono::{DateTime, NaiveDateTime};
use serde_json::{Map, Value};
use uuid::Uuid;

/// The lists of a call whose items could as well be sent in calls of their own.
const LISTS: [&str; 7] =
    ["user_aliases", "attributes", "events", "recipients", "aliases_to_identify", "batch", "licenses_info"];

/// The parts of a call that could be sent alone: one for each item of its lists, with the rest of the call. A recipient
/// gets the properties of its campaign, which a template reads alike.
pub fn items(call: &Value) -> Vec<Value> {
    match call {
        Value::Array(all) => all.clone(),
        Value::Object(call) => {
            let (lists, rest): (Vec<_>, Vec<_>) =
                call.clone().into_iter().partition(|(name, value)| LISTS.contains(&name.as_str()) && value.is_array());
            let mut rest: Map<String, Value> = rest.into_iter().collect();
            let properties = rest.remove("trigger_properties").unwrap_or_default();
            let alone = |name: &str, mut item: Value| {
                if let (Some(of_campaign), true) = (properties.as_object(), name == "recipients") {
                    let mut all = of_campaign.clone();
                    all.extend(item["trigger_properties"].as_object().cloned().unwrap_or_default());
                    item["trigger_properties"] = all.into();
                }
                let mut call = rest.clone();
                call.insert(name.to_owned(), item);
                Value::Object(call)
            };
            let mut items = Vec::new();
            for (name, list) in &lists {
                items.extend(list.as_array().into_iter().flatten().map(|item| alone(name, item.clone())));
            }
            if items.is_empty() { vec![rest.into()] } else { items }
        }
        other => vec![other.clone()],
    }
}

/// Whether everything expected was sent: keys of objects, items of lists, plain values; `<uuid>` and the like by form.
pub fn is_contained(expected: &Value, sent: &Value) -> bool {
    match (expected, sent) {
        (Value::Object(expected), Value::Object(sent)) => {
            expected.iter().all(|(key, value)| sent.get(key).is_some_and(|sent| is_contained(value, sent)))
        }
        (Value::Array(expected), Value::Array(sent)) => {
            expected.iter().all(|item| sent.iter().any(|sent| is_contained(item, sent)))
        }
        (Value::String(form), Value::String(sent)) if form.starts_with('<') => has_form(form, sent),
        _ => expected == sent,
    }
}

/// An unknown form fits nothing, so that a typo is noticed.
fn has_form(form: &str, text: &str) -> bool {
    let again = |format: &str| {
        let read = NaiveDateTime::parse_from_str(text, format);
        read.is_ok_and(|read| read.format(format).to_string() == text)
    };
    match form {
        "<uuid>" => Uuid::try_parse(text).is_ok_and(|uuid| uuid.hyphenated().to_string() == text),
        "<second>" => again("%Y-%m-%dT%H:%M:%SZ"),
        "<moment>" => again("%Y-%m-%dT%H:%M:%S%.6f+00:00") && DateTime::parse_from_rfc3339(text).is_ok(),
        "<minute in words>" => again("%B %d, %Y, %I:%M%p UTC"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn more_may_be_sent_and_never_less() {
        let sent = json!({ "a": 1, "b": [1, { "c": null, "d": true }], "e": "x" });
        for expected in [json!({}), json!({ "b": [{ "c": null }] }), json!({ "a": 1, "e": "x" }), sent.clone()] {
            assert!(is_contained(&expected, &sent), "{expected}");
        }
        for expected in [json!({ "f": 1 }), json!({ "a": "1" }), json!({ "b": [{ "c": "" }] }), json!({ "e": null })] {
            assert!(!is_contained(&expected, &sent), "{expected}");
        }
    }

    #[test]
    fn random_values_are_told_by_their_form() {
        for (form, fits, other) in [
            ("<uuid>", "00000000-0000-4000-8000-00000000000a", ""),
            ("<second>", "2030-01-31T12:00:00Z", "2030-01-31T12:00:00.5Z"),
            ("<moment>", "2030-01-31T12:00:00.123456+00:00", "2030-01-31T12:00:00Z"),
            ("<minute in words>", "January 31, 2030, 12:05PM UTC", "2030-01-31T12:05:00Z"),
            ("<misspelt>", "<misspelled>", "<misspelt>"),
        ] {
            assert_eq!(is_contained(&json!(form), &json!(fits)), form != "<misspelt>", "{form}");
            assert!(!is_contained(&json!(form), &json!(other)), "{form}");
        }
    }

    #[test]
    fn calls_are_split_into_what_could_be_sent_alone() {
        let call = json!({
            "campaign_id": "c",
            "trigger_properties": { "a": 1 },
            "recipients": [{ "to": 1, "trigger_properties": { "b": 2 } }, { "to": 2 }],
        });
        let both = json!({ "a": 1, "b": 2 });
        let parts = items(&call);
        assert_eq!(parts[0]["recipients"], json!({ "to": 1, "trigger_properties": both }));
        assert_eq!(parts[1]["recipients"], json!({ "to": 2, "trigger_properties": { "a": 1 } }));
        assert_eq!((parts.len(), &parts[1]["campaign_id"]), (2, &json!("c")));
        assert_eq!(items(&json!([1, 2])), [json!(1), json!(2)]);
        assert_eq!(items(&json!({ "user_id": 7 })), [json!({ "user_id": 7 })]);
    }
}
