//! The query plans of statements that must stay fast in large plans.
//!
//! Each is planned without its parameters' values, like a prepared statement that was used several times.

use std::sync::mpsc;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use license_manager_adapters::postgres::PostgresStore;
use license_manager_domain::model::{FollowingPlan, TransferredLicenses};
use license_manager_domain::outbox::{Message, Payload, Topic};
use license_manager_domain::ports::{Person, Purge, Retiree, StoreExt};
use license_manager_domain::*;
use uuid::Uuid;

use crate::support::PostgresDatabase;
use crate::{AGREEMENT, CUSTOMER, PLAN, change, email, hand_out, license_ids, now, provision};

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    text: String,
}

#[derive(QueryableByName)]
struct Planned {
    #[diesel(sql_type = BigInt)]
    generic_plans: i64,
}

/// A database with a large plan, and the last statement of `work` on it, transaction control aside.
fn observed(analyzed: bool, work: impl Fn(&PostgresStore)) -> (PostgresDatabase, String) {
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
    (database, statement.expect("the work ran a statement"))
}

/// The query plan of the last statement of `work`, transaction control aside, with parameters of these types.
pub fn query_plan(analyzed: bool, types: &[&str], work: impl Fn(&PostgresStore)) -> String {
    let parameters: Vec<(&str, &str)> = types.iter().map(|name| (*name, "NULL")).collect();
    query_plan_with("force_generic_plan", analyzed, &parameters, work)
}

/// The same with parameters of these types and values, planned in this mode.
fn query_plan_with(mode: &str, analyzed: bool, parameters: &[(&str, &str)], work: impl Fn(&PostgresStore)) -> String {
    let (database, statement) = observed(analyzed, work);
    let (types, values): (Vec<&str>, Vec<&str>) = parameters.iter().copied().unzip();
    let mut connection = database.connection();
    for command in
        [format!("SET plan_cache_mode = {mode}"), format!("PREPARE observed ({}) AS {statement}", types.join(", "))]
    {
        diesel::sql_query(command).execute(&mut connection).unwrap();
    }
    let explain = format!("EXPLAIN EXECUTE observed ({})", values.join(", "));
    let lines: Vec<Line> = diesel::sql_query(explain).load(&mut connection).unwrap();
    lines.into_iter().map(|line| line.text + "\n").collect()
}

/// Checks that Postgres soon keeps its plan for the last statement of `work`. The parameters are types with values.
#[track_caller]
fn assert_is_planned_once(analyzed: bool, parameters: &[(&str, &str)], work: impl Fn(&PostgresStore)) {
    let (database, statement) = observed(analyzed, work);
    let (types, values): (Vec<&str>, Vec<&str>) = parameters.iter().copied().unzip();
    let mut connection = database.connection();
    let prepare = format!("PREPARE observed ({}) AS {statement}", types.join(", "));
    diesel::sql_query(prepare).execute(&mut connection).unwrap();
    // It is planned for its values five times. After that, only if that is cheaper, planning included.
    for _ in 0..10 {
        let explain = format!("EXPLAIN EXECUTE observed ({})", values.join(", "));
        let _: Vec<Line> = diesel::sql_query(explain).load(&mut connection).unwrap();
    }
    let planned: Planned =
        diesel::sql_query("SELECT generic_plans FROM pg_prepared_statements WHERE name = 'observed'")
            .get_result(&mut connection)
            .unwrap();
    assert!(planned.generic_plans > 0, "{statement}");
}

