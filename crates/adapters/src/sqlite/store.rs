//! The store.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel::query_dsl::LoadQuery;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::r2d2::{ConnectionManager, PooledConnection};
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use diesel_migrations::{MigrationHarness, embed_migrations};
use license_manager_domain::Error;
use license_manager_domain::ports::{Store, Work};

use super::connections::{Connections, OpenError, connection};
use super::error::{storage_error, unavailable};
use super::options::SqliteOptions;
use super::unit::SqliteUnit;
use crate::addresses::Migrations;
use crate::pool::PoolUse;

const MIGRATIONS: Migrations<SqliteConnection> = Migrations::new(embed_migrations!("../../migrations/sqlite"));

/// How long a health check waits for a connection for reading. Then it opens one of its own.
const SOON: Duration = Duration::from_millis(100);

/// A store in a SQLite file. Clones share the connections.
#[derive(Clone)]
pub struct SqliteStore {
    connections: Connections,
}

impl SqliteStore {
    /// Opens the file. [`SqliteStore::migrate`] creates its tables.
    ///
    /// # Errors
    /// The file cannot be created, read or written, or is not a SQLite database.
    pub fn open(options: &SqliteOptions) -> Result<Self, OpenError> {
        Connections::open(options).map(|connections| Self { connections })
    }

    /// The usage of its connections.
    pub fn pools(&self) -> Vec<PoolUse> {
        vec![PoolUse::of("readers", &self.connections.readers), PoolUse::of("writer", &self.connections.writer)]
    }

    /// The file, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.connections.path
    }

    /// Runs the pending migrations and returns their names. Several processes may do this at the same time: one
    /// migrates, the others wait for it.
    pub fn migrate(&self) -> Result<Vec<String>, Error> {
        let mut conn = connection(&self.connections.writer)?;
        let mut failure = None;
        let outcome = conn.immediate_transaction(|conn| match conn.run_pending_migrations(MIGRATIONS) {
            Ok(versions) => Ok(versions.iter().map(ToString::to_string).collect()),
            Err(error) => {
                failure = Some(Error::internal(format!("migration failed: {error}")));
                Err(diesel::result::Error::RollbackTransaction)
            }
        });
        outcome.map_err(|error| failure.unwrap_or_else(|| storage_error(error)))
    }

    /// The rows of a query outside of a unit of work.
    pub(crate) fn rows<'q, R>(&self, query: impl LoadQuery<'q, SqliteConnection, R>) -> Result<Vec<R>, Error> {
        let mut connection = self.reader()?;
        query.internal_load(&mut *connection).and_then(Iterator::collect).map_err(storage_error)
    }

    /// Runs a statement that writes outside of a unit of work, and returns the number of rows.
    pub(crate) fn change(&self, statement: impl ExecuteDsl<SqliteConnection>) -> Result<usize, Error> {
        let mut connection = connection(&self.connections.writer)?;
        ExecuteDsl::execute(statement, &mut *connection).map_err(storage_error)
    }

    /// A connection for reading.
    pub(crate) fn reader(&self) -> Result<PooledConnection<ConnectionManager<SqliteConnection>>, Error> {
        connection(&self.connections.readers)
    }

    /// The names of the migrations that [`SqliteStore::migrate`] would run.
    pub fn pending_migrations(&self) -> Result<Vec<String>, Error> {
        let applied = self.applied_migrations()?;
        let all = MigrationSource::<Sqlite>::migrations(&MIGRATIONS).map_err(Error::internal)?;
        let pending = all.iter().map(|migration| migration.name());
        let pending = pending.filter(|name| !applied.contains(&name.version().to_string()));
        Ok(pending.map(ToString::to_string).collect())
    }

    /// The versions of the migrations that a newer version of this program has run, sorted.
    pub fn unknown_migrations(&self) -> Result<Vec<String>, Error> {
        let mut unknown = self.applied_migrations()?;
        for migration in MigrationSource::<Sqlite>::migrations(&MIGRATIONS).map_err(Error::internal)? {
            unknown.remove(&migration.name().version().to_string());
        }
        Ok(unknown.into_iter().collect())
    }

    /// The versions of the migrations that have run. Asked without diesel, which would create its table where it is
    /// missing.
    fn applied_migrations(&self) -> Result<BTreeSet<String>, Error> {
        self.check(|connection| {
            let mut list = |query: &str| -> QueryResult<BTreeSet<String>> {
                let rows: Vec<Row> = diesel::sql_query(query).load(&mut *connection)?;
                Ok(rows.into_iter().map(|row| row.text).collect())
            };
            match list("SELECT name AS text FROM sqlite_schema WHERE name = '__diesel_schema_migrations'")?.is_empty() {
                true => Ok(BTreeSet::new()),
                false => list("SELECT version AS text FROM __diesel_schema_migrations"),
            }
        })
    }

    /// Reads for a health check, which does not wait for those who have all connections.
    fn check<T>(&self, read: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>) -> Result<T, Error> {
        let read = match self.connections.readers.get_timeout(SOON) {
            Ok(mut connection) => read(&mut connection),
            Err(_) => read(&mut self.connections.another_reader()?),
        };
        read.map_err(storage_error)
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    text: String,
}

impl Store for SqliteStore {
    fn run_write(&self, work: &mut Work<'_>) -> Result<(), Error> {
        let mut conn = connection(&self.connections.writer)?;
        let mut failure = None;
        // A panic drops the connection and with it the transaction. The pool opens another connection.
        let outcome = conn.immediate_transaction(|conn| {
            work(&mut SqliteUnit::writer(conn)).map_err(|error| {
                failure = Some(error);
                diesel::result::Error::RollbackTransaction
            })
        });
        outcome.map_err(|error| failure.unwrap_or_else(|| storage_error(error)))
    }

    fn run_read(&self, work: &mut Work<'_>) -> Result<(), Error> {
        let mut conn = connection(&self.connections.readers)?;
        work(&mut SqliteUnit::reader(&mut conn))
    }

    fn ping(&self) -> Result<(), Error> {
        // An open connection can still read a file that was deleted.
        std::fs::metadata(&self.connections.path).map_err(unavailable)?;
        self.check(|connection| connection.batch_execute("SELECT count(*) FROM sqlite_schema"))
    }
}
