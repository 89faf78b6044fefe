//! Statements in plain SQL, on a connection to either database.

use diesel::connection::DefaultLoadingMode;
use diesel::pg::{Pg, PgRowByRowLoadingMode};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;

/// A row that either database returns.
pub(crate) trait PlainRow: QueryableByName<Pg> + QueryableByName<Sqlite> + 'static {}

impl<R: QueryableByName<Pg> + QueryableByName<Sqlite> + 'static> PlainRow for R {}

/// The column `text` of a statement.
#[derive(QueryableByName)]
pub(crate) struct TextRow {
    #[diesel(sql_type = Text)]
    pub text: String,
}

/// A connection to either database.
pub(crate) trait PlainSql: Connection {
    /// The rows of a statement.
    fn rows<R: PlainRow>(&mut self, statement: &str) -> QueryResult<Vec<R>>;

    /// The rows of a statement over a text.
    fn rows_of<R: PlainRow>(&mut self, statement: &str, text: &str) -> QueryResult<Vec<R>>;

    /// Passes on the rows of a statement one by one, so that they need not be in memory together.
    fn each_row<R: PlainRow, E: From<diesel::result::Error>>(
        &mut self,
        statement: &str,
        visit: &mut dyn FnMut(R) -> Result<(), E>,
    ) -> Result<(), E>;

    /// Runs a statement over a text. Returns the number of rows written.
    fn write(&mut self, statement: &str, text: &str) -> QueryResult<usize>;

    /// The column `text` of a statement.
    fn texts(&mut self, statement: &str) -> QueryResult<Vec<String>> {
        Ok(self.rows::<TextRow>(statement)?.into_iter().map(|row| row.text).collect())
    }

    /// The column `text` of a statement over a text.
    fn texts_of(&mut self, statement: &str, text: &str) -> QueryResult<Vec<String>> {
        Ok(self.rows_of::<TextRow>(statement, text)?.into_iter().map(|row| row.text).collect())
    }
}

/// Implements [`PlainSql`] for a connection, which returns rows one by one in its own mode.
macro_rules! plain_sql {
    ($connection:ty, $one_by_one:ty) => {
        impl PlainSql for $connection {
            fn rows<R: PlainRow>(&mut self, statement: &str) -> QueryResult<Vec<R>> {
                sql_query(statement).load(self)
            }

            fn rows_of<R: PlainRow>(&mut self, statement: &str, text: &str) -> QueryResult<Vec<R>> {
                sql_query(statement).bind::<Text, _>(text).load(self)
            }

            fn each_row<R: PlainRow, E: From<diesel::result::Error>>(
                &mut self,
                statement: &str,
                visit: &mut dyn FnMut(R) -> Result<(), E>,
            ) -> Result<(), E> {
                for row in sql_query(statement).load_iter::<R, $one_by_one>(self)? {
                    visit(row?)?;
                }
                Ok(())
            }

            fn write(&mut self, statement: &str, text: &str) -> QueryResult<usize> {
                sql_query(statement).bind::<Text, _>(text).execute(self)
            }
        }
    };
}

plain_sql!(PgConnection, PgRowByRowLoadingMode);
plain_sql!(SqliteConnection, DefaultLoadingMode);
