//! Counting seats in SQLite: with existing and new history, and without long scans.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use license_manager_domain::LicenseStatus;
use license_manager_domain::ports::StoreExt;
use tempfile::TempDir;

use crate::{Watched, lines, migrated, plans_of, stranger};
use license_manager_contract::fixtures::*;

const UP: &str = include_str!("../../../../migrations/sqlite/2026-11-22-000016_utilization/up.sql");
const DOWN: &str = include_str!("../../../../migrations/sqlite/2026-11-22-000016_utilization/down.sql");

const TOTALS_UP: &str = include_str!("../../../../migrations/sqlite/2026-11-30-000370_seat_totals/up.sql");
const TOTALS_DOWN: &str = include_str!("../../../../migrations/sqlite/2026-11-30-000370_seat_totals/down.sql");

/// The counts of each plan, as a table or view has them.
fn sums_of(connection: &mut SqliteConnection, table: &str) -> Vec<String> {
    let query = format!(
        "SELECT concat_ws(' ', subscription_plan_uuid, sum(unassigned), sum(assigned), sum(activated), sum(revoked)) AS line
         FROM {table} GROUP BY subscription_plan_uuid ORDER BY line"
    );
    lines(connection, &query)
}

/// All counts.
fn counted(connection: &mut SqliteConnection) -> Vec<String> {
    let query = "
        SELECT concat_ws(' ', subscription_plan_uuid, day, unassigned, assigned, activated, revoked) AS line FROM seat_change
        UNION ALL
        SELECT concat_ws(' ', 'activated', subscription_plan_uuid, day, days_assigned, number) FROM seat_activation
        ORDER BY line";
    lines(connection, query)
}

#[test]
fn existing_history_is_counted_like_new_history() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    with_plans(&store);
    put_unassigned(&store, 1, 1..12);
    let address = |number: u128| format!("learner{number}@example.com");
    store
        .write(|unit| {
            let seats: Vec<_> = (1..9).map(|number| assigned(number, 1, &address(number))).collect();
            unit.licenses().save(&seats, &change(2))?;
            let used: Vec<_> = (1..6).map(|number| activated(number, 1, &address(number), number as i64)).collect();
            unit.licenses().save(&used, &change(3))?;
            unit.transfers().move_licenses(&[4, 5, 6].map(license_id), plan_id(2), &change(4))?;
            unit.licenses().save(&[revoked(1, 1, &address(1), 1)], &change(4))?;
            unit.licenses().delete(plan_id(1), LicenseStatus::Revoked, &change(5))?;
            unit.licenses().delete(plan_id(1), LicenseStatus::Unassigned, &change(6))
        })
        .unwrap();
    let mut connection = stranger(&store);
    let by_trigger = counted(&mut connection);
    assert!(by_trigger.len() > 6, "{by_trigger:#?}");
    connection.batch_execute(&format!("BEGIN; {TOTALS_DOWN} {DOWN} {UP} {TOTALS_UP} COMMIT")).unwrap();
    assert_eq!(counted(&mut connection), by_trigger);
    let sums = sums_of(&mut connection, "seat_change");
    assert_eq!(sums_of(&mut connection, "seat_count"), sums);
    assert_eq!(sums_of(&mut connection, "seat_total"), sums);
}

#[test]
fn all_but_the_newest_day_of_a_plan_is_in_its_total() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    with_plans(&store);
    put_unassigned(&store, 1, 1..12);
    put_unassigned(&store, 2, 21..23);
    let save = |number: u128, on: i64| {
        let licenses = [assigned(number, 1, &format!("learner{number}@example.com"))];
        store.write(|unit| unit.licenses().save(&licenses, &change(on))).unwrap();
    };
    for number in 1..7 {
        save(number, 1 + number as i64);
    }
    let mut connection = stranger(&store);
    let days = |connection: &mut SqliteConnection, condition: &str| {
        lines(connection, &format!("SELECT CAST(day AS text) AS line FROM seat_change WHERE {condition}")).len()
    };
    let mut in_total_or_not = || (days(&mut connection, "in_total"), days(&mut connection, "NOT in_total"));
    let fold = |since, limit| store.write(|unit| unit.utilization().fold(since, limit)).unwrap();
    assert_eq!(in_total_or_not(), (0, 8));
    assert_eq!(fold(Some(day(1).date_naive()), 10), 0, "of recent days, nothing is left");
    assert_eq!([fold(None, 4), fold(None, 4), fold(None, 4)], [4, 2, 0]);
    assert_eq!(in_total_or_not(), (6, 2));
    // A day in the total, a new day before the newest one, and a new newest day.
    for (number, on) in [(7, 3), (8, 20), (9, 10)] {
        save(number, on);
    }
    assert_eq!(in_total_or_not(), (6, 4));
    let mut connection = stranger(&store);
    let sums = sums_of(&mut connection, "seat_change");
    assert_eq!(sums_of(&mut connection, "seat_count"), sums);
    assert_eq!(fold(None, 10), 2);
    assert_eq!(sums_of(&mut connection, "seat_count"), sums);
    connection.batch_execute("DELETE FROM seat_change WHERE in_total").unwrap();
    let sums = sums_of(&mut connection, "seat_change");
    assert_eq!(sums_of(&mut connection, "seat_count"), sums);
}

#[test]
fn a_count_reads_the_total_and_what_is_not_in_it() {
    let watched = Watched::new();
    let store = &watched.store;
    with_plans(store);
    put(store, &[assigned(1, 1, "amy@example.com"), assigned(2, 2, "bob@example.com")]);
    for analyzed in [false, true] {
        if analyzed {
            stranger(store).batch_execute("ANALYZE").unwrap();
        }
        for plans in [&[plan_id(1)][..], &[plan_id(1), plan_id(2)]] {
            let steps = plans_of(&watched, || {
                assert_eq!(store.read(|unit| unit.licenses().counts(plans)).unwrap().len(), plans.len());
            });
            let read: Vec<_> =
                steps.iter().filter(|step| step.contains(" seat_change") || step.contains(" seat_total")).collect();
            assert_eq!(
                read,
                [
                    "SEARCH seat_total USING PRIMARY KEY (subscription_plan_uuid=?)",
                    "SEARCH seat_change USING INDEX seat_change_not_in_total (subscription_plan_uuid=?)"
                ],
                "{steps:#?}"
            );
        }
    }
}

#[test]
fn reports_read_only_their_plan() {
    let watched = Watched::new();
    let store = &watched.store;
    with_plans(store);
    put(store, &[assigned(1, 1, "amy@example.com")]);
    for analyzed in [false, true] {
        if analyzed {
            stranger(store).batch_execute("ANALYZE").unwrap();
        }
        let idle = plans_of(&watched, || {
            assert_eq!(store.read(|unit| unit.utilization().idle(plan_id(1), 3)).unwrap().len(), 1);
        });
        assert!(idle.iter().all(|step| step.contains("license_idle")), "{idle:#?}");
        let days = plans_of(&watched, || {
            store.read(|unit| unit.utilization().seat_changes(plan_id(1), day(3).date_naive())).unwrap();
        });
        assert_eq!(days.iter().filter(|step| step.starts_with("SEARCH seat_")).count(), 2, "{days:#?}");
    }
}
