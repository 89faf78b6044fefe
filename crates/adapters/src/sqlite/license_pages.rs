//! The parts of composed statements that are specific to SQLite.

use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::Sqlite;

use super::unit::SqliteUnit;
use crate::rows::license_filters::{Bind, Composed, Dialect, Statement};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl Composed for SqliteUnit<'_> {
    type Backend = Sqlite;

    const DIALECT: Dialect = Dialect::Sqlite;

    fn bound(statement: Statement) -> BoxedSqlQuery<'static, Sqlite, SqlQuery> {
        let query = sql_query(statement.text).into_boxed();
        statement.binds.into_iter().fold(query, |query, bind| match bind {
            Bind::Id(id) => query.bind::<SqlUuid, _>(id),
            Bind::Ids(ids) => query.bind::<Text, _>(serde_json::json!(ids).to_string()),
            Bind::Text(text) => query.bind::<Text, _>(text),
            Bind::Moment(moment) => query.bind::<SqlTimestamp, _>(moment),
            Bind::Number(number) => query.bind::<BigInt, _>(number),
        })
    }
}
