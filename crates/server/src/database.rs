//! Opens the configured database.

use std::error::Error as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use license_manager_adapters::SpawnBlocking;
use license_manager_adapters::pool::PoolUse;
use license_manager_adapters::postgres::{PostgresOptions, PostgresStore, Replica};
use license_manager_adapters::sqlite::{SqliteOptions, SqliteStore, Synchronous};
use license_manager_domain::console::ConsoleStore;
use license_manager_domain::model::seeded_products;
use license_manager_domain::ports::{Clock, Store, StoreExt};
use license_manager_domain::{Actor, Error, LicenseManager, Settings};
use tempfile::TempDir;

use crate::config::{Config, DatabaseUrl, SqliteSynchronous};
use crate::lists::Replicated;
use crate::system::{RandomIds, SystemClock};

/// Called with every statement before it runs, BEGIN and COMMIT included.
pub type StatementObserver = Arc<dyn Fn(&str) + Send + Sync>;

/// Why the database cannot be opened.
pub type OpenError = Box<dyn std::error::Error + Send + Sync>;

/// Why the database cannot be migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The connections do not keep what this program leaves at them.
    #[error(
        "the database's URL leads to a pooler that gives each transaction another connection, such as PgBouncer in transaction mode: set LM_DATABASE__PREPARED_STATEMENTS=false, or use the URL of Postgres itself"
    )]
    Pooler,
    /// This program may not change the tables.
    #[error("{cause}: {advice}")]
    NotAllowed {
        /// The words of the database.
        cause: String,
        /// What helps.
        advice: &'static str,
    },
    /// The database does not answer, or a migration failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl MigrationError {
    /// The error of a migration. The databases say in words alone that they do not allow it.
    fn of(error: Error) -> Self {
        if let Error::Internal(cause) = &error {
            let told = cause.source().map(ToString::to_string).unwrap_or_default();
            let known = NOT_ALLOWED.iter().find(|(words, _)| told.contains(words));
            if let Some(&(_, advice)) = known {
                return Self::NotAllowed { cause: told.lines().next().unwrap_or_default().to_owned(), advice };
            }
        }
        Self::Failed(error)
    }
}

const ROLE_NEEDS: &str = "the role of the database's URL must be allowed to create tables, and must own those that there are. Make it the owner of the database, or grant it CREATE on the schema (docs/DEPLOY.md, \"A database of its own\")";

const FILE_NEEDS: &str = "the user of this process must be allowed to write to the file of SQLite, to its folder, and to the files FILE-wal and FILE-shm beside it";

/// What the databases say when they do not allow a migration, and what helps.
const NOT_ALLOWED: [(&str, &str); 3] = [
    ("permission denied for ", ROLE_NEEDS),
    ("must be owner of ", ROLE_NEEDS),
    ("attempt to write a readonly database", FILE_NEEDS),
];

/// How long a SQLite writer waits for the write lock if no timeout is configured.
const WITHOUT_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long SQLite waits for other processes.
pub fn busy_timeout(config: &Config) -> Duration {
    config.database.statement_timeout().unwrap_or(WITHOUT_LIMIT)
}

/// What to say where there is no file of SQLite.
pub fn no_database(path: &Path) -> String {
    format!(
        "there is no SQLite database {}: name the right one with DATABASE_URL, or the settings of the service with --config",
        path.display()
    )
}

/// The database.
pub enum Database {
    /// SQLite, embedded.
    Sqlite(Arc<SqliteStore>),
    /// Postgres.
    Postgres(Arc<PostgresStore>),
}

impl Database {
    /// Opens the configured database. An unreachable Postgres is not an error yet.
    pub fn open(config: &Config) -> Result<Self, OpenError> {
        Self::open_observed(config, None)
    }

    /// Like [`Database::open`], for a command that works with what is there. Without its file, SQLite would begin an empty
    /// database: in the wrong folder a command would then find nothing, and seem to have succeeded.
    ///
    /// # Errors
    /// Also when there is no file of SQLite.
    pub fn open_existing(config: &Config) -> Result<Self, OpenError> {
        match missing_file(config) {
            Some(path) => Err(no_database(&path).into()),
            None => Self::open(config),
        }
    }

