//! Storage in Postgres, version 15 or later.
//!
//! [`PostgresStore`] runs units of work; a `PostgresUnit` is one, and implements every repository, each in the file of its
//! name. What rows look like is in `rows`, what errors mean in `error`, how connections are kept in `pool`.
//!
//! Every change is one statement, whatever the number of rows, and writes the rows' history along (`statements`).

mod agreements;
mod arrays;
mod due_work;
mod enrollment_jobs;
mod error;
mod history;
mod idempotency;
mod jobs;
mod licenses;
mod lookups;
mod operations;
mod outbox;
mod plans;
mod pool;
mod products;
mod purge;
mod queue;
mod recording;
mod renewals;
mod retirement;
mod role_assignments;
mod schedule;
mod staff_records;
mod transfers;
mod users;
mod utilization;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::r2d2::{Pool, PooledConnection};
use diesel::sql_types::{Bool, Text};
use diesel::{Connection, PgConnection, QueryResult, QueryableByName, RunQueryDsl, sql_query};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use license_manager_domain::ports::{Store, Work};
use license_manager_domain::{Error, PlanId};

use crate::pool::PoolUse;
use error::{Failure, Remedy};
use pool::{Connector, Session};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// The session lock that migrating servers take turns with. The number is arbitrary and known to nobody else.
const MIGRATION_LOCK: i64 = 7_162_534_019_283_746;

/// How often a unit of work is run at most where other transactions come between. Each time another one has finished its work,
/// so few need more than two; of 32 that hand out licenses to overlapping groups at once, one in a hundred needs four.
const MAX_ATTEMPTS: u32 = 10;

/// Is called with the text of every statement that starts, transaction control included, without what is bound to it.
pub type StatementListener = Arc<dyn Fn(&str) + Send + Sync>;

/// How to reach a Postgres database.
#[derive(Clone)]
pub struct PostgresOptions {
    /// Where it is: `postgres://user:password@host:port/database`, with any option of libpq as a query parameter, such as
    /// `sslmode=verify-full`.
    pub url: String,
    /// How many connections are held at most; at least 1.
    pub pool_size: u32,
    /// How long a caller waits for a connection, and how long making one may take (in whole seconds, at least one). Above 0.
    pub connect_timeout: Duration,
    /// How long a statement may take, waiting for locks included. No limit where it is 0.
    pub statement_timeout: Duration,
    /// The name the server's own views and logs show.
    pub application_name: String,
    /// Who is told of every statement.
    pub on_statement: Option<StatementListener>,
}

impl PostgresOptions {
    /// The defaults for a database: 10 connections, 5 seconds to get one, 30 seconds for a statement.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            pool_size: 10,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            application_name: "license-manager".to_owned(),
            on_statement: None,
        }
    }
}

/// A Postgres database that keeps everything. Cheap to clone; its clones share the connections.
#[derive(Clone)]
pub struct PostgresStore {
    connector: Connector,
    pool: Pool<Connector>,
}

impl PostgresStore {
    /// A store in the database. Connections are made when they are needed: the database may still be away.
    ///
    /// # Errors
    /// [`Error::Internal`] where an option is out of its limits.
    pub fn connect(options: &PostgresOptions) -> Result<Self, Error> {
        let connector = Connector::new(options)?;
        let pool = connector.clone().into_pool(options);
        Ok(Self { connector, pool })
    }

    /// Brings the schema up to date and returns the names of the migrations that were run. Any number of servers may do so at
    /// once: one migrates, the others wait for it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the database cannot be reached; [`Error::Internal`] where a migration fails.
    pub fn migrate(&self) -> Result<Vec<String>, Error> {
        // A connection of its own: migrations and the wait for another server's may take longer than a request's statement,
        // and the lock ends with the connection, however this ends.
        let mut connection = self.unlimited_connection()?;
        connection
            .batch_execute(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})"))
            .map_err(|error| Failure::from(error).error)?;
        let versions = connection.run_pending_migrations(MIGRATIONS).map_err(migration_error)?;
        Ok(versions.iter().map(ToString::to_string).collect())
    }

    /// The names of the migrations that [`PostgresStore::migrate`] would run.
    ///
    /// # Errors
    /// As [`PostgresStore::migrate`].
    pub fn pending_migrations(&self) -> Result<Vec<String>, Error> {
        let applied = self.applied_migrations()?;
        let all = MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(migration_error)?;
        let pending = all.iter().map(|migration| migration.name());
        let pending = pending.filter(|name| !applied.contains(&name.version().to_string()));
        Ok(pending.map(ToString::to_string).collect())
    }

    /// The versions of the migrations that a newer version of this program ran, in their order.
    ///
    /// # Errors
    /// As [`PostgresStore::migrate`].
    pub fn unknown_migrations(&self) -> Result<Vec<String>, Error> {
        let mut unknown = self.applied_migrations()?;
        for migration in MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(migration_error)? {
            unknown.remove(&migration.name().version().to_string());
        }
        Ok(unknown.into_iter().collect())
    }

    /// The versions of the migrations that ran. Diesel would make its table, and whoever only looks may not.
    fn applied_migrations(&self) -> Result<BTreeSet<String>, Error> {
        let mut session = self.session()?;
        applied_migrations(&mut session.connection).map_err(|error| Failure::from(error).error)
    }

    /// How its connections are used.
    pub fn pools(&self) -> Vec<PoolUse> {
        vec![PoolUse::of("all", &self.pool)]
    }

    /// A connection beside the pool, on which statements may take as long as they like.
    pub(crate) fn unlimited_connection(&self) -> Result<PgConnection, Error> {
        self.connector.establish().map_err(|error| {
            tracing::warn!("{error}");
            Error::Unavailable
        })
    }

    fn session(&self) -> Result<PooledConnection<Connector>, Error> {
        self.pool.get().map_err(|_| Error::Unavailable)
    }
}

