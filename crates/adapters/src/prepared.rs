//! Statements that each connection prepares once, although diesel would prepare them anew each time.

use std::marker::PhantomData;

use diesel::RunQueryDsl;
use diesel::backend::Backend;
use diesel::query_builder::{AsChangeset, AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{HasSqlType, Untyped};

use crate::history::TableWithHistory;

/// A query of diesel's with a part written by hand, which a connection keeps prepared under its text.
///
/// It is only for queries whose rows are loaded. To execute a statement, diesel takes a reference to it, and a reference
/// does not tell that it may be kept: see [`prepared_sql`].
///
/// Use it for texts of which there are few.
#[derive(Debug)]
pub(crate) struct Prepared<S>(S);

/// See [`Prepared`].
pub(crate) fn prepared<S>(query: S) -> Prepared<S> {
    Prepared(query)
}

impl<DB: Backend, S: QueryFragment<DB>> QueryFragment<DB> for Prepared<S> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<S> QueryId for Prepared<S> {
    type QueryId = ();
    // The text is the key.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<S: Query> Query for Prepared<S> {
    type SqlType = S::SqlType;
}

impl<S, C> RunQueryDsl<C> for Prepared<S> {}

/// A statement as [`diesel::sql_query`] makes it, which a connection keeps prepared under its text.
///
/// Use it for texts of which there are few, and do not load `SELECT *`: Postgres refuses to run such a statement after a
/// newer version of this program has added a column.
///
/// After five times Postgres may keep a plan that knows no values: it expects ten elements of an array, and a tenth of the
/// rows for a `LIMIT`. A statement that needs a plan for its values is one of [`diesel::sql_query`].
#[derive(Debug)]
pub(crate) struct PreparedSql<V> {
    sql: String,
    values: V,
}

/// See [`PreparedSql`].
pub(crate) fn prepared_sql(sql: impl Into<String>) -> PreparedSql<()> {
    PreparedSql { sql: sql.into(), values: () }
}

impl<V> PreparedSql<V> {
    /// Gives the next parameter a value.
    pub(crate) fn bind<T, U>(self, value: U) -> PreparedSql<Bound<V, T, U>> {
        let values = Bound { before: self.values, value, sql_type: PhantomData };
        PreparedSql { sql: self.sql, values }
    }

    /// The same, as a type that does not tell the parameters.
    #[cfg(feature = "postgres")]
    pub(crate) fn boxed<'v, DB: Backend>(self) -> PreparedSql<Values<'v, DB>>
    where
        V: QueryFragment<DB> + 'v,
    {
        PreparedSql { sql: self.sql, values: Box::new(self.values) }
    }
}

/// The values of parameters.
#[cfg(feature = "postgres")]
pub(crate) type Values<'v, DB> = Box<dyn QueryFragment<DB> + 'v>;

impl<V> Query for PreparedSql<V> {
    // Rows are read by the names of their columns.
    type SqlType = Untyped;
}

impl<DB: Backend, V: QueryFragment<DB>> QueryFragment<DB> for PreparedSql<V> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(&self.sql);
        // The text names the parameters where it needs them. Diesel names each once more with its value, so here it is a
        // comment.
        out.push_sql(" /* ");
        self.values.walk_ast(out.reborrow())?;
        out.push_sql(" */");
        Ok(())
    }
}

impl<V> QueryId for PreparedSql<V> {
    type QueryId = ();
    // The text is the key.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<V, C> RunQueryDsl<C> for PreparedSql<V> {}

/// The value of a parameter, of the SQL type `T`, after those of the parameters before.
#[derive(Debug)]
pub(crate) struct Bound<V, T, U> {
    before: V,
    value: U,
    sql_type: PhantomData<T>,
}

impl<DB, V, T, U> QueryFragment<DB> for Bound<V, T, U>
where
    DB: Backend + HasSqlType<T>,
    V: QueryFragment<DB>,
    U: ToSql<T, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.before.walk_ast(out.reborrow())?;
        out.push_bind_param::<T, U>(&self.value)
    }
}

