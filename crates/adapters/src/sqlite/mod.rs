//! Storage in one SQLite file, for installations without a database server.
//!
//! Readers never wait: the file is in WAL mode. Writers take turns: within this process they queue for the one connection
//! that writes, and other processes that hold the file's write lock are waited for. Many values travel as one JSON text
//! ([`json`]), so that the number of statements never depends on the number of rows.

mod agreements;
mod due_work;
mod enrollment_jobs;
mod error;
mod history;
mod idempotency;
mod jobs;
mod json;
mod licenses;
mod lookups;
mod operations;
mod outbox;
mod plans;
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

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, HandleError, Pool, PooledConnection};
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use license_manager_domain::Error;
use license_manager_domain::ports::{Store, Work};

use crate::pool::PoolUse;
use error::{storage_error, unavailable};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// What each statement's text is told to.
pub type OnStatement = Arc<dyn Fn(&str) + Send + Sync>;

/// How to open a SQLite store.
#[derive(Clone)]
pub struct SqliteOptions {
    /// The file, which is made where there is none; its directory must exist. SQLite keeps two more files beside it.
    pub path: PathBuf,
    /// The most connections that read at once, at least 1. One more writes. Each reader holds up to 2 MiB of the file in memory,
    /// the writer up to 8 MiB.
    pub pool_size: u32,
    /// How long work that reads waits for a free connection before it is [`Error::Unavailable`]. Above 0.
    pub connect_timeout: Duration,
    /// How long work that writes waits for its turn, in this process and beside others, before it is [`Error::Unavailable`].
    /// Above 0.
    pub busy_timeout: Duration,
    /// Is told the text of every statement before it runs, `BEGIN` and `COMMIT` included, without its values: to count
    /// statements in tests.
    pub on_statement: Option<OnStatement>,
}

/// The file cannot be used as a database.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the SQLite database {}: {cause}", path.display())]
pub struct OpenError {
    path: PathBuf,
    cause: String,
}

/// A store in a SQLite file.
#[derive(Clone)]
pub struct SqliteStore {
    path: PathBuf,
    readers: SqlitePool,
    writer: SqlitePool,
}

type SqlitePool = Pool<ConnectionManager<SqliteConnection>>;

impl SqliteStore {
    /// Opens the file. [`SqliteStore::migrate`] makes its tables.
    ///
    /// # Errors
    /// Where the file cannot be made, read or written, or is no SQLite database.
    pub fn open(options: &SqliteOptions) -> Result<Self, OpenError> {
        let refuse = |cause: String| OpenError { path: options.path.clone(), cause };
        if options.path.as_os_str() == ":memory:" {
            return Err(refuse("a database in memory would be lost with its connection; name a file".to_owned()));
        }
        // An absolute path can be taken neither for a URI nor for a special name.
        let path = std::path::absolute(&options.path).map_err(|error| refuse(error.to_string()))?;
        let url = path.to_str().ok_or_else(|| refuse("the path is not UTF-8".to_owned()))?;
        enter_wal_mode(url, options.busy_timeout).map_err(&refuse)?;
        let has_temporary_files = has_temporary_folder();
        if !has_temporary_files {
            tracing::warn!("no folder for temporary files can be written to: large writes take more memory");
        }
        let pool = |role, size, patience| {
            Pool::builder()
                .max_size(size)
                .min_idle(Some(1))
                .max_lifetime(None)
                .idle_timeout(None)
                .test_on_check_out(false) // a file has no connection to lose
                .connection_timeout(patience)
                .error_handler(Box::new(LogPoolError))
                .connection_customizer(Box::new(Setup {
                    role,
                    has_temporary_files,
                    busy_timeout: options.busy_timeout,
                    on_statement: options.on_statement.clone(),
                }))
                .build(ConnectionManager::new(url))
                .map_err(|error| refuse(error.to_string()))
        };
        let writer = pool(Role::Writer, 1, options.busy_timeout)?;
        let readers = pool(Role::Reader, options.pool_size.max(1), options.connect_timeout)?;
        Ok(Self { readers, writer, path })
    }

    /// How its connections are used.
    pub fn pools(&self) -> Vec<PoolUse> {
        vec![PoolUse::of("readers", &self.readers), PoolUse::of("writer", &self.writer)]
    }

