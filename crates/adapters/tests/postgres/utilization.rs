//! Counting seats in Postgres: with existing and new history, and without long scans.

use std::sync::Mutex;

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use license_manager_domain::ports::{CustomerScope, LicenseFilter, LicenseSearch, StoreExt};

use super::*;
use crate::query_plans::query_plan;
use crate::support::postgres_store;

const UP: &str = include_str!("../../../../migrations/postgres/2026-11-22-000016_utilization/up.sql");
const DOWN: &str = include_str!("../../../../migrations/postgres/2026-11-22-000016_utilization/down.sql");
const TOTALS_UP: &str = include_str!("../../../../migrations/postgres/2026-11-30-000370_seat_totals/up.sql");
const TOTALS_DOWN: &str = include_str!("../../../../migrations/postgres/2026-11-30-000370_seat_totals/down.sql");

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

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    text: String,
}

/// How Postgres explains the first statement of `work` about counts of seats, with parameters of these types and values, in a
/// database in which the seats of many plans changed on many days.
fn plan_of_many_days(explain: &str, parameters: &[(&str, &str)], work: impl Fn(&PostgresStore)) -> String {
    let database = PostgresDatabase::create();
    let statements = Arc::new(Mutex::new(Vec::new()));
    let told = statements.clone();
    let store = database.observed_store(move |statement| told.lock().unwrap().push(statement.to_owned()));
    database.execute(
        "INSERT INTO seat_change (subscription_plan_uuid, day, unassigned, assigned, activated, revoked, in_total)
         SELECT lpad(to_hex(plan), 32, '0')::uuid, date '2030-01-01' + day, 1, 0, 0, 0, true
         FROM generate_series(1, 50) AS day, generate_series(1, 2000) AS plan ORDER BY day;
         INSERT INTO seat_total (subscription_plan_uuid, unassigned, assigned, activated, revoked)
         SELECT subscription_plan_uuid, sum(unassigned), 0, 0, 0 FROM seat_change GROUP BY subscription_plan_uuid",
    );
    database.execute("VACUUM ANALYZE seat_change");
    database.execute("ANALYZE seat_total");
    database.execute(&format!(
        "INSERT INTO seat_change (subscription_plan_uuid, day, unassigned, assigned, activated, revoked)
         SELECT lpad(to_hex(plan), 32, '0')::uuid, date '2030-02-01' + plan, 1, 0, 0, 0 FROM generate_series(1, {NOT_IN_TOTAL}) AS plan"
    ));
    statements.lock().unwrap().clear();
    work(&store);
    let statements = std::mem::take(&mut *statements.lock().unwrap());
    let statement = statements.iter().find(|statement| statement.contains("seat_c")).expect("it was run");
    let mut connection = database.connection();
    let (types, values): (Vec<&str>, Vec<&str>) = parameters.iter().copied().unzip();
    let listed = |list: &[&str]| if list.is_empty() { String::new() } else { format!("({})", list.join(", ")) };
    for command in [
        "SET plan_cache_mode = force_generic_plan".to_owned(),
        format!("PREPARE observed {} AS {statement}", listed(&types)),
    ] {
        diesel::sql_query(command).execute(&mut connection).unwrap();
    }
    let explain = format!("{explain} EXECUTE observed {}", listed(&values));
    let steps: Vec<Step> = diesel::sql_query(explain).load(&mut connection).unwrap();
    steps.into_iter().map(|step| step.text + "\n").collect()
}

/// How many rows are in no total there.
const NOT_IN_TOTAL: i64 = 3;

/// How many rows of tables a plan read, as `EXPLAIN ANALYZE` tells.
fn rows_read(plan: &str) -> i64 {
    let after = |line: &str, name: &str| {
        let (_, rest) = line.split_once(name)?;
        rest.split([' ', ')', '.']).next()?.parse::<i64>().ok()
    };
    let of_line = |line: &str| {
        let removed = after(line, "Rows Removed by Filter: ").unwrap_or(0);
        let is_of_table = line.contains(" on seat_") && !line.contains("Bitmap Index Scan");
        let found = after(line, "(actual rows=").zip(after(line, " loops=")).filter(|_| is_of_table);
        removed + found.map_or(0, |(rows, loops)| rows * loops)
    };
    plan.lines().map(of_line).sum()
}

