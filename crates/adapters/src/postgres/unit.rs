//! A unit of work.

use std::collections::BTreeMap;

use diesel::query_dsl::LoadQuery;
use diesel::{PgConnection, QueryResult};
use license_manager_domain::{Error, PlanId};

use super::error::Failure;
use crate::rows::prefetched::Prefetched;

/// How many unassigned licenses of each plan a unit of work locks before it starts.
pub(super) type Reservations = BTreeMap<PlanId, i64>;

/// What a unit of work may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Read, without a transaction.
    Read,
    /// Read and write in one transaction.
    Write,
}

/// One unit of work.
pub(crate) struct PostgresUnit<'c> {
    pub(super) connection: &'c mut PgConnection,
    pub(super) mode: Mode,
    /// How many licenses of each plan it has claimed.
    pub(super) claimed: Reservations,
    /// How many it will have claimed at its end, where it has told so.
    pub(super) announced: Reservations,
    /// The plans of which it has locked all unassigned licenses.
    pub(super) exhausted: Vec<PlanId>,
    /// The first failure. The transaction cannot be committed after it.
    pub(super) failure: Option<Failure>,
    /// What the last statement has read in addition to what was asked for.
    pub(crate) prefetched: Prefetched,
}

impl<'c> PostgresUnit<'c> {
    pub(super) fn new(connection: &'c mut PgConnection, mode: Mode) -> Self {
        Self {
            connection,
            mode,
            claimed: Reservations::new(),
            announced: Reservations::new(),
            exhausted: Vec::new(),
            failure: None,
            prefetched: Prefetched::default(),
        }
    }

    /// Runs a statement that reads and does not lock.
    pub(crate) fn read<T>(&mut self, statement: impl FnOnce(&mut PgConnection) -> QueryResult<T>) -> Result<T, Error> {
        self.prefetched = Prefetched::default();
        statement(self.connection).map_err(|error| self.fail(error.into()))
    }

    /// Runs a query and converts its rows.
    pub(crate) fn list<'q, Row, T: TryFrom<Row>>(
        &mut self,
        query: impl LoadQuery<'q, PgConnection, Row>,
    ) -> Result<Vec<T>, Error>
    where
        Error: From<T::Error>,
    {
        let rows = self.read(|connection| query.load::<Row>(connection))?;
        Ok(rows.into_iter().map(T::try_from).collect::<Result<_, _>>()?)
    }

    /// Runs a statement that writes or locks rows.
    pub(crate) fn write<T>(&mut self, statement: impl FnOnce(&mut PgConnection) -> QueryResult<T>) -> Result<T, Error> {
        self.require_write()?;
        self.read(statement)
    }

    /// Runs a statement that must write this number of rows.
    pub(crate) fn write_rows(
        &mut self,
        number: usize,
        what: &str,
        statement: impl FnOnce(&mut PgConnection) -> QueryResult<usize>,
    ) -> Result<(), Error> {
        match self.write(statement)? {
            written if written == number => Ok(()),
            written => {
                let error = Error::internal(format!("{written} of {number} {what} were written"));
                Err(self.fail(Failure::permanent(error)))
            }
        }
    }

    /// Fails if this unit only reads.
    pub(crate) fn require_write(&self) -> Result<(), Error> {
        match self.mode {
            Mode::Write => Ok(()),
            Mode::Read => Err(Error::internal("this unit of work only reads")),
        }
    }

    /// Notes the failure, and returns its error.
    pub(super) fn fail(&mut self, failure: Failure) -> Error {
        let error = failure.error.clone();
        self.failure.get_or_insert(failure);
        error
    }
}