#[test]
fn what_one_assignment_runs_is_not_planned_each_time() {
    let (plan, address) = (format!("'{PLAN}'"), format!("'{}'", email(7).as_str()));
    let (plan, address) = (plan.as_str(), address.as_str());
    assert_is_planned_once(true, &[("uuid", plan), ("text", address)], |store| {
        assert_eq!(store.read(|unit| unit.licenses().live_emails(PLAN, &[email(7)])), Ok(vec![email(7)]));
    });
    assert_is_planned_once(true, &[("uuid", plan)], |store| {
        assert_eq!(store.write(|unit| unit.licenses().claim_unassigned(PLAN, 1)).unwrap().len(), 1);
    });
    assert_is_planned_once(true, &[("uuid", plan), ("text", address)], |store| {
        let (held, free) = store.write(|unit| unit.licenses().claim_for(PLAN, &[email(7)])).unwrap();
        assert_eq!((held, free.len()), (vec![email(7)], 0));
    });
    let types = "uuid uuid text text bigint uuid timestamptz timestamptz timestamptz timestamptz uuid boolean timestamptz \
                 timestamptz uuid timestamptz text text";
    assert_is_planned_once(true, &[("uuid", plan)], |store| {
        assert_eq!(store.read(|unit| unit.licenses().counts(&[PLAN])).unwrap()[&PLAN].total(), 6_000);
    });
    let mut parameters: Vec<(&str, &str)> = types.split(' ').map(|name| (name, "NULL")).collect();
    // The license. The other values are no conditions.
    parameters[0].1 = plan;
    assert_is_planned_once(true, &parameters, |store| {
        let saved = store.write(|unit| {
            let claimed = unit.licenses().claim_unassigned(PLAN, 1)?;
            unit.licenses().save(&claimed, &change())
        });
        saved.unwrap();
    });
}

/// An address that has no other form takes its place (`forms` in `rows/licenses.rs`).
#[test]
fn the_licenses_of_a_person_are_not_planned_each_time() {
    let address = format!("'{}'", email(7).as_str());
    let parameters = [("text", address.as_str()), ("text", address.as_str()), ("bigint", "1007")];
    let person = || Person { email: Some(email(7)), lms_user_id: Some(LmsUserId(1_007)) };
    assert_is_planned_once(true, &parameters, |store| {
        assert_eq!(store.write(|unit| unit.licenses().lock_all_by_person(&person())).unwrap().len(), 1);
    });
    assert_is_planned_once(true, &parameters, |store| {
        assert_eq!(store.read(|unit| unit.licenses().find_by_person(AGREEMENT, &person())).unwrap().len(), 1);
    });
}

/// All licenses are of one plan, so statistics alone would make Postgres expect that of every plan.
#[test]
fn a_free_license_is_looked_for_in_its_plan_alone() {
    for analyzed in [false, true] {
        let for_one = query_plan(analyzed, &["uuid", "text"], |store| {
            let (held, free) = store.write(|unit| unit.licenses().claim_for(PLAN, &[email(5_500)])).unwrap();
            assert_eq!((held, free.len()), (vec![], 1));
        });
        let any = query_plan(analyzed, &["uuid"], |store| {
            assert_eq!(store.write(|unit| unit.licenses().claim_unassigned(PLAN, 1)).unwrap().len(), 1);
        });
        let some = query_plan(analyzed, &["uuid", "bigint"], |store| {
            assert_eq!(store.write(|unit| unit.licenses().claim_unassigned(PLAN, 5)).unwrap().len(), 5);
        });
        for plan in [&for_one, &any, &some] {
            assert!(plan.contains("license_unassigned"), "{plan}");
            assert!(!plan.contains("license_pkey") && !plan.contains("license_of_all"), "{plan}");
        }
    }
}

#[test]
fn storing_a_message_is_not_planned_each_time() {
    let parameters = [
        ("uuid[]", "ARRAY[gen_random_uuid()]"),
        ("text[]", "'{license_event}'"),
        ("uuid[]", "'{NULL}'"),
        ("uuid[]", "'{NULL}'"),
        ("uuid[]", "ARRAY[gen_random_uuid()]"),
        ("text[]", "'{x}'"),
        ("timestamptz[]", "ARRAY[now()]"),
        ("text[]", "'{events}'"),
        ("text", "NULL"),
        ("text[]", "'{x}'"),
        ("uuid[]", "'{NULL}'"),
    ];
    // Nobody collects statistics of a few webhooks, or of none.
    assert_is_planned_once(false, &parameters, |store| {
        let message = Message {
            id: MessageId(Uuid::from_u128(1)),
            license: None,
            plan: None,
            customer: CUSTOMER,
            payload: Payload::read(Topic::LicenseEvent, "{}".to_owned()),
            created: now(),
        };
        store.write(|unit| unit.outbox().add(std::slice::from_ref(&message))).unwrap();
    });
}

