//! The fields of requests. One struct per request derives its reader and its schema.
//!
//! The type of a field says whether it may be absent or null ([`Required`], [`Stated`], [`Optional`], [`Nullable`]), and
//! which values it accepts (a [`Kind`]). Reading collects every error. Unknown fields are ignored, except in edits.
//!
//! ```
//! use deserr::Deserr;
//! use license_manager::http::fields::{FieldErrors, Integer, Nullable, Optional, Required, Text, read};
//! use serde_json::json;
//! use utoipa::ToSchema;
//!
//! #[derive(Deserr, ToSchema)]
//! #[deserr(error = FieldErrors)]
//! struct CourseRequest {
//!     title: Required<Text<1, 128>>,
//!     #[deserr(default)]
//!     seats: Optional<Integer<i32, 0, 1_000>>,
//!     #[deserr(default)]
//!     note: Nullable<Text<0, 500>>,
//! }
//!
//! let course: CourseRequest = read(&json!({ "title": " Spring ", "seats": "20", "note": null })).unwrap();
//! assert_eq!((course.title.0.as_str(), course.seats.0, course.note.0), ("Spring", Some(20), Some(None)));
//! assert!(read::<CourseRequest>(&json!({ "title": null, "seats": "many" })).is_err());
//! ```

use license_manager_domain::Edit;
use std::borrow::Cow;
use std::collections::BTreeSet;

use deserr::{Deserr, IntoValue, ValuePointerRef};
use serde_json::Value;
use utoipa::__dev::ComposeSchema;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};

use super::field_errors::NOT_NULL;
pub use super::field_errors::{FieldErrors, Problem};
pub use super::kinds::{Boolean, Choice, Choices, Integer, Kind, List, Moment, Text, UuidText};
use super::tree::Tree;

/// Reads a request from its JSON.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read<T: Deserr<FieldErrors>>(body: &Value) -> Result<T, FieldErrors> {
    deserr::deserialize(Tree::new(body))
}

/// The names of a request's fields, flattened ones included, by its schema.
pub fn names<T: ToSchema>() -> BTreeSet<String> {
    let mut named = Vec::new();
    T::schemas(&mut named);
    let mut names = BTreeSet::new();
    let mut parts = vec![T::schema()];
    while let Some(part) = parts.pop() {
        match part {
            RefOr::T(Schema::Object(object)) => names.extend(object.properties.into_keys()),
            RefOr::T(Schema::AllOf(all)) => parts.extend(all.items),
            RefOr::Ref(part) => {
                let name = part.ref_location.rsplit('/').next().unwrap_or_default();
                parts.extend(named.iter().find(|(known, _)| known == name).map(|(_, schema)| schema.clone()));
            }
            RefOr::T(_) => {}
        }
    }
    names
}

/// A field that must be present, and not null.
pub struct Required<K: Kind>(pub K::Value);

/// A field that must be present, and may be null.
pub struct Stated<K: Kind>(pub Option<K::Value>);

/// A field that may be absent, but not null. Needs `#[deserr(default)]`.
pub struct Optional<K: Kind>(pub Option<K::Value>);

/// A field that may be absent (`None`) or null (`Some(None)`). Needs `#[deserr(default)]`.
pub struct Nullable<K: Kind>(pub Option<Option<K::Value>>);

impl<K: Kind> Default for Optional<K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: Kind> Nullable<K> {
    /// What an edit does to the field: absent keeps it, null clears it.
    pub fn edit(self) -> Edit<K::Value> {
        self.0.map_or(Edit::Keep, Edit::from)
    }
}

impl<K: Kind> Default for Nullable<K> {
    fn default() -> Self {
        Self(None)
    }
}

/// Implements the reader and the schema of `$field`. The derive macro refers to schemas by name. These names are not in the document:
/// `tests/openapi/complete.rs` replaces each reference by its schema.
macro_rules! field {
    ($field:ident, $name:literal, $schema:path, |$value:ident| $read:expr) => {
        impl<K: Kind> Deserr<FieldErrors> for $field<K> {
            fn deserialize_from_value<V: IntoValue>(
                given: deserr::Value<V>,
                location: ValuePointerRef<'_>,
            ) -> Result<Self, FieldErrors> {
                let given = Value::from(given);
                let $value = match K::is_null(&given) {
                    true => None,
                    false => Some(K::read(given).map_err(|problem| FieldErrors::at(location, problem))?),
                };
                let read: Option<Self> = $read;
                read.ok_or_else(|| FieldErrors::at(location, Problem::message(NOT_NULL)))
            }
        }

        // The derive macro needs this for generic types.
        impl<K: Kind> ComposeSchema for $field<K> {
            fn compose(_: Vec<RefOr<Schema>>) -> RefOr<Schema> {
                $schema(K::schema())
            }
        }

        impl<K: Kind> ToSchema for $field<K> {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }

            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                K::schemas(schemas);
            }
        }
    };
}

