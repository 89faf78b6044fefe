//! How the seats of a plan are used, as its admins are told.

use crate::support::*;
use chrono::{Duration, NaiveDate};
use license_manager_domain::model::{Period, SeatDay, TransferOrder, TransferredLicenses};
use license_manager_domain::*;

/// The day that is so many days after the story's beginning.
fn day(number: i64) -> NaiveDate {
    (beginning() + Duration::days(number)).date_naive()
}

/// Makes the story go on, so many days after its beginning.
fn on(world: &World, number: i64) {
    world.clock.advance(beginning() + Duration::days(number) - world.manager.now());
}

fn period(world: &World, plan: PlanId) -> Option<Period> {
    world.manager.utilization_period(plan, None, None).unwrap().1
}

/// Of every day until today: the seats that are unassigned, assigned, activated and revoked, and the activations.
fn told(world: &World, plan: PlanId) -> Vec<[i64; 5]> {
    let days = world.manager.seat_days(plan, period(world, plan).unwrap()).unwrap();
    let numbers = |day: SeatDay| {
        let LicenseCounts { unassigned, assigned, activated, revoked } = day.counts;
        [unassigned, assigned, activated, revoked, day.activations]
    };
    days.into_iter().map(numbers).collect()
}

#[test]
fn every_day_tells_how_the_seats_stood_at_its_end() {
    let world = World::new();
    let plan = world.plan(5);
    on(&world, 1);
    world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    on(&world, 3);
    world.activate(plan, "eve@example.com", 7);
    world.revoke(plan, &["bob@example.com"]).unwrap();
    let expected = [[5, 0, 0, 0, 0], [3, 2, 0, 0, 0], [3, 2, 0, 0, 0], [3, 1, 1, 1, 1]];
    assert_eq!(told(&world, plan), expected, "a revoked seat was replaced");
    let counts = world.counts(plan);
    assert_eq!([counts.unassigned, counts.assigned, counts.activated, counts.revoked], [3, 1, 1, 1]);
    on(&world, 4);
    assert_eq!(told(&world, plan)[4], [3, 1, 1, 1, 0]);
}

#[test]
fn a_report_is_about_the_days_of_the_plan_until_today() {
    let world = World::new();
    let mut new = world.new_plan("Later", 2);
    (new.start_date, new.expiration_date) = (beginning() + Duration::days(2), beginning() + Duration::days(10));
    let plan = world.create(new).unwrap();
    assert_eq!(period(&world, plan), None, "it has not started");
    on(&world, 1);
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    on(&world, 3);
    assert_eq!(told(&world, plan), [[1, 1, 0, 0, 0]; 2], "what was before is where it starts");
    on(&world, 12);
    world.revoke(plan, &["amy@example.com"]).unwrap();
    assert_eq!(period(&world, plan), Some(Period { first: day(2), last: day(10) }));
    assert_eq!(told(&world, plan), [[1, 1, 0, 0, 0]; 9], "what comes after its end is not told");

    let asked = |from: i64, to: i64| world.manager.utilization_period(plan, Some(day(from)), Some(day(to))).unwrap().1;
    assert_eq!(asked(4, 6), Some(Period { first: day(4), last: day(6) }));
    assert_eq!(asked(0, 20), Some(Period { first: day(2), last: day(10) }));
    assert_eq!((asked(0, 1), asked(11, 20)), (None, None));
    let unknown = world.manager.utilization_period(PlanId(uuid::Uuid::nil()), None, None);
    assert_eq!(unknown.unwrap_err(), Error::NotFound(Entity::Plan));
}

#[test]
fn of_a_plan_without_end_the_last_ten_years_are_told() {
    let world = World::new();
    let mut new = world.new_plan("Endless", 1);
    (new.start_date, new.expiration_date) =
        (beginning() - Duration::days(700_000), beginning() + Duration::days(9_000));
    let plan = world.create(new).unwrap();
    assert_eq!(period(&world, plan), Some(Period { first: day(-3_659), last: day(0) }));
    assert_eq!(told(&world, plan).len(), 3_660);
}

