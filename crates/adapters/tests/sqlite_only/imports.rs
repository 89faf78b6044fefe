//! Imports into SQLite that meet each other.

use diesel::connection::SimpleConnection;
use license_manager_adapters::import::{ImportError, import_sqlite};
use license_manager_domain::operations::Unsupervised;
use tempfile::TempDir;

use crate::overtaking::{COMPLETED, Overtaken, begun, ignore, options};
use crate::{migrated, stranger};

#[test]
fn an_import_ends_where_another_one_began_meanwhile() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    let mut other = stranger(&store);
    let mut source = Overtaken(|| other.batch_execute(&begun("0", "sqlite")).unwrap());
    let result = import_sqlite(&store, &mut source, options(), &mut ignore, &Unsupervised);
    assert!(matches!(result, Err(ImportError::Overtaken)), "{result:?}");
}

#[test]
fn an_import_ends_where_another_one_filled_the_database_meanwhile() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    let mut other = stranger(&store);
    other.batch_execute(&begun("0", "sqlite")).unwrap();
    let mut source = Overtaken(|| other.batch_execute(COMPLETED).unwrap());
    let result = import_sqlite(&store, &mut source, options(), &mut ignore, &Unsupervised);
    assert!(matches!(result, Err(ImportError::Overtaken)), "{result:?}");
}
