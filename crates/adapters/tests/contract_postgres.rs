//! Runs the storage contract on Postgres.

use std::sync::Arc;

use diesel::RunQueryDsl;
use license_manager_adapters::postgres::PostgresStore;
use license_manager_contract::contract_suite;
use license_manager_domain::ports::Store;

mod support;
#[path = "support/traces.rs"]
mod traces;
#[path = "support/written.rs"]
mod written;

use support::PostgresDatabase;
use written::{Outside, Row, Written};

contract_suite!(on_the_server);

fn on_the_server() -> Written<OnTheServer> {
    let (store, database) = support::postgres_store();
    Written(OnTheServer { store: Arc::new(store), database })
}

struct OnTheServer {
    // Dropped before the database it is connected to.
    store: Arc<PostgresStore>,
    database: PostgresDatabase,
}

impl Outside for OnTheServer {
    const MICROS: &'static str = "CAST(extract(epoch FROM history_date) * 1000000 AS bigint)";
    const NOW: &'static str = "now()";

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn rows<R: Row>(&self, query: &str) -> Vec<R> {
        diesel::sql_query(query).load(&mut self.database.connection()).unwrap()
    }

    fn execute(&self, statements: &str) {
        self.database.execute(statements);
    }
}

#[test]
fn the_migration_knows_which_licenses_were_renewed() {
    const UP: &str = include_str!("../../../migrations/postgres/2026-11-29-000028_renewed_from/up.sql");
    const DOWN: &str = include_str!("../../../migrations/postgres/2026-11-29-000028_renewed_from/down.sql");
    let database = on_the_server();
    license_manager_contract::following::free_licenses_go_to_who_waits(&database);
    let links = written::links(&database.0);
    assert!(links.len() > 20, "{links:#?}");
    database.0.execute(&format!("BEGIN; {DOWN} {UP} COMMIT"));
    assert_eq!(written::links(&database.0), links);
}
