//! The store.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::query_dsl::LoadQuery;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::r2d2::{Pool, PooledConnection};
use diesel::sql_types::{Bool, Text};
use diesel::{Connection, PgConnection, QueryResult, QueryableByName, RunQueryDsl, sql_query};
use diesel_migrations::{MigrationHarness, embed_migrations};
use license_manager_domain::Error;
use license_manager_domain::ports::{Store, Work};

use super::error::{Failure, Remedy};
use super::options::PostgresOptions;
use super::pool::{Connector, Session};
use super::unit::{Mode, PostgresUnit, Reservations};
use crate::addresses::Migrations;
use crate::pool::PoolUse;

const MIGRATIONS: Migrations<PgConnection> = Migrations::new(embed_migrations!("../../migrations/postgres"));

/// The advisory lock that only one migrating server has at a time. The number is arbitrary.
const MIGRATION_LOCK: i64 = 7_162_534_019_283_746;

/// How often a unit of work is tried when it conflicts with other transactions. Few need more than two attempts: of 32
/// units that assign licenses to overlapping groups at the same time, one in a hundred needs four.
const MAX_ATTEMPTS: u32 = 10;

/// A store in a Postgres database. Clones share the connections.
#[derive(Clone)]
pub struct PostgresStore {
    connector: Connector,
    pool: Pool<Connector>,
}

impl PostgresStore {
    /// A store in the database. It connects when a connection is needed, so the database may still be unavailable.
    ///
    /// # Errors
    /// [`Error::Internal`] if an option is outside of its limits.
    pub fn connect(options: &PostgresOptions) -> Result<Self, Error> {
        let connector = Connector::new(options)?;
        let pool = connector.clone().into_pool(options);
        Ok(Self { connector, pool })
    }

    /// Runs the pending migrations and returns their names. Several servers may do this at the same time: one migrates,
    /// the others wait for it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database cannot be reached, [`Error::Internal`] if a migration fails.
    pub fn migrate(&self) -> Result<Vec<String>, Error> {
        // A connection of its own has no statement timeout, and closing it releases the lock.
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

    /// The versions of the migrations that a newer version of this program has run, sorted.
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

    fn applied_migrations(&self) -> Result<BTreeSet<String>, Error> {
        let mut session = self.session()?;
        applied_migrations(&mut session.connection).map_err(|error| Failure::from(error).error)
    }

    /// The usage of its connections.
    pub fn pools(&self) -> Vec<PoolUse> {
        vec![PoolUse::of("all", &self.pool)]
    }

    /// A connection outside of the pool, without a statement timeout.
    pub(crate) fn unlimited_connection(&self) -> Result<PgConnection, Error> {
        self.connector.establish().map_err(|error| {
            tracing::warn!("{error}");
            Error::Unavailable
        })
    }

    /// The rows of a query outside of a unit of work.
    pub(crate) fn rows<'q, R>(&self, query: impl LoadQuery<'q, PgConnection, R>) -> Result<Vec<R>, Error> {
        self.on_connection(|connection| query.internal_load(connection).and_then(Iterator::collect))
    }

    /// Runs a statement that writes outside of a unit of work, and returns the number of rows.
    pub(crate) fn change(&self, statement: impl ExecuteDsl<PgConnection>) -> Result<usize, Error> {
        self.on_connection(|connection| ExecuteDsl::execute(statement, connection))
    }

    fn on_connection<T>(&self, run: impl FnOnce(&mut PgConnection) -> QueryResult<T>) -> Result<T, Error> {
        let mut session = self.session()?;
        run(&mut session.connection).map_err(|error| {
            let failure = Failure::from(error);
            if failure.remedy == Remedy::Reconnect {
                session.give_up();
            }
            failure.error
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

/// The versions of the migrations that have run. Asked without diesel, which would create its table where it is
/// missing.
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
            (Err(error), None) => Err(Failure::permanent(error)),
            (Err(error), Some(failure)) => Err(Failure { error, ..failure }),
            // Postgres answers a commit after a failed statement with a rollback, and reports success.
            (Ok(()), Some(failure)) => Err(failure),
        }
    })
}

/// Waits up to 8 ms, so that the other transaction can finish. The time is random, so that two units do not conflict
/// again.
fn pause() {
    std::thread::sleep(Duration::from_micros(RandomState::new().hash_one(()) % 8_000));
}