    /// A new database with the tables of this version, for a command that shows what it would do where the file of SQLite
    /// is `missing`. It is gone once the folder is dropped, which must not be before the database.
    ///
    /// # Errors
    /// The missing file could not be created, with the error of opening it; or the temporary one cannot be created.
    pub fn temporary(config: &Config, missing: &Path) -> Result<(TempDir, Self), OpenError> {
        if !can_begin(missing) {
            // Opening it says why.
            sqlite_store(missing.to_owned(), config, None)?;
        }
        let folder = tempfile::tempdir().map_err(|error| format!("no temporary database can be created: {error}"))?;
        let store = sqlite_store(folder.path().join("temporary.db"), config, None)?;
        // The migrations are not logged: the log is about the configured database.
        store.migrate()?;
        Ok((folder, Self::Sqlite(Arc::new(store))))
    }

    /// Like [`Database::open`], with an observer that counts statements.
    pub fn open_observed(config: &Config, on_statement: Option<StatementObserver>) -> Result<Self, OpenError> {
        match config.database.url_or_default() {
            DatabaseUrl::Sqlite(path) => Ok(Self::Sqlite(Arc::new(sqlite_store(path, config, on_statement)?))),
            DatabaseUrl::Postgres(url) => {
                Ok(Self::Postgres(Arc::new(PostgresStore::connect(&postgres_options(url, config, on_statement))?)))
            }
        }
    }

    /// The configured replica, which nobody watches yet; `None` if there is none.
    pub fn replica(&self, config: &Config) -> Result<Option<Replicated>, Error> {
        let (Self::Postgres(primary), Some(DatabaseUrl::Postgres(url))) = (self, config.database.replica_url.clone())
        else {
            return Ok(None);
        };
        let replica = Replica::connect(&postgres_options(url, config, None), config.database.replica_max_lag())?;
        Ok(Some(Replicated::new(primary.clone(), Arc::new(replica))))
    }

    /// Runs pending migrations and logs the result. Logs a warning if a newer version migrated the database. Two
    /// processes may do this at the same time.
    ///
    /// # Errors
    /// See [`MigrationError`].
    pub fn migrate(&self) -> Result<(), MigrationError> {
        let ran = match self {
            Self::Sqlite(store) => store.migrate(),
            Self::Postgres(store) if store.expects_sessions_of_a_pooler()? => return Err(MigrationError::Pooler),
            Self::Postgres(store) => store.migrate(),
        };
        for migration in ran.map_err(MigrationError::of)? {
            tracing::info!(migration, "migrated");
        }
        // Not an error: during an upgrade old servers run beside new ones.
        let unknown = self.unknown_migrations()?;
        if !unknown.is_empty() {
            let (migrations, version) = (unknown.join(", "), env!("CARGO_PKG_VERSION"));
            tracing::warn!(migrations, version, "the database was migrated by a newer version of license-manager");
        }
        Ok(())
    }

    /// The migrations that [`Database::migrate`] would run.
    pub fn pending_migrations(&self) -> Result<Vec<String>, Error> {
        match self {
            Self::Sqlite(store) => store.pending_migrations(),
            Self::Postgres(store) => store.pending_migrations(),
        }
    }

    /// The versions of migrations that a newer version of the program ran.
    pub fn unknown_migrations(&self) -> Result<Vec<String>, Error> {
        match self {
            Self::Sqlite(store) => store.unknown_migrations(),
            Self::Postgres(store) => store.unknown_migrations(),
        }
    }

