//! The forms in which SQLite stores these types.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use diesel::deserialize::{self, FromSql};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::{Sqlite, SqliteValue};
use uuid::Uuid;

use super::{SqlDate, SqlNumberList, SqlTextList, SqlTimestamp, SqlUuid, SqlUuidList};

impl ToSql<SqlUuid, Sqlite> for Uuid {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.to_string());
        Ok(IsNull::No)
    }
}

impl FromSql<SqlUuid, Sqlite> for Uuid {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let text: String = FromSql::<Text, Sqlite>::from_sql(value)?;
        Ok(Uuid::parse_str(&text)?)
    }
}

impl ToSql<SqlTimestamp, Sqlite> for DateTime<Utc> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.timestamp_micros());
        Ok(IsNull::No)
    }
}

impl FromSql<SqlTimestamp, Sqlite> for DateTime<Utc> {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let micros: i64 = FromSql::<BigInt, Sqlite>::from_sql(value)?;
        let moment = DateTime::from_timestamp_micros(micros);
        Ok(moment.ok_or_else(|| format!("{micros} microseconds lie outside of the calendar"))?)
    }
}

const SECONDS_OF_A_DAY: i64 = 86_400;

impl ToSql<SqlDate, Sqlite> for NaiveDate {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.and_time(NaiveTime::MIN).and_utc().timestamp().div_euclid(SECONDS_OF_A_DAY));
        Ok(IsNull::No)
    }
}

impl FromSql<SqlDate, Sqlite> for NaiveDate {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let days: i64 = FromSql::<BigInt, Sqlite>::from_sql(value)?;
        let midnight = days.checked_mul(SECONDS_OF_A_DAY).and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        Ok(midnight.ok_or_else(|| format!("day {days} lies outside of the calendar"))?.date_naive())
    }
}

/// Maps a list to a JSON array.
macro_rules! stored_as_json {
    ($name:ty, $rust:ty) => {
        impl ToSql<$name, Sqlite> for $rust {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
                out.set_value(serde_json::to_string(self)?);
                Ok(IsNull::No)
            }
        }
    };
}

stored_as_json!(SqlTextList, Vec<String>);
stored_as_json!(SqlUuidList, Vec<Uuid>);
stored_as_json!(SqlNumberList, Vec<i64>);

impl FromSql<SqlTextList, Sqlite> for Vec<String> {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let text: String = FromSql::<Text, Sqlite>::from_sql(value)?;
        Ok(serde_json::from_str(&text)?)
    }
}
