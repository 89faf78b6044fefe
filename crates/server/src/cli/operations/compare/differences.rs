//! Compares two answers. Documented differences do not count: see docs/MIGRATION.md.

use std::collections::BTreeMap;
use std::fmt;

use chrono::DateTime;
use reqwest::Url;
use serde_json::{Value, json};

/// How answers differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    kind: &'static str,
    /// Where it is in the answer. It names no person.
    place: String,
}

impl Difference {
    /// A difference at a place; an empty place is the answer as a whole.
    fn at(kind: &'static str, place: &str) -> Self {
        Self { kind, place: if place.is_empty() { "the answer" } else { place }.to_owned() }
    }

    /// The statuses differ.
    pub(super) fn status(here: u16, there: u16) -> Self {
        Self { kind: "status", place: format!("{here} here, {there} there") }
    }

    pub(super) fn json(&self) -> Value {
        json!({ "kind": self.kind, "place": self.place })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.replace('_', " "), self.place)
    }
}

/// Lists whose order means nothing.
const WITHOUT_ORDER: [&str; 3] = ["subscriptions", "available_subscription_catalogs", "prior_renewals"];

/// How two answers differ.
pub(super) fn differences(here: &Value, there: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", here, there, &mut found);
    found
}

fn compare(place: &str, here: &Value, there: &Value, found: &mut Vec<Difference>) {
    let is_different = match (here, there) {
        (Value::Object(ours), Value::Object(theirs)) => {
            // Fields that only this service has are additions, which clients ignore.
            for (name, theirs) in theirs {
                let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                match ours.get(name) {
                    Some(ours) => compare(&place, ours, theirs, found),
                    None => found.push(Difference { kind: "only_there", place }),
                }
            }
            false
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            lists(place, ours, theirs, found);
            false
        }
        (Value::String(ours), Value::String(theirs)) => !are_equal(last_name(place), ours, theirs),
        (Value::Null, Value::String(text)) | (Value::String(text), Value::Null) => !text.is_empty(),
        (ours, theirs) => ours != theirs,
    };
    if is_different {
        found.push(Difference::at("differs", place));
    }
}

/// Compares lists: rows by their ids, others by their places.
fn lists(place: &str, ours: &[Value], theirs: &[Value], found: &mut Vec<Difference>) {
    let (our_ids, their_ids) = (ids(ours), ids(theirs));
    let (Some(our_ids), Some(their_ids)) = (our_ids, their_ids) else {
        let is_ordered = !WITHOUT_ORDER.contains(&last_name(place));
        let sorted = |list: &[Value]| {
            let mut texts: Vec<String> = list.iter().map(ToString::to_string).collect();
            texts.sort();
            texts
        };
        match ours.len() == theirs.len() {
            false => found.push(Difference::at("length", place)),
            true if is_ordered => {
                for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                    compare(&format!("{place}[{index}]"), ours, theirs, found);
                }
            }
            true if sorted(ours) != sorted(theirs) => found.push(Difference::at("differs", place)),
            true => {}
        }
        return;
    };
    for (id, their_place) in &their_ids {
        let place = format!("{place}[{id}]");
        match our_ids.get(id) {
            Some(our_place) => compare(&place, &ours[*our_place], &theirs[*their_place], found),
            None => found.push(Difference { kind: "only_there", place }),
        }
    }
    for id in our_ids.keys().filter(|id| !their_ids.contains_key(*id)) {
        found.push(Difference { kind: "only_here", place: format!("{place}[{id}]") });
    }
    let is_same = our_ids.len() == their_ids.len() && our_ids.keys().all(|id| their_ids.contains_key(id));
    if is_same && our_ids != their_ids && !WITHOUT_ORDER.contains(&last_name(place)) {
        found.push(Difference::at("order", place));
    }
}

/// The places of rows by their ids; `None` if they have none, or one stands twice.
fn ids(list: &[Value]) -> Option<BTreeMap<String, usize>> {
    let id = |row: &Value| match (&row["uuid"], &row["id"], &row["status"]) {
        (Value::String(uuid), _, _) => Some(uuid.clone()),
        (_, Value::Number(number), _) => Some(number.to_string()),
        // The counts of an overview.
        (_, _, Value::String(status)) if row.get("count").is_some() => Some(status.clone()),
        _ => None,
    };
    let ids: Option<BTreeMap<String, usize>> =
        list.iter().enumerate().map(|(place, row)| Some((id(row)?, place))).collect();
    ids.filter(|ids| ids.len() == list.len() && !list.is_empty())
}

/// The name at the end of a place.
fn last_name(place: &str) -> &str {
    let place = place.rsplit('.').next().unwrap_or(place);
    place.split('[').next().unwrap_or(place)
}

fn are_equal(name: &str, ours: &str, theirs: &str) -> bool {
    if ours == theirs {
        return true;
    }
    match name {
        // The host differs, and the order of the query means nothing.
        "next" | "previous" => matches!((query(ours), query(theirs)), (Some(ours), Some(theirs)) if ours == theirs),
        "user_email" => ours.to_lowercase() == theirs.trim().to_lowercase(),
        _ => {
            let moment = |text: &str| DateTime::parse_from_rfc3339(text).ok();
            matches!((moment(ours), moment(theirs)), (Some(ours), Some(theirs)) if ours == theirs)
        }
    }
}

/// The path and query of a URL, sorted.
fn query(url: &str) -> Option<(String, Vec<(String, String)>)> {
    let url = Url::parse(url).ok()?;
    let mut pairs: Vec<_> = url.query_pairs().into_owned().collect();
    pairs.sort();
    Some((url.path().to_owned(), pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(here: &Value, there: &Value) -> Vec<String> {
        differences(here, there).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_documented_to_differ_does_not_count() {
        let here = json!({
            "next": "http://new/x/?page=2&status=a", "more": 1, "title": "T", "slug": null, "user_email": "amy@example.com",
            "start_date": "2026-01-01T00:00:00Z", "available_subscription_catalogs": ["a", "b"],
        });
        let there = json!({
            "next": "https://old/x/?status=a&page=2", "title": "T", "slug": "", "user_email": "Amy@example.com",
            "start_date": "2026-01-01T00:00:00.000000Z", "available_subscription_catalogs": ["b", "a"],
        });
        assert_eq!(told(&here, &there), Vec::<String>::new());
    }

    #[test]
    fn rows_are_compared_by_their_ids() {
        let here = json!({ "count": 2, "results": [{ "uuid": "a", "status": "x" }, { "uuid": "b", "status": "x" }] });
        let there = json!({ "count": 3, "results": [{ "uuid": "c", "status": "x" }, { "uuid": "a", "status": "y" }] });
        let found = told(&here, &there);
        for difference in
            ["differs: count", "differs: results[a].status", "only there: results[c]", "only here: results[b]"]
        {
            assert!(found.iter().any(|found| found == difference), "{difference}: {found:?}");
        }
        let reversed =
            json!({ "count": 2, "results": [{ "uuid": "b", "status": "x" }, { "uuid": "a", "status": "x" }] });
        assert_eq!(told(&here, &reversed), ["order: results"]);
        assert_eq!(told(&here["results"], &reversed["results"]), ["order: the answer"]);
    }

    #[test]
    fn a_field_that_is_missing_here_counts() {
        assert_eq!(told(&json!({}), &json!({ "title": "T" })), ["only there: title"]);
        assert_eq!(told(&json!([1, 2]), &json!([1, 3])), ["differs: [1]"]);
        assert_eq!(told(&json!([1]), &json!([])), ["length: the answer"]);
    }
}
