//! The store.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::query_dsl::LoadQuery;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::r2d2::{ManageConnection, Pool, PooledConnection};
use diesel::sql_types::{Bool, Integer, Text, Timestamptz};
use diesel::{Connection, PgConnection, QueryResult, QueryableByName, RunQueryDsl, sql_query};
use diesel_migrations::{MigrationHarness, embed_migrations};
use license_manager_domain::Error;
use license_manager_domain::ports::{Store, Work};

use super::error::{DEADLOCK, Failure, Remedy};
use super::options::PostgresOptions;
use super::pool::{Connector, Session};
use super::replica::Replica;
use super::unit::{Mode, PostgresUnit, Reservations};
use crate::addresses::Migrations;
use crate::pool::PoolUse;

const MIGRATIONS: Migrations<PgConnection> = Migrations::new(embed_migrations!("../../migrations/postgres"));

/// The advisory lock that only one migrating server has at a time. The number is arbitrary.
const MIGRATION_LOCK: i64 = 7_162_534_019_283_746;

/// Versions of migrations that build indexes on several tables, and these tables, which are locked first. A migration that
/// locked one after the other would keep writers from the first table while it builds, and could then wait for such a
/// writer at the next one. The order is that in which units of work mostly write.
const LOCKED_FIRST: [(&str, &str); 1] = [("20261130000340", "license, outbox, webhook_delivery")];

/// The oldest version of Postgres that this program works with, as Postgres numbers it.
const LEAST_VERSION: i32 = 150_000;

/// How long a health check waits for a connection of the pool. Then it opens one of its own.
const SOON: Duration = Duration::from_millis(100);

/// How often a unit of work or a migration is tried when it conflicts with other transactions. Few units need more than
/// two attempts: of 32 that assign licenses to overlapping groups at the same time, one in a hundred needs four.
const MAX_ATTEMPTS: u32 = 10;

/// A store in a Postgres database. Clones share the connections.
#[derive(Clone)]
pub struct PostgresStore {
    connector: Connector,
    pool: Pool<Connector>,
    /// Where it reads, while it can.
    replica: Option<Arc<Replica>>,
}

impl PostgresStore {
    /// A store in the database. It connects when a connection is needed, so the database may still be unavailable.
    ///
    /// # Errors
    /// [`Error::Internal`] if an option is outside of its limits.
    pub fn connect(options: &PostgresOptions) -> Result<Self, Error> {
        let connector = Connector::new(options)?;
        let pool = connector.clone().into_pool(options);
        Ok(Self { connector, pool, replica: None })
    }

    /// The same store, which reads from the replica while that is close behind. It writes here, and reads here what it is
    /// about to write.
    pub fn reading_from(&self, replica: Arc<Replica>) -> Self {
        Self { replica: Some(replica), ..self.clone() }
    }

    /// Runs the pending migrations, each in a transaction, and returns their names. Several servers may do this at the
    /// same time: one runs a migration, the others wait for it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database cannot be reached, [`Error::Internal`] if a migration fails.
    pub fn migrate(&self) -> Result<Vec<String>, Error> {
        let mut connection = self.unlimited_connection()?;
        let (mut run, mut attempt) = (Vec::new(), 1);
        loop {
            match run_next_migration(&mut connection) {
                Ok(Some(version)) => run.push(version),
                Ok(None) => return Ok(run),
                // Servers that write meanwhile may lock tables in another order. What the migration did was undone.
                Err(error) if attempt < MAX_ATTEMPTS && error.to_string().contains(DEADLOCK) => attempt += 1,
                Err(error) => return Err(migration_error(error)),
            }
        }
    }

