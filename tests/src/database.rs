//! Databases for tests.

use std::any::Any;

use diesel::connection::SimpleConnection;
use diesel::sql_types::{Nullable, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use reqwest::Url;
use tempfile::TempDir;
use uuid::Uuid;

use crate::Ran;

/// An empty database, removed when it is dropped.
pub struct Database {
    url: String,
    home: Home,
}

enum Home {
    /// The folder of a SQLite file.
    Folder(#[expect(dead_code, reason = "it is removed when dropped")] TempDir),
    /// A database on the Postgres server at this URL.
    Postgres { server: String, name: String },
}

impl Database {
    /// A SQLite database: a file in a temporary folder, created when it is first opened.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        Self { url, home: Home::Folder(folder) }
    }

    /// A database without rows on the Postgres server in `TEST_DATABASE_URL`, whose user may create databases. It is
    /// migrated if a `TEST_DATABASE_TEMPLATE` is, and otherwise by the first server.
    ///
    /// Panics if the variable is not set: these tests are never skipped.
    pub fn postgres() -> Self {
        // Nobody is connected to a template, so it can be copied.
        let template = std::env::var("TEST_DATABASE_TEMPLATE").unwrap_or_else(|_| "template0".to_owned());
        Self::postgres_copy_of(&template)
    }

    /// As [`Database::postgres`], but never migrated.
    pub fn empty_postgres() -> Self {
        Self::postgres_copy_of("template0")
    }

    fn postgres_copy_of(template: &str) -> Self {
        let server = std::env::var("TEST_DATABASE_URL").unwrap_or_else(|_| {
            panic!(
                "TEST_DATABASE_URL is not set, and this test needs Postgres: \
                 run `make test`, or `tests/with-postgres cargo test`, which start one"
            )
        });
        let name = format!("license_manager_{}", Uuid::new_v4().simple());
        let mut url = Url::parse(&server).expect("TEST_DATABASE_URL is a URL");
        url.set_path(&name);
        execute(&server, &format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .unwrap_or_else(|error| panic!("no database on the server at TEST_DATABASE_URL: {error}"));
        Self { url: url.into(), home: Home::Postgres { server, name } }
    }

    /// The column `text` of a query, with empty texts for NULL. Only for what the API does not show.
    pub fn texts(&self, query: &str) -> Vec<String> {
        texts(&self.url, query)
    }

    /// Runs a statement. Only for what the API cannot do.
    pub fn execute(&self, statement: &str) {
        match &self.home {
            Home::Folder(_) => connect_sqlite(&self.url).batch_execute(statement),
            Home::Postgres { .. } => connect_postgres(&self.url).batch_execute(statement),
        }
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// The steps in which SQLite runs a statement. Its parameters do not matter, because the database has no statistics.
    pub fn sqlite_steps(&self, statement: &str) -> Vec<String> {
        let steps: Vec<Step> = sql_query(format!("EXPLAIN QUERY PLAN {statement}"))
            .load(&mut connect_sqlite(&self.url))
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
        steps.into_iter().map(|step| step.detail).collect()
    }

    /// How often Postgres has read a table from its beginning. Ends all other sessions, because each counts for itself
    /// until then.
    pub fn postgres_scans(&self, table: &str) -> i64 {
        self.texts(
            "SELECT pg_terminate_backend(pid, 10000)::text AS text FROM pg_stat_activity
             WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
        );
        let scans =
            format!("SELECT coalesce(seq_scan, 0)::text AS text FROM pg_stat_user_tables WHERE relname = '{table}'");
        self.texts(&scans).concat().parse().expect("there is one table of this name")
    }

    /// Panics unless `license-manager check` finds nothing. Servers may be running.
    #[track_caller]
    pub fn assert_sound(&self) {
        assert_sound(&self.url);
    }

    /// Locks what every change of a license needs, as another process might, until the result is dropped: the file of
    /// SQLite, all licenses in Postgres.
    pub fn hold_locks(&self) -> Box<dyn Any + Send> {
        let locking = "a connection takes the locks";
        match &self.home {
            Home::Folder(_) => {
                let mut connection = connect_sqlite(&self.url);
                connection.batch_execute("BEGIN IMMEDIATE").expect(locking);
                Box::new(connection)
            }
            Home::Postgres { .. } => {
                let mut connection = connect_postgres(&self.url);
                connection.batch_execute("BEGIN; SELECT uuid FROM license FOR UPDATE").expect(locking);
                Box::new(connection)
            }
        }
    }

    /// The URL for `DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// The column `text` of a query, with empty texts for NULL, in the database at this URL.
pub fn texts(url: &str, query: &str) -> Vec<String> {
    let rows: Vec<Row> = match url.starts_with("sqlite:") {
        true => sql_query(query).load(&mut connect_sqlite(url)),
        false => sql_query(query).load(&mut connect_postgres(url)),
    }
    .unwrap_or_else(|error| panic!("{query}: {error}"));
    rows.into_iter().map(|row| row.text.unwrap_or_default()).collect()
}

fn connect_sqlite(url: &str) -> SqliteConnection {
    let path = url.strip_prefix("sqlite:").expect("an SQLite URL");
    let mut connection = SqliteConnection::establish(path).expect("the file is opened");
    // The server writes at the same time.
    connection.batch_execute("PRAGMA busy_timeout = 60000").expect("a connection is set up");
    connection
}

fn connect_postgres(url: &str) -> PgConnection {
    PgConnection::establish(url).expect("the database is reached")
}

/// Panics unless `license-manager check` finds nothing in the database at this URL.
#[track_caller]
pub fn assert_sound(url: &str) {
    let ran = Ran::alone(url, &["check"]);
    assert!(ran.succeeded, "{}{}", ran.stdout, ran.stderr);
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Nullable<Text>)]
    text: Option<String>,
}

/// A step of EXPLAIN QUERY PLAN.
#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Home::Postgres { server, name } = &self.home
            && let Err(error) = execute(server, &format!("DROP DATABASE {name} WITH (FORCE)"))
        {
            eprintln!("the database {name} is left behind: {error}");
        }
    }
}

fn execute(server: &str, statement: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut connection = PgConnection::establish(server)?;
    sql_query(statement).execute(&mut connection)?;
    Ok(())
}
