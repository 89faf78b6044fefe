//! The errors of a request, by field.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use deserr::{DeserializeError, ErrorKind, IntoValue, MergeWithError, ValueKind, ValuePointerRef};
use license_manager_domain::words::counted;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::tree::FLATTENED;

/// The key of errors that concern no single field.
const NON_FIELD_ERRORS: &str = "non_field_errors";

/// The most characters of a field's name that an answer repeats.
const MAX_NAME: usize = 100;

const REQUIRED: &str = "This field is required.";

pub(super) const NOT_NULL: &str = "This field may not be null.";

/// The most errors that an answer tells. The others are counted.
pub const MAX_TOLD: usize = 100;

/// Errors by field; serialized as
/// `{"title": ["…"], "user_emails": {"1": ["…"]}, "non_field_errors": ["…"]}`. Of more than [`MAX_TOLD`] errors the
/// first are told, by the names of their fields, and `non_field_errors` says how many more there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors(BTreeMap<String, Problem>);

/// The errors of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Errors of the field itself.
    Messages(Vec<String>),
    /// Errors of a list's items.
    Items(ItemProblems),
}

/// The errors of a list's items by index, counted from 0: those of the first [`MAX_TOLD`] wrong items, and how many more are wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemProblems {
    told: BTreeMap<usize, Vec<String>>,
    more: usize,
}

impl ItemProblems {
    /// Adds the errors of an item.
    pub fn add(&mut self, index: usize, messages: impl FnOnce() -> Vec<String>) {
        if self.told.len() < MAX_TOLD {
            self.told.insert(index, messages());
        } else {
            self.more += 1;
        }
    }

    /// The items whose errors are told.
    pub fn indexes(&self) -> impl Iterator<Item = usize> {
        self.told.keys().copied()
    }

    /// Whether no item is wrong.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }
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
        Self(BTreeMap::from([(told_name(name.to_owned()), problem)]))
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
        let name = told_name(name);
        match (self.0.get_mut(&name), problem) {
            (Some(Problem::Messages(known)), Problem::Messages(messages)) => known.extend(messages),
            (Some(Problem::Items(known)), Problem::Items(items)) => {
                known.more += items.more;
                items.told.into_iter().for_each(|(index, messages)| known.add(index, || messages));
            }
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

/// The name as it is told. That of an unknown field may be as long as the body.
fn told_name(mut name: String) -> String {
    if let Some((end, _)) = name.char_indices().nth(MAX_NAME) {
        name.truncate(end);
        name.push('…');
    }
    name
}

impl Serialize for FieldErrors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.told().serialize(serializer)
    }
}

/// The part of a field's errors that is told.
#[derive(Serialize)]
#[serde(untagged)]
enum Told<'e> {
    Messages(Vec<Cow<'e, str>>),
    Items(BTreeMap<usize, &'e [String]>),
}

impl FieldErrors {
    fn told(&self) -> BTreeMap<&str, Told<'_>> {
        let (mut left, mut untold, mut told) = (MAX_TOLD, 0, BTreeMap::new());
        for (name, problem) in &self.0 {
            let part = match problem {
                Problem::Messages(messages) => {
                    let shown = messages.len().min(left);
                    (left, untold) = (left - shown, untold + messages.len() - shown);
                    Told::Messages(messages[..shown].iter().map(|message| Cow::Borrowed(message.as_str())).collect())
                }
                Problem::Items(items) => {
                    let shown = items.told.len().min(left);
                    (left, untold) = (left - shown, untold + items.told.len() - shown + items.more);
                    Told::Items(
                        items.told.iter().take(shown).map(|(index, messages)| (*index, &messages[..])).collect(),
                    )
                }
            };
            if !matches!(&part, Told::Messages(messages) if messages.is_empty())
                && !matches!(&part, Told::Items(items) if items.is_empty())
            {
                told.insert(name.as_str(), part);
            }
        }
        if untold > 0 {
            let more = Cow::Owned(format!("… and {}.", counted(untold, "more error", "more errors")));
            match told.entry(NON_FIELD_ERRORS).or_insert_with(|| Told::Messages(Vec::new())) {
                Told::Messages(messages) => messages.push(more),
                other => *other = Told::Messages(vec![more]),
            }
        }
        told
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
        let items = || {
            let mut items = ItemProblems::default();
            items.add(3, || vec!["bad".to_owned()]);
            Problem::Items(items)
        };
        let mut errors = FieldErrors::default();
        errors.insert("list".to_owned(), items());
        errors.add("list", "too long");
        errors.insert("list".to_owned(), items());
        errors.add("list", "too old");
        assert_eq!(serde_json::to_value(&errors).unwrap(), json!({ "list": ["too long", "too old"] }));
        assert!(FieldErrors::default().into_result().is_ok());
    }

    #[test]
    fn a_long_name_is_cut() {
        for letter in ["n", "ñ"] {
            let (told, long) = (letter.repeat(100), letter.repeat(5_000));
            let mut errors = FieldErrors::field(&long, "unknown");
            errors.add(&told, "wrong");
            let cut = format!("{told}…");
            assert_eq!(serde_json::to_value(&errors).unwrap(), json!({ cut: ["unknown"], told: ["wrong"] }));
            assert!(errors.to_string().len() < 500);
        }
    }

    #[test]
    fn a_hundred_errors_are_told_and_the_others_counted() {
        let mut items = ItemProblems::default();
        (0..250).for_each(|index| items.add(index, || vec!["bad".to_owned()]));
        let mut errors = FieldErrors::field("a", "wrong");
        errors.insert("list".to_owned(), Problem::Items(items));
        errors.add("title", "too long");
        let told = serde_json::to_value(&errors).unwrap();
        assert_eq!(told["a"], json!(["wrong"]));
        let indexes: Vec<_> = told["list"].as_object().unwrap().keys().collect();
        assert_eq!(indexes.len(), 99);
        assert_eq!(told["non_field_errors"], json!(["… and 152 more errors."]));
        assert_eq!(told.get("title"), None);

        let mut many = FieldErrors::whole("first");
        (0..120).for_each(|number| many.add(&format!("field_{number:03}"), "This field cannot be edited."));
        let told = serde_json::to_value(&many).unwrap();
        assert_eq!(told.as_object().unwrap().len(), 101);
        assert_eq!(told["non_field_errors"], json!(["… and 21 more errors."]), "the fields come first by name");
        assert!(told.get("field_099").is_some() && told.get("field_100").is_none());
    }
}
