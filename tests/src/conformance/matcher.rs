//! Compares an answer with the expected one.

use std::sync::LazyLock;

use chrono::{DateTime, FixedOffset};
use regex_lite::Regex;
use serde_json::{Map, Value};
use uuid::Uuid;

/// The most characters of a value that a message shows.
const SHOWN: usize = 300;

/// The key of an object that stands for an unordered list.
const UNORDERED: &str = "<unordered>";

static KIND: LazyLock<Regex> = LazyLock::new(|| Regex::new("^<[a-z]+>$").unwrap());
static DATETIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$").unwrap());

/// All differences, each as a JSON pointer with the expected and the actual value.
///
/// `want` is the case's expected body with its variables filled in.
pub fn differences(want: &Value, got: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(want, got, "", &mut found);
    found
}

/// A value as JSON, shortened if long.
pub(super) fn abridged(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn compare(want: &Value, got: &Value, at: &str, found: &mut Vec<String>) {
    let fits = match (want, got) {
        (Value::String(kind), _) if KIND.is_match(kind) => is_of_kind(kind, got),
        (Value::Object(template), _) if template.contains_key(UNORDERED) => match (&template[UNORDERED], got) {
            (Value::Array(want), Value::Array(got)) if want.len() == got.len() => {
                return compare_unordered(want, got, at, found);
            }
            _ => false,
        },
        (Value::Object(want), Value::Object(got)) => return compare_objects(want, got, at, found),
        (Value::Array(want), Value::Array(got)) if is_messages(want) => {
            !got.is_empty() && got.iter().all(|message| is_of_kind("<text>", message))
        }
        (Value::Array(want), Value::Array(got)) if want.len() == got.len() => {
            for (index, (want, got)) in want.iter().zip(got).enumerate() {
                compare(want, got, &format!("{at}/{index}"), found);
            }
            return;
        }
        (Value::String(want), Value::String(got)) => {
            want == got || moment(want).is_some_and(|want| moment(got) == Some(want))
        }
        _ => want == got,
    };
    if !fits {
        let (want, got) = (abridged(want), abridged(got));
        found.push(format!("{}: want {want}, got {got}", place(at)));
    }
}

fn compare_objects(want: &Map<String, Value>, got: &Map<String, Value>, at: &str, found: &mut Vec<String>) {
    for (key, want) in want {
        match got.get(key) {
            Some(got) => compare(want, got, &format!("{at}/{key}"), found),
            None => found.push(format!("{at}/{key}: missing")),
        }
    }
    for (key, got) in got.iter().filter(|(key, _)| !want.contains_key(*key)) {
        found.push(format!("{at}/{key}: unexpected, {}", abridged(got)));
    }
}

/// Each expected item takes the first remaining item that matches.
fn compare_unordered(want: &[Value], got: &[Value], at: &str, found: &mut Vec<String>) {
    let mut remaining: Vec<&Value> = got.iter().collect();
    let mut unmatched = Vec::new();
    for item in want {
        let fits = |candidate: &&Value| differences(item, candidate).is_empty();
        match remaining.iter().position(fits) {
            Some(index) => {
                remaining.remove(index);
            }
            None => unmatched.push(item),
        }
    }
    for item in unmatched {
        found.push(format!("{}: no item like {}", place(at), abridged(item)));
    }
    for item in remaining {
        found.push(format!("{}: unexpected item {}", place(at), abridged(item)));
    }
}

/// A pointer for display; the whole body is `/`.
fn place(at: &str) -> &str {
    if at.is_empty() { "/" } else { at }
}

fn is_messages(want: &[Value]) -> bool {
    matches!(want, [Value::String(only)] if only == "<text>")
}

/// An unknown kind matches nothing, so that a typo is noticed.
fn is_of_kind(kind: &str, got: &Value) -> bool {
    let text = got.as_str();
    match kind {
        "<any>" => true,
        "<uuid>" => text.is_some_and(is_uuid),
        "<datetime>" => text.is_some_and(|text| moment(text).is_some()),
        "<int>" => got.is_i64() || got.is_u64(),
        "<text>" => text.is_some_and(|text| !text.trim().is_empty()),
        _ => false,
    }
}

fn is_uuid(text: &str) -> bool {
    Uuid::try_parse(text).is_ok_and(|uuid| uuid.hyphenated().to_string() == text)
}

fn moment(text: &str) -> Option<DateTime<FixedOffset>> {
    DATETIME.is_match(text).then(|| DateTime::parse_from_rfc3339(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const UUID: &str = "00000000-0000-4000-8000-00000000000a";

    #[track_caller]
    fn fits(want: Value, got: Value) {
        assert_eq!(differences(&want, &got), Vec::<String>::new());
    }

    #[track_caller]
    fn differs(want: Value, got: Value, places: &[&str]) {
        let found = differences(&want, &got);
        let at: Vec<_> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
        assert_eq!(at, places, "{found:?}");
    }

    #[test]
    fn equal_values_fit() {
        let body = json!({"a": [1, 2.5, true, null, "x"], "b": {"c": []}});
        fits(body.clone(), body);
    }

    #[test]
    fn values_of_another_type_differ() {
        differs(json!(1), json!("1"), &["/"]);
        differs(json!(1), json!(1.0), &["/"]);
        differs(json!(1), json!(true), &["/"]);
        differs(json!(null), json!(false), &["/"]);
        differs(json!({}), json!([]), &["/"]);
        differs(json!([]), json!(null), &["/"]);
    }

    #[test]
    fn every_difference_is_named_by_its_place() {
        differs(
            json!({"same": 1, "other": 2, "deep": {"list": [1, 2, 3]}}),
            json!({"same": 1, "other": 3, "deep": {"list": [1, 0, 0]}}),
            &["/deep/list/1", "/deep/list/2", "/other"],
        );
    }

    #[test]
    fn an_object_has_exactly_the_wanted_keys() {
        differs(json!({"a": 1}), json!({"b": 1}), &["/a", "/b"]);
        differs(json!({"a": null}), json!({}), &["/a"]);
    }

    #[test]
    fn a_list_has_exactly_the_wanted_items_in_order() {
        differs(json!([1, 2]), json!([2, 1]), &["/0", "/1"]);
        differs(json!([1]), json!([1, 1]), &["/"]);
        differs(json!({"a": [1]}), json!({"a": []}), &["/a"]);
    }

    #[test]
    fn kinds_fit_their_values() {
        fits(json!("<uuid>"), json!(UUID));
        fits(json!("<int>"), json!(-3));
        fits(json!("<text>"), json!("words"));
        fits(json!("<datetime>"), json!("2026-11-22T00:17:57Z"));
        fits(json!("<datetime>"), json!("2026-11-22T00:17:57.241403Z"));
        for anything in [json!(null), json!(""), json!([{}])] {
            fits(json!("<any>"), anything);
        }
    }

    #[test]
    fn kinds_fit_nothing_else() {
        let wrong = [
            ("<uuid>", json!(UUID.to_uppercase())),
            ("<uuid>", json!(UUID.replace('-', ""))),
            ("<uuid>", json!(null)),
            ("<int>", json!(1.0)),
            ("<int>", json!("1")),
            ("<int>", json!(true)),
            ("<text>", json!(" ")),
            ("<text>", json!(["words"])),
            ("<datetime>", json!("2026-11-22 00:17:57Z")),
            ("<datetime>", json!("2026-11-22T00:17:57+00:00")),
            ("<datetime>", json!("2026-11-22T00:17:57.1234567Z")),
            ("<datetime>", json!("2026-22-11T00:17:57Z")),
            ("<datetime>", json!(1_700_000_000)),
            ("<misspelt>", json!("<misspelt>")),
        ];
        for (kind, value) in wrong {
            differs(json!(kind), value, &["/"]);
        }
    }

    #[test]
    fn messages_are_one_or_more_texts() {
        fits(json!(["<text>"]), json!(["one"]));
        fits(json!(["<text>"]), json!(["one", "two"]));
        differs(json!(["<text>"]), json!([]), &["/"]);
        differs(json!(["<text>"]), json!(["one", ""]), &["/"]);
        differs(json!(["<text>"]), json!([1]), &["/"]);
        differs(json!(["<text>"]), json!("one"), &["/"]);
    }

    #[test]
    fn an_unordered_list_fits_in_any_order() {
        let want = json!({"<unordered>": [{"id": "<int>", "name": "b"}, 1, 1]});
        fits(want.clone(), json!([1, {"name": "b", "id": 7}, 1]));
        fits(json!({"<unordered>": []}), json!([]));
        differs(want.clone(), json!([1, 2, 3]), &["/"; 4]);
        differs(want.clone(), json!([1, 1]), &["/"]);
        differs(want, json!({"id": 1}), &["/"]);
    }

    #[test]
    fn an_item_fits_only_once() {
        differs(json!({"a": {"<unordered>": ["x", "x"]}}), json!({"a": ["x", "y"]}), &["/a", "/a"]);
    }

    #[test]
    fn moments_are_equal_whatever_the_length_of_their_fraction() {
        fits(json!("2026-11-22T00:17:57Z"), json!("2026-11-22T00:17:57.000Z"));
        fits(json!("2026-11-22T00:17:57.5Z"), json!("2026-11-22T00:17:57.500000Z"));
        differs(json!("2026-11-22T00:17:57Z"), json!("2026-11-22T00:17:57.000001Z"), &["/"]);
        differs(json!("2026-11-22T00:17:57Z"), json!("2026-11-22"), &["/"]);
        differs(json!("some text"), json!("another text"), &["/"]);
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let long = abridged(&json!("ä".repeat(1000)));
        assert_eq!(long.chars().count(), SHOWN + 1);
    }
}
