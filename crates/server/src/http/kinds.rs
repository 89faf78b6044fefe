//! The kinds of values of fields: the values each accepts, as leniently as Django REST framework, and its schema.

use std::marker::PhantomData;
use std::num::IntErrorKind;

use chrono::{DateTime, Utc};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, Ref, Schema, SchemaFormat, Type};
use uuid::Uuid;

use super::field_errors::{ItemProblems, Problem, kind_of};
use super::time;

/// A kind of value that a field can have.
pub trait Kind: ToSchema {
    /// The type of the value.
    type Value;

    /// Whether `value` counts as null.
    fn is_null(value: &Value) -> bool {
        value.is_null()
    }

    /// Reads a value that is not null.
    ///
    /// # Errors
    ///
    /// What is wrong with the value, in words for its sender.
    fn read(value: Value) -> Result<Self::Value, Problem>;
}

/// Gives a kind its schema: `describe!([generics] Kind, schema)`. Only choices have named schemas in the API's document.
macro_rules! describe {
    ([$($generics:tt)*] $kind:ty, $schema:expr $(, $schemas:expr)?) => {
        $crate::http::kinds::describe!([$($generics)*] $kind as std::any::type_name::<Self>(), $schema $(, $schemas)?);
    };
    ([$($generics:tt)*] $kind:ty as $name:expr, $schema:expr $(, $schemas:expr)?) => {
        // The derive macro needs this for generic types.
        impl<$($generics)*> utoipa::__dev::ComposeSchema for $kind {
            fn compose(
                _: Vec<utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>>,
            ) -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                $schema.into()
            }
        }

        impl<$($generics)*> utoipa::ToSchema for $kind {
            fn name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            $(fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>) {
                $schemas(schemas)
            })?
        }
    };
}

/// Defines a kind that is read as `$read` and has a schema of its own.
macro_rules! text_kind {
    ($(#[$doc:meta])* $kind:ident, $read:ty, $schema:expr) => {
        $(#[$doc])*
        pub struct $kind;

        impl $crate::http::kinds::Kind for $kind {
            type Value = String;

            fn read(value: serde_json::Value) -> Result<String, $crate::http::field_errors::Problem> {
                <$read>::read(value)
            }
        }

        $crate::http::kinds::describe!([] $kind, $schema);
    };
}

/// Defines a kind for an enum of the domain, whose names it takes, in requests and responses.
macro_rules! choices {
    (#[doc = $doc:literal] $choices:ident, $name:literal, $domain:ty) => {
        #[doc = $doc]
        #[derive(Debug, Clone, Copy)]
        pub struct $choices(pub $domain);

        impl serde::Serialize for $choices {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_str())
            }
        }

        $crate::http::kinds::describe!([] $choices as $name, {
            let names = <$domain>::ALL.map(<$domain>::as_str);
            let names = utoipa::openapi::ObjectBuilder::new().enum_values(Some(names));
            names.schema_type(utoipa::openapi::Type::String).description(Some($doc.trim_start()))
        });

        impl $crate::http::kinds::Choices for $choices {
            type Value = $domain;

            fn from_name(name: &str) -> Option<$domain> {
                <$domain>::from_name(name)
            }
        }
    };
}

pub(crate) use {choices, describe, text_kind};

/// A text of `MIN` to `MAX` characters after trimming. A number counts as its text.
pub struct Text<const MIN: usize = 0, const MAX: usize = { usize::MAX }>;

impl<const MIN: usize, const MAX: usize> Kind for Text<MIN, MAX> {
    type Value = String;

    fn read(value: Value) -> Result<String, Problem> {
        let text = match value {
            Value::String(text) if text.trim().len() == text.len() => text,
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            other => {
                return Err(Problem::message(format!("This must be a text, not {}.", kind_of(&other))));
            }
        };
        // Databases cannot store it.
        if text.contains('\0') {
            return Err(Problem::message("This must not contain null characters."));
        }
        match text.chars().count() {
            0 if MIN > 0 => Err(Problem::message("This may not be blank.")),
            length if length < MIN => Err(Problem::message(format!("This must have at least {MIN} characters."))),
            length if length > MAX => Err(Problem::message(format!("This may have at most {MAX} characters."))),
            _ => Ok(text),
        }
    }
}

describe!([const MIN: usize, const MAX: usize] Text<MIN, MAX>, text(MIN, MAX));

/// The schema of a text.
pub fn text(min: usize, max: usize) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String);
    text.min_length((min > 0).then_some(min)).max_length((max < usize::MAX).then_some(max))
}

/// A type of whole numbers.
pub trait WholeNumber: TryFrom<i64> {
    /// The largest value.
    const MOST: i64;
    /// The format in the schema.
    const FORMAT: KnownFormat;
}