fn assert_looks_up_each_address(plan: &str) {
    let lookup = "Index Cond: ((subscription_plan_uuid = $1) AND (user_email = wanted.email))";
    assert!(plan.contains("license_one_live_per_email") && plan.contains(lookup), "{plan}");
}

#[test]
fn holders_are_found_by_an_index_with_and_without_statistics() {
    for analyzed in [false, true] {
        let plan = query_plan(analyzed, &["uuid", "text[]"], |store| {
            let held = store.read(|unit| unit.licenses().live_emails(PLAN, &[email(7), email(8)]));
            assert_eq!(held.map(|held| held.len()), Ok(2));
        });
        assert_looks_up_each_address(&plan);
        let plan = query_plan(analyzed, &["uuid", "text"], |store| {
            assert_eq!(store.read(|unit| unit.licenses().live_emails(PLAN, &[email(7)])), Ok(vec![email(7)]));
        });
        assert!(plan.contains("license_one_live_per_email") || plan.contains("license_by_email"), "{plan}");
        let plan = query_plan(analyzed, &["uuid", "text[]"], |store| {
            let locked = store.write(|unit| unit.licenses().lock_live_by_emails(PLAN, &[email(7), email(7)]));
            assert_eq!(locked.unwrap().len(), 1);
        });
        assert_looks_up_each_address(&plan);
    }
}

#[test]
fn licenses_that_are_named_are_looked_up_with_and_without_statistics() {
    let licenses = license_ids(0..2);
    let following = FollowingPlan {
        id: PlanId(Uuid::from_u128(1)),
        start_date: now(),
        license_types_to_copy: LicenseTypesToCopy::AssignedAndActivated,
    };
    for analyzed in [false, true] {
        let locked = query_plan(analyzed, &["uuid[]", "uuid"], |store| {
            let named = TransferredLicenses::Named(licenses.clone());
            let locked = store.write(|unit| unit.transfers().lock_licenses(PLAN, &named)).unwrap();
            assert_eq!(locked, licenses);
        });
        let held = query_plan(analyzed, &["uuid[]", "uuid"], |store| {
            let held = store.read(|unit| unit.transfers().held_twice(&licenses, PLAN)).unwrap();
            assert_eq!(held.len(), 2);
        });
        let types = ["uuid[]", "uuid", "timestamptz", "timestamptz", "text", "text"];
        let moved = query_plan(analyzed, &types, |store| {
            store.write(|unit| unit.transfers().move_licenses(&licenses, PLAN, &change())).unwrap();
        });
        let waiting = query_plan(analyzed, &["uuid[]", "uuid", "text", "uuid"], |store| {
            let waiting = store.read(|unit| unit.renewals().waiting_among(PLAN, &following, &licenses)).unwrap();
            assert_eq!(waiting, licenses);
        });
        for plan in [&locked, &held, &moved, &waiting] {
            assert!(plan.contains("license_pkey") && !plan.contains("Seq Scan on license"), "{plan}");
        }
        assert!(held.contains("license_one_live_per_email"), "{held}");
        assert_compares_licenses_of_an_address(&waiting);
    }
}

#[test]
fn licenses_without_a_copy_are_found_without_reading_the_others() {
    let following = FollowingPlan {
        id: PlanId(Uuid::from_u128(1)),
        start_date: now(),
        license_types_to_copy: LicenseTypesToCopy::AssignedAndActivated,
    };
    let waiting = query_plan(true, &["uuid", "text", "uuid", "bigint"], |store| {
        let waiting = store.read(|unit| unit.renewals().waiting_for(PLAN, &following, 2)).unwrap();
        assert_eq!(waiting, license_ids(0..2));
    });
    let counted = query_plan(true, &["bigint[]", "timestamptz"], |store| {
        let counts = store.read(|unit| unit.renewals().not_carried_over(&[RenewalId(1)], now())).unwrap();
        assert!(counts.is_empty());
    });
    for plan in [&waiting, &counted] {
        assert!(plan.contains("license_without_copy") && !plan.contains("Seq Scan on license"), "{plan}");
        assert_compares_licenses_of_an_address(plan);
    }
    // It reads each state in the order of the index.
    assert!(waiting.contains("Merge Append"), "{waiting}");
}