impl Store for PostgresStore {
    fn run_write(&self, work: &mut Work<'_>) -> Result<(), Error> {
        let mut session = self.session()?;
        let mut reservations = Reservations::new();
        let mut attempt = 1;
        loop {
            let Err(failure) = attempt_write(&mut session, &reservations, work) else { return Ok(()) };
            match failure.remedy {
                Remedy::Repeat if attempt < MAX_ATTEMPTS => pause(),
                Remedy::Reserve(plan, number) if attempt < MAX_ATTEMPTS => {
                    reservations.insert(plan, number);
                }
                Remedy::Reconnect => {
                    session.give_up();
                    return Err(failure.error);
                }
                _ => return Err(failure.error),
            }
            attempt += 1;
        }
    }

    fn run_read(&self, work: &mut Work<'_>) -> Result<(), Error> {
        let mut session = self.session()?;
        let mut unit = PostgresUnit::new(&mut session.connection, Mode::Read);
        let outcome = work(&mut unit);
        if unit.failure.is_some_and(|failure| failure.remedy == Remedy::Reconnect) {
            session.give_up();
        }
        outcome
    }

    fn ping(&self) -> Result<(), Error> {
        let mut session = self.session()?;
        session.connection.batch_execute("SELECT 1").map_err(|error| {
            session.give_up();
            Failure::from(error).error
        })
    }
}

#[derive(QueryableByName)]
struct TableRow {
    #[diesel(sql_type = Bool)]
    is_there: bool,
}

#[derive(QueryableByName)]
struct VersionRow {
    #[diesel(sql_type = Text)]
    version: String,
}

/// The versions of the migrations that ran; none where the table of them is not there yet.
fn applied_migrations(connection: &mut PgConnection) -> QueryResult<BTreeSet<String>> {
    let table: TableRow =
        sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS is_there").get_result(connection)?;
    if !table.is_there {
        return Ok(BTreeSet::new());
    }
    let rows: Vec<VersionRow> = sql_query("SELECT version FROM __diesel_schema_migrations").load(connection)?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

fn migration_error(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match error.downcast::<diesel::result::Error>() {
        Ok(error) => Failure::from(*error).error,
        Err(error) => Error::internal(error),
    }
}

fn attempt_write(session: &mut Session, reservations: &Reservations, work: &mut Work<'_>) -> Result<(), Failure> {
    session.connection.transaction(|connection| {
        let mut unit = PostgresUnit::new(connection, Mode::Write);
        let outcome = unit.reserve(reservations).and_then(|()| work(&mut unit));
        match (outcome, unit.failure) {
            (Ok(()), None) => Ok(()),
            (Err(error), None) => Err(Failure::lasting(error)),
            (Err(error), Some(failure)) => Err(Failure { error, ..failure }),
            // Postgres would answer a commit after a failed statement with a rollback, and call it a success.
            (Ok(()), Some(failure)) => Err(failure),
        }
    })
}

/// Lets whoever came between finish: up to 8 ms, by chance, so that equals do not meet again.
fn pause() {
    std::thread::sleep(Duration::from_micros(RandomState::new().hash_one(()) % 8_000));
}

/// How many unassigned licenses of which plans a unit of work takes hold of before it starts.
type Reservations = BTreeMap<PlanId, i64>;

/// What a unit of work may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Read, each statement by itself.
    Read,
    /// Read and write in one transaction.
    Write,
}

/// One unit of work.
struct PostgresUnit<'c> {
    connection: &'c mut PgConnection,
    mode: Mode,
    /// The plans of which it holds every unassigned license there was when it started.
    exhausted: Vec<PlanId>,
    /// The first failure, after which a transaction is lost.
    failure: Option<Failure>,
}

impl<'c> PostgresUnit<'c> {
    fn new(connection: &'c mut PgConnection, mode: Mode) -> Self {
        Self { connection, mode, exhausted: Vec::new(), failure: None }
    }

    /// Runs a statement that changes nothing and locks nothing.
    fn read<T>(&mut self, statement: impl FnOnce(&mut PgConnection) -> QueryResult<T>) -> Result<T, Error> {
        statement(self.connection).map_err(|error| self.fail(error.into()))
    }

    /// Runs a statement that changes or locks rows.
    fn write<T>(&mut self, statement: impl FnOnce(&mut PgConnection) -> QueryResult<T>) -> Result<T, Error> {
        self.require_write()?;
        self.read(statement)
    }

    /// Runs a statement that must change this many rows.
    fn write_rows(
        &mut self,
        number: usize,
        what: &str,
        statement: impl FnOnce(&mut PgConnection) -> QueryResult<usize>,
    ) -> Result<(), Error> {
        match self.write(statement)? {
            written if written == number => Ok(()),
            written => {
                let error = Error::internal(format!("{written} of {number} {what} were there to be written"));
                Err(self.fail(Failure::lasting(error)))
            }
        }
    }

    fn require_write(&self) -> Result<(), Error> {
        match self.mode {
            Mode::Write => Ok(()),
            Mode::Read => Err(Error::internal("this unit of work only reads")),
        }
    }

    fn fail(&mut self, failure: Failure) -> Error {
        let error = failure.error.clone();
        self.failure.get_or_insert(failure);
        error
    }
}