macro_rules! whole_number {
    ($($number:ty: $format:ident),+) => {
        $(impl WholeNumber for $number {
            const MOST: i64 = Self::MAX as i64;
            const FORMAT: KnownFormat = KnownFormat::$format;
        })+
    };
}

whole_number!(i16: Int32, i32: Int32, i64: Int64);

/// A whole number from `MIN` to `MAX` that fits into `T`. It may be a text, and have a fraction of zero.
pub struct Integer<T, const MIN: i64 = 0, const MAX: i64 = { i64::MAX }>(PhantomData<T>);

impl<T: WholeNumber, const MIN: i64, const MAX: i64> Kind for Integer<T, MIN, MAX> {
    type Value = T;

    fn read(value: Value) -> Result<T, Problem> {
        let written = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text,
            other => {
                return Err(Problem::message(format!("This must be a whole number, not {}.", kind_of(&other))));
            }
        };
        let range = || Problem::message(format!("This must be a whole number from {MIN} to {}.", MAX.min(T::MOST)));
        match whole(written.trim()).parse::<i64>() {
            Ok(number) if (MIN..=MAX).contains(&number) => T::try_from(number).map_err(|_| range()),
            Ok(_) => Err(range()),
            Err(error) if matches!(error.kind(), IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) => Err(range()),
            Err(_) => Err(Problem::message("This must be a whole number.")),
        }
    }
}

describe!([T: WholeNumber, const MIN: i64, const MAX: i64] Integer<T, MIN, MAX>, {
    let number = ObjectBuilder::new().schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(T::FORMAT)));
    number.minimum(Some(MIN)).maximum((MAX < T::MOST).then_some(MAX))
});

/// `number` without a fraction that is zero.
fn whole(number: &str) -> &str {
    match number.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
        _ => number,
    }
}

/// True or false; also as 1 and 0, and as the texts true, t, yes, y, on, 1 and false, f, no, n, off, 0 in any case. An
/// empty text and `null` as a text count as null.
pub struct Boolean;

impl Kind for Boolean {
    type Value = bool;

    fn is_null(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::String(text) => text.is_empty() || text.eq_ignore_ascii_case("null"),
            _ => false,
        }
    }

    fn read(value: Value) -> Result<bool, Problem> {
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

describe!([] Boolean, ObjectBuilder::new().schema_type(Type::Boolean));

/// A UUID as text, with or without hyphens.
pub struct UuidText;

impl Kind for UuidText {
    type Value = Uuid;

    fn read(value: Value) -> Result<Uuid, Problem> {
        let read = value.as_str().and_then(|text| Uuid::parse_str(text).ok());
        read.ok_or_else(|| Problem::message("This must be a UUID, such as 4f2c1e0a-9d3b-4c57-8a6e-0b1c2d3e4f50."))
    }
}

describe!([] UuidText, text(0, usize::MAX).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))));

/// A moment in ISO 8601, as [`time::parse`] reads it.
pub struct Moment;

impl Kind for Moment {
    type Value = DateTime<Utc>;

    fn read(value: Value) -> Result<DateTime<Utc>, Problem> {
        value.as_str().and_then(|text| time::parse(text.trim())).ok_or_else(|| {
            Problem::message(
                "This must be a date and time, such as 2030-01-31T12:00:00Z, or a date, such as 2030-01-31.",
            )
        })
    }
}

describe!([] Moment, text(0, usize::MAX).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))));

/// An enum in the API's document.
pub trait Choices: ToSchema {
    /// The type of a value.
    type Value;

    /// The value of a name, if there is one.
    fn from_name(name: &str) -> Option<Self::Value>;

