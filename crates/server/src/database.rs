//! Opens the database that is configured.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use license_manager_adapters::pool::PoolUse;
use license_manager_adapters::postgres::{PostgresOptions, PostgresStore};
use license_manager_adapters::sqlite::{SqliteOptions, SqliteStore};
use license_manager_domain::model::seeded_products;
use license_manager_domain::ports::{Clock, Store, StoreExt};
use license_manager_domain::{Actor, Error, LicenseManager, Settings};

use crate::config::{Config, DatabaseUrl};
use crate::system::{RandomIds, SystemClock};

/// Told of every statement as it starts, BEGIN and COMMIT included.
pub type StatementObserver = Arc<dyn Fn(&str) + Send + Sync>;

/// Why a database cannot be opened, for whoever configured it.
pub type OpenError = Box<dyn std::error::Error + Send + Sync>;

/// How long a writer waits for its turn in SQLite where nothing limits it.
const WITHOUT_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A database of either kind.
pub enum Database {
    /// SQLite, embedded.
    Sqlite(Arc<SqliteStore>),
    /// Postgres.
    Postgres(Arc<PostgresStore>),
}

impl Database {
    /// Opens the database that the configuration names. A Postgres that is away is no error yet.
    pub fn open(config: &Config) -> Result<Self, OpenError> {
        Self::open_observed(config, None)
    }

    /// As [`Database::open`]; the observer is for counting statements.
    pub fn open_observed(config: &Config, on_statement: Option<StatementObserver>) -> Result<Self, OpenError> {
        let database = &config.database;
        match database.url_or_default() {
            DatabaseUrl::Sqlite(path) => Ok(Self::Sqlite(Arc::new(SqliteStore::open(&SqliteOptions {
                path,
                pool_size: database.pool_size,
                connect_timeout: database.connect_timeout(),
                busy_timeout: database.statement_timeout().unwrap_or(WITHOUT_LIMIT),
                on_statement,
            })?))),
            DatabaseUrl::Postgres(url) => Ok(Self::Postgres(Arc::new(PostgresStore::connect(&PostgresOptions {
                url,
                pool_size: database.pool_size,
                connect_timeout: database.connect_timeout(),
                statement_timeout: database.statement_timeout().unwrap_or_default(),
                application_name: "license-manager".to_owned(),
                on_statement,
            })?))),
        }
    }

    /// Brings the schema up to date, and tells the log what that took, or that the schema is newer than this version. Two processes
    /// may do so at once.
    pub fn migrate(&self) -> Result<(), Error> {
        let ran = match self {
            Self::Sqlite(store) => store.migrate(),
            Self::Postgres(store) => store.migrate(),
        };
        for migration in ran? {
            tracing::info!(migration, "migrated");
        }
        // During an upgrade old servers go on working beside new ones, so this is no error.
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

    /// The migrations that a newer version ran, by their versions.
    pub fn unknown_migrations(&self) -> Result<Vec<String>, Error> {
        match self {
            Self::Sqlite(store) => store.unknown_migrations(),
            Self::Postgres(store) => store.unknown_migrations(),
        }
    }

    /// Returns `Ok` where it answers.
    pub fn ping(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(store) => store.ping(),
            Self::Postgres(store) => store.ping(),
        }
    }

    /// How its connections are used.
    pub fn pools(&self) -> Vec<PoolUse> {
        match self {
            Self::Sqlite(store) => store.pools(),
            Self::Postgres(store) => store.pools(),
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
            // The configuration has refused 0.
            batch_size: NonZeroU32::new(config.provisioning.batch_size).unwrap_or(NonZeroU32::MIN),
            validate_catalogs: config.catalog.validate,
            operations: config.operations.settings(),
            allow_private_webhooks: config.webhooks.allow_private_addresses,
        };
        LicenseManager::new(store, Arc::new(SystemClock), Arc::new(RandomIds), settings)
    }
}

/// Adds the products every installation starts with, where they are missing.
pub fn seed_products(manager: &LicenseManager) -> Result<(), Error> {
    let change = Actor::service().change(SystemClock.now());
    manager.store().write(|unit| unit.products().seed(&seeded_products(), &change))
}