/// Checks that each license that waits is compared with the licenses of its address. If statistics know no revoked
/// licenses, Postgres would read all of the following plan for each.
#[track_caller]
fn assert_compares_licenses_of_an_address(plan: &str) {
    let lookup = "Index Cond: (user_email = license.user_email)";
    assert!(plan.contains("license_by_email") && plan.contains(lookup) && !plan.contains("Anti Join"), "{plan}");
}

/// Also where each is planned with the values of its parameters.
#[test]
fn licenses_that_wait_are_compared_with_those_of_their_address_alone() {
    let (next, license) = (PlanId(Uuid::from_u128(1)), license_ids(0..1)[0]);
    let types = LicenseTypesToCopy::AssignedAndActivated;
    let following = FollowingPlan { id: next, start_date: now(), license_types_to_copy: types };
    let (plan, next, licenses) = (format!("'{PLAN}'"), format!("'{next}'"), format!("'{{{license}}}'"));
    let waiting = [("uuid", &*plan), ("text", "'assigned_and_activated'"), ("uuid", &*next), ("bigint", "2")];
    let among = [("uuid[]", &*licenses), ("uuid", &*plan), ("text", "'assigned_and_activated'"), ("uuid", &*next)];
    let counted = [("bigint[]", "'{1}'"), ("timestamptz", "now()")];
    for analyzed in [false, true] {
        let mode = "force_custom_plan";
        assert_compares_licenses_of_an_address(&query_plan_with(mode, analyzed, &waiting, |store| {
            let waiting = store.read(|unit| unit.renewals().waiting_for(PLAN, &following, 2)).unwrap();
            assert_eq!(waiting, license_ids(0..2));
        }));
        assert_compares_licenses_of_an_address(&query_plan_with(mode, analyzed, &among, |store| {
            let among = store.read(|unit| unit.renewals().waiting_among(PLAN, &following, &[license])).unwrap();
            assert_eq!(among, [license]);
        }));
        assert_compares_licenses_of_an_address(&query_plan_with(mode, analyzed, &counted, |store| {
            let counts = store.read(|unit| unit.renewals().not_carried_over(&[RenewalId(1)], now())).unwrap();
            assert!(counts.is_empty());
        }));
    }
}

/// Otherwise each batch would sort all licenses that are left.
#[test]
fn licenses_with_a_status_are_locked_in_the_order_of_an_index() {
    for analyzed in [false, true] {
        for (status, index, found) in [
            (LicenseStatus::Revoked, "license_by_status", 0),
            (LicenseStatus::Assigned, "license_by_status", 3),
            (LicenseStatus::Unassigned, "license_unassigned", 3),
        ] {
            let plan = query_plan(analyzed, &["uuid", "uuid", "bigint"], |store| {
                let after = Some(LicenseId(Uuid::from_u128(1)));
                let locked = store.write(|unit| unit.licenses().lock_with_status_after(PLAN, status, after, 3));
                assert_eq!(locked.unwrap().len(), found);
            });
            assert!(plan.contains(index) && plan.contains("(uuid > $2)"), "{plan}");
            assert!(!plan.contains("Sort") && !plan.contains("Seq Scan"), "{plan}");
        }
    }
}

#[test]
fn licenses_that_are_deleted_are_found_by_an_index() {
    for analyzed in [false, true] {
        let plan = query_plan(analyzed, &["uuid", "timestamptz", "text", "text"], |store| {
            let deleted = store.write(|unit| unit.licenses().delete(PLAN, LicenseStatus::Revoked, &change()));
            assert_eq!(deleted, Ok(0));
        });
        assert!(!plan.contains("Seq Scan on license"), "{plan}");
        let plan = query_plan(analyzed, &["uuid[]", "timestamptz", "text", "text"], |store| {
            store.write(|unit| unit.licenses().delete_unassigned(&license_ids(5_500..5_502), &change())).unwrap();
        });
        assert!(plan.contains("Index Cond: (uuid = ANY ($1))") && !plan.contains("Seq Scan on license"), "{plan}");
    }
}

