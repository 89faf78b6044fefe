//! Who wrote lately, and reads lists from the primary for that.

use std::time::Duration;

use crate::number;
use crate::support::postgres_store;

/// Longer than a test takes.
const MAX_LAG: Duration = Duration::from_secs(3_600);

#[test]
fn a_write_is_noted_until_a_replica_has_it() {
    let (store, database) = postgres_store();
    assert_eq!(store.has_written("amy"), Ok(false));
    store.note_write("amy", MAX_LAG).unwrap();
    assert_eq!((store.has_written("amy"), store.has_written("bob")), (Ok(true), Ok(false)));
    database.execute("UPDATE recent_write SET until = clock_timestamp() - interval '1 millisecond'");
    assert_eq!(store.has_written("amy"), Ok(false));
    store.note_write("amy", MAX_LAG).unwrap();
    assert_eq!(store.has_written("amy"), Ok(true));
}

#[test]
fn a_note_that_holds_long_enough_is_not_written_again() {
    let (store, database) = postgres_store();
    store.note_write("amy", MAX_LAG).unwrap();
    let version = "SELECT xmin::text::bigint AS number FROM recent_write";
    let first = number(&database, version);
    store.note_write("amy", MAX_LAG - Duration::from_secs(60)).unwrap();
    assert_eq!(number(&database, version), first);
    database.execute("UPDATE recent_write SET until = clock_timestamp() + interval '3599 seconds'");
    store.note_write("amy", MAX_LAG).unwrap();
    let left = "SELECT extract(epoch FROM until - clock_timestamp())::bigint AS number FROM recent_write";
    assert!(number(&database, left) >= 3_600, "{}", number(&database, left));
}

#[test]
fn a_note_does_not_name_the_user() {
    let (store, database) = postgres_store();
    store.note_write("amy", MAX_LAG).unwrap();
    assert_eq!(number(&database, "SELECT count(*) AS number FROM recent_write"), 1);
    assert_eq!(
        number(&database, "SELECT count(*) AS number FROM recent_write WHERE recent_write::text LIKE '%amy%'"),
        0
    );
}