    /// The file, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Brings the tables up to date and returns the names of the migrations that ran. Any number of processes may do so at
    /// once: one does the work, the others wait for it and find nothing left.
    pub fn migrate(&self) -> Result<Vec<String>, Error> {
        let mut conn = connection(&self.writer)?;
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

    /// A connection that reads.
    pub(crate) fn reader(&self) -> Result<PooledConnection<ConnectionManager<SqliteConnection>>, Error> {
        connection(&self.readers)
    }

    /// The names of the migrations that [`SqliteStore::migrate`] would run.
    pub fn pending_migrations(&self) -> Result<Vec<String>, Error> {
        let applied = self.applied_migrations()?;
        let all = MigrationSource::<Sqlite>::migrations(&MIGRATIONS).map_err(Error::internal)?;
        let pending = all.iter().map(|migration| migration.name());
        let pending = pending.filter(|name| !applied.contains(&name.version().to_string()));
        Ok(pending.map(ToString::to_string).collect())
    }

    /// The versions of the migrations that a newer version of this program ran, in their order.
    pub fn unknown_migrations(&self) -> Result<Vec<String>, Error> {
        let mut unknown = self.applied_migrations()?;
        for migration in MigrationSource::<Sqlite>::migrations(&MIGRATIONS).map_err(Error::internal)? {
            unknown.remove(&migration.name().version().to_string());
        }
        Ok(unknown.into_iter().collect())
    }

    /// The versions of the migrations that ran; none where the table of them is not there yet. Diesel would make it, which a reader may
    /// not.
    fn applied_migrations(&self) -> Result<BTreeSet<String>, Error> {
        let mut conn = connection(&self.readers)?;
        let mut list = |query: &str| -> Result<BTreeSet<String>, Error> {
            let rows: Vec<Row> = diesel::sql_query(query).load(&mut conn).map_err(storage_error)?;
            Ok(rows.into_iter().map(|row| row.text).collect())
        };
        match list("SELECT name AS text FROM sqlite_schema WHERE name = '__diesel_schema_migrations'")?.is_empty() {
            true => Ok(BTreeSet::new()),
            false => list("SELECT version AS text FROM __diesel_schema_migrations"),
        }
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    text: String,
}

/// Turns the file to WAL mode, which it keeps. SQLite does not wait for other processes that do the same at this moment, so this
/// tries again until the timeout.
fn enter_wal_mode(url: &str, timeout: Duration) -> Result<(), String> {
    #[derive(QueryableByName)]
    struct Mode {
        #[diesel(sql_type = Text)]
        journal_mode: String,
    }

    let mut conn = SqliteConnection::establish(url)
        .map_err(|error| format!("{error}. Check that its directory exists and that both can be written to"))?;
    let deadline = Instant::now() + timeout;
    loop {
        match diesel::sql_query("PRAGMA journal_mode = WAL").get_result::<Mode>(&mut conn) {
            Ok(mode) if mode.journal_mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(format!("it stays in {} mode; WAL mode needs a local, writable disk", mode.journal_mode));
            }
            Err(error) if error.to_string().contains("locked") && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn connection(pool: &SqlitePool) -> Result<PooledConnection<ConnectionManager<SqliteConnection>>, Error> {
    pool.get().map_err(unavailable)
}

/// Whether SQLite can make temporary files: in the folders where it tries, in its order.
fn has_temporary_folder() -> bool {
    let named = ["SQLITE_TMPDIR", "TMPDIR"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    let usual = ["/var/tmp", "/usr/tmp", "/tmp", "."].map(PathBuf::from);
    named.chain(usual).any(|folder| tempfile::tempfile_in(folder).is_ok())
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Reader,
    Writer,
}

/// Makes new connections ready.
struct Setup {
    role: Role,
    has_temporary_files: bool,
    busy_timeout: Duration,
    on_statement: Option<OnStatement>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("role", &self.role).finish_non_exhaustive()
    }
}

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for Setup {
    fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        let milliseconds = self.busy_timeout.as_millis();
        conn.batch_execute(&format!(
            "PRAGMA busy_timeout = {milliseconds}; PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL;"
        ))?;
        conn.batch_execute(match self.role {
            Role::Reader => "PRAGMA query_only = ON; PRAGMA cache_size = -2000; PRAGMA temp_store = MEMORY;",
            // In memory, what a statement over thousands of rows keeps to undo itself would be most of what the server holds.
            Role::Writer if self.has_temporary_files => "PRAGMA cache_size = -8000; PRAGMA temp_store = FILE;",
            Role::Writer => "PRAGMA cache_size = -8000; PRAGMA temp_store = MEMORY;",
        })?;
        if let Some(on_statement) = self.on_statement.clone() {
            conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                if let InstrumentationEvent::StartQuery { query, .. } = event {
                    let text = query.to_string();
                    on_statement(text.split_once(" -- binds:").map_or(text.as_str(), |(sql, _)| sql));
                }
            });
        }
        Ok(())
    }
}

/// Tells the log why a pool cannot open a connection; whoever waits for one learns only that the wait was too long.
#[derive(Debug)]
struct LogPoolError;

impl HandleError<diesel::r2d2::Error> for LogPoolError {
    fn handle_error(&self, error: diesel::r2d2::Error) {
        tracing::error!(%error, "cannot open a connection to the SQLite database");
    }
}

impl Store for SqliteStore {
    fn run_write(&self, work: &mut Work<'_>) -> Result<(), Error> {
        let mut conn = connection(&self.writer)?;
        let mut failure = None;
        // A panic drops the connection on its way, and with it the transaction; the pool opens another one.
        let outcome = conn.immediate_transaction(|conn| {
            work(&mut SqliteUnit { conn, writes: true }).map_err(|error| {
                failure = Some(error);
                diesel::result::Error::RollbackTransaction
            })
        });
        outcome.map_err(|error| failure.unwrap_or_else(|| storage_error(error)))
    }

    fn run_read(&self, work: &mut Work<'_>) -> Result<(), Error> {
        let mut conn = connection(&self.readers)?;
        work(&mut SqliteUnit { conn: &mut conn, writes: false })
    }

    fn ping(&self) -> Result<(), Error> {
        // A connection would go on reading a file that was deleted.
        std::fs::metadata(&self.path).map_err(unavailable)?;
        let mut conn = connection(&self.readers)?;
        conn.batch_execute("SELECT count(*) FROM sqlite_schema").map_err(storage_error)
    }
}

/// One transaction, or a reader's statements.
struct SqliteUnit<'a> {
    conn: &'a mut SqliteConnection,
    writes: bool,
}

impl SqliteUnit<'_> {
    /// The connection, to be written to.
    fn written(&mut self) -> Result<&mut SqliteConnection, Error> {
        if self.writes { Ok(self.conn) } else { Err(Error::internal("this unit of work only reads")) }
    }
}