    /// What the database says about itself, over a connection of its own.
    ///
    /// # Errors
    /// Why it cannot be reached or used, without the URL.
    pub fn examine(&self) -> Result<Examination, String> {
        let mut connection = self.connector.establish().map_err(|error| error.to_string())?;
        let failed = |error: diesel::result::Error| Failure::from(error).error.to_string();
        let row: ExaminedRow = sql_query(
            "SELECT current_setting('server_version') AS version,
                    current_setting('server_version_num')::integer AS version_number,
                    current_setting('max_connections')::integer AS max_connections,
                    to_regclass('license_search') IS NOT NULL AS has_search,
                    NOT current_setting('transaction_read_only')::boolean AS takes_writes,
                    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)
                        AND coalesce((SELECT pg_has_role(relowner, 'USAGE') FROM pg_class
                                      WHERE oid = to_regclass('license')), true) AS may_migrate,
                    (SELECT count(*)::integer FROM pg_stat_activity
                     WHERE wait_event = 'SyncRep' AND query_start < clock_timestamp() - interval '2 seconds'
                    ) AS waiting_commits,
                    clock_timestamp() AS now",
        )
        .get_result(&mut connection)
        .map_err(failed)?;
        Ok(Examination {
            version: row.version,
            is_supported: row.version_number >= LEAST_VERSION,
            max_connections: row.max_connections,
            has_search: row.has_search,
            takes_writes: row.takes_writes,
            may_migrate: row.may_migrate,
            waiting_commits: row.waiting_commits,
            now: row.now,
        })
    }

    /// Whether [`PostgresOptions::prepared_statements`] does not fit the connections, because a pooler gives each
    /// transaction any of its own: then two open connections have the same process of Postgres behind them, or one has
    /// another process than before. A busy pooler may not be noticed.
    ///
    /// # Errors
    /// As [`PostgresStore::migrate`].
    pub fn expects_sessions_of_a_pooler(&self) -> Result<bool, Error> {
        if !self.connector.keeps_sessions() {
            return Ok(false);
        }
        let (mut connection, mut session) = (self.unlimited_connection()?, self.session()?);
        let mut asked = Vec::new();
        for _ in 0..2 {
            for connection in [&mut connection, &mut session.connection] {
                asked.push(backend(connection).map_err(|error| Failure::from(error).error)?);
            }
        }
        let (one, other) = (asked[0], asked[1]);
        Ok(one == other || asked[2..] != [one, other])
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
        self.check(applied_migrations)
    }

    /// The usage of its connections.
    pub fn pools(&self) -> Vec<PoolUse> {
        vec![self.usage()]
    }

    pub(super) fn usage(&self) -> PoolUse {
        PoolUse::of("all", &self.pool)
    }

    /// A connection outside of the pool, without a statement timeout.
    pub(crate) fn unlimited_connection(&self) -> Result<PgConnection, Error> {
        self.connector.establish().map_err(|error| {
            tracing::warn!("{error}");
            Error::Unavailable
        })
    }

    /// The rows of a query outside of a unit of work.
    pub(crate) fn rows<'q, R>(&self, query: impl LoadQuery<'q, PgConnection, R> + Clone) -> Result<Vec<R>, Error> {
        if let Some(replica) = &self.replica {
            let query = query.clone();
            if let Some(outcome) = replica.read(|store| store.attempt(|connection| load(query, connection))) {
                return outcome;
            }
        }
        self.on_connection(|connection| load(query, connection))
    }

    /// Runs a statement that writes outside of a unit of work, and returns the number of rows.
    pub(crate) fn change(&self, statement: impl ExecuteDsl<PgConnection>) -> Result<usize, Error> {
        self.on_connection(|connection| ExecuteDsl::execute(statement, connection))
    }

    pub(super) fn on_connection<T>(&self, run: impl FnOnce(&mut PgConnection) -> QueryResult<T>) -> Result<T, Error> {
        self.attempt(run).map_err(|failure| failure.error)
    }

    /// As [`Self::on_connection`]; tells also what may help.
    pub(super) fn attempt<T>(&self, run: impl FnOnce(&mut PgConnection) -> QueryResult<T>) -> Result<T, Failure> {
        let mut session = self.session().map_err(Failure::without_connection)?;
        session.run(|connection| run(connection).map_err(Failure::from)).inspect_err(|failure| {
            if failure.remedy == Remedy::Reconnect {
                session.give_up();
            }
        })
    }

    /// Runs a statement of a health check, which does not wait for those who have all connections.
    fn check<T>(&self, run: impl FnOnce(&mut PgConnection) -> QueryResult<T>) -> Result<T, Error> {
        let outcome = match self.pool.get_timeout(SOON) {
            Ok(mut session) => run(&mut session.connection).map_err(Failure::from).inspect_err(|failure| {
                if failure.remedy == Remedy::Reconnect {
                    session.give_up();
                }
            }),
            Err(_) => {
                let mut session = self.connector.connect().map_err(|error| {
                    tracing::warn!("{error}");
                    Error::Unavailable
                })?;
                run(&mut session.connection).map_err(Failure::from)
            }
        };
        outcome.map_err(|failure| failure.error)
    }

    /// Runs work that only reads, here.
    fn attempt_read(&self, work: &mut Work<'_>) -> Result<(), Failure> {
        let mut session = self.session().map_err(Failure::without_connection)?;
        let mut remedy = Remedy::None;
        let outcome = session.run(|connection| {
            let mut unit = PostgresUnit::new(connection, Mode::Read);
            let outcome = work(&mut unit);
            remedy = unit.failure.map_or(Remedy::None, |failure| failure.remedy);
            outcome.map_err(|error| Failure { error, remedy })
        });
        let is_dead = |remedy: Remedy| remedy == Remedy::Reconnect;
        if is_dead(remedy) || outcome.as_ref().is_err_and(|failure| is_dead(failure.remedy)) {
            session.give_up();
        }
        outcome
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
        if let Some(replica) = &self.replica
            && let Some(outcome) = replica.read(|store| store.attempt_read(work))
        {
            return outcome;
        }
        self.attempt_read(work).map_err(|failure| failure.error)
    }

    fn ping(&self) -> Result<(), Error> {
        self.check(|connection| connection.batch_execute("SELECT 1"))
    }
}

