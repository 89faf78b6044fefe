//! Runs the storage contract on Postgres.

use std::sync::Arc;

use diesel::RunQueryDsl;
use license_manager_adapters::postgres::PostgresStore;
use license_manager_contract::{Database, HistoryEntry, Told, Waiting, contract_suite};
use license_manager_domain::ports::Store;
use license_manager_domain::{CustomerId, LicenseId};

mod support;
#[path = "support/traces.rs"]
mod traces;
#[path = "support/written.rs"]
mod written;

use support::PostgresDatabase;
use written::{Outside, Row};

contract_suite!(on_the_server);

fn on_the_server() -> OnTheServer {
    let (store, database) = support::postgres_store();
    OnTheServer { store: Arc::new(store), database }
}

struct OnTheServer {
    // Dropped before the database it is connected to.
    store: Arc<PostgresStore>,
    database: PostgresDatabase,
}

impl Outside for OnTheServer {
    const MICROS: &'static str = "CAST(extract(epoch FROM history_date) * 1000000 AS bigint)";
    const NOW: &'static str = "now()";

    fn rows<R: Row>(&self, query: &str) -> Vec<R> {
        diesel::sql_query(query).load(&mut self.database.connection()).unwrap()
    }

    fn execute(&self, statements: &str) {
        self.database.execute(statements);
    }
}

impl Database for OnTheServer {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn history(&self, table: &str, id: &str) -> Vec<HistoryEntry> {
        written::history(self, table, id)
    }

    fn told_of(&self, license: LicenseId) -> Vec<Told> {
        written::told_of(self, license)
    }

    fn outbox(&self) -> Vec<Waiting> {
        written::outbox(self)
    }

    fn words(&self) -> i64 {
        written::words(self)
    }

    fn source(&self, license: LicenseId) -> Option<String> {
        written::source(self, license)
    }

    fn within_a_trace(&self, work: &mut dyn FnMut()) -> Option<String> {
        Some(traces::within_a_trace(work))
    }

    fn add_role(&self, username: &str, role: &str, customer: Option<CustomerId>) {
        written::add_role(self, username, role, customer);
    }
}

#[test]
fn the_migration_knows_which_licenses_were_renewed() {
    const UP: &str = include_str!("../../../migrations/postgres/2026-11-29-000028_renewed_from/up.sql");
    const DOWN: &str = include_str!("../../../migrations/postgres/2026-11-29-000028_renewed_from/down.sql");
    let database = on_the_server();
    license_manager_contract::following::free_licenses_go_to_who_waits(&database);
    let links = written::links(&database);
    assert!(links.len() > 20, "{links:#?}");
    database.execute(&format!("BEGIN; {DOWN} {UP} COMMIT"));
    assert_eq!(written::links(&database), links);
}
