//! Reads a JSON object field by field, as leniently as Django REST framework does, and collects everything that is wrong
//! with it before giving up.
//!
//! ```
//! use license_manager::http::fields::{Field, Fields, integer, text};
//! use serde_json::json;
//!
//! let mut fields = Fields::new(json!({ "title": "Spring", "seats": "20", "note": null })).unwrap();
//! let title: String = fields.required("title", text(1..=128));
//! let seats: Option<i64> = fields.optional("seats", integer(0..=1_000));
//! let note: Field<String> = fields.nullable("note", text(0..=500));
//! fields.finish().unwrap();
//! assert_eq!((title.as_str(), seats, note), ("Spring", Some(20), Field::Null));
//! ```

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

pub use super::kinds::{
    Boolean, Choice, Integer, Kind, List, Moment, Text, UuidText, boolean, choice, datetime, integer, list, text, uuid,
};

/// The key of what is wrong with the whole rather than with one field.
pub const NON_FIELD_ERRORS: &str = "non_field_errors";

/// A field that may be null: left alone, emptied, or given a value, which a PATCH must tell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field<T> {
    /// The object does not have the field.
    Absent,
    /// The field is null.
    Null,
    /// The field has this value.
    Value(T),
}

impl<T> Field<T> {
    /// The value; `None` for a field that is null or not there.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// For a PATCH: `None` leaves the field alone, `Some(None)` empties it.
    pub fn change(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Value(value) => Some(Some(value)),
        }
    }

    /// The value turned into another, if there is one.
    pub fn map<U>(self, turn: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Self::Absent => Field::Absent,
            Self::Null => Field::Null,
            Self::Value(value) => Field::Value(turn(value)),
        }
    }
}

/// A JSON object that is being read. After the last field, [`Fields::finish`] says whether what was read counts.
#[derive(Debug)]
#[must_use = "what was read counts only once finish() has found no error"]
pub struct Fields {
    object: Map<String, Value>,
    errors: FieldErrors,
}

impl Fields {
    /// Starts to read `body`.
    ///
    /// # Errors
    ///
    /// When it is no JSON object, which is an error of no field in particular.
    pub fn new(body: Value) -> Result<Self, FieldErrors> {
        match body {
            Value::Object(object) => Ok(Self { object, errors: FieldErrors::default() }),
            other => Err(FieldErrors::whole(format!("This must be a JSON object, not {}.", kind_of(&other)))),
        }
    }

    /// A field that must be there and not null. Where it is wrong the error is noted and a placeholder returned, which
    /// means nothing: [`Fields::finish`] then fails.
    pub fn required<K: Kind>(&mut self, name: &str, kind: K) -> K::Value {
        match self.nullable(name, kind) {
            Field::Value(value) => return value,
            Field::Absent if !self.errors.0.contains_key(name) => {
                self.error(name, "This field is required.");
            }
            Field::Absent => {}
            Field::Null => self.error(name, "This field may not be null."),
        }
        K::Value::default()
    }

    /// A field that may be missing, and may not be null. `None` where it is missing or wrong.
    pub fn optional<K: Kind>(&mut self, name: &str, kind: K) -> Option<K::Value> {
        match self.nullable(name, kind) {
            Field::Value(value) => Some(value),
            Field::Absent => None,
            Field::Null => {
                self.error(name, "This field may not be null.");
                None
            }
        }
    }

    /// A field that may be missing or null. [`Field::Absent`] also where it is wrong.
    pub fn nullable<K: Kind>(&mut self, name: &str, kind: K) -> Field<K::Value> {
        let Some(value) = self.object.remove(name) else {
            return Field::Absent;
        };
        if kind.is_null(&value) {
            return Field::Null;
        }
        match kind.read(value) {
            Ok(value) => Field::Value(value),
            Err(problem) => {
                self.errors.0.insert(name.to_owned(), problem);
                Field::Absent
            }
        }
    }

    /// The field as it stands, for what has no [`Kind`].
    pub fn raw(&mut self, name: &str) -> Field<Value> {
        match self.object.remove(name) {
            None => Field::Absent,
            Some(Value::Null) => Field::Null,
            Some(value) => Field::Value(value),
        }
    }

    /// Notes an error that the caller found in a field.
    pub fn error(&mut self, name: &str, message: impl Into<String>) {
        self.errors.add(name, message);
    }

    /// Notes an error that the caller found in an item, counted from 0, of a field that is a list.
    pub fn item_error(&mut self, name: &str, index: usize, message: impl Into<String>) {
        self.errors.add_item(name, index, message);
    }

    /// Whether the object lacks the field.
    pub fn absent(&self, name: &str) -> bool {
        !self.object.contains_key(name)
    }

    /// Whether all is well so far.
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// Everything that was wrong. Fields nobody asked for are no error.
    pub fn finish(self) -> Result<(), FieldErrors> {
        self.errors.into_result()
    }
}

/// What is wrong with which field; serializes as clients expect it:
/// `{"title": ["…"], "user_emails": {"1": ["…"]}, "non_field_errors": ["…"]}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FieldErrors(BTreeMap<String, Problem>);

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Problem {
    /// With the field itself.
    Messages(Vec<String>),
    /// With some items of a list, counted from 0.
    Items(BTreeMap<usize, Vec<String>>),
}