#[test]
fn how_long_activations_took_is_told() {
    let world = World::new();
    let plan = world.plan(4);
    for learner in ["amy@example.com", "bob@example.com", "eve@example.com"] {
        world.assign(plan, &learners([learner])).unwrap();
    }
    for (number, learner) in [(1, "amy@example.com"), (2, "bob@example.com"), (9, "eve@example.com")] {
        on(&world, number);
        world.activate(plan, learner, number);
    }
    let delays = world.manager.activation_delays(plan, period(&world, plan).unwrap()).unwrap();
    assert_eq!((delays.activations(), delays.mean()), (3, Some(4.0)));
    assert_eq!((delays.percentile(50), delays.percentile(90)), (Some(2), Some(9)));
    let early = Period { first: day(0), last: day(1) };
    assert_eq!(world.manager.activation_delays(plan, early).unwrap().activations(), 1);
}

#[test]
fn who_activates_again_after_a_revert_is_counted_once() {
    let world = World::new();
    let plan = world.plan(2);
    world.activate(plan, "amy@example.com", 7);
    let good = world.manager.now();
    on(&world, 1);
    world.revoke(plan, &["amy@example.com"]).unwrap();
    on(&world, 2);
    let request = RevertRequest::new(plan, good);
    world.manager.revert(&admin(), &request).unwrap();
    assert_eq!(told(&world, plan), [[1, 0, 1, 0, 1], [2, 0, 0, 1, 0], [1, 0, 1, 0, 0]]);
}

#[test]
fn a_renewal_begins_with_what_it_carries_over() {
    let world = World::new();
    let plan = world.plan(3);
    world.activate(plan, "amy@example.com", 7);
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    on(&world, 99);
    let renewal = world.schedule(&world.terms(plan, 4));
    let following = world.renew(renewal).unwrap();
    on(&world, 101);
    assert_eq!(told(&world, following), [[2, 1, 1, 0, 0]; 2]);
    assert_eq!(told(&world, plan)[100], [1, 1, 1, 0, 0], "the plan before keeps its seats");
}

#[test]
fn frozen_and_transferred_seats_count_until_they_go() {
    let world = World::new();
    let mut new = world.new_plan("Old", 3);
    new.changes.can_freeze_unused_licenses = Some(true);
    let (old, new) = (world.create(new).unwrap(), world.plan(1));
    world.activate(old, "amy@example.com", 7);
    on(&world, 1);
    world.manager.freeze(&admin(), old).unwrap();
    on(&world, 2);
    let order = TransferOrder {
        agreement: world.agreement,
        old_plan: old,
        new_plan: new,
        notes: None,
        is_dry_run: false,
        licenses: TransferredLicenses::All,
    };
    let job = world.manager.create_transfer_job(&admin(), &order).unwrap();
    world.manager.process_transfer_job(&admin(), job.id, None).unwrap();
    assert_eq!(told(&world, old), [[2, 0, 1, 0, 1], [0, 0, 1, 0, 0], [0; 5]]);
    assert_eq!(told(&world, new), [[1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [1, 0, 1, 0, 0]]);
}

#[test]
fn who_has_yet_to_activate_is_idle_until_they_are_retired() {
    let world = World::new();
    let plan = world.plan(4);
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    on(&world, 2);
    world.assign(plan, &learners(["bob@example.com", "eve@example.com"])).unwrap();
    world.activate(plan, "eve@example.com", 7);
    on(&world, 5);
    let idle = |limit| {
        let seats = world.manager.idle_seats(plan, limit).unwrap();
        seats.into_iter().map(|idle| (idle.seat.email.as_str().to_owned(), idle.days)).collect::<Vec<_>>()
    };
    let (amy, bob) = (("amy@example.com".to_owned(), 5), ("bob@example.com".to_owned(), 3));
    assert_eq!(idle(10), [amy.clone(), bob.clone()]);
    assert_eq!(idle(1), [amy]);
    let before = told(&world, plan);
    world.activate(plan, "bob@example.com", 8);
    world.manager.retire(&admin(), LmsUserId(8), "bob@example.com").unwrap();
    assert_eq!(idle(10).len(), 1);
    let after = told(&world, plan);
    assert_eq!(after[..5], before[..5], "what was stays");
    assert_eq!(after[5], [2, 1, 1, 0, 1]);
}