/// The counts of each plan, as a table or view has them.
fn sums_of(connection: &mut PgConnection, table: &str) -> Vec<String> {
    let query = format!(
        "SELECT concat_ws(' ', subscription_plan_uuid, sum(unassigned), sum(assigned), sum(activated), sum(revoked)) AS line
         FROM {table} GROUP BY subscription_plan_uuid ORDER BY line"
    );
    let lines: Vec<Line> = diesel::sql_query(query).load(connection).unwrap();
    lines.into_iter().map(|row| row.line).collect()
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
    connection.batch_execute(&format!("BEGIN; {TOTALS_DOWN} {DOWN} {UP} {TOTALS_UP} COMMIT")).unwrap();
    let by_migration: Vec<_> = counted(&mut connection);
    let changed = |lines: Vec<String>| lines.into_iter().filter(|line| !line.ends_with(" 0 0 0 0")).collect::<Vec<_>>();
    assert_eq!(changed(by_migration), changed(by_trigger));
    let sums = sums_of(&mut connection, "seat_change");
    assert_eq!(sums_of(&mut connection, "seat_count"), sums);
    assert_eq!(sums_of(&mut connection, "seat_total"), sums);
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
    assert_eq!(store.write(|unit| unit.utilization().fold(None, 10)), Ok(21));
    assert_eq!((counted(&mut connection), rows(&mut connection)), (before, 1));
    assert_eq!((counts().unassigned, counts().assigned), (20, 20));
    assert_eq!(store.write(|unit| unit.utilization().fold(None, 10)), Ok(0), "nothing is left to add up");
    // What is added meanwhile stays, and only one process adds up at a time.
    for number in 20..30 {
        store.write(|unit| hand_out(unit, number..number + 1)).unwrap();
    }
    store
        .write(|unit| {
            assert_eq!(unit.utilization().fold(None, 10), Ok(11));
            store.write(|unit| hand_out(unit, 30..31)).unwrap();
            assert_eq!(store.write(|unit| unit.utilization().fold(None, 10)), Ok(0));
            Ok(())
        })
        .unwrap();
    assert_eq!(rows(&mut connection), 2);
    assert_eq!((counts().unassigned, counts().assigned), (9, 31));
    assert_eq!(number(&database, "SELECT count(*) AS number FROM seat_change WHERE NOT in_total"), 1);
}

/// A server of the version before adds up the rows of a day, and knows no totals.
#[test]
fn a_row_that_was_in_a_total_may_be_replaced_or_changed() {
    let (store, database) = postgres_store();
    provision(&store, 40);
    store.write(|unit| hand_out(unit, 0..5)).unwrap();
    assert_eq!(store.write(|unit| unit.utilization().fold(None, 10)), Ok(2));
    store.write(|unit| hand_out(unit, 5..9)).unwrap();
    let mut connection = database.connection();
    let sums = sums_of(&mut connection, "seat_change");
    assert_eq!(sums_of(&mut connection, "seat_count"), sums);
    database.execute(
        "WITH taken AS (
             DELETE FROM seat_change RETURNING subscription_plan_uuid, day, unassigned, assigned, activated, revoked
         )
         INSERT INTO seat_change (subscription_plan_uuid, day, unassigned, assigned, activated, revoked)
         SELECT subscription_plan_uuid, day, sum(unassigned), sum(assigned), sum(activated), sum(revoked)
         FROM taken GROUP BY subscription_plan_uuid, day",
    );
    assert_eq!(number(&database, "SELECT count(*) AS number FROM seat_change WHERE NOT in_total"), 1);
    assert_eq!(sums_of(&mut connection, "seat_count"), sums);
    assert_eq!(store.write(|unit| unit.utilization().fold(None, 10)), Ok(1));
    assert_eq!(sums_of(&mut connection, "seat_count"), sums);
    database.execute("UPDATE seat_change SET assigned = assigned + 1");
    let sums = sums_of(&mut connection, "seat_change");
    assert_eq!(sums_of(&mut connection, "seat_total"), sums);
    database.execute("UPDATE seat_change SET in_total = false");
    assert_eq!(sums_of(&mut connection, "seat_count"), sums);
}