field!(Required, "inline::required", std::convert::identity, |value| value.map(Self));
field!(Stated, "inline::stated", nullable, |value| Some(Self(value)));
field!(Optional, "inline::optional", std::convert::identity, |value| value.map(|value| Self(Some(value))));
field!(Nullable, "inline::nullable", nullable, |value| Some(Self(Some(value))));

/// The same schema, or null.
fn nullable(schema: RefOr<Schema>) -> RefOr<Schema> {
    let or_null = |kind: &mut SchemaType| {
        if let SchemaType::Type(only) = kind {
            *kind = SchemaType::from_iter([only.clone(), Type::Null]);
        }
    };
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            or_null(&mut object.schema_type);
            object.into()
        }
        RefOr::T(Schema::Array(mut array)) => {
            or_null(&mut array.schema_type);
            array.into()
        }
        other => OneOfBuilder::new().item(ObjectBuilder::new().schema_type(Type::Null)).item(other).into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Deserr, ToSchema)]
    #[deserr(error = FieldErrors)]
    #[expect(dead_code, reason = "it is refused each time")]
    struct Request {
        title: Required<Text<1, 10>>,
        start: Required<Moment>,
        plan: Required<UuidText>,
        #[deserr(default)]
        seats: Optional<Integer<i32, 0, 10>>,
        user_emails: Required<List<Text<1, 10>, 1, 10>>,
        #[deserr(rename = "*")]
        #[serde(flatten)]
        settings: Settings,
    }

    #[derive(Deserr, ToSchema)]
    #[deserr(error = FieldErrors)]
    struct Settings {
        #[deserr(default)]
        sold: Optional<Boolean>,
        #[deserr(default)]
        limit: Nullable<Integer<i32, 0, 10>>,
    }

    fn errors<T: Deserr<FieldErrors>>(body: &Value) -> Value {
        serde_json::to_value(read::<T>(body).err().expect("this is refused")).unwrap()
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_in_the_shape_clients_know() {
        let errors = errors::<Request>(&json!({
            "title": "", "seats": "many", "user_emails": ["a@x.org", null, "", 5], "plan": null, "limit": 11, "extra": 1,
            "*": { "sold": true },
        }));
        let keys: Vec<_> = errors.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["limit", "plan", "seats", "start", "title", "user_emails"]);
        for name in ["limit", "plan", "seats", "start", "title"] {
            assert_eq!(errors[name].as_array().map(Vec::len), Some(1), "{errors}");
        }
        let items: Vec<_> = errors["user_emails"].as_object().unwrap().keys().collect();
        assert_eq!(items, ["1", "2"]);
        assert_ne!(errors["start"], errors["plan"], "missing and null are two things");
    }

    #[test]
    fn a_body_that_is_no_object_is_refused_as_a_whole() {
        for body in [json!([]), json!("text"), json!(5), json!(null), json!(true)] {
            let errors = errors::<Settings>(&body);
            assert_eq!(errors["non_field_errors"].as_array().map(Vec::len), Some(1), "{errors}");
        }
    }

    #[test]
    fn the_names_of_a_request_include_flattened_ones() {
        let known = names::<Request>();
        let expected = ["limit", "plan", "seats", "sold", "start", "title", "user_emails"];
        assert_eq!(known.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn absent_null_and_a_value_are_three_things() {
        let limit = |body| read::<Settings>(&body).map(|settings| settings.limit.0);
        assert_eq!(limit(json!({})), Ok(None));
        assert_eq!(limit(json!({ "limit": null })), Ok(Some(None)));
        assert_eq!(limit(json!({ "limit": 5 })), Ok(Some(Some(5))));
        assert!(limit(json!({ "limit": "x" })).is_err());
        assert!(read::<Settings>(&json!({})).is_ok_and(|settings| settings.sold.0.is_none()));
        for null in [json!(null), json!(""), json!("null")] {
            assert_eq!(errors::<Settings>(&json!({ "sold": null }))["sold"], json!([NOT_NULL]), "{null}");
        }
    }

    #[test]
    fn an_object_in_place_of_a_text_is_refused_whatever_it_holds() {
        let errors = errors::<Request>(&json!({ "title": { "*": { "*": 1 } }, "*": 5 }));
        assert_eq!(errors["title"], json!(["This must be a text, not an object."]));
    }
}