#[test]
fn copies_are_found_by_their_originals_with_and_without_statistics() {
    for analyzed in [false, true] {
        let plan = query_plan(analyzed, &["uuid[]"], |store| {
            let originals = [LicenseId(Uuid::from_u128(1))];
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
        let plan = query_plan(analyzed, &["uuid"], |store| {
            assert_eq!(store.write(|unit| unit.licenses().claim_unassigned(PLAN, 1)).unwrap().len(), 1);
        });
        assert!(plan.contains("unassigned") && !plan.contains("Sort"), "{plan}");
        let plan = query_plan(analyzed, &["uuid", "text"], |store| {
            let (held, free) = store.write(|unit| unit.licenses().claim_for(PLAN, &[email(6_000)])).unwrap();
            assert_eq!((held.len(), free.len()), (0, 1));
        });
        assert!(plan.contains("unassigned") && !plan.contains("Sort") && !plan.contains("Seq Scan"), "{plan}");
    }
}

#[test]
fn a_stream_of_assigned_licenses_reads_each_once() {
    let plan = query_plan(true, &["uuid", "uuid", "bigint"], |store| {
        assert_eq!(store.read(|unit| unit.licenses().handed_out_after(PLAN, None, 10)).unwrap().len(), 10);
    });
    assert!(plan.contains("license_handed_out") && !plan.contains("Sort"), "{plan}");
}

/// Otherwise each batch would read again what the batches before have passed.
#[test]
fn licenses_whose_holders_are_to_be_forgotten_are_found_in_their_plans() {
    for (purge, index) in [
        (Purge::PlanExpired, "license_by_plan"),
        (Purge::Revoked, "license_revoked"),
        (Purge::NeverActivated, "license_idle"),
    ] {
        for analyzed in [false, true] {
            let plan = query_plan(analyzed, &["timestamptz", "bigint"], |store| {
                assert_eq!(store.write(|unit| unit.purge().lock_due(purge, now(), 10)), Ok(vec![]));
            });
            assert!(plan.contains(&format!("Index Scan using {index} on license")), "{plan}");
            assert!(!plan.contains("Seq Scan on license"), "{plan}");
        }
    }
}

#[test]
fn whether_a_plan_was_used_is_found_by_indexes() {
    for analyzed in [false, true] {
        let plan = query_plan(analyzed, &["uuid"], |store| {
            assert_eq!(store.read(|unit| unit.plans().was_handed_out(PLAN)), Ok(true));
        });
        assert!(plan.contains("license_unassigned_again") && !plan.contains("Seq Scan on license "), "{plan}");
    }
}

#[test]
fn deleted_licenses_are_found_by_an_index() {
    for analyzed in [false, true] {
        let plan = query_plan(analyzed, &["timestamptz", "bigint", "uuid"], |store| {
            let due = store.write(|unit| unit.purge().lock_deleted(chrono::Utc::now(), None, 10)).unwrap();
            assert_eq!(due, []);
        });
        assert!(plan.contains("license_history_of_deleted") && !plan.contains("Seq Scan on license_history"), "{plan}");
        assert!(plan.contains("license_history_by_row") && !plan.contains("Sort"), "{plan}");
    }
}

#[test]
fn licenses_that_a_retiree_had_are_found_by_address() {
    for analyzed in [false, true] {
        let plan = query_plan(analyzed, &["uuid[]", "text[]", "text[]", "text[]"], |store| {
            store.write(|unit| unit.retirement().erase_messages(&[], &[email(7)])).unwrap();
        });
        assert!(plan.contains("license_history_by_email") && !plan.contains("Seq Scan on license_history"), "{plan}");
    }
}

#[test]
fn a_retiree_is_looked_up_in_the_history_by_license_address_and_id() {
    let plan = query_plan(true, &["uuid[]", "bigint", "text[]", "text"], |store| {
        let person =
            Retiree { lms_user_id: Some(LmsUserId(7)), emails: vec![email(7)], username: Some("amy".to_owned()) };
        store.write(|unit| unit.retirement().erase_history(&[], &person, &person.emails)).unwrap();
    });
    for index in ["license_history_by_row", "license_history_by_email", "license_history_by_lms_user"] {
        assert!(plan.contains(index), "{plan}");
    }
}
