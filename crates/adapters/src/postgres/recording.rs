//! Writes history in the statement that changes the rows. [`super::history`] reads it.

// The traits here are diesel's, whose defaults are meant to be used.
#![allow(clippy::missing_trait_methods)]

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use license_manager_domain::Error;
use license_manager_domain::history::{Change, ChangeKind};
use serde::Serialize;

use super::unit::PostgresUnit;
use crate::history::TableWithHistory;
use crate::sql_types::SqlTimestamp;

/// What a statement did to the rows it returns.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// It added them.
    Added,
    /// It changed them.
    Changed,
    /// It added those that were not there, and changed the others.
    AddedOrChanged,
    /// It deleted them.
    Deleted,
}

impl From<ChangeKind> for Kind {
    fn from(kind: ChangeKind) -> Self {
        match kind {
            ChangeKind::Added => Self::Added,
            ChangeKind::Changed => Self::Changed,
            ChangeKind::Deleted => Self::Deleted,
        }
    }
}

impl PostgresUnit<'_> {
    /// Runs a statement that writes the row with this key, and its history.
    pub(crate) fn write_recorded<S: QueryFragment<Pg>>(
        &mut self,
        table: &'static TableWithHistory,
        _: impl Serialize,
        kind: ChangeKind,
        change: &Change,
        statement: S,
    ) -> Result<(), Error> {
        let statement = with_history(ReturningRows { statement, table }, table, kind.into(), change);
        self.write_rows(1, table.name, |connection| statement.execute(connection))
    }
}

/// A statement that returns the rows it wrote.
#[derive(Debug)]
struct ReturningRows<S> {
    statement: S,
    table: &'static TableWithHistory,
}

impl<S: QueryFragment<Pg>> QueryFragment<Pg> for ReturningRows<S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.statement.walk_ast(out.reborrow())?;
        out.push_sql(" RETURNING ");
        out.push_sql(&self.table.column_names());
        Ok(())
    }
}

/// A statement that returns the rows it changed, extended to write their history.
///
/// Executing it counts the rows. It is kept prepared if the statement is; see `prepared_sql`. No row is returned, so a new column
/// does not change what is.
#[derive(Debug)]
pub(super) struct WithHistory<'a, S> {
    statement: S,
    table: &'static TableWithHistory,
    kind: Kind,
    at: &'a DateTime<Utc>,
    by: Option<&'a str>,
    reason: Option<&'a str>,
}

/// See [`WithHistory`].
pub(super) fn with_history<'a, S>(
    statement: S,
    table: &'static TableWithHistory,
    kind: Kind,
    change: &'a Change,
) -> WithHistory<'a, S> {
    let (by, reason) = (change.by.as_deref(), change.reason.as_deref());
    WithHistory { statement, table, kind, at: &change.at, by, reason }
}

impl<S> WithHistory<'_, S> {
    /// The same, which returns the new ids of the rows: for tables whose key is the number `id`.
    pub(super) fn returning_id(self) -> ReturningId<Self> {
        ReturningId(self)
    }
}

/// See [`WithHistory::returning_id`].
#[derive(Debug)]
pub(super) struct ReturningId<S>(S);

impl<S: QueryFragment<Pg>> QueryFragment<Pg> for ReturningId<S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" RETURNING id");
        Ok(())
    }
}

impl<S> Query for ReturningId<S> {
    type SqlType = BigInt;
}

impl<S> QueryId for ReturningId<S> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<S> RunQueryDsl<PgConnection> for ReturningId<S> {}

impl<S: QueryFragment<Pg>> QueryFragment<Pg> for WithHistory<'_, S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let TableWithHistory { name, key, .. } = self.table;
        // The statement comes first: raw SQL numbers its parameters from one.
        out.push_sql("WITH changed AS (");
        self.statement.walk_ast(out.reborrow())?;
        out.push_sql(") INSERT INTO ");
        out.push_sql(name);
        out.push_sql("_history (history_date, history_user, history_type, history_change_reason, ");
        out.push_sql(&self.table.column_names());
        out.push_sql(") SELECT ");
        out.push_bind_param::<SqlTimestamp, _>(self.at)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Text>, _>(&self.by)?;
        out.push_sql(match self.kind {
            Kind::Added => ", '+', ",
            Kind::Changed => ", '~', ",
            // The parts of a statement do not see each other's effects, so this reads the table as it was before.
            Kind::AddedOrChanged => ", CASE WHEN EXISTS (SELECT FROM ",
            Kind::Deleted => ", '-', ",
        });
        if let Kind::AddedOrChanged = self.kind {
            for part in [name, " AS former WHERE former.", key, " = changed.", key, ") THEN '~' ELSE '+' END, "] {
                out.push_sql(part);
            }
        }
        out.push_bind_param::<Nullable<Text>, _>(&self.reason)?;
        // Their names, not all columns: servers of this version also write when a newer one has added a column.
        out.push_sql(", ");
        out.push_sql(&self.table.column_names());
        out.push_sql(" FROM changed");
        Ok(())
    }
}

impl<S> QueryId for WithHistory<'_, S> {
    type QueryId = ();
    // Table and kind are part of the text, not of the type.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<S> RunQueryDsl<PgConnection> for WithHistory<'_, S> {}
