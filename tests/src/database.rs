//! Databases of a test's own.

use diesel::{Connection, PgConnection, RunQueryDsl, sql_query};
use reqwest::Url;
use tempfile::TempDir;
use uuid::Uuid;

/// An empty database, removed when it is dropped.
pub struct Database {
    url: String,
    home: Home,
}

enum Home {
    /// The folder of an SQLite file.
    Folder(#[expect(dead_code, reason = "it is removed when dropped")] TempDir),
    /// A database of this name on the Postgres server at this URL.
    Postgres { server: String, name: String },
}

impl Database {
    /// An SQLite database: a file in a temporary folder, created by whoever opens it first.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        Self { url, home: Home::Folder(folder) }
    }

    /// A database on the Postgres server that `TEST_DATABASE_URL` names, whose user may create databases.
    ///
    /// Panics where the variable is unset: these tests are never skipped.
    pub fn postgres() -> Self {
        let server = std::env::var("TEST_DATABASE_URL").unwrap_or_else(|_| {
            panic!(
                "TEST_DATABASE_URL is not set, and this test needs Postgres: \
                 run `make test`, or `tests/with-postgres cargo test`, which start one"
            )
        });
        let name = format!("license_manager_{}", Uuid::new_v4().simple());
        let mut url = Url::parse(&server).expect("TEST_DATABASE_URL is a URL");
        url.set_path(&name);
        // From template0, which nobody can be connected to: that would make copying it fail.
        execute(&server, &format!("CREATE DATABASE {name} TEMPLATE template0"))
            .unwrap_or_else(|error| panic!("no database on the server at TEST_DATABASE_URL: {error}"));
        Self { url: url.into(), home: Home::Postgres { server, name } }
    }

    /// Its URL, as `DATABASE_URL` takes it.
    pub fn url(&self) -> &str {
        &self.url
    }
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
