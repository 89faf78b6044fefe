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
    connection.batch_execute(&format!("BEGIN; {DOWN} {UP} COMMIT")).unwrap();
    assert_eq!(counted(&mut connection), by_trigger);
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
