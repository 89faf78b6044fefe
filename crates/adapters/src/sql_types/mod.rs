//! SQL types that each database stores in its own form.
//!
//! Each is the type of a column, and of its values in rows and query builders. Statements in plain SQL also take and
//! return the wrapped Rust type.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::query_builder::QueryId;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{SqlOrd, SqlType};
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

/// Maps an SQL type like the wrapped Rust type.
macro_rules! stored_as {
    ($name:ty, $rust:ty) => {
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
    };
}

stored_as!(SqlUuid, Uuid);
stored_as!(SqlTimestamp, DateTime<Utc>);
stored_as!(SqlDate, NaiveDate);
stored_as!(SqlTextList, Vec<String>);
stored_as!(SqlUuidList, Vec<Uuid>);
stored_as!(SqlNumberList, Vec<i64>);
