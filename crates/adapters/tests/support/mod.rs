//! Databases for tests. Each is dropped when its test ends.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use license_manager_adapters::postgres::{PostgresOptions, PostgresStore};

/// A store on an empty, migrated Postgres database, and a guard that drops the database.
#[allow(dead_code)] // each test binary uses its part of this module
pub fn postgres_store() -> (PostgresStore, PostgresDatabase) {
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|_| {});
    (store, database)
}

/// A Postgres database that is dropped with this value.
pub struct PostgresDatabase {
    server: String,
    name: String,
}

#[allow(dead_code)] // each test binary uses its part of this module
impl PostgresDatabase {
    /// A database without rows on the server in `TEST_DATABASE_URL`. It is migrated if a `TEST_DATABASE_TEMPLATE` is,
    /// and otherwise by the first store.
    pub fn create() -> Self {
        let template = std::env::var("TEST_DATABASE_TEMPLATE").unwrap_or_else(|_| "template0".to_owned());
        Self::copy_of(&template)
    }

    /// An empty database.
    pub fn create_empty() -> Self {
        Self::copy_of("template0")
    }

    fn copy_of(template: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var("TEST_DATABASE_URL").expect(
            "TEST_DATABASE_URL must name a Postgres server to test against, as a role that may create databases: \
             postgres://user:password@host:port/postgres",
        );
        let name = format!("license_manager_test_{}_{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let database = Self { server, name };
        database.on_server(&format!("DROP DATABASE IF EXISTS {0} WITH (FORCE)", database.name));
        database.on_server(&format!("CREATE DATABASE {} TEMPLATE {template}", database.name));
        database
    }

    /// Its URL.
    pub fn url(&self) -> String {
        let (location, options) =
            self.server.split_once('?').map_or((self.server.as_str(), None), |(l, o)| (l, Some(o)));
        let (scheme, rest) = location.split_once("://").expect("TEST_DATABASE_URL must start with postgres://");
        let host = rest.split('/').next().unwrap_or_default();
        let options = options.map(|options| format!("?{options}")).unwrap_or_default();
        format!("{scheme}://{host}/{}{options}", self.name)
    }

    /// A store on the database, with options changed by `adjust`.
    pub fn store(&self, adjust: impl FnOnce(&mut PostgresOptions)) -> PostgresStore {
        let mut options = PostgresOptions::new(self.url());
        adjust(&mut options);
        PostgresStore::connect(&options).expect("these options are within their limits")
    }

    /// A store on the migrated database, with options changed by `adjust`.
    pub fn migrated_store(&self, adjust: impl FnOnce(&mut PostgresOptions)) -> PostgresStore {
        let store = self.store(adjust);
        store.migrate().expect("the migrations run");
        store
    }

    /// A store on the migrated database that reports every statement to `listener`.
    pub fn observed_store(&self, listener: impl Fn(&str) + Send + Sync + 'static) -> PostgresStore {
        self.migrated_store(|options| options.on_statement = Some(Arc::new(listener)))
    }

    /// A connection outside of the stores.
    pub fn connection(&self) -> PgConnection {
        PgConnection::establish(&self.url()).expect("the database exists")
    }

    /// Runs SQL, for data that no port writes.
    pub fn execute(&self, sql: &str) {
        self.connection().batch_execute(sql).expect("the statement succeeds");
    }

    fn on_server(&self, sql: &str) {
        let mut connection = PgConnection::establish(&self.server).expect("TEST_DATABASE_URL must be reachable");
        connection.batch_execute(sql).expect("TEST_DATABASE_URL must name a role that may create databases");
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        // A second panic would hide why the test failed.
        if let Ok(mut connection) = PgConnection::establish(&self.server) {
            let _ = connection.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        }
    }
}