    /// Checks that the database answers.
    pub fn ping(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(store) => store.ping(),
            Self::Postgres(store) => store.ping(),
        }
    }

    /// The usage of its connection pools.
    pub fn pools(&self) -> Vec<PoolUse> {
        match self {
            Self::Sqlite(store) => store.pools(),
            Self::Postgres(store) => store.pools(),
        }
    }

    /// The sessions, lists and searches of the console.
    pub fn console_store(&self) -> Arc<dyn ConsoleStore> {
        match self {
            Self::Sqlite(store) => store.clone(),
            Self::Postgres(store) => store.clone(),
        }
    }

    /// The use cases over this database.
    pub fn manager(&self, config: &Config) -> LicenseManager {
        let store: Arc<dyn Store> = match self {
            Self::Sqlite(store) => store.clone(),
            Self::Postgres(store) => store.clone(),
        };
        let settings = Settings {
            renewal_lock: chrono::Duration::hours(i64::from(config.operations.renewal_lock_hours)),
            inline_limit: config.provisioning.inline_limit,
            // The configuration allows no 0.
            batch_size: NonZeroU32::new(config.provisioning.batch_size).unwrap_or(NonZeroU32::MIN),
            enrollment_limit: config.enrollment.request_limit,
            validate_catalogs: config.catalog.validate,
            operations: config.operations.settings(),
            allow_private_webhooks: config.webhooks.allow_private_addresses,
            webhook_retention: chrono::Duration::days(i64::from(config.webhooks.retention_days)),
            staff_action_retention: chrono::Duration::days(i64::from(config.console.action_retention_days)),
            answer_quota: config.idempotency.quota(),
        };
        LicenseManager::new(store, Arc::new(SystemClock), Arc::new(RandomIds), settings)
            .with_blocking(Arc::new(SpawnBlocking))
    }
}

/// The file of SQLite that the configuration names, if there is none.
pub fn missing_file(config: &Config) -> Option<PathBuf> {
    match config.database.url_or_default() {
        DatabaseUrl::Sqlite(path) if !path.is_file() => Some(path),
        _ => None,
    }
}

/// Whether a file could be created at a path. Creates none there.
fn can_begin(path: &Path) -> bool {
    let path = std::path::absolute(path).unwrap_or_default();
    !path.exists() && path.parent().is_some_and(|folder| tempfile::tempfile_in(folder).is_ok())
}

fn sqlite_store(
    path: PathBuf,
    config: &Config,
    on_statement: Option<StatementObserver>,
) -> Result<SqliteStore, OpenError> {
    let database = &config.database;
    Ok(SqliteStore::open(&SqliteOptions {
        path,
        pool_size: database.pool_size,
        connect_timeout: database.connect_timeout(),
        busy_timeout: busy_timeout(config),
        synchronous: match database.sqlite_synchronous {
            SqliteSynchronous::Full => Synchronous::Full,
            SqliteSynchronous::Normal => Synchronous::Normal,
        },
        on_statement,
    })?)
}

fn postgres_options(url: String, config: &Config, on_statement: Option<StatementObserver>) -> PostgresOptions {
    let database = &config.database;
    PostgresOptions {
        url,
        pool_size: database.pool_size,
        connect_timeout: database.connect_timeout(),
        statement_timeout: database.statement_timeout().unwrap_or_default(),
        prepared_statements: database.prepared_statements,
        application_name: "license-manager".to_owned(),
        on_statement,
    }
}

/// Adds the initial products, unless they exist. A database that is imported again has the products of its source, which
/// gives them the same numbers, so none are added until the import is finished.
///
/// # Errors
/// The database cannot be read or written.
pub fn seed_products(manager: &LicenseManager) -> Result<(), Error> {
    let change = Actor::service().change(SystemClock.now());
    manager.store().write(|unit| {
        let is_importing = unit.schedule().is_importing()?;
        if is_importing { Ok(()) } else { unit.products().seed(&seeded_products(), &change) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_that_is_not_allowed_says_what_helps() {
        for (cause, advice) in [
            ("permission denied for schema public", "grant it CREATE on the schema"),
            ("Failed to run 1_first with: must be owner of table license", "own those that there are"),
            ("attempt to write a readonly database", "write to the file of SQLite"),
        ] {
            let told = MigrationError::of(Error::internal(cause)).to_string();
            assert!(told.starts_with(cause) && told.contains(advice), "{told}");
        }
        for other in [Error::Unavailable, Error::internal("syntax error at or near \"x\"")] {
            assert!(matches!(MigrationError::of(other.clone()), MigrationError::Failed(error) if error == other));
        }
    }
}
