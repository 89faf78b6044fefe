//! History: the tables that have one, and its rows.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, SmallInt, Text};
use license_manager_domain::Error;
use license_manager_domain::history::{ChangeKind, Row, Value, Version};
use serde_json::Value as Json;

use crate::sql_types::{SqlTimestamp, SqlUuid};

/// A table with a history. The table `<name>_history` has a copy of each row after each change.
#[derive(Debug)]
pub(crate) struct TableWithHistory {
    /// Its name.
    pub name: &'static str,
    /// Its primary key.
    pub key: &'static str,
    /// All its columns, in their order.
    pub columns: &'static [Column],
}

/// A column of a [`TableWithHistory`].
#[derive(Debug)]
pub(crate) struct Column {
    /// Its name.
    pub name: &'static str,
    /// Reads its value from the JSON of a row; see [`FromJson`].
    pub read: fn(&Json) -> Option<Value>,
}

/// The columns that versions leave out: the licenses and results of transfer jobs can be long, and the times of
/// notifications are those of their changes.
const UNSHOWN: [(&str, &str); 4] = [
    ("license_transfer_job", "license_uuids"),
    ("license_transfer_job", "processed_results"),
    ("notification", "created"),
    ("notification", "modified"),
];

impl TableWithHistory {
    /// The columns that versions show.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !UNSHOWN.contains(&(self.name, column.name)))
    }

    /// The names of its columns, separated by commas.
    pub(crate) fn column_names(&self) -> String {
        self.columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
    }

    /// The same of a row of it that has another name in a statement, or that is joined with others.
    pub(crate) fn columns_of(&self, row: &str) -> String {
        self.columns.iter().map(|column| format!("{row}.{}", column.name)).collect::<Vec<_>>().join(", ")
    }
}

/// An SQL type whose values can be read from the JSON of either database.
pub(crate) trait FromJson {
    /// The value, or `None` if the JSON has another type.
    fn from_json(json: &Json) -> Option<Value>;
}

impl<T: FromJson> FromJson for Nullable<T> {
    fn from_json(json: &Json) -> Option<Value> {
        if json.is_null() { Some(Value::Empty) } else { T::from_json(json) }
    }
}

impl FromJson for Text {
    fn from_json(json: &Json) -> Option<Value> {
        json.as_str().map(Value::from)
    }
}

impl FromJson for SqlUuid {
    fn from_json(json: &Json) -> Option<Value> {
        Text::from_json(json)
    }
}

impl FromJson for BigInt {
    fn from_json(json: &Json) -> Option<Value> {
        json.as_i64().map(Value::Number)
    }
}

impl FromJson for Integer {
    fn from_json(json: &Json) -> Option<Value> {
        BigInt::from_json(json)
    }
}

impl FromJson for SmallInt {
    fn from_json(json: &Json) -> Option<Value> {
        BigInt::from_json(json)
    }
}

/// SQLite writes 0 or 1.
impl FromJson for Bool {
    fn from_json(json: &Json) -> Option<Value> {
        json.as_bool().or_else(|| json.as_i64().map(|number| number != 0)).map(Value::Flag)
    }
}

/// Postgres writes RFC 3339, SQLite microseconds since 1970 UTC.
impl FromJson for SqlTimestamp {
    fn from_json(json: &Json) -> Option<Value> {
        let moment = match json {
            Json::String(text) => DateTime::parse_from_rfc3339(text).ok()?.to_utc(),
            _ => DateTime::from_timestamp_micros(json.as_i64()?)?,
        };
        Some(Value::Moment(moment))
    }
}

/// A version of a row, with the row as JSON.
#[derive(QueryableByName)]
pub(crate) struct VersionRow {
    #[diesel(sql_type = BigInt)]
    history_id: i64,
    #[diesel(sql_type = SqlTimestamp)]
    history_date: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    history_user: Option<String>,
    #[diesel(sql_type = Text)]
    history_type: String,
    #[diesel(sql_type = Nullable<Text>)]
    history_change_reason: Option<String>,
    #[diesel(sql_type = Text)]
    row_json: String,
}

impl VersionRow {
    pub(crate) fn version(self, of: &TableWithHistory) -> Result<Version, Error> {
        let json: Json = serde_json::from_str(&self.row_json).map_err(Error::internal)?;
        let unreadable =
            |field| Error::internal(format!("{}_history {}: {field} cannot be read", of.name, self.history_id));
        let field = |column: &Column| {
            let value = json.get(column.name).and_then(column.read);
            value.map(|value| (column.name, value)).ok_or_else(|| unreadable(column.name))
        };
        Ok(Version {
            number: self.history_id,
            at: self.history_date,
            kind: ChangeKind::from_name(&self.history_type).ok_or_else(|| unreadable("history_type"))?,
            row: of.shown().map(field).collect::<Result<Row, Error>>()?,
            by: self.history_user,
            reason: self.history_change_reason,
        })
    }
}
