//! The query plans of statements that must stay fast in large plans.
//!
//! Each is planned without its parameters' values, like a prepared statement that was used several times.

use std::sync::mpsc;

use diesel::prelude::*;
use diesel::sql_types::Text;
use license_manager_adapters::postgres::PostgresStore;
use license_manager_domain::ports::{Person, Retiree, StoreExt};
use license_manager_domain::*;

use crate::support::PostgresDatabase;
use crate::{AGREEMENT, PLAN, email, hand_out, provision};

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    text: String,
}

/// The query plan of the last statement of `work`, transaction control aside, with parameters of these types.
pub fn query_plan(analyzed: bool, types: &[&str], work: impl Fn(&PostgresStore)) -> String {
    let database = PostgresDatabase::create();
    let (statements, told) = mpsc::channel();
    let statements = std::sync::Mutex::new(statements);
    let store = database.observed_store(move |statement| {
        let _ = statements.lock().unwrap().send(statement.to_owned());
    });
    // The test decides when statistics are collected.
    database.execute("ALTER TABLE license SET (autovacuum_enabled = off)");
    provision(&store, 6_000);
    store.write(|unit| hand_out(unit, 0..5_000)).unwrap();
    if analyzed {
        database.execute("ANALYZE");
    }
    told.try_iter().for_each(drop);
    work(&store);
    let statement = told.try_iter().filter(|statement| !["BEGIN", "COMMIT"].contains(&statement.as_str())).last();
    let statement = statement.expect("the work ran a statement");

    let mut connection = database.connection();
    let nulls = vec!["NULL"; types.len()].join(", ");
    for command in [
        "SET plan_cache_mode = force_generic_plan".to_owned(),
        format!("PREPARE observed ({}) AS {statement}", types.join(", ")),
    ] {
        diesel::sql_query(command).execute(&mut connection).unwrap();
    }
    let lines: Vec<Line> =
        diesel::sql_query(format!("EXPLAIN EXECUTE observed ({nulls})")).load(&mut connection).unwrap();
    lines.into_iter().map(|line| line.text + "\n").collect()
}

fn assert_looks_up_each_address(plan: &str) {
    let lookup = "Index Cond: ((subscription_plan_uuid = $1) AND (user_email = wanted.email))";
    assert!(plan.contains("license_one_live_per_email") && plan.contains(lookup), "{plan}");
}

#[test]
fn holders_are_found_by_an_index_with_and_without_statistics() {
    for analyzed in [false, true] {
        let plan = query_plan(analyzed, &["uuid", "text[]"], |store| {
            assert_eq!(store.read(|unit| unit.licenses().live_emails(PLAN, &[email(7)])), Ok(vec![email(7)]));
        });
        assert_looks_up_each_address(&plan);
        let plan = query_plan(analyzed, &["uuid", "text[]"], |store| {
            let locked = store.write(|unit| unit.licenses().lock_live_by_emails(PLAN, &[email(7), email(7)]));
            assert_eq!(locked.unwrap().len(), 1);
        });
        assert_looks_up_each_address(&plan);
    }
}

#[test]
fn copies_are_found_by_their_originals_with_and_without_statistics() {
    for analyzed in [false, true] {
        let plan = query_plan(analyzed, &["uuid[]"], |store| {
            let originals = [LicenseId(uuid::Uuid::from_u128(1))];
            assert_eq!(store.write(|unit| unit.licenses().lock_copies(PLAN, &originals)), Ok(vec![]));
        });
        assert!(plan.contains("license_renewed_from"), "{plan}");
    }
}

#[test]
fn a_person_is_found_by_indexes_with_and_without_statistics() {
    for analyzed in [false, true] {
        let plan = query_plan(analyzed, &["text", "text", "bigint"], |store| {
            let person = Person { email: Some(email(7)), lms_user_id: Some(LmsUserId(7)) };
            assert_eq!(store.read(|unit| unit.licenses().find_by_person(AGREEMENT, &person)).unwrap().len(), 1);
        });
        assert!(plan.contains("license_by_email") && plan.contains("license_by_lms_user"), "{plan}");
    }
}

#[test]
fn a_claim_reads_no_more_than_it_takes() {
    for analyzed in [false, true] {
        let plan = query_plan(analyzed, &["uuid", "bigint"], |store| {
            assert_eq!(store.write(|unit| unit.licenses().claim_unassigned(PLAN, 3)).unwrap().len(), 3);
        });
        assert!(plan.contains("license_unassigned") && !plan.contains("Sort"), "{plan}");
    }
}

#[test]
fn a_stream_of_assigned_licenses_reads_each_once() {
    let plan = query_plan(true, &["uuid", "uuid", "bigint"], |store| {
        assert_eq!(store.read(|unit| unit.licenses().handed_out_after(PLAN, None, 10)).unwrap().len(), 10);
    });
    assert!(plan.contains("license_handed_out") && !plan.contains("Sort"), "{plan}");
}

#[test]
fn deleted_licenses_are_found_by_an_index() {
    for analyzed in [false, true] {
        let plan = query_plan(analyzed, &["timestamptz", "bigint"], |store| {
            let due = store.write(|unit| unit.purge().lock_deleted(chrono::Utc::now(), 10)).unwrap();
            assert_eq!(due, []);
        });
        assert!(plan.contains("license_history_of_deleted") && !plan.contains("Seq Scan on license_history"), "{plan}");
        assert!(plan.contains("license_history_by_row"), "{plan}");
    }
}

#[test]
fn a_retiree_is_looked_up_in_the_history_by_license_address_and_id() {
    let plan = query_plan(true, &["uuid[]", "bigint", "text[]", "text"], |store| {
        let person = Retiree { lms_user_id: LmsUserId(7), emails: vec![email(7)], username: "amy".to_owned() };
        store.write(|unit| unit.retirement().erase_history(&[], &person, &person.emails)).unwrap();
    });
    for index in ["license_history_by_row", "license_history_by_email", "license_history_by_lms_user"] {
        assert!(plan.contains(index), "{plan}");
    }
}