#[test]
fn a_job_that_freezes_ends_where_more_licenses_were_counted_than_there_are() {
    let (store, database) = postgres_store();
    provision(&store, 9);
    let freezable = SubscriptionPlan { can_freeze_unused_licenses: true, ..plan() };
    store.write(|unit| unit.plans().save(&freezable, &change())).unwrap();
    database.execute("UPDATE seat_change SET unassigned = unassigned + 1000000");
    let manager = manager(store.clone());
    manager.freeze(&Actor::service(), PLAN).unwrap();
    // The first batch deletes them all, the next one finds none after them, and the last one finds none at all.
    assert_eq!((0..9).take_while(|_| manager.run_next_job().unwrap()).count(), 3);
    assert_eq!(number(&database, "SELECT count(*) AS number FROM license"), 0);
}

#[test]
fn only_recent_days_are_added_up_if_that_is_asked_for() {
    let (store, database) = postgres_store();
    provision(&store, 40);
    let hand_out_one_by_one = |learners: std::ops::Range<usize>| {
        for learner in learners {
            store.write(|unit| hand_out(unit, learner..learner + 1)).unwrap();
        }
    };
    hand_out_one_by_one(0..10);
    database.execute("UPDATE seat_change SET day = day - 3");
    hand_out_one_by_one(10..20);
    let rows = || number(&database, "SELECT count(*) AS number FROM seat_change");
    let fold = |since| store.write(|unit| unit.utilization().fold(since, 10)).unwrap();
    let recent = Some(now().date_naive() - chrono::Duration::days(2));
    assert_eq!(rows(), 21);
    assert_eq!((fold(recent), rows()), (10, 12));
    assert_eq!((fold(recent), rows()), (0, 12));
    assert_eq!((fold(None), rows()), (11, 2), "all rows of a day, even beyond the limit");
}

#[test]
fn adding_up_recent_days_reads_no_others() {
    let parameters = [("bigint", "NULL"), ("bigint", "NULL"), ("date", "NULL")];
    let plan = plan_of_many_days("EXPLAIN", &parameters, |store| {
        assert_eq!(store.write(|unit| unit.utilization().fold(Some(now().date_naive()), 10)), Ok(0));
    });
    for index in ["seat_change_not_in_total", "seat_change_by_plan", "Tid Scan"] {
        assert!(plan.contains(index), "{plan}");
    }
    assert!(!plan.contains("Seq Scan on seat_change"), "{plan}");
}

#[test]
fn a_count_reads_the_total_and_what_is_not_in_it() {
    let numbers = 1..=1000;
    let ids: Vec<String> = numbers.clone().map(|number| format!("'{}'", Uuid::from_u128(number))).collect();
    let ids = format!("ARRAY[{}]::uuid[]", ids.join(", "));
    let explain = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)";
    let counted = plan_of_many_days(explain, &[("uuid[]", ids.as_str())], |store| {
        let plans: Vec<PlanId> = numbers.clone().map(|number| PlanId(Uuid::from_u128(number))).collect();
        assert_eq!(store.read(|unit| unit.licenses().counts(&plans)).unwrap().len(), plans.len());
    });
    assert_eq!(rows_read(&counted), 1000 + NOT_IN_TOTAL, "{counted}");
    let of_one = plan_of_many_days(explain, &[("uuid", "'00000000-0000-0000-0000-000000000001'")], |store| {
        let plan = PlanId(Uuid::from_u128(1));
        assert_eq!(store.read(|unit| unit.licenses().counts(&[plan])).unwrap()[&plan].unassigned, 51);
    });
    assert_eq!(rows_read(&of_one), 2, "{of_one}");
    let of_all = plan_of_many_days(explain, &[], |store| {
        let (scope, filter) = (CustomerScope::All, LicenseFilter::default());
        let search = LicenseSearch { scope, customer: None, plan: None, filter };
        assert_eq!(store.read(|unit| unit.lookups().count(&search)), Ok(100_003));
    });
    assert_eq!(rows_read(&of_all), 2000 + NOT_IN_TOTAL, "{of_all}");
}

#[test]
fn counts_read_no_license() {
    let plan = query_plan(false, &["uuid"], |store| {
        assert_eq!(store.read(|unit| unit.licenses().counts(&[PLAN])).unwrap().len(), 1);
    });
    assert!(plan.contains("seat_change") && !plan.contains("on license"), "{plan}");
}
