//! How SQLite, which has neither, stores uuids and moments.

use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::{Sqlite, SqliteValue};
use uuid::Uuid;

/// A uuid as text in lowercase with hyphens, which sorts as the uuid does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub(super) struct SqlUuid(pub(super) Uuid);

impl ToSql<Text, Sqlite> for SqlUuid {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.to_string());
        Ok(IsNull::No)
    }
}

impl FromSql<Text, Sqlite> for SqlUuid {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let text: String = FromSql::<Text, Sqlite>::from_sql(value)?;
        Ok(Self(Uuid::parse_str(&text)?))
    }
}

/// A moment as an integer: microseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = BigInt)]
pub(super) struct SqlMoment(pub(super) DateTime<Utc>);

impl SqlMoment {
    /// The number that is stored, for values that travel as JSON.
    pub(super) fn number(moment: DateTime<Utc>) -> i64 {
        moment.timestamp_micros()
    }
}

impl ToSql<BigInt, Sqlite> for SqlMoment {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(Self::number(self.0));
        Ok(IsNull::No)
    }
}

impl FromSql<BigInt, Sqlite> for SqlMoment {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let micros: i64 = FromSql::<BigInt, Sqlite>::from_sql(value)?;
        let moment = DateTime::from_timestamp_micros(micros);
        Ok(Self(moment.ok_or_else(|| format!("{micros} microseconds lie outside of the calendar"))?))
    }
}
