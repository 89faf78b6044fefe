//! The parts of composed statements that are specific to Postgres.

use diesel::pg::Pg;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Text};

use super::unit::PostgresUnit;
use crate::rows::license_filters::{Bind, Composed, Dialect, Statement};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl Composed for PostgresUnit<'_> {
    type Backend = Pg;

    const DIALECT: Dialect = Dialect::Postgres;

    fn bound(statement: Statement) -> BoxedSqlQuery<'static, Pg, SqlQuery> {
        let query = sql_query(statement.text).into_boxed();
        statement.binds.into_iter().fold(query, |query, bind| match bind {
            Bind::Id(id) => query.bind::<SqlUuid, _>(id),
            Bind::Ids(ids) => query.bind::<Array<SqlUuid>, _>(ids),
            Bind::Text(text) => query.bind::<Text, _>(text),
            Bind::Moment(moment) => query.bind::<SqlTimestamp, _>(moment),
            Bind::Number(number) => query.bind::<BigInt, _>(number),
        })
    }
}
