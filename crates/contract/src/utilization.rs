//! Seat usage by day.

use chrono::Duration;
use license_manager_domain::history::Change;
use license_manager_domain::model::{ActivationDelay, Period};
use license_manager_domain::ports::{Retiree, Store, StoreExt};
use license_manager_domain::{Email, License, LicenseCounts, LicenseStatus, LmsUserId};

use super::Database;
use super::concurrency::at_once;
use super::fixtures::*;

/// The unassigned, assigned, activated and revoked seats, or their changes.
type Seats = [i64; 4];

const AMY: &str = "amy@example.com";
const BOB: &str = "bob@example.com";

fn save(store: &dyn Store, licenses: &[License], on: i64) {
    store.write(|unit| unit.licenses().save(licenses, &change(on))).unwrap();
}

fn move_to(store: &dyn Store, number: u128, plan: u128, on: i64) {
    store.write(|unit| unit.transfers().move_licenses(&[license_id(number)], plan_id(plan), &change(on))).unwrap();
}

/// A plan's changes until a day: the day's number, the changes and the activations.
fn changes(store: &dyn Store, plan: u128, last: i64) -> Vec<(i64, Seats, i64)> {
    let changes = store.read(|unit| unit.utilization().seat_changes(plan_id(plan), day(last).date_naive())).unwrap();
    assert!(changes.is_sorted_by(|one, other| one.day < other.day), "{changes:?}");
    let numbers = changes.iter().map(|told| {
        let counts = told.change;
        let seats = [counts.unassigned, counts.assigned, counts.activated, counts.revoked];
        ((told.day - day(0).date_naive()).num_days(), seats, told.activations)
    });
    numbers.filter(|(_, seats, activations)| *seats != [0; 4] || *activations != 0).collect()
}

/// From one day to another: the days from assignment to activation, and the number of activations with that delay.
fn delays(store: &dyn Store, plan: u128, first: i64, last: i64) -> Vec<(i64, i64)> {
    let period = Period { first: day(first).date_naive(), last: day(last).date_naive() };
    let delays = store.read(|unit| unit.utilization().activation_delays(plan_id(plan), period)).unwrap();
    delays.iter().map(|&ActivationDelay { days, activations }| (days, activations)).collect()
}

fn idle(store: &dyn Store, plan: u128, limit: i64) -> Vec<u128> {
    numbers(&store.read(|unit| unit.utilization().idle(plan_id(plan), limit)).unwrap())
}

/// A license that was assigned and activated on these days.
fn activated_on(number: u128, plan: u128, address: &str, assigned: i64, activated: i64) -> License {
    let license = unassigned(number, plan).assign(email(address), key(number), day(assigned)).unwrap();
    license.activate(Some(LmsUserId(number as i64)), day(activated)).unwrap()
}

/// Each day of a report has its own numbers.
pub fn seats_are_counted_on_the_day_they_change(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..4);
    save(&*store, &[assigned(1, 1, AMY), assigned(2, 1, BOB)], 2);
    save(&*store, &[activated(1, 1, AMY, 1)], 3);
    // A reminder or another address does not change the seat.
    save(&*store, &[activated(1, 1, "amy@example.org", 1)], 4);
    save(&*store, &[revoked(1, 1, AMY, 1), unassigned(2, 1)], 9);
    let told = [(1, [3, 0, 0, 0], 0), (2, [-2, 2, 0, 0], 0), (3, [0, -1, 1, 0], 1), (9, [1, -1, -1, 1], 0)];
    assert_eq!(changes(&*store, 1, 9), told);
    assert_eq!(changes(&*store, 1, 8), told[..3], "only until then");
    assert_eq!((changes(&*store, 2, 9), changes(&*store, 99, 9)), (vec![], vec![]));
}

/// Several changes on one day lose none.
pub fn changes_of_one_day_add_up(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..3);
    let evening = day(2) + Duration::hours(23);
    let at_evening = Change { at: evening, ..change(2) };
    save(&*store, &[assigned(1, 1, AMY)], 2);
    let late = assigned(1, 1, AMY).activate(Some(LmsUserId(1)), evening).unwrap();
    store.write(|unit| unit.licenses().save(std::slice::from_ref(&late), &at_evening)).unwrap();
    store.write(|unit| unit.licenses().save(&[unassigned(1, 1)], &at_evening)).unwrap();
    save(&*store, &[assigned(2, 1, BOB)], 2);
    assert_eq!(changes(&*store, 1, 2), [(1, [2, 0, 0, 0], 0), (2, [-1, 1, 0, 0], 1)]);
    assert_eq!(delays(&*store, 1, 2, 2), [(0, 1)]);
}

