//! Imports into Postgres that meet each other.

use std::time::Duration;

use chrono::DateTime;
use diesel::connection::SimpleConnection;
use license_manager_adapters::import::{ImportError, finish_postgres, import_postgres};
use license_manager_domain::operations::Unsupervised;

use crate::number;
use crate::overtaking::{COMPLETED, Overtaken, begun, ignore, options};
use crate::support::postgres_store;

#[test]
fn an_import_ends_where_another_one_began_meanwhile() {
    let (store, database) = postgres_store();
    let mut other = database.connection();
    let mut source = Overtaken(|| other.batch_execute(&begun("timestamptz 'epoch'", "postgres")).unwrap());
    let result = import_postgres(&store, &mut source, options(), &mut ignore, &Unsupervised);
    assert!(matches!(result, Err(ImportError::Overtaken)), "{result:?}");
}

#[test]
fn an_import_ends_where_another_one_filled_the_database_meanwhile() {
    let (store, database) = postgres_store();
    let mut other = database.connection();
    other.batch_execute(&begun("timestamptz 'epoch'", "postgres")).unwrap();
    let mut source = Overtaken(|| other.batch_execute(COMPLETED).unwrap());
    let result = import_postgres(&store, &mut source, options(), &mut ignore, &Unsupervised);
    assert!(matches!(result, Err(ImportError::Overtaken)), "{result:?}");
}

#[test]
fn an_import_that_ends_a_deadlock_with_a_server_takes_its_locks_again() {
    let (store, database) = postgres_store();
    let mut server = database.connection();
    server.batch_execute("BEGIN; LOCK TABLE users IN ROW EXCLUSIVE MODE").unwrap();
    let waiting = "SELECT count(*) AS number FROM pg_locks WHERE relation = 'users'::regclass AND NOT granted";
    std::thread::scope(|scope| {
        let import = scope.spawn(|| finish_postgres(&store, DateTime::UNIX_EPOCH));
        while !import.is_finished() && number(&database, waiting) == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        // The import has this lock, and has waited longer, so Postgres ends its statement. On a machine that stands still it
        // may end this one.
        let _ = server.batch_execute("LOCK TABLE customer_agreement IN ROW EXCLUSIVE MODE; COMMIT");
        drop(server);
        let result = import.join().unwrap();
        assert!(matches!(result, Err(ImportError::NeverImported)), "{result:?}");
    });
}

#[test]
fn who_has_read_licenses_and_writes_them_meets_no_deadlock_with_an_import() {
    let (store, database) = postgres_store();
    let mut server = database.connection();
    server.batch_execute("BEGIN; SELECT FROM license").unwrap();
    let waiting = "SELECT count(*) AS number FROM pg_locks WHERE relation = 'license'::regclass AND NOT granted";
    std::thread::scope(|scope| {
        let import = scope.spawn(|| {
            let mut source = Overtaken(|| ());
            import_postgres(&store, &mut source, options(), &mut ignore, &Unsupervised)
        });
        while !import.is_finished() && number(&database, waiting) == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        server.batch_execute("LOCK TABLE license IN ROW EXCLUSIVE MODE; COMMIT").unwrap();
        let result = import.join().unwrap();
        assert!(result.is_ok(), "{result:?}");
    });
}
