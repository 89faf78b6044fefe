//! What a connection prepares.

use license_manager_adapters::sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

use crate::options;
use crate::prepared_once::{assert_prepared_once, watch};

#[test]
fn a_connection_prepares_a_statement_once() {
    watch();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("test.db");
    let store = SqliteStore::open(&SqliteOptions { pool_size: 1, ..options(&path) }).unwrap();
    store.migrate().unwrap();
    assert_prepared_once(&store);
}
