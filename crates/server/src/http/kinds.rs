//! The kinds of values a field can have, and what each accepts.

use std::collections::BTreeMap;
use std::num::IntErrorKind;
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::fields::{Problem, kind_of};
use super::time;

/// How a field's value is read from JSON.
pub trait Kind {
    /// What it is read into. The default stands in for a required value that is wrong.
    type Value: Default;

    /// Whether `value` counts as null.
    fn is_null(&self, value: &Value) -> bool {
        value.is_null()
    }

    /// Reads a value that is not null.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words for the person who sent it.
    fn read(&self, value: Value) -> Result<Self::Value, Problem>;
}

/// See [`text()`].
#[derive(Debug, Clone)]
pub struct Text(RangeInclusive<usize>);

/// A text of so many characters, the space around it removed. Numbers are taken as they are written.
pub fn text(length: RangeInclusive<usize>) -> Text {
    Text(length)
}

impl Kind for Text {
    type Value = String;

    fn read(&self, value: Value) -> Result<String, Problem> {
        let text = match value {
            Value::String(text) if text.trim().len() == text.len() => text,
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            other => {
                return Err(Problem::message(format!("This must be a text, not {}.", kind_of(&other))));
            }
        };
        let (least, most) = (*self.0.start(), *self.0.end());
        // Databases cannot keep it.
        if text.contains('\0') {
            return Err(Problem::message("This must not contain null characters."));
        }
        match text.chars().count() {
            0 if least > 0 => Err(Problem::message("This may not be blank.")),
            length if length < least => Err(Problem::message(format!("This must have at least {least} characters."))),
            length if length > most => Err(Problem::message(format!("This may have at most {most} characters."))),
            _ => Ok(text),
        }
    }
}

/// See [`integer()`].
#[derive(Debug, Clone)]
pub struct Integer(RangeInclusive<i64>);

/// A whole number in `range`; also written as text, and with a fraction of zero.
pub fn integer(range: RangeInclusive<i64>) -> Integer {
    Integer(range)
}

impl Kind for Integer {
    type Value = i64;

    fn read(&self, value: Value) -> Result<i64, Problem> {
        let written = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text,
            other => {
                return Err(Problem::message(format!("This must be a whole number, not {}.", kind_of(&other))));
            }
        };
        let range =
            || Problem::message(format!("This must be a whole number from {} to {}.", self.0.start(), self.0.end()));
        match whole(written.trim()).parse::<i64>() {
            Ok(number) if self.0.contains(&number) => Ok(number),
            Ok(_) => Err(range()),
            Err(error) if matches!(error.kind(), IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) => Err(range()),
            Err(_) => Err(Problem::message("This must be a whole number.")),
        }
    }
}

/// `number` without a fraction that is zero.
fn whole(number: &str) -> &str {
    match number.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
        _ => number,
    }
}

/// See [`boolean()`].
#[derive(Debug, Clone)]
pub struct Boolean;

/// True or false; also as 1 and 0, and as the texts true, t, yes, y, on, 1 and false, f, no, n, off, 0 in any case. An
/// empty text and `null` as a text count as null.
pub fn boolean() -> Boolean {
    Boolean
}

impl Kind for Boolean {
    type Value = bool;

    fn is_null(&self, value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::String(text) => text.is_empty() || text.eq_ignore_ascii_case("null"),
            _ => false,
        }
    }

    fn read(&self, value: Value) -> Result<bool, Problem> {
        let read = match &value {
            Value::Bool(value) => Some(*value),
            Value::Number(number) => match number.as_f64() {
                Some(1.0) => Some(true),
                Some(0.0) => Some(false),
                _ => None,
            },
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
                "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        };
        read.ok_or_else(|| Problem::message("This must be true or false."))
    }
}

/// See [`uuid()`].
#[derive(Debug, Clone)]
pub struct UuidText;

/// A UUID as text, with or without hyphens.
pub fn uuid() -> UuidText {
    UuidText
}

impl Kind for UuidText {
    type Value = Uuid;

    fn read(&self, value: Value) -> Result<Uuid, Problem> {
        let read = value.as_str().and_then(|text| Uuid::parse_str(text).ok());
        read.ok_or_else(|| Problem::message("This must be a UUID, such as 4f2c1e0a-9d3b-4c57-8a6e-0b1c2d3e4f50."))
    }
}

/// See [`datetime()`].
#[derive(Debug, Clone)]
pub struct Moment;

/// A moment in ISO 8601, as [`time::parse`] reads it.
pub fn datetime() -> Moment {
    Moment
}

impl Kind for Moment {
    type Value = DateTime<Utc>;

    fn read(&self, value: Value) -> Result<DateTime<Utc>, Problem> {
        value.as_str().and_then(|text| time::parse(text.trim())).ok_or_else(|| {
            Problem::message(
                "This must be a date and time, such as 2030-01-31T12:00:00Z, or a date, such as 2030-01-31.",
            )
        })
    }
}

/// See [`choice()`].
#[derive(Debug, Clone)]
pub struct Choice(&'static [&'static str]);

/// One of these texts, exactly as written here.
pub fn choice(texts: &'static [&'static str]) -> Choice {
    Choice(texts)
}

impl Kind for Choice {
    type Value = &'static str;

    fn read(&self, value: Value) -> Result<&'static str, Problem> {
        let found = value.as_str().and_then(|given| self.0.iter().find(|text| **text == given));
        found.copied().ok_or_else(|| Problem::message(format!("This must be one of: {}.", self.0.join(", "))))
    }
}

/// See [`list()`].
#[derive(Debug, Clone)]
pub struct List<K> {
    item: K,
    length: RangeInclusive<usize>,
}

