//! Rows in history: the names and values of their fields.

use chrono::{DateTime, Utc};

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Empty,
    /// True or false.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A text; UUIDs are texts too.
    Text(String),
    /// A time.
    Moment(DateTime<Utc>),
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// Makes values of these types.
macro_rules! values {
    ($($from:ty: |$value:ident| $to:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $to
            }
        })*
    };
}

values! {
    bool: |flag| Self::Flag(flag);
    i64: |number| Self::Number(number);
    i32: |number| Self::Number(number.into());
    i16: |number| Self::Number(number.into());
    &str: |text| Self::Text(text.to_owned());
    uuid::Uuid: |id| Self::Text(id.to_string());
    DateTime<Utc>: |moment| Self::Moment(moment);
}

/// A changed field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Its name.
    pub field: &'static str,
    /// The old value.
    pub from: Value,
    /// The new value.
    pub to: Value,
}

/// The fields of a row by name, in the order of its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row(Vec<(&'static str, Value)>);

impl Row {
    /// The value of a field; empty for an unknown field.
    pub fn get(&self, name: &str) -> &Value {
        self.0.iter().find(|(field, _)| *field == name).map_or(&Value::Empty, |(_, value)| value)
    }

    /// The text in a field.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The UUID in a field.
    pub fn uuid(&self, name: &str) -> Option<uuid::Uuid> {
        self.text(name)?.parse().ok()
    }

    /// The number in a field.
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The time in a field.
    pub fn moment(&self, name: &str) -> Option<DateTime<Utc>> {
        match self.get(name) {
            Value::Moment(moment) => Some(*moment),
            _ => None,
        }
    }

    /// The boolean in a field.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// The fields whose values differ from those of an earlier row, except `modified`.
    pub fn changes(&self, before: &Self) -> Vec<FieldChange> {
        let changed = self.0.iter().filter(|(name, to)| *name != "modified" && before.get(name) != to);
        changed.map(|(field, to)| FieldChange { field, from: before.get(field).clone(), to: to.clone() }).collect()
    }
}

impl<const N: usize> From<[(&'static str, Value); N]> for Row {
    fn from(fields: [(&'static str, Value); N]) -> Self {
        Self(fields.into())
    }
}

impl FromIterator<(&'static str, Value)> for Row {
    fn from_iter<I: IntoIterator<Item = (&'static str, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}