#[derive(QueryableByName)]
struct TableRow {
    #[diesel(sql_type = Bool)]
    is_there: bool,
}

/// What a database says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// Its version.
    pub version: String,
    /// Whether this program works with that version.
    pub is_supported: bool,
    /// The most connections that it accepts, of all its clients.
    pub max_connections: i32,
    /// Whether it has the index for searches in addresses.
    pub has_search: bool,
    /// Whether it takes writes; a standby does not.
    pub takes_writes: bool,
    /// Whether the role may create tables, and owns those that there are: migrations need both, and every start asks for
    /// migrations.
    pub may_migrate: bool,
    /// How many commits have waited for a synchronous standby for two seconds, among those that the role may see.
    pub waiting_commits: i32,
    /// The time by its clock.
    pub now: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct ExaminedRow {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Integer)]
    version_number: i32,
    #[diesel(sql_type = Integer)]
    max_connections: i32,
    #[diesel(sql_type = Bool)]
    has_search: bool,
    #[diesel(sql_type = Bool)]
    takes_writes: bool,
    #[diesel(sql_type = Bool)]
    may_migrate: bool,
    #[diesel(sql_type = Integer)]
    waiting_commits: i32,
    #[diesel(sql_type = Timestamptz)]
    now: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct BackendRow {
    #[diesel(sql_type = Integer)]
    pid: i32,
}

#[derive(QueryableByName)]
struct VersionRow {
    #[diesel(sql_type = Text)]
    version: String,
}

fn load<'q, R>(query: impl LoadQuery<'q, PgConnection, R>, connection: &mut PgConnection) -> QueryResult<Vec<R>> {
    query.internal_load(connection).and_then(Iterator::collect)
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

/// Runs one migration and returns its version; `None` if there is none to run.
fn run_next_migration(
    connection: &mut PgConnection,
) -> Result<Option<String>, Box<dyn std::error::Error + Send + Sync>> {
    connection.transaction(|connection| {
        // The transaction has the lock, because behind a pooler a connection has none.
        connection.batch_execute(&format!(
            "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
        ))?;
        let pending = connection.pending_migrations(MIGRATIONS)?;
        let Some(migration) = pending.first() else { return Ok(None) };
        for (version, tables) in LOCKED_FIRST {
            if migration.name().version() == version.into() {
                connection.batch_execute(&format!("LOCK TABLE {tables} IN SHARE MODE"))?;
            }
        }
        Ok(Some(connection.run_migration(migration)?.to_string()))
    })
}

/// The process of Postgres behind a connection.
fn backend(connection: &mut PgConnection) -> QueryResult<i32> {
    let row: BackendRow = sql_query("SELECT pg_backend_pid() AS pid").get_result(connection)?;
    Ok(row.pid)
}

fn migration_error(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match error.downcast::<diesel::result::Error>() {
        Ok(error) => Failure::from(*error).error,
        Err(error) => Error::internal(error),
    }
}

fn attempt_write(session: &mut Session, reservations: &Reservations, work: &mut Work<'_>) -> Result<(), Failure> {
    session.transaction(|connection| {
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