    /// The names.
    fn names() -> Vec<String> {
        let RefOr::T(Schema::Object(schema)) = Self::schema() else { return Vec::new() };
        let names = schema.enum_values.unwrap_or_default();
        names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// One of the names of `C`, in the same case.
pub struct Choice<C>(PhantomData<C>);

impl<C: Choices> Kind for Choice<C> {
    type Value = C::Value;

    fn read(value: Value) -> Result<C::Value, Problem> {
        let meant = value.as_str().and_then(C::from_name);
        meant.ok_or_else(|| Problem::message(format!("This must be one of: {}.", C::names().join(", "))))
    }
}

describe!([C: Choices] Choice<C>, Ref::from_schema_name(C::name()), |schemas: &mut Vec<_>| {
    schemas.push((C::name().into_owned(), C::schema()));
});

/// A list of `MIN` to `MAX` items of one kind. Errors of items are reported by index.
pub struct List<K, const MIN: usize = 0, const MAX: usize = { usize::MAX }>(PhantomData<K>);

impl<K: Kind, const MIN: usize, const MAX: usize> Kind for List<K, MIN, MAX> {
    type Value = Vec<K::Value>;

    fn read(value: Value) -> Result<Vec<K::Value>, Problem> {
        let given = match value {
            Value::Array(items) => items,
            other => {
                return Err(Problem::message(format!("This must be a list, not {}.", kind_of(&other))));
            }
        };
        match given.len() {
            0 if MIN > 0 => return Err(Problem::message("This list may not be empty.")),
            length if length < MIN => {
                return Err(Problem::message(format!("This list must have at least {MIN} items.")));
            }
            length if length > MAX => {
                return Err(Problem::message(format!("This list may have at most {MAX} items, not {length}.")));
            }
            _ => {}
        }
        let mut items = Vec::with_capacity(given.len());
        let mut problems = ItemProblems::default();
        for (index, value) in given.into_iter().enumerate() {
            if K::is_null(&value) {
                problems.add(index, || vec!["This item may not be null.".to_owned()]);
                continue;
            }
            match K::read(value) {
                Ok(item) => items.push(item),
                Err(Problem::Messages(messages)) => problems.add(index, || messages),
                Err(Problem::Items(_)) => problems.add(index, || vec!["Some items of this list are wrong.".to_owned()]),
            }
        }
        if problems.is_empty() { Ok(items) } else { Err(Problem::Items(problems)) }
    }
}

describe!(
    [K: Kind, const MIN: usize, const MAX: usize] List<K, MIN, MAX>,
    ArrayBuilder::new()
        .items(K::schema())
        .min_items((MIN > 0).then_some(MIN))
        .max_items((MAX < usize::MAX).then_some(MAX)),
    K::schemas
);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_trimmed_and_measured_in_characters() {
        let read = |value| Text::<1, 3>::read(value).ok();
        assert_eq!(read(json!("  äöü\n")).as_deref(), Some("äöü"));
        assert_eq!(read(json!(42)).as_deref(), Some("42"));
        for value in [json!("äöüß"), json!(""), json!("   "), json!(true), json!([]), json!({}), json!("a\0")] {
            assert_eq!(read(value.clone()), None, "{value}");
        }
        assert_eq!(Text::<0, 3>::read(json!(" ")).ok().as_deref(), Some(""));
        assert!(Text::<2, 3>::read(json!("a")).is_err());
    }

    #[test]
    fn a_whole_number_may_come_as_text() {
        let read = |value| Integer::<i32, -5, 100>::read(value).ok();
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
        let read = |value| Boolean::read(value).ok();
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
        assert!(Boolean::is_null(&json!("")) && Boolean::is_null(&json!("null")) && !Boolean::is_null(&json!(0)));
    }

    #[test]
    fn a_uuid_is_a_uuid() {
        let expected = Uuid::from_u128(0xabc);
        for spelling in ["00000000-0000-0000-0000-000000000abc", "00000000000000000000000000000ABC"] {
            assert_eq!(UuidText::read(json!(spelling)), Ok(expected));
        }
        for value in [json!("abc"), json!(""), json!(5), json!([])] {
            assert!(UuidText::read(value).is_err());
        }
    }

    #[test]
    fn a_moment_is_a_text() {
        let expected = "2030-01-31T00:00:00Z".parse().unwrap();
        assert_eq!(Moment::read(json!(" 2030-01-31 ")), Ok(expected));
        for value in [json!(1_900_000_000), json!("tomorrow"), json!([])] {
            assert!(Moment::read(value).is_err());
        }
    }

    #[derive(ToSchema)]
    #[serde(rename_all = "lowercase")]
    #[expect(dead_code, reason = "tells of two texts")]
    enum Reason {
        New,
        Other,
    }

    impl Choices for Reason {
        type Value = String;

        fn from_name(name: &str) -> Option<String> {
            Self::names().into_iter().find(|known| known == name)
        }
    }

    #[test]
    fn a_choice_is_one_of_the_texts() {
        let read = Choice::<Reason>::read;
        assert_eq!(read(json!("other")), Ok("other".to_owned()));
        let Err(Problem::Messages(messages)) = read(json!("Other")) else { panic!("accepted") };
        assert!(messages[0].contains("new, other"));
        assert!(read(json!(1)).is_err());
    }

    #[test]
    fn a_list_names_its_wrong_items_by_index() {
        let read = |value| List::<Text<1, 3>, 1, 3>::read(value);
        assert_eq!(read(json!(["a", 2])), Ok(vec!["a".to_owned(), "2".to_owned()]));
        let Err(Problem::Items(items)) = read(json!(["a", null, "abcd"])) else { panic!("accepted") };
        assert_eq!(items.indexes().collect::<Vec<_>>(), [1, 2]);
        for value in [json!([]), json!(["a", "b", "c", "d"]), json!("a"), json!({})] {
            assert!(matches!(read(value), Err(Problem::Messages(_))));
        }
        assert!(List::<Text<1, 3>, 2, 3>::read(json!(["a"])).is_err());
    }
}
