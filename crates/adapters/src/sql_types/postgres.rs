//! Postgres has these types itself.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::deserialize::{self, FromSql};
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{self, Array, BigInt, Text};
use uuid::Uuid;

use super::{SqlDate, SqlNumberList, SqlTextList, SqlTimestamp, SqlUuid, SqlUuidList};

/// Stores a Rust type as one of diesel's SQL types.
macro_rules! stored_as {
    ($name:ty, $rust:ty, $postgres:ty) => {
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