/// What was added up counts as before, on the days that were asked for and on all others.
pub fn adding_up_changes_no_sum(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..25);
    for (on, numbers) in [(2, 1..13), (5, 13..25)] {
        for number in numbers {
            let address = format!("learner{number}@example.com");
            save(&*store, &[activated_on(number, 1, &address, on, on)], on);
        }
    }
    let told = || (changes(&*store, 1, 9), delays(&*store, 1, 0, 9));
    let before = told();
    assert_eq!(before.0, [(1, [24, 0, 0, 0], 0), (2, [-12, 0, 12, 0], 12), (5, [-12, 0, 12, 0], 12)]);
    for since in [Some(day(3).date_naive()), None] {
        store.write(|unit| unit.utilization().fold(since, 100)).unwrap();
        assert_eq!(told(), before);
    }
}

/// The counts of a plan.
fn counted(store: &dyn Store, plan: u128) -> Seats {
    let counts = store.read(|unit| unit.licenses().counts(&[plan_id(plan)])).unwrap();
    let LicenseCounts { unassigned, assigned, activated, revoked } =
        counts.get(&plan_id(plan)).copied().unwrap_or_default();
    [unassigned, assigned, activated, revoked]
}

/// Days that were added up may still change, and work that adds up may fail.
pub fn a_count_is_exact_whatever_was_added_up(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..25);
    for (on, numbers) in [(2, 1..11), (4, 11..20), (6, 20..22)] {
        for number in numbers {
            save(&*store, &[assigned(number, 1, &format!("learner{number}@example.com"))], on);
        }
    }
    let fold = || store.write(|unit| unit.utilization().fold(None, 100)).unwrap();
    let both = || (counted(&*store, 1), counted(&*store, 2));
    for _ in 0..2 {
        assert_eq!(both(), ([3, 21, 0, 0], [0; 4]));
        fold();
    }
    save(&*store, &[assigned(22, 1, AMY)], 4);
    move_to(&*store, 1, 2, 3);
    for _ in 0..2 {
        assert_eq!(both(), ([2, 21, 0, 0], [0, 1, 0, 0]));
        let failed = store.write(|unit| {
            unit.utilization().fold(None, 100)?;
            Err::<(), _>(license_manager_domain::Error::internal("on purpose"))
        });
        assert!(failed.is_err());
        assert_eq!(both(), ([2, 21, 0, 0], [0, 1, 0, 0]));
        fold();
    }
    store.write(|unit| unit.licenses().delete(plan_id(1), LicenseStatus::Unassigned, &change(2))).unwrap();
    for _ in 0..2 {
        assert_eq!(both(), ([0, 21, 0, 0], [0, 1, 0, 0]));
        fold();
    }
}

/// Whoever counts sees neither a seat twice nor a seat less.
pub fn a_count_is_exact_while_others_add_up(db: &dyn Database) {
    const SEATS: u128 = 24;
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..1 + SEATS);
    at_once(3, |thread| match thread {
        0 => {
            for number in 1..=SEATS / 2 {
                let license = assigned(number, 1, &format!("learner{number}@example.com"));
                save(&*store, &[license], 2 + number as i64 % 3);
            }
        }
        1 => {
            for _ in 0..20 {
                store.write(|unit| unit.utilization().fold(None, 100)).unwrap();
            }
        }
        _ => {
            for _ in 0..40 {
                assert_eq!(counted(&*store, 1).iter().sum::<i64>(), SEATS as i64);
            }
        }
    });
    assert_eq!(counted(&*store, 1), [12, 12, 0, 0]);
}

/// Reports are the same wherever the server stands.
pub fn a_day_ends_at_midnight_in_utc(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let midnight = day(5).date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    for (number, at) in [(1, midnight - Duration::microseconds(1)), (2, midnight)] {
        let change = Change { at, ..change(0) };
        store.write(|unit| unit.licenses().add_unassigned(plan_id(1), &[license_id(number)], &change)).unwrap();
    }
    assert_eq!(changes(&*store, 1, 9), [(4, [1, 0, 0, 0], 0), (5, [1, 0, 0, 0], 0)]);
}

