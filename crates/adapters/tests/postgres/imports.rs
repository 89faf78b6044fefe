//! Imports into Postgres that meet each other.

use diesel::connection::SimpleConnection;
use license_manager_adapters::import::{ImportError, import_postgres};
use license_manager_domain::operations::Unsupervised;

use crate::overtaking::{COMPLETED, Overtaken, begun, ignore, options};
use crate::support::postgres_store;

#[test]
fn an_import_ends_where_another_one_filled_the_database_meanwhile() {
    let (store, database) = postgres_store();
    let mut other = database.connection();
    other.batch_execute(&begun("timestamptz 'epoch'", "postgres")).unwrap();
    let mut source = Overtaken(|| other.batch_execute(COMPLETED).unwrap());
    let result = import_postgres(&store, &mut source, options(), &mut ignore, &Unsupervised);
    assert!(matches!(result, Err(ImportError::Overtaken)), "{result:?}");
}
