//! Counting seats in Postgres: with existing and new history, and without long scans.

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use license_manager_domain::ports::StoreExt;

use super::*;
use crate::query_plans::query_plan;
use crate::support::postgres_store;

const UP: &str = include_str!("../../../../migrations/postgres/2026-11-22-000016_utilization/up.sql");
const DOWN: &str = include_str!("../../../../migrations/postgres/2026-11-22-000016_utilization/down.sql");

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// The sum of all counts.
fn counted(connection: &mut PgConnection) -> Vec<String> {
    let query = "
        SELECT concat_ws(' ', subscription_plan_uuid, day, sum(unassigned), sum(assigned), sum(activated), sum(revoked)) AS line
        FROM seat_change GROUP BY subscription_plan_uuid, day
        UNION ALL
        SELECT concat_ws(' ', 'activated', subscription_plan_uuid, day, days_assigned, sum(number))
        FROM seat_activation GROUP BY subscription_plan_uuid, day, days_assigned
        ORDER BY line";
    let lines: Vec<Line> = diesel::sql_query(query).load(connection).unwrap();
    lines.into_iter().map(|row| row.line).collect()
}

#[test]
fn existing_history_is_counted_like_new_history() {
    let (store, database) = postgres_store();
    provision(&store, 12);
    let other = SubscriptionPlan { id: PlanId(Uuid::from_u128(0xF)), title: "Other".to_owned(), ..plan() };
    let later = |days| Actor::service().change(now() + chrono::Duration::days(days));
    store
        .write(|unit| {
            unit.plans().add(&other, &change())?;
            let licenses = hand_out(unit, 0..8)?;
            let at = later(3).at;
            let used: Result<Vec<_>, _> =
                licenses[..5].iter().cloned().map(|license| license.activate(None, at)).collect();
            unit.licenses().save(&used?, &later(3))?;
            let moved: Vec<_> = licenses[3..7].iter().map(|license| license.id).collect();
            unit.transfers().move_licenses(&moved, other.id, &later(4))?;
            let mut revoked = unit.licenses().find_by_ids(&[licenses[0].id])?;
            let license = revoked.remove(0).revoke(later(5).at)?;
            unit.licenses().save(&[license], &later(5))?;
            unit.licenses().delete(PLAN, LicenseStatus::Revoked, &later(6))?;
            unit.licenses().delete(PLAN, LicenseStatus::Unassigned, &later(6))
        })
        .unwrap();
    let mut connection = database.connection();
    let by_trigger = counted(&mut connection);
    assert!(by_trigger.len() > 6, "{by_trigger:#?}");
    connection.batch_execute(&format!("BEGIN; {DOWN} {UP} COMMIT")).unwrap();
    let by_migration: Vec<_> = counted(&mut connection);
    let changed = |lines: Vec<String>| lines.into_iter().filter(|line| !line.ends_with(" 0 0 0 0")).collect::<Vec<_>>();
    assert_eq!(changed(by_migration), changed(by_trigger));
}

#[test]
fn reports_read_only_their_plan() {
    let idle = query_plan(true, &["uuid", "bigint"], |store| {
        assert_eq!(store.read(|unit| unit.utilization().idle(PLAN, 3)).unwrap().len(), 3);
    });
    assert!(idle.contains("license_idle") && !idle.contains("Sort"), "{idle}");
    let days = query_plan(false, &["uuid", "date"], |store| {
        let changes = store.read(|unit| unit.utilization().seat_changes(PLAN, now().date_naive()));
        assert_eq!(changes.unwrap().len(), 1);
    });
    assert!(days.contains("seat_change_by_plan") && days.contains("seat_activation_by_plan"), "{days}");
}

#[test]
fn counts_are_added_up_by_plan_and_day() {
    let (store, database) = postgres_store();
    provision(&store, 40);
    for number in 0..20 {
        store.write(|unit| hand_out(unit, number..number + 1)).unwrap();
    }
    let mut connection = database.connection();
    let rows = |connection: &mut PgConnection| -> i64 {
        diesel::sql_query("SELECT count(*) AS number FROM seat_change").get_result::<Number>(connection).unwrap().number
    };
    let (before, number_before) = (counted(&mut connection), rows(&mut connection));
    assert!(number_before > 20, "{number_before}");
    let counts = || store.read(|unit| unit.licenses().counts(&[PLAN])).unwrap().remove(&PLAN).unwrap();
    assert_eq!((counts().unassigned, counts().assigned), (20, 20));
    assert_eq!(store.write(|unit| unit.utilization().fold(10)), Ok(1));
    assert_eq!((counted(&mut connection), rows(&mut connection)), (before, 1));
    assert_eq!((counts().unassigned, counts().assigned), (20, 20));
    assert_eq!(store.write(|unit| unit.utilization().fold(10)), Ok(0), "nothing is left to add up");
    // What is added meanwhile stays, and only one process adds up at a time.
    for number in 20..30 {
        store.write(|unit| hand_out(unit, number..number + 1)).unwrap();
    }
    store
        .write(|unit| {
            assert_eq!(unit.utilization().fold(10), Ok(1));
            store.write(|unit| hand_out(unit, 30..31)).unwrap();
            assert_eq!(store.write(|unit| unit.utilization().fold(10)), Ok(0));
            Ok(())
        })
        .unwrap();
    assert_eq!(rows(&mut connection), 2);
    assert_eq!((counts().unassigned, counts().assigned), (9, 31));
}

#[test]
fn counts_read_no_license() {
    let plan = query_plan(false, &["uuid"], |store| {
        assert_eq!(store.read(|unit| unit.licenses().counts(&[PLAN])).unwrap().len(), 1);
    });
    assert!(plan.contains("seat_change") && !plan.contains("on license"), "{plan}");
}