impl Problem {
    /// A single message about the field itself.
    pub fn message(message: impl Into<String>) -> Self {
        Self::Messages(vec![message.into()])
    }
}

impl FieldErrors {
    /// One error of one field.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(name, message);
        errors
    }

    /// One error of no field in particular.
    pub fn whole(message: impl Into<String>) -> Self {
        Self::field(NON_FIELD_ERRORS, message)
    }

    /// Adds an error of a field. It takes the place of errors of the field's items, which matter less.
    pub fn add(&mut self, name: &str, message: impl Into<String>) {
        match self.0.get_mut(name) {
            Some(Problem::Messages(messages)) => messages.push(message.into()),
            _ => {
                self.0.insert(name.to_owned(), Problem::message(message));
            }
        }
    }

    /// Adds an error of an item, counted from 0, of a field that is a list.
    pub fn add_item(&mut self, name: &str, index: usize, message: impl Into<String>) {
        let problem = self.0.entry(name.to_owned()).or_insert_with(|| Problem::Items(BTreeMap::new()));
        if let Problem::Items(items) = problem {
            items.entry(index).or_default().push(message.into());
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The errors as an `Err`, if there are any.
    ///
    /// # Errors
    ///
    /// These.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.keys().map(String::as_str).collect();
        write!(f, "these fields cannot be accepted: {}", names.join(", "))
    }
}

impl std::error::Error for FieldErrors {}

/// What JSON calls a value, for messages.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_that_is_wrong_is_said_at_once_in_the_shape_clients_know() {
        let mut fields = Fields::new(json!({
            "title": "", "seats": "many", "user_emails": ["a@x.org", null, "", 5], "plan": null, "extra": 1,
        }))
        .unwrap();
        fields.required("title", text(1..=10));
        fields.required("start", datetime());
        fields.required("plan", uuid());
        assert_eq!(fields.optional("seats", integer(0..=10)), None);
        fields.required("user_emails", list(text(1..=10), 1..=10));
        fields.item_error("user_emails", 0, "Not this one.");
        fields.error(NON_FIELD_ERRORS, "Nor this.");
        assert!(!fields.is_valid());
        let errors = serde_json::to_value(fields.finish().unwrap_err()).unwrap();
        let keys: Vec<_> = errors.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["non_field_errors", "plan", "seats", "start", "title", "user_emails"]);
        for name in ["plan", "seats", "start", "title", "non_field_errors"] {
            assert_eq!(errors[name].as_array().map(Vec::len), Some(1), "{errors}");
        }
        let items: Vec<_> = errors["user_emails"].as_object().unwrap().keys().collect();
        assert_eq!(items, ["0", "1", "2"]);
        assert_eq!(errors["user_emails"]["0"], json!(["Not this one."]));
    }

    #[test]
    fn a_body_that_is_no_object_is_refused_as_a_whole() {
        for body in [json!([]), json!("text"), json!(5), json!(null), json!(true)] {
            let errors = serde_json::to_value(Fields::new(body).unwrap_err()).unwrap();
            assert_eq!(errors["non_field_errors"].as_array().map(Vec::len), Some(1), "{errors}");
        }
    }

    #[test]
    fn absent_null_and_a_value_are_three_things() {
        let mut fields = Fields::new(json!({ "null": null, "five": 5, "wrong": "x" })).unwrap();
        let seats = || integer(0..=10);
        assert_eq!(fields.nullable("absent", seats()), Field::Absent);
        assert_eq!(fields.nullable("null", seats()), Field::Null);
        assert_eq!(fields.nullable("five", seats()), Field::Value(5));
        assert_eq!(fields.optional("absent", seats()), None);
        assert!(fields.is_valid());
        assert_eq!(fields.nullable("wrong", seats()), Field::Absent);
        assert!(fields.finish().is_err());

        assert_eq!(Field::<u8>::Absent.change(), None);
        assert_eq!(Field::<u8>::Null.change(), Some(None));
        assert_eq!(Field::Value(5).map(|number| number + 1).change(), Some(Some(6)));
        assert_eq!((Field::<u8>::Null.value(), Field::Value(5).value()), (None, Some(5)));
    }

    #[test]
    fn a_field_that_must_not_be_null_says_so() {
        let mut fields = Fields::new(json!({ "a": null, "b": null, "c": {"x": 1} })).unwrap();
        assert_eq!(fields.raw("c"), Field::Value(json!({"x": 1})));
        fields.required("a", boolean());
        fields.optional("b", boolean());
        let errors = serde_json::to_value(fields.finish().unwrap_err()).unwrap();
        assert_eq!(errors["a"], errors["b"]);
    }

    #[test]
    fn an_error_of_a_field_outweighs_errors_of_its_items() {
        let mut errors = FieldErrors::default();
        errors.add_item("list", 3, "bad");
        errors.add("list", "too long");
        errors.add_item("list", 4, "bad");
        errors.add("list", "too old");
        assert_eq!(serde_json::to_value(&errors).unwrap(), json!({ "list": ["too long", "too old"] }));
        assert!(FieldErrors::default().into_result().is_ok());
    }
}
