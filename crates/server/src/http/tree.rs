//! JSON for `deserr`, with flattening, which `deserr` lacks: a field that is renamed to [`FLATTENED`] reads its fields from the object
//! around it.

use deserr::{IntoValue, Map, Value as View, ValueKind};
use serde_json::Value;

/// The key of the request within itself. Flattened fields are declared with `#[deserr(rename = "*")]`.
pub const FLATTENED: &str = "*";

/// A JSON value, and whether it is a whole request.
pub struct Tree<'a> {
    value: &'a Value,
    is_whole: bool,
}

impl<'a> Tree<'a> {
    /// A whole request.
    pub fn new(value: &'a Value) -> Self {
        Self { value, is_whole: true }
    }

    fn part(value: &'a Value) -> Self {
        Self { value, is_whole: false }
    }
}

impl<'a> IntoValue for Tree<'a> {
    type Sequence = Vec<Self>;
    type Map = Fields<'a>;

    fn kind(&self) -> ValueKind {
        self.value.kind()
    }

    fn into_value(self) -> View<Self> {
        match self.value {
            Value::Null => View::Null,
            Value::Bool(flag) => View::Boolean(*flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => View::Integer(number),
                (None, Some(number)) => View::NegativeInteger(number),
                (None, None) => View::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => View::String(text.clone()),
            Value::Array(items) => View::Sequence(items.iter().map(Self::part).collect()),
            Value::Object(object) => {
                let own = object.iter().filter(|(name, _)| *name != FLATTENED);
                let own = own.map(|(name, value)| (name.clone(), Self::part(value)));
                let whole = self.is_whole.then_some((FLATTENED.to_owned(), self));
                View::Map(Fields(own.chain(whole).collect()))
            }
        }
    }
}

/// The fields of an object by name.
pub struct Fields<'a>(Vec<(String, Tree<'a>)>);

impl<'a> Map for Fields<'a> {
    type Value = Tree<'a>;
    type Iter = std::vec::IntoIter<(String, Tree<'a>)>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn remove(&mut self, name: &str) -> Option<Tree<'a>> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    fn into_iter(self) -> Self::Iter {
        self.0.into_iter()
    }
}
