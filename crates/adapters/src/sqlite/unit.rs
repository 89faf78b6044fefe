//! A unit of work.

use diesel::query_dsl::LoadQuery;
use diesel::{QueryResult, SqliteConnection};
use license_manager_domain::Error;

use super::error::storage_error;
use crate::rows::prefetched::Prefetched;

/// A unit of work: a transaction that writes, or statements that only read.
pub(crate) struct SqliteUnit<'c> {
    conn: &'c mut SqliteConnection,
    writes: bool,
    /// What the last statement has read in addition to what was asked for.
    pub(crate) prefetched: Prefetched,
}

impl<'c> SqliteUnit<'c> {
    /// A unit that only reads.
    pub(super) fn reader(conn: &'c mut SqliteConnection) -> Self {
        Self { conn, writes: false, prefetched: Prefetched::default() }
    }

    /// A unit that reads and writes in the connection's transaction. No other connection writes meanwhile, so it needs
    /// no locks.
    pub(super) fn writer(conn: &'c mut SqliteConnection) -> Self {
        Self { conn, writes: true, prefetched: Prefetched::default() }
    }

    /// Runs a statement that reads.
    pub(crate) fn read<T>(
        &mut self,
        statement: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
    ) -> Result<T, Error> {
        self.prefetched = Prefetched::default();
        statement(self.conn).map_err(storage_error)
    }

    /// Runs a query and converts its rows.
    pub(crate) fn list<'q, Row, T: TryFrom<Row>>(
        &mut self,
        query: impl LoadQuery<'q, SqliteConnection, Row>,
    ) -> Result<Vec<T>, Error>
    where
        Error: From<T::Error>,
    {
        let rows = self.read(|connection| query.load::<Row>(connection))?;
        Ok(rows.into_iter().map(T::try_from).collect::<Result<_, _>>()?)
    }

    /// Runs a statement that writes, or that reads rows to be written.
    pub(crate) fn write<T>(
        &mut self,
        statement: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
    ) -> Result<T, Error> {
        self.require_write()?;
        self.read(statement)
    }

    /// Runs a statement that must write this number of rows.
    pub(crate) fn write_rows(
        &mut self,
        number: usize,
        what: &str,
        statement: impl FnOnce(&mut SqliteConnection) -> QueryResult<usize>,
    ) -> Result<(), Error> {
        match self.write(statement)? {
            written if written == number => Ok(()),
            written => Err(Error::internal(format!("{written} of {number} {what} were written"))),
        }
    }

    /// Fails if this unit only reads.
    pub(crate) fn require_write(&self) -> Result<(), Error> {
        if self.writes { Ok(()) } else { Err(Error::internal("this unit of work only reads")) }
    }
}
