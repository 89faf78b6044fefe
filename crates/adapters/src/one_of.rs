//! A condition over any number of values.

use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Array, Bool, SqlType, Text};
use diesel::sqlite::Sqlite;
use serde::Serialize;

/// A column has one of the values: `column = ANY(array)` in Postgres, `column IN (SELECT value FROM json_each(array))`
/// in SQLite. The statement's text does not depend on the number of values.
#[derive(Debug)]
pub(crate) struct OneOf<C, V> {
    column: C,
    values: Values<V>,
}

/// See [`OneOf`].
pub(crate) fn one_of<C: Expression, V>(column: C, values: impl IntoIterator<Item = V>) -> OneOf<C, V> {
    OneOf { column, values: Values(values.into_iter().collect()) }
}

/// The values as one parameter.
#[derive(Debug)]
struct Values<V>(Vec<V>);

impl<V, T> ToSql<Array<T>, Pg> for Values<V>
where
    V: std::fmt::Debug,
    Vec<V>: ToSql<Array<T>, Pg>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        self.0.to_sql(out)
    }
}

impl<V: Serialize + std::fmt::Debug> ToSql<Text, Sqlite> for Values<V> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(serde_json::to_string(&self.0)?);
        Ok(IsNull::No)
    }
}

impl<C: Expression, V> Expression for OneOf<C, V> {
    type SqlType = Bool;
}

impl<C: ValidGrouping<GroupBy>, V, GroupBy> ValidGrouping<GroupBy> for OneOf<C, V> {
    type IsAggregate = C::IsAggregate;
}

impl<C: QueryId, V> QueryId for OneOf<C, V> {
    type QueryId = OneOf<C::QueryId, ()>;
    const HAS_STATIC_QUERY_ID: bool = C::HAS_STATIC_QUERY_ID;
}

impl<C: AppearsOnTable<Source>, V, Source> AppearsOnTable<Source> for OneOf<C, V> {}

impl<C: SelectableExpression<Source>, V, Source> SelectableExpression<Source> for OneOf<C, V> {}

impl<C, V, T> QueryFragment<Pg> for OneOf<C, V>
where
    C: Expression<SqlType = T> + QueryFragment<Pg>,
    T: SqlType,
    Pg: diesel::sql_types::HasSqlType<Array<T>>,
    Values<V>: ToSql<Array<T>, Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(" = ANY(");
        out.push_bind_param::<Array<T>, _>(&self.values)?;
        out.push_sql(")");
        Ok(())
    }
}

impl<C, V> QueryFragment<Sqlite> for OneOf<C, V>
where
    C: QueryFragment<Sqlite>,
    Values<V>: ToSql<Text, Sqlite>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(" IN (SELECT value FROM json_each(");
        out.push_bind_param::<Text, _>(&self.values)?;
        out.push_sql("))");
        Ok(())
    }
}