/// A license that moved counts in one plan at a time.
pub fn a_license_counts_in_a_plan_while_it_is_there(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..3);
    save(&*store, &[assigned(1, 1, AMY)], 2);
    move_to(&*store, 1, 2, 4);
    // Changes in the other plan count there.
    save(&*store, &[activated_on(1, 2, AMY, 2, 5)], 5);
    move_to(&*store, 1, 1, 8);
    let of_first = [(1, [2, 0, 0, 0], 0), (2, [-1, 1, 0, 0], 0), (4, [0, -1, 0, 0], 0), (8, [0, 0, 1, 0], 0)];
    assert_eq!(changes(&*store, 1, 9), of_first);
    assert_eq!(changes(&*store, 2, 9), [(4, [0, 1, 0, 0], 0), (5, [0, -1, 1, 0], 1), (8, [0, 0, -1, 0], 0)]);
    assert_eq!((delays(&*store, 1, 0, 9), delays(&*store, 2, 0, 9)), (vec![], vec![(3, 1)]));
}

/// A deletion does not change the past.
pub fn a_deleted_license_counts_until_then(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..4);
    save(&*store, &[revoked(1, 1, AMY, 1)], 4);
    for (status, on) in [(LicenseStatus::Unassigned, 5), (LicenseStatus::Revoked, 6)] {
        store.write(|unit| unit.licenses().delete(plan_id(1), status, &change(on))).unwrap();
    }
    let told = changes(&*store, 1, 9);
    assert_eq!(told[1..], [(4, [-1, 0, 0, 1], 0), (5, [-2, 0, 0, 0], 0), (6, [0, 0, 0, -1], 0)]);
}

/// Renewals do not inflate activations.
pub fn only_who_activates_a_license_counts_as_an_activation(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..5);
    // Activated at once; activated, revoked and reverted; renewed, with an activation date other than the time of the
    // change.
    save(&*store, &[activated_on(1, 1, AMY, 3, 3), assigned(2, 1, BOB)], 3);
    let used = activated_on(2, 1, BOB, 2, 4);
    save(&*store, std::slice::from_ref(&used), 4);
    save(&*store, &[used.clone().revoke(day(5)).unwrap()], 5);
    save(&*store, std::slice::from_ref(&used), 6);
    save(&*store, &[activated_on(3, 1, "eve@example.com", 7, 1)], 7);
    let renewed = activated_on(9, 1, "fay@example.com", 7, 7);
    store.write(|unit| unit.licenses().add(std::slice::from_ref(&renewed), &change(7))).unwrap();
    let activations: Vec<_> =
        changes(&*store, 1, 9).into_iter().map(|(on, [_, _, now, _], new)| (on, now, new)).collect();
    assert_eq!(activations, [(1, 0, 0), (3, 1, 1), (4, 1, 1), (5, -1, 0), (6, 1, 0), (7, 2, 0)]);
    assert_eq!(delays(&*store, 1, 0, 9), [(0, 1), (2, 1)]);
}

/// It is known how long learners took.
pub fn delays_are_those_of_the_activations_of_a_period(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..5);
    for (number, address, assigned, activated) in
        [(1, "a@example.com", 2, 4), (2, "b@example.com", 2, 5), (3, "c@example.com", 3, 5), (4, "d@example.com", 2, 7)]
    {
        let license = activated_on(number, 1, address, assigned, activated);
        let seat = unassigned(number, 1).assign(email(address), key(number), day(assigned)).unwrap();
        save(&*store, &[seat], assigned);
        save(&*store, &[license], activated);
    }
    assert_eq!(delays(&*store, 1, 0, 9), [(2, 2), (3, 1), (5, 1)]);
    assert_eq!(delays(&*store, 1, 5, 6), [(2, 1), (3, 1)]);
    assert_eq!(delays(&*store, 1, 6, 6), []);
    let partly = day(2) + Duration::hours(47);
    let seat = unassigned(4, 1).assign(email("f@example.com"), key(4), day(2)).unwrap();
    save(&*store, &[unassigned(4, 1)], 2);
    let late = Change { at: partly, ..change(2) };
    store.write(|unit| unit.licenses().save(&[seat.clone().activate(None, partly)?], &late)).unwrap();
    assert_eq!(delays(&*store, 1, 3, 3), [(1, 1)], "days are whole");
    put_unassigned(&*store, 1, 5..6);
    let seat = unassigned(5, 1).assign(email("g@example.com"), key(5), day(8)).unwrap();
    save(&*store, std::slice::from_ref(&seat), 8);
    let early = Change { at: day(8) - Duration::seconds(1), ..change(8) };
    store.write(|unit| unit.licenses().save(&[seat.clone().activate(None, early.at)?], &early)).unwrap();
    assert_eq!(delays(&*store, 1, 7, 7), [(0, 1), (5, 1)], "clocks of two servers differ a little");
}