/// A list of so many items of one kind. Items that are wrong are named by their index.
pub fn list<K: Kind>(item: K, length: RangeInclusive<usize>) -> List<K> {
    List { item, length }
}

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn read(&self, value: Value) -> Result<Vec<K::Value>, Problem> {
        let given = match value {
            Value::Array(items) => items,
            other => {
                return Err(Problem::message(format!("This must be a list, not {}.", kind_of(&other))));
            }
        };
        let (least, most) = (*self.length.start(), *self.length.end());
        match given.len() {
            0 if least > 0 => return Err(Problem::message("This list may not be empty.")),
            length if length < least => {
                return Err(Problem::message(format!("This list must have at least {least} items.")));
            }
            length if length > most => {
                return Err(Problem::message(format!("This list may have at most {most} items, not {length}.")));
            }
            _ => {}
        }
        let mut items = Vec::with_capacity(given.len());
        let mut problems = BTreeMap::new();
        for (index, value) in given.into_iter().enumerate() {
            if self.item.is_null(&value) {
                problems.insert(index, vec!["This item may not be null.".to_owned()]);
                continue;
            }
            match self.item.read(value) {
                Ok(item) => items.push(item),
                Err(Problem::Messages(messages)) => {
                    problems.insert(index, messages);
                }
                Err(Problem::Items(_)) => {
                    problems.insert(index, vec!["Some items of this list are wrong.".to_owned()]);
                }
            }
        }
        if problems.is_empty() { Ok(items) } else { Err(Problem::Items(problems)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_trimmed_and_measured_in_characters() {
        let read = |value| text(1..=3).read(value).ok();
        assert_eq!(read(json!("  äöü\n")).as_deref(), Some("äöü"));
        assert_eq!(read(json!(42)).as_deref(), Some("42"));
        for value in [json!("äöüß"), json!(""), json!("   "), json!(true), json!([]), json!({}), json!("a\0")] {
            assert_eq!(read(value.clone()), None, "{value}");
        }
        assert_eq!(text(0..=3).read(json!(" ")).ok().as_deref(), Some(""));
        assert!(text(2..=3).read(json!("a")).is_err());
    }

    #[test]
    fn a_whole_number_may_come_as_text() {
        let read = |value| integer(-5..=100).read(value).ok();
        for value in [json!(20), json!("20"), json!(" 20 "), json!("20.0"), json!("20."), json!(20.0), json!("+20")] {
            assert_eq!(read(value.clone()), Some(20), "{value}");
        }
        assert_eq!((read(json!(-5)), read(json!(100))), (Some(-5), Some(100)));
        for value in [
            json!(101),
            json!(-6),
            json!(20.5),
            json!("20.5"),
            json!(""),
            json!("x"),
            json!(true),
            json!([1]),
            json!(u64::MAX),
            json!(1e300),
            json!("99999999999999999999999"),
            json!("."),
        ] {
            assert_eq!(read(value.clone()), None, "{value}");
        }
    }

    #[test]
    fn true_and_false_have_many_spellings() {
        let read = |value| boolean().read(value).ok();
        for value in
            [json!(true), json!(1), json!(1.0), json!("1"), json!("True"), json!("yes"), json!("ON"), json!("t")]
        {
            assert_eq!(read(value.clone()), Some(true), "{value}");
        }
        for value in [json!(false), json!(0), json!("0"), json!("FALSE"), json!("n"), json!("off")] {
            assert_eq!(read(value.clone()), Some(false), "{value}");
        }
        for value in [json!(2), json!("maybe"), json!([]), json!({})] {
            assert_eq!(read(value.clone()), None, "{value}");
        }
        assert!(boolean().is_null(&json!("")) && boolean().is_null(&json!("null")) && !boolean().is_null(&json!(0)));
    }

    #[test]
    fn a_uuid_is_a_uuid() {
        let expected = Uuid::from_u128(0xabc);
        for spelling in ["00000000-0000-0000-0000-000000000abc", "00000000000000000000000000000ABC"] {
            assert_eq!(uuid().read(json!(spelling)), Ok(expected));
        }
        for value in [json!("abc"), json!(""), json!(5), json!([])] {
            assert!(uuid().read(value).is_err());
        }
    }

    #[test]
    fn a_moment_is_a_text() {
        let expected = "2030-01-31T00:00:00Z".parse().unwrap();
        assert_eq!(datetime().read(json!(" 2030-01-31 ")), Ok(expected));
        for value in [json!(1_900_000_000), json!("tomorrow"), json!([])] {
            assert!(datetime().read(value).is_err());
        }
    }

    #[test]
    fn a_choice_is_one_of_the_texts() {
        let read = |value| choice(&["new", "other"]).read(value);
        assert_eq!(read(json!("other")), Ok("other"));
        let Err(Problem::Messages(messages)) = read(json!("Other")) else { panic!("accepted") };
        assert!(messages[0].contains("new, other"));
        assert!(read(json!(1)).is_err());
    }

    #[test]
    fn a_list_names_its_wrong_items_by_index() {
        let read = |value| list(text(1..=3), 1..=3).read(value);
        assert_eq!(read(json!(["a", 2])), Ok(vec!["a".to_owned(), "2".to_owned()]));
        let Err(Problem::Items(items)) = read(json!(["a", null, "abcd"])) else { panic!("accepted") };
        assert_eq!(items.keys().copied().collect::<Vec<_>>(), [1, 2]);
        for value in [json!([]), json!(["a", "b", "c", "d"]), json!("a"), json!({})] {
            assert!(matches!(read(value), Err(Problem::Messages(_))));
        }
        assert!(list(text(1..=3), 2..=3).read(json!(["a"])).is_err());
    }
}
