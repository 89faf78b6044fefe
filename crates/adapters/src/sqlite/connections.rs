//! Connections: how they are opened and set up.

// The traits here are diesel's, whose defaults are meant to be used.
#![allow(clippy::missing_trait_methods)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, HandleError, Pool, PooledConnection};
use diesel::sql_types::Text;
use license_manager_domain::Error;

use super::error::unavailable;
use super::options::{OnStatement, SqliteOptions, Synchronous};

/// The bytes that SQLite uses in this process, all connections together, before it gives pages up that are cached and
/// unchanged, no matter whose. So what one connection needs for a large write is taken from the caches of the others. More
/// readers than eight bring the room of their caches: their prepared statements alone would fill a limit that does not
/// grow, and nothing would be cached.
fn memory_limit(readers: u32) -> u64 {
    (6 + 2 * u64::from(readers.max(8))) << 20
}

/// The file cannot be used as a database.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the SQLite database {}: {cause}", path.display())]
pub struct OpenError {
    path: PathBuf,
    cause: String,
}

pub(super) type SqlitePool = Pool<ConnectionManager<SqliteConnection>>;

/// The open file.
#[derive(Clone)]
pub(super) struct Connections {
    /// The file, as an absolute path.
    pub path: PathBuf,
    pub readers: SqlitePool,
    pub writer: SqlitePool,
}

impl Connections {
    /// Opens the file in WAL mode.
    pub(super) fn open(options: &SqliteOptions) -> Result<Self, OpenError> {
        let refuse = |cause: String| OpenError { path: options.path.clone(), cause };
        if options.path.as_os_str() == ":memory:" {
            return Err(refuse("a database in memory would be lost with its connection; name a file".to_owned()));
        }
        // SQLite takes an absolute path neither for a URI nor for a special name.
        let path = std::path::absolute(&options.path).map_err(|error| refuse(error.to_string()))?;
        let url = path.to_str().ok_or_else(|| refuse("the path is not UTF-8".to_owned()))?;
        create_for_owner(&path);
        let mut first = SqliteConnection::establish(url).map_err(|error| {
            refuse(format!("{error}. Check that its directory exists and that both can be written to"))
        })?;
        enter_wal_mode(&mut first, options.busy_timeout).map_err(|cause| refuse(with_advice(cause)))?;
        limit_memory(&mut first, options.pool_size).map_err(|error| refuse(error.to_string()))?;
        drop(first);
        let has_temporary_files = has_temporary_folder();
        if !has_temporary_files {
            tracing::warn!("no folder for temporary files is writable: large writes take more memory");
        }
        let pool = |role, size, timeout| {
            Pool::builder()
                .max_size(size)
                .min_idle(Some(1))
                .max_lifetime(None)
                .idle_timeout(None)
                .test_on_check_out(false) // a file has no connection to lose
                .connection_timeout(timeout)
                .error_handler(Box::new(LogPoolError))
                .connection_customizer(Box::new(Setup {
                    role,
                    has_temporary_files,
                    busy_timeout: options.busy_timeout,
                    synchronous: options.synchronous,
                    on_statement: options.on_statement.clone(),
                }))
                .build(ConnectionManager::new(url))
                .map_err(|error| refuse(error.to_string()))
        };
        let writer = pool(Role::Writer, 1, options.busy_timeout)?;
        let readers = pool(Role::Reader, options.pool_size.max(1), options.connect_timeout)?;
        Ok(Self { path, readers, writer })
    }

    /// A connection for reading that is none of the pool.
    pub(super) fn another_reader(&self) -> Result<SqliteConnection, Error> {
        let url = self.path.to_str().ok_or_else(|| unavailable("the path is not UTF-8"))?;
        let mut reader = SqliteConnection::establish(url).map_err(unavailable)?;
        reader.batch_execute("PRAGMA query_only = ON").map_err(unavailable)?;
        Ok(reader)
    }
}

/// Creates the file, if there is none, so that only its owner reads it. SQLite gives its other files the same
/// permissions. It reports itself what cannot be created.
fn create_for_owner(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(path);
}