/// Writes the row with this key, whose SQL type is `T`. Diesel prepares its own `UPDATE` anew each time, because its text
/// may depend on which columns change.
///
/// `changes` must always have the same columns: they are of a changeset with `treat_none_as_null`.
pub(crate) fn update_row<T, K, C: AsChangeset>(
    table: &'static TableWithHistory,
    key: K,
    changes: C,
) -> UpdateRow<C::Changeset, T, K> {
    let key = Bound { before: (), value: key, sql_type: PhantomData };
    UpdateRow { table, key, changes: changes.as_changeset() }
}

/// See [`update_row`].
#[derive(Debug)]
pub(crate) struct UpdateRow<C, T, K> {
    table: &'static TableWithHistory,
    key: Bound<(), T, K>,
    changes: C,
}

impl<DB, C, T, K> QueryFragment<DB> for UpdateRow<C, T, K>
where
    DB: Backend,
    C: QueryFragment<DB>,
    Bound<(), T, K>: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("UPDATE ");
        out.push_sql(self.table.name);
        out.push_sql(" SET ");
        self.changes.walk_ast(out.reborrow())?;
        out.push_sql(" WHERE ");
        out.push_sql(self.table.key);
        out.push_sql(" = ");
        self.key.walk_ast(out)
    }
}

impl<C, T, K> QueryId for UpdateRow<C, T, K> {
    type QueryId = ();
    // The text is the key.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C, T, K, Conn> RunQueryDsl<Conn> for UpdateRow<C, T, K> {}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use std::sync::{Arc, Mutex};

    use diesel::connection::{InstrumentationEvent, SimpleConnection};
    use diesel::prelude::*;
    use diesel::sql_query;
    use diesel::sql_types::{BigInt, Text};

    use super::*;

    #[derive(QueryableByName)]
    struct NumberRow {
        #[diesel(sql_type = BigInt)]
        number: i64,
    }

    /// A connection that notes what it keeps prepared.
    fn connection() -> (SqliteConnection, Arc<Mutex<Vec<String>>>) {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let noted = kept.clone();
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        connection.batch_execute("CREATE TABLE item (name TEXT NOT NULL, number INTEGER NOT NULL)").unwrap();
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::CacheQuery { sql, .. } = event {
                noted.lock().unwrap().push(sql.to_owned());
            }
        });
        (connection, kept)
    }

    #[test]
    fn what_is_executed_is_prepared_once() {
        let (mut connection, kept) = connection();
        for number in 1..=3_i64 {
            // The second parameter comes first in the text, and twice.
            let statement = prepared_sql("INSERT INTO item (number, name) VALUES (?2, ?1), (?2 + 10, ?1)")
                .bind::<Text, _>("one")
                .bind::<BigInt, _>(number);
            assert_eq!(statement.execute(&mut connection), Ok(2));
        }
        assert_eq!(kept.lock().unwrap().len(), 1);
        let sum: NumberRow =
            sql_query("SELECT sum(number) AS number FROM item WHERE name = 'one'").get_result(&mut connection).unwrap();
        assert_eq!(sum.number, 1 + 2 + 3 + 11 + 12 + 13);
    }

    #[test]
    fn what_is_loaded_is_prepared_once() {
        let (mut connection, kept) = connection();
        for number in 1..=3_i64 {
            let query = prepared_sql("SELECT ?1 AS number").bind::<BigInt, _>(number);
            let rows: Vec<NumberRow> = query.load(&mut connection).unwrap();
            assert_eq!(rows[0].number, number);
            let query = diesel::select(diesel::dsl::sql::<BigInt>("2 * ").bind::<BigInt, _>(number));
            assert_eq!(prepared(query).get_result::<i64>(&mut connection), Ok(2 * number));
        }
        assert_eq!(kept.lock().unwrap().len(), 2);
    }
}
