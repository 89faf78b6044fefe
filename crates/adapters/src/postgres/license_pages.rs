//! Runs the statements that read licenses by filter and order.

use diesel::pg::Pg;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_types::{Array, BigInt, Text};
use diesel::{RunQueryDsl, sql_query};
use license_manager_domain::{Error, License, LicenseCounts};
use uuid::Uuid;

use super::unit::PostgresUnit;
use crate::rows::license_filters::{Bind, Dialect, Statement};
use crate::rows::license_pages::{CountsRow, LicensePages};
use crate::rows::licenses::LicenseRow;
use crate::rows::shared::{IdRow, NumberRow};
use crate::sql_types::{SqlTimestamp, SqlUuid};

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

impl LicensePages for PostgresUnit<'_> {
    const DIALECT: Dialect = Dialect::Postgres;

    fn licenses_of(&mut self, statement: Statement) -> Result<Vec<License>, Error> {
        self.list::<LicenseRow, _>(bound(statement))
    }

    fn ids_of(&mut self, statement: Statement) -> Result<Vec<Uuid>, Error> {
        let rows = self.read(|connection| bound(statement).load::<IdRow>(connection))?;
        Ok(rows.into_iter().map(|row| row.uuid).collect())
    }

    fn number_of(&mut self, statement: Statement) -> Result<i64, Error> {
        self.read(|connection| bound(statement).get_result::<NumberRow>(connection)).map(|row| row.number)
    }

    fn counts_of(&mut self, statement: Statement) -> Result<LicenseCounts, Error> {
        self.read(|connection| bound(statement).get_result::<CountsRow>(connection)).map(LicenseCounts::from)
    }
}