/// Personal data goes, and the numbers stay right.
pub fn retiring_somebody_changes_nothing_of_what_was(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..2);
    save(&*store, &[assigned(1, 1, AMY)], 2);
    save(&*store, &[activated(1, 1, AMY, 7)], 3);
    let before = (changes(&*store, 1, 9), delays(&*store, 1, 0, 9));
    let person =
        Retiree { lms_user_id: Some(LmsUserId(7)), emails: vec![email(AMY)], username: Some("amy".to_owned()) };
    let emails: Vec<Email> = vec![email(AMY)];
    store
        .write(|unit| {
            unit.retirement().erase_history(&[license_id(1)], &person, &emails)?;
            unit.purge().erase_traces(&[license_id(1)], &emails)
        })
        .unwrap();
    assert_eq!((changes(&*store, 1, 9), delays(&*store, 1, 0, 9)), before);
}

/// Reports tell what happened.
pub fn work_that_failed_counts_nothing(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..2);
    let before = changes(&*store, 1, 9);
    let failed = store.write(|unit| {
        unit.licenses().save(&[assigned(1, 1, AMY)], &change(2))?;
        Err::<(), _>(license_manager_domain::Error::internal("on purpose"))
    });
    assert!(failed.is_err());
    assert_eq!(changes(&*store, 1, 9), before);
}

/// Admins see which seats to take back first.
pub fn the_seats_assigned_longest_ago_are_idle_longest(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..7);
    let seat = |number: u128, on| {
        let address = format!("learner{number}@example.com");
        unassigned(number, 1).assign(email(&address), key(number), day(on)).unwrap()
    };
    save(&*store, &[seat(4, 3), seat(2, 5), seat(1, 5), seat(5, 4), activated(3, 1, AMY, 1)], 6);
    put(&*store, &[assigned(9, 2, AMY)]);
    assert_eq!(idle(&*store, 1, 10), [4, 5, 1, 2]);
    assert_eq!(idle(&*store, 1, 3), [4, 5, 1]);
    assert_eq!((idle(&*store, 2, 10), idle(&*store, 3, 10)), (vec![9], vec![]));
    let first = store.read(|unit| unit.utilization().idle(plan_id(1), 1)).unwrap();
    assert_eq!(first, [seat(4, 3)]);
}

/// Concurrent changes lose no count.
pub fn what_many_change_at_once_is_all_counted(db: &dyn Database) {
    const MANY: usize = 8;
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..40);
    // Each takes three seats, then they write one more in turns.
    at_once(MANY, |thread| {
        for round in 0..3 {
            let address = format!("learner{thread}-{round}@example.com");
            store
                .write(|unit| {
                    let license = unit.licenses().claim_unassigned(plan_id(1), 1)?.remove(0);
                    let number = license.id.0.as_u128() % 1_000;
                    let license = license.assign(email(&address), key(number), day(2))?;
                    unit.licenses().save(&[license], &change(2))
                })
                .unwrap();
        }
        store
            .write(|unit| {
                let license = unit.licenses().find_by_ids(&[license_id(1)])?.remove(0);
                let next = match license.status() {
                    LicenseStatus::Assigned => license.activate(None, day(3))?,
                    LicenseStatus::Activated => license.reset(day(3))?,
                    _ => license.assign(email(AMY), key(1), day(3))?,
                };
                unit.licenses().save(&[next], &change(3))
            })
            .unwrap();
    });
    let told = changes(&*store, 1, 3);
    let sum = told.iter().fold([0; 4], |sum, (_, seats, _)| std::array::from_fn(|at| sum[at] + seats[at]));
    let counts = store.read(|unit| unit.licenses().counts(&[plan_id(1)])).unwrap()[&plan_id(1)];
    assert_eq!(sum, [counts.unassigned, counts.assigned, counts.activated, counts.revoked]);
}

/// The number of licenses is bounded by no limit of the database.
pub fn thousands_are_counted_at_once(db: &dyn Database) {
    const NUMBER: u128 = 6_000;
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 0..NUMBER);
    let licenses: Vec<License> =
        (0..NUMBER).map(|number| assigned(number, 1, &format!("learner{number}@example.com"))).collect();
    save(&*store, &licenses, 2);
    let number = NUMBER as i64;
    assert_eq!(changes(&*store, 1, 2), [(1, [number, 0, 0, 0], 0), (2, [-number, number, 0, 0], 0)]);
}
