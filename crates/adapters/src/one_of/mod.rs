//! A condition over any number of values.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::query_builder::QueryId;
use diesel::sql_types::Bool;

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
