//! What a connection prepares, and what of it Postgres plans once.

use license_manager_contract::fixtures::with_plans;

use crate::prepared_once::{assert_prepared_once, watch, work};
use crate::support::PostgresDatabase;

#[test]
fn a_connection_prepares_a_statement_once() {
    watch();
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|options| options.pool_size = 1);
    assert_prepared_once(&store);
}

/// Postgres refuses a statement whose columns are not those that it had when it was prepared.
#[test]
fn what_is_prepared_goes_on_after_a_newer_version_has_added_columns() {
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|options| options.pool_size = 1);
    with_plans(&store);
    work(&store, 1);
    database.execute(
        "DO $$ DECLARE name text;
         BEGIN
             FOR name IN SELECT tablename FROM pg_tables
                         WHERE schemaname = current_schema() AND tablename <> '__diesel_schema_migrations'
             LOOP EXECUTE format('ALTER TABLE %I ADD COLUMN of_a_newer_version text', name); END LOOP;
         END $$",
    );
    work(&store, 2);
}
