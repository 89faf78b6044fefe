//! Statements written by hand that each connection prepares once.

use diesel::RunQueryDsl;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;

/// A statement that a connection keeps prepared under its text. Diesel prepares SQL that it did not write anew each
/// time.
///
/// Use it for texts of which there are few, and not for `SELECT *`: Postgres refuses to run such a statement after a
/// newer version of this program has added a column.
#[derive(Debug)]
pub(crate) struct Prepared<S>(S);

/// See [`Prepared`].
pub(crate) fn prepared<S>(statement: S) -> Prepared<S> {
    Prepared(statement)
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
