//! The prelude beside those of database and JSON libraries: a name that both have could not be used, and this would not
//! compile. Each test imports both in one scope.

/// The names that people import by a glob from libraries for SQLite, Postgres and SQL in general.
mod databases {
    macro_rules! names {
        ($($name:ident)+) => {
            // Only the names matter.
            $(#[allow(dead_code)]
            pub struct $name;)+
        };
    }

    names! {
        Column Connection Error Executor FromRow Map MappedRows Name Params Pool Query Result Row RowIndex Rows Savepoint
        Statement ToSql Transaction TransactionBehavior Type Uuid Value ValueRef
    }
}

#[test]
fn no_name_is_one_of_a_database_library() {
    use license_manager_domain::prelude::*;

    use self::databases::*;

    type Names = (
        (Column, Connection, Error, Executor, FromRow, Map, MappedRows, Name, Params, Pool, Query, Result),
        (
            Row,
            RowIndex,
            Rows,
            Savepoint,
            Statement,
            ToSql,
            Transaction,
            TransactionBehavior,
            Type,
            Uuid,
            Value,
            ValueRef,
        ),
    );
    assert_eq!(size_of::<Names>(), 0);
    assert_eq!(Actor::user("amy").username.as_deref(), Some("amy"));
}

#[test]
fn no_name_is_one_of_serde_json() {
    use license_manager_domain::prelude::*;
    use serde_json::*;

    let value: Result<Value> = from_str("7");
    let number: Number = 7.into();
    assert_eq!(value.unwrap(), Value::Number(number));
    assert!(from_str::<Map<String, Value>>("{").map_err(|error: Error| error.to_string()).is_err());
    let email: Email = "amy@example.com".parse().unwrap();
    assert_eq!(email.as_str(), "amy@example.com");
}

#[test]
fn the_system_has_a_clock_and_ids() {
    use license_manager_domain::prelude::*;

    let (one, other) = (RandomIds.next(), RandomIds.next());
    assert_ne!(one, other);
    assert_eq!(one.get_version_num(), 4);
    let now = SystemClock.now();
    assert!(now > chrono::DateTime::UNIX_EPOCH);
    assert_eq!(now.timestamp_subsec_nanos() % 1_000, 0, "as storage keeps it");
}
