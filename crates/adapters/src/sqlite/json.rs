//! Many values in one parameter: SQLite has no arrays, but reads JSON as a table. So a statement's text, and the number of
//! statements, never depend on the number of values.

use diesel::QueryableByName;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Bool, Text};
use diesel::sqlite::Sqlite;
use license_manager_domain::Error;
use serde::Serialize;

/// Values as JSON: a parameter of a statement.
pub(super) fn json(values: impl Serialize) -> Result<String, Error> {
    serde_json::to_string(&values).map_err(Error::internal)
}

/// `column IN (SELECT value FROM json_each(?))`: the column has one of the values of a JSON array.
#[derive(Debug, Clone, QueryId, ValidGrouping)]
pub(super) struct InJson<C> {
    column: C,
    json: String,
}

/// Compares a column with the values of a JSON array.
pub(super) fn in_json<C: Expression>(column: C, json: String) -> InJson<C> {
    InJson { column, json }
}

impl<C: Expression> Expression for InJson<C> {
    type SqlType = Bool;
}

impl<C, Source> AppearsOnTable<Source> for InJson<C>
where
    C: AppearsOnTable<Source>,
    Self: Expression,
{
}

impl<C, Source> SelectableExpression<Source> for InJson<C>
where
    C: SelectableExpression<Source>,
    Self: AppearsOnTable<Source>,
{
}

impl<C: QueryFragment<Sqlite>> QueryFragment<Sqlite> for InJson<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(" IN (SELECT value FROM json_each(");
        out.push_bind_param::<Text, _>(&self.json)?;
        out.push_sql("))");
        Ok(())
    }
}

/// The keys of rows as a JSON array, made by the database for its next statements.
#[derive(QueryableByName)]
pub(super) struct Keys {
    #[diesel(sql_type = Text)]
    pub(super) keys: String,
}