/// Sets WAL mode, which the file keeps. SQLite does not wait for another process that sets it at the same time, so this
/// retries until the timeout.
fn enter_wal_mode(conn: &mut SqliteConnection, timeout: Duration) -> Result<(), String> {
    #[derive(QueryableByName)]
    struct Mode {
        #[diesel(sql_type = Text)]
        journal_mode: String,
    }

    let deadline = Instant::now() + timeout;
    loop {
        match diesel::sql_query("PRAGMA journal_mode = WAL").get_result::<Mode>(conn) {
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

/// A cause with what helps, if SQLite may only read.
fn with_advice(cause: String) -> String {
    match cause.contains("readonly database") {
        true => format!("{cause}. Check that this user may write to the file and to its directory"),
        false => cause,
    }
}

/// Limits the memory of all connections of this process, also of those that are opened later.
fn limit_memory(conn: &mut SqliteConnection, readers: u32) -> QueryResult<()> {
    conn.batch_execute(&format!("PRAGMA soft_heap_limit = {}", memory_limit(readers)))
}

pub(super) fn connection(pool: &SqlitePool) -> Result<PooledConnection<ConnectionManager<SqliteConnection>>, Error> {
    pool.get().map_err(unavailable)
}

/// Whether SQLite can create temporary files in one of the folders that it tries.
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

/// Sets up new connections.
struct Setup {
    role: Role,
    has_temporary_files: bool,
    busy_timeout: Duration,
    synchronous: Synchronous,
    on_statement: Option<OnStatement>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("role", &self.role).finish_non_exhaustive()
    }
}

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for Setup {
    fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        let (milliseconds, synchronous) = (self.busy_timeout.as_millis(), self.synchronous.as_sql());
        conn.batch_execute(&format!(
            "PRAGMA busy_timeout = {milliseconds}; PRAGMA foreign_keys = ON; PRAGMA synchronous = {synchronous};"
        ))?;
        conn.batch_execute(match self.role {
            Role::Reader => "PRAGMA query_only = ON; PRAGMA cache_size = -2000; PRAGMA temp_store = MEMORY;",
            // A statement over thousands of rows keeps much data to undo itself, too much for memory.
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

/// Logs why a pool cannot open a connection. The caller only gets a timeout.
#[derive(Debug)]
struct LogPoolError;

impl HandleError<diesel::r2d2::Error> for LogPoolError {
    fn handle_error(&self, error: diesel::r2d2::Error) {
        tracing::error!(%error, "cannot open a connection to the SQLite database");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(QueryableByName)]
    struct Level {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        synchronous: i32,
    }

    #[derive(QueryableByName)]
    struct Limit {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        soft_heap_limit: i64,
    }

    fn open(folder: &Path, synchronous: Synchronous) -> Connections {
        Connections::open(&SqliteOptions {
            path: folder.join("test.db"),
            pool_size: 1,
            connect_timeout: Duration::from_secs(60),
            busy_timeout: Duration::from_secs(60),
            synchronous,
            on_statement: None,
        })
        .expect("the file is opened")
    }

    #[test]
    fn a_file_that_can_only_be_read_is_named_with_what_helps() {
        let told = with_advice("attempt to write a readonly database".to_owned());
        assert!(told.starts_with("attempt to write a readonly database. ") && told.contains("directory"), "{told}");
        assert_eq!(with_advice("disk I/O error".to_owned()), "disk I/O error");
    }

    #[test]
    fn all_connections_together_have_a_limit_of_memory() {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let connections = open(folder.path(), Synchronous::default());
        for pool in [&connections.writer, &connections.readers] {
            let mut conn = connection(pool).expect("a connection is free");
            let found: Limit =
                diesel::sql_query("PRAGMA soft_heap_limit").get_result(&mut conn).expect("the setting is read");
            assert_eq!(found.soft_heap_limit, 22 << 20);
        }
        assert_eq!([1, 8, 9, 64].map(|readers| memory_limit(readers) >> 20), [22, 22, 24, 134]);
    }

    #[test]
    fn the_writer_waits_for_the_disk_as_the_options_say() {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        for (synchronous, level) in [(Synchronous::Full, 2), (Synchronous::Normal, 1), (Synchronous::default(), 2)] {
            let connections = open(folder.path(), synchronous);
            let mut writer = connection(&connections.writer).expect("a connection is free");
            let found: Level =
                diesel::sql_query("PRAGMA synchronous").get_result(&mut writer).expect("the setting is read");
            assert_eq!(found.synchronous, level, "{synchronous:?}");
        }
    }
}
