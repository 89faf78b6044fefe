//! SQL types that each database stores in its own form.
//!
//! Each is the type of a column, and of its values in rows and query builders. Statements in plain SQL also take and
//! return the wrapped Rust type.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{self, Array, BigInt, SqlOrd, SqlType, Text};
use diesel::sqlite::{Sqlite, SqliteValue};
use uuid::Uuid;

/// A UUID. SQLite stores text in lowercase with hyphens, which sorts as the UUID does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SqlType, QueryId, AsExpression, FromSqlRow)]
#[diesel(sql_type = SqlUuid)]
#[diesel(postgres_type(oid = 2950, array_oid = 2951), sqlite_type(name = "Text"))]
pub struct SqlUuid(pub Uuid);

/// A timestamp. SQLite stores the number of microseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SqlType, QueryId, AsExpression, FromSqlRow)]
#[diesel(sql_type = SqlTimestamp)]
#[diesel(postgres_type(oid = 1184, array_oid = 1185), sqlite_type(name = "Long"))]
pub struct SqlTimestamp(pub DateTime<Utc>);

/// A day. SQLite stores the number of days since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SqlType, QueryId, AsExpression, FromSqlRow)]
#[diesel(sql_type = SqlDate)]
#[diesel(postgres_type(oid = 1082, array_oid = 1182), sqlite_type(name = "Long"))]
pub struct SqlDate(pub NaiveDate);

/// A list of texts. SQLite stores a JSON array.
#[derive(Debug, Clone, PartialEq, Eq, SqlType, QueryId, AsExpression, FromSqlRow)]
#[diesel(sql_type = SqlTextList)]
#[diesel(postgres_type(oid = 1009, array_oid = 0), sqlite_type(name = "Text"))]
pub struct SqlTextList(pub Vec<String>);

/// A list of UUIDs, as a parameter. SQLite takes a JSON array.
#[derive(Debug, Clone, PartialEq, Eq, SqlType, QueryId)]
#[diesel(postgres_type(oid = 2951, array_oid = 0), sqlite_type(name = "Text"))]
pub struct SqlUuidList(pub Vec<Uuid>);

/// A list of numbers, as a parameter. SQLite takes a JSON array.
#[derive(Debug, Clone, PartialEq, Eq, SqlType, QueryId)]
#[diesel(postgres_type(oid = 1016, array_oid = 0), sqlite_type(name = "Text"))]
pub struct SqlNumberList(pub Vec<i64>);

impl SqlOrd for SqlUuid {}
impl SqlOrd for SqlTimestamp {}

/// Maps an SQL type like the wrapped Rust type, and the Rust type like one of diesel's SQL types in Postgres.
macro_rules! stored_as {
    ($name:ty, $rust:ty, $postgres:ty) => {
        impl<DB: Backend> ToSql<$name, DB> for $name
        where
            $rust: ToSql<$name, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.0.to_sql(out)
            }
        }

        impl<DB: Backend> FromSql<$name, DB> for $name
        where
            $rust: FromSql<$name, DB>,
        {
            fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
                FromSql::<$name, DB>::from_sql(value).map(Self)
            }
        }

        impl ToSql<$name, Pg> for $rust {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                ToSql::<$postgres, Pg>::to_sql(self, out)
            }
        }

        impl FromSql<$name, Pg> for $rust {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                FromSql::<$postgres, Pg>::from_sql(value)
            }
        }
    };
}

stored_as!(SqlUuid, Uuid, sql_types::Uuid);
stored_as!(SqlTimestamp, DateTime<Utc>, sql_types::Timestamptz);
stored_as!(SqlDate, NaiveDate, sql_types::Date);
stored_as!(SqlTextList, Vec<String>, Array<Text>);
stored_as!(SqlUuidList, Vec<Uuid>, Array<sql_types::Uuid>);
stored_as!(SqlNumberList, Vec<i64>, Array<BigInt>);

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

/// Maps a list to a JSON array in SQLite.
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
