//! The errors of a request, by field.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use deserr::{DeserializeError, ErrorKind, IntoValue, MergeWithError, ValueKind, ValuePointerRef};
use serde::Serialize;
use serde_json::{Map, Value};

use super::tree::FLATTENED;

/// The key of errors that concern no single field.
const NON_FIELD_ERRORS: &str = "non_field_errors";

const REQUIRED: &str = "This field is required.";

pub(super) const NOT_NULL: &str = "This field may not be null.";

/// Errors by field; serialized as
/// `{"title": ["…"], "user_emails": {"1": ["…"]}, "non_field_errors": ["…"]}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FieldErrors(BTreeMap<String, Problem>);

/// The errors of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Problem {
    /// Errors of the field itself.
    Messages(Vec<String>),
    /// Errors of a list's items by index, counted from 0.
    Items(BTreeMap<usize, Vec<String>>),
}

impl Problem {
    /// A single message about the field itself.
    pub fn message(message: impl Into<String>) -> Self {
        Self::Messages(vec![message.into()])
    }

    /// Whether the error is that the field is absent or null.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Messages(messages) if messages == &[REQUIRED] || messages == &[NOT_NULL])
    }
}

impl FieldErrors {
    /// One error of one field.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(name, message);
        errors
    }

    /// One error of the request as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        Self::field(NON_FIELD_ERRORS, message)
    }

    /// For `#[deserr(missing_field_error = …)]` on a [`Stated`](super::fields::Stated) field.
    pub fn missing_or_null(name: &str, _: ValuePointerRef<'_>) -> Self {
        Self::field(name, "This field is required; it may be null.")
    }

    /// The errors of the field at `location`.
    pub fn at(location: ValuePointerRef<'_>, problem: Problem) -> Self {
        let name = location.last_field().filter(|name| *name != FLATTENED).unwrap_or(NON_FIELD_ERRORS);
        Self(BTreeMap::from([(name.to_owned(), problem)]))
    }

    /// Adds an error of a field. It replaces errors of the field's items.
    pub fn add(&mut self, name: &str, message: impl Into<String>) {
        self.insert(name.to_owned(), Problem::message(message));
    }

    fn with(mut self, more: Self) -> Self {
        more.0.into_iter().for_each(|(name, problem)| self.insert(name, problem));
        self
    }

    fn insert(&mut self, name: String, problem: Problem) {
        match (self.0.get_mut(&name), problem) {
            (Some(Problem::Messages(known)), Problem::Messages(messages)) => known.extend(messages),
            (Some(Problem::Items(known)), Problem::Items(items)) => known.extend(items),
            (Some(Problem::Messages(_)), Problem::Items(_)) => {}
            (_, problem) => {
                self.0.insert(name, problem);
            }
        }
    }

    /// Adds an error if the field is absent or null.
    pub fn require(&mut self, object: &Map<String, Value>, name: &str) {
        match object.get(name) {
            None => self.add(name, REQUIRED),
            Some(Value::Null) => self.insert(name.to_owned(), Problem::message(NOT_NULL)),
            Some(_) => {}
        }
    }

    /// The request, if it has no errors and there are none here.
    ///
    /// # Errors
    /// These errors and those of `read`.
    pub fn and<T>(self, read: Result<T, Self>) -> Result<T, Self> {
        match (self.0.is_empty(), read) {
            (true, read) => read,
            (false, Ok(_)) => Err(self),
            (false, Err(more)) => Err(self.with(more)),
        }
    }

    /// The errors of a field, if any.
    pub fn get(&self, name: &str) -> Option<&Problem> {
        self.0.get(name)
    }

    /// The errors as an `Err`, if there are any.
    ///
    /// # Errors
    ///
    /// These.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl MergeWithError<FieldErrors> for FieldErrors {
    fn merge(known: Option<Self>, more: Self, _: ValuePointerRef<'_>) -> ControlFlow<Self, Self> {
        ControlFlow::Continue(known.unwrap_or_default().with(more))
    }
}

impl DeserializeError for FieldErrors {
    fn error<V: IntoValue>(
        known: Option<Self>,
        error: ErrorKind<'_, V>,
        location: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let more = match error {
            ErrorKind::MissingField { field } => Self::field(field, REQUIRED),
            ErrorKind::IncorrectValueKind { actual, .. } => Self::at(
                location,
                Problem::message(format!("This must be a JSON object, not {}.", name_of(actual.kind()))),
            ),
            // Kinds report all other errors themselves.
            _ => Self::at(location, Problem::message("This cannot be read.")),
        };
        Self::merge(known, more, location)
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.keys().map(String::as_str).collect();
        write!(f, "these fields cannot be accepted: {}", names.join(", "))
    }
}

impl std::error::Error for FieldErrors {}

/// The JSON type of a value, for messages.
fn name_of(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Null => "null",
        ValueKind::Boolean => "a boolean",
        ValueKind::Integer | ValueKind::NegativeInteger | ValueKind::Float => "a number",
        ValueKind::String => "a text",
        ValueKind::Sequence => "a list",
        ValueKind::Map => "an object",
    }
}

/// The JSON type of a value, for messages.
pub(super) fn kind_of(value: &Value) -> &'static str {
    name_of(value.kind())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_of_a_field_outweighs_errors_of_its_items() {
        let items = || Problem::Items(BTreeMap::from([(3, vec!["bad".to_owned()])]));
        let mut errors = FieldErrors::default();
        errors.insert("list".to_owned(), items());
        errors.add("list", "too long");
        errors.insert("list".to_owned(), items());
        errors.add("list", "too old");
        assert_eq!(serde_json::to_value(&errors).unwrap(), json!({ "list": ["too long", "too old"] }));
        assert!(FieldErrors::default().into_result().is_ok());
    }
}
