//! Measures the JSON of a body without parsing it into values, so that a body with too many values is refused after its
//! bytes were read once.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The most items of any list. [`List`](super::kinds::List) can allow fewer.
pub const MAX_ITEMS: usize = 20_000;

/// The most values of a body in all: two full lists, and more than enough for the rest.
pub const MAX_VALUES: usize = 50_000;

/// Why a body is refused.
#[derive(Debug)]
pub enum Unfit {
    /// It is no JSON.
    NoJson(serde_json::Error),
    /// A list has more than [`MAX_ITEMS`] items. The name is that of the body's field that is or holds the list; `None` if the body is
    /// a list itself.
    LongList(Option<String>),
    /// It has more than [`MAX_VALUES`] values.
    ManyValues,
}

/// Reads the bytes once, and stops where they exceed a limit. Allocates nothing but the last name of a field, and what escapes in texts
/// stand for.
///
/// # Errors
/// If the bytes are no JSON, or exceed a limit.
pub fn measure(bytes: &[u8]) -> Result<(), Unfit> {
    let tally = Tally::default();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = Part { tally: &tally, is_whole: true }.deserialize(&mut json).and_then(|()| json.end());
    match tally.exceeded.take() {
        Some(Limit::Items) => Err(Unfit::LongList(tally.field.take())),
        Some(Limit::Values) => Err(Unfit::ManyValues),
        None => read.map_err(Unfit::NoJson),
    }
}

/// The limit that was exceeded.
#[derive(Clone, Copy)]
enum Limit {
    Items,
    Values,
}

#[derive(Default)]
struct Tally {
    values: Cell<usize>,
    /// The field of the body that is being read.
    field: RefCell<Option<String>>,
    exceeded: Cell<Option<Limit>>,
}

impl Tally {
    /// Ends the reading. The error's words are never told.
    fn stop<E: serde::de::Error>(&self, limit: Limit) -> E {
        self.exceeded.set(Some(limit));
        E::custom("the body exceeds a limit")
    }
}

/// A value to be counted.
#[derive(Clone, Copy)]
struct Part<'t> {
    tally: &'t Tally,
    /// Whether it is the whole body.
    is_whole: bool,
}

impl Part<'_> {
    fn inner(self) -> Self {
        Self { is_whole: false, ..self }
    }
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let values = self.tally.values.get() + 1;
        self.tally.values.set(values);
        if values > MAX_VALUES {
            return Err(self.tally.stop(Limit::Values));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut number = 0;
        while items.next_element_seed(self.inner())?.is_some() {
            number += 1;
            if number > MAX_ITEMS {
                return Err(self.tally.stop(Limit::Items));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        loop {
            let is_there = match self.is_whole {
                true => fields.next_key_seed(Name(&self.tally.field))?.is_some(),
                false => fields.next_key::<IgnoredAny>()?.is_some(),
            };
            if !is_there {
                return Ok(());
            }
            fields.next_value_seed(self.inner())?;
        }
    }
}

/// Keeps the name of a field in place of the one before.
struct Name<'t>(&'t RefCell<Option<String>>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        let mut kept = self.0.borrow_mut();
        let kept = kept.get_or_insert_default();
        kept.clear();
        kept.push_str(name);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: usize) -> String {
        format!("[{}]", vec!["1"; items].join(","))
    }

    #[test]
    fn lists_and_bodies_are_accepted_up_to_their_limits() {
        let full = list(MAX_ITEMS);
        measure(format!(r#"{{"a": {full}, "b": {full}, "c": {{"d": [null, true, -1, 1.5, "x\n"]}}}}"#).as_bytes())
            .expect("this is within the limits");
        let long = list(MAX_ITEMS + 1);
        let named = |json: &str| match measure(json.as_bytes()) {
            Err(Unfit::LongList(field)) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(named(&format!(r#"{{"before": 1, "us\u0065rs": {long}, "after": 1}}"#)).as_deref(), Some("users"));
        assert_eq!(named(&format!(r#"{{"filters": [{{"status_in": {long}}}]}}"#)).as_deref(), Some("filters"));
        assert_eq!(named(&long), None);
        let many = format!(r#"{{"a": {full}, "b": {full}, "c": {full}}}"#);
        assert!(matches!(measure(many.as_bytes()), Err(Unfit::ManyValues)));
        let objects: Vec<_> = (0..MAX_VALUES).map(|number| format!(r#""{number}":{{}}"#)).collect();
        assert!(matches!(measure(format!("{{{}}}", objects.join(",")).as_bytes()), Err(Unfit::ManyValues)));
    }

    #[test]
    fn what_is_no_json_is_told_apart() {
        let deep = "[".repeat(1_000);
        for wrong in ["", "{", "[1,]", "{} {}", r#"{"a"}"#, r#"{1: 2}"#, "1e999999", deep.as_str()] {
            assert!(matches!(measure(wrong.as_bytes()), Err(Unfit::NoJson(_))), "{wrong}");
        }
        assert!(matches!(measure(b"\"\xff\""), Err(Unfit::NoJson(_))));
    }

    #[test]
    fn a_limit_ends_the_reading() {
        let endless = format!(r#"{{"a": [{} and then nonsense"#, "1,".repeat(MAX_ITEMS + 1));
        assert!(matches!(measure(endless.as_bytes()), Err(Unfit::LongList(Some(_)))));
    }
}
