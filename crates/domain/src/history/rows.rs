//! Rows in history: the names and values of their fields.

use chrono::{DateTime, Utc};

use super::FieldChange;

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

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<i16> for Value {
    fn from(number: i16) -> Self {
        Self::Number(number.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<uuid::Uuid> for Value {
    fn from(id: uuid::Uuid) -> Self {
        Self::Text(id.to_string())
    }
}

impl From<DateTime<Utc>> for Value {
    fn from(moment: DateTime<Utc>) -> Self {
        Self::Moment(moment)
    }
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
