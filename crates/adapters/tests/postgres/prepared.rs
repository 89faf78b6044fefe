//! What a connection prepares, and what of it Postgres plans once.

use crate::prepared_once::{assert_prepared_once, watch};
use crate::support::PostgresDatabase;

#[test]
fn a_connection_prepares_a_statement_once() {
    watch();
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|options| options.pool_size = 1);
    assert_prepared_once(&store);
}
