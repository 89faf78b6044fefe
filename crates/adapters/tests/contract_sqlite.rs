//! Runs the storage contract on SQLite.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use license_manager_adapters::sqlite::{OnStatement, SqliteOptions, SqliteStore, Synchronous};
use license_manager_contract::contract_suite;
use license_manager_domain::ports::Store;
use tempfile::TempDir;

#[path = "support/traces.rs"]
mod traces;
#[path = "support/written.rs"]
mod written;

use written::{Outside, Row, Written};

contract_suite!(in_a_file);

fn in_a_file() -> Written<InAFile> {
    let directory = TempDir::new().unwrap();
    let statements: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let noted = statements.clone();
    let on_statement: OnStatement = Arc::new(move |sql| {
        noted.lock().unwrap().insert(sql.to_owned());
    });
    let store = SqliteStore::open(&SqliteOptions {
        path: directory.path().join("test.db"),
        pool_size: 4,
        connect_timeout: Duration::from_secs(60),
        busy_timeout: Duration::from_secs(60),
        synchronous: Synchronous::Full,
        on_statement: Some(on_statement),
    })
    .unwrap();
    store.migrate().unwrap();
    Written(InAFile { store, statements, _directory: directory })
}

struct InAFile {
    store: SqliteStore,
    /// The statements that ran.
    statements: Arc<Mutex<BTreeSet<String>>>,
    _directory: TempDir,
}

impl InAFile {
    /// A connection outside of the store.
    fn connection(&self) -> SqliteConnection {
        SqliteConnection::establish(self.store.path().to_str().unwrap()).unwrap()
    }
}

/// Every test of the contract also checks that licenses which are looked up are found by an index: their statements do
/// not walk a plan. The plans depend on the schema alone, because the database has no statistics.
impl Drop for InAFile {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut connection = self.connection();
        let statements = std::mem::take(&mut *self.statements.lock().unwrap());
        let looks_up = |sql: &&String| sql.starts_with("SELECT `license`.`uuid`, `license`.`subscription_plan_uuid`");
        for sql in statements.iter().filter(looks_up) {
            let steps: Vec<Step> =
                diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(&mut connection).unwrap();
            let walks = |step: &Step| {
                step.detail.contains("license_by_plan (subscription_plan_uuid=?)") || step.detail == "SCAN license"
            };
            assert!(!steps.iter().any(walks), "this statement walks a plan: {sql}");
        }
    }
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

impl Outside for InAFile {
    const MICROS: &'static str = "history_date";
    const NOW: &'static str = "0";

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn rows<R: Row>(&self, query: &str) -> Vec<R> {
        diesel::sql_query(query).load(&mut self.connection()).unwrap()
    }

    fn execute(&self, statements: &str) {
        self.connection().batch_execute(statements).unwrap();
    }
}

#[test]
fn the_migration_knows_which_licenses_were_renewed() {
    const UP: &str = include_str!("../../../migrations/sqlite/2026-11-29-000028_renewed_from/up.sql");
    const DOWN: &str = include_str!("../../../migrations/sqlite/2026-11-29-000028_renewed_from/down.sql");
    let database = in_a_file();
    license_manager_contract::following::free_licenses_go_to_who_waits(&database);
    let links = written::links(&database.0);
    assert!(links.len() > 20, "{links:#?}");
    database.0.execute(&format!("BEGIN; {DOWN} {UP} COMMIT"));
    assert_eq!(written::links(&database.0), links);
}
