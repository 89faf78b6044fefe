//! expire-subscriptions.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use license_manager_domain::model::RenewalTerms;
use license_manager_domain::operations::{Expiration, OperationSummary};
use license_manager_domain::outbox::Topic;
use license_manager_domain::ports::Undelivered;
use license_manager_domain::*;

use super::world::*;
use crate::support::*;

const EXPIRED: &str = "edx.server.license-manager.license-lifecycle.expired";

fn expire(world: &World, manager: &LicenseManager) -> OperationSummary {
    now(manager.expire_subscriptions(&Expiration::before(world.manager.now()), &Watch::patient(world)))
}

fn events(world: &World) -> usize {
    world.owed(Topic::LicenseEvent).iter().filter(|event| event["event"] == EXPIRED).count()
}

/// A plan that ends in a year, with an assigned, an activated and a revoked license, and free ones.
fn used_plan(world: &World, seats: i32) -> PlanId {
    let plan = world.plan(seats);
    world.activate(plan, "amy@example.com", 7);
    world.assign(plan, &learners(["bob@example.com", "eve@example.com"])).unwrap();
    world.revoke(plan, &["eve@example.com"]).unwrap();
    plan
}

fn live(world: &World, plan: PlanId) -> Vec<LicenseId> {
    world.licenses(plan).into_iter().filter(License::is_live).map(|license| license.id).collect()
}

fn is_processed(world: &World, plan: PlanId) -> bool {
    world.details(plan).expiration_processed
}

#[test]
fn enrollments_end_then_the_plan_is_marked_and_events_are_promised() {
    let (world, lms, manager) = world_with_lms();
    let plan = used_plan(&world, 5);
    assert_eq!(count(&complete(expire(&world, &manager)), "plans"), 0, "it has not ended");
    world.clock.advance(days(365) + Duration::hours(1));

    let dry = Expiration { dry_run: true, ..Expiration::before(world.manager.now()) };
    let before = world.footprint(plan);
    let preview = complete(now(manager.expire_subscriptions(&dry, &Watch::patient(&world))));
    assert_eq!((world.footprint(plan), lms.done().len()), (before, 0), "a dry run changes nothing");

    let summary = complete(expire(&world, &manager));
    assert_eq!(summary.uuids, [plan.0]);
    assert_eq!((count(&summary, "licenses"), count(&summary, "events")), (2, 2));
    assert_eq!((&preview.counts, &preview.uuids), (&summary.counts, &summary.uuids));
    assert_eq!(lms.done(), [Call::Expire(live(&world, plan), None)]);
    assert!(is_processed(&world, plan));
    assert_eq!(events(&world), 2);
    let told = world.owed(Topic::LicenseEvent);
    let expired: Vec<_> = told.iter().filter(|event| event["event"] == EXPIRED).collect();
    assert!(expired.iter().all(|event| event["properties"]["expiration_processed"] == true));

    let before = world.footprint(plan);
    assert_eq!(count(&complete(expire(&world, &manager)), "plans"), 0);
    assert_eq!((world.footprint(plan), lms.done().len()), (before, 1), "nothing is done twice");
}

#[test]
fn the_end_is_exclusive_and_the_window_has_two_sides() {
    let (world, _, manager) = world_with_lms();
    let plan = used_plan(&world, 5);
    let end = world.details(plan).expiration_date;
    world.clock.advance(days(400));
    let window = |from: DateTime<Utc>, to: DateTime<Utc>| {
        let request = Expiration {
            expired_after: from,
            expired_before: to,
            dry_run: true,
            ..Expiration::before(world.manager.now())
        };
        count(&complete(now(manager.expire_subscriptions(&request, &Watch::patient(&world)))), "plans")
    };
    assert_eq!(window(end, end), 1, "at its end it has ended");
    assert_eq!(window(end + Duration::seconds(1), end + days(10)), 0);
    assert_eq!(window(end - days(10), end - Duration::seconds(1)), 0);
    let future = world.manager.now() + days(1_000);
    world.plan(9);
    assert_eq!(window(end, future), 1, "what has not ended is not looked after, whatever is asked for");
}

#[test]
fn learners_who_came_back_since_an_end_long_past_keep_their_enrollments() {
    let (world, lms, manager) = world_with_lms();
    let plan = used_plan(&world, 5);
    let end = world.details(plan).expiration_date;
    world.clock.advance(days(365 + 2));
    let request = Expiration { expired_after: end - days(1), ..Expiration::before(world.manager.now()) };
    complete(now(manager.expire_subscriptions(&request, &Watch::patient(&world))));
    assert_eq!(lms.done(), [Call::Expire(live(&world, plan), Some(end))]);
}

#[test]
fn many_licenses_are_told_of_a_hundred_at_a_time() {
    let (world, lms, manager) = world_with_lms();
    let plan = world.plan(250);
    world.assign(plan, &crowd(230)).unwrap();
    world.clock.advance(days(365));
    let summary = complete(expire(&world, &manager));
    let sizes: Vec<usize> =
        lms.done().iter().map(|call| if let Call::Expire(ids, _) = call { ids.len() } else { 0 }).collect();
    assert_eq!(sizes, [100, 100, 30]);
    assert_eq!((count(&summary, "licenses"), count(&summary, "events"), events(&world)), (230, 230, 230));
}

#[test]
fn a_failed_call_leaves_the_plan_unmarked_and_the_others_go_on() {
    let (world, lms, manager) = world_with_lms();
    let [broken, fine] = [250, 5].map(|seats| world.plan(seats));
    world.assign(broken, &crowd(230)).unwrap();
    world.assign(fine, &crowd(2)).unwrap();
    world.clock.advance(days(365));
    let third = live(&world, broken)[200];
    lms.fail(move |call| match call {
        Call::Expire(ids, _) if ids.contains(&third) => Some(Undelivered::Unavailable("answered 502".to_owned())),
        _ => None,
    });
    let summary = expire(&world, &manager);
    assert_eq!(summary.errors.len(), 1);
    assert_eq!(summary.errors[0].about, format!("plan {broken}"));
    assert_eq!([broken, fine].map(|plan| is_processed(&world, plan)), [false, true]);
    assert_eq!(events(&world), 2, "of the other plan alone");

    lms.recover();
    complete(expire(&world, &manager));
    assert!(is_processed(&world, broken));
    let mut told = lms.expired();
    assert_eq!(told.len(), 232, "nobody was told of twice");
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 232);
    assert_eq!(events(&world), 232);
}

#[test]
fn plans_with_a_renewal_wait_for_the_plan_that_follows() {
    let (world, lms, manager) = world_with_lms();
    let prior = used_plan(&world, 5);
    let terms = RenewalTerms {
        license_types_to_copy: LicenseTypesToCopy::Activated,
        effective_date: world.details(prior).expiration_date,
        renewed_expiration_date: world.details(prior).expiration_date + days(10),
        ..world.terms(prior, 5)
    };
    let following = world.renew(world.schedule(&terms)).unwrap();
    world.clock.advance(days(365) + Duration::hours(1));
    assert_eq!(count(&complete(expire(&world, &manager)), "plans"), 0);

    world.clock.advance(days(10));
    let dead = live(&world, prior)[0];
    lms.fail(move |call| match call {
        Call::Expire(ids, _) if ids.contains(&dead) => Some(Undelivered::Unavailable("is away".to_owned())),
        _ => None,
    });
    assert!(!expire(&world, &manager).is_complete());
    assert_eq!([prior, following].map(|plan| is_processed(&world, plan)), [false, false], "the first comes first");

    lms.recover();
    let summary = complete(expire(&world, &manager));
    assert_eq!(summary.uuids, [prior.0, following.0]);
    assert_eq!(count(&summary, "licenses"), 3);
    assert_eq!(count(&summary, "events"), 2, "amy's first license was carried on");
}

#[test]
fn named_plans_are_processed_whenever_they_ended_and_again_if_they_are_marked() {
    let (world, lms, manager) = world_with_lms();
    let plan = used_plan(&world, 5);
    let named = || {
        let request = Expiration { plans: Some(vec![plan]), ..Expiration::before(world.manager.now()) };
        now(manager.expire_subscriptions(&request, &Watch::patient(&world)))
    };
    assert!(named().errors[0].message.contains("has not ended yet"));
    world.clock.advance(days(500));
    assert_eq!(count(&complete(named()), "plans"), 1);
    assert_eq!(count(&complete(named()), "plans"), 0, "a run at the same time");
    world.clock.advance(days(1));
    let again = complete(named());
    assert_eq!((count(&again, "plans"), count(&again, "events")), (1, 2));
    assert_eq!(lms.expired().len(), 4);
    let unknown = PlanId(uuid::Uuid::from_u128(99));
    assert_eq!(manager.plan_ends(&[plan, unknown]), Err(Error::NotFound(Entity::Plan)));
}

#[test]
fn a_run_that_is_ended_or_killed_is_followed_by_one_that_does_the_rest() {
    let (world, lms, manager) = world_with_lms();
    let plan = world.plan(250);
    world.assign(plan, &crowd(230)).unwrap();
    world.clock.advance(days(365));
    let request = Expiration::before(world.manager.now());
    // One look before the task, and one before each call and each batch of events: wherever the run ends, the next goes
    // on.
    let mut runs = 0;
    while !is_processed(&world, plan) {
        runs += 1;
        assert!(runs < 50, "{:?}", lms.done().len());
        let summary = now(manager.expire_subscriptions(&request, &Watch::for_looks(&world, 3)));
        assert!(summary.errors.is_empty());
    }
    assert!(runs > 10);
    assert_eq!((lms.expired().len(), lms.done().len(), events(&world)), (230, 3, 230));
}

#[test]
fn work_that_another_run_has_is_waited_for_and_taken_over_when_that_gives_no_sign_of_life() {
    let (world, lms, manager) = world_with_lms();
    let plan = used_plan(&world, 5);
    world.clock.advance(days(365));
    let stranger = uuid::Uuid::from_u128(77);
    let start = world.manager.now();
    let task = ports::Task { operation: "expire-subscriptions", key: plan.0 };
    let until = start + Duration::minutes(2);
    take_task(&*world.store, task, stranger, start, until);
    let request = Expiration { expired_after: start - days(2), ..Expiration::before(start) };
    let stopped = now(manager.expire_subscriptions(&request, &Watch::for_looks(&world, 10)));
    assert!(stopped.interrupted && lms.done().is_empty(), "it is the other's");
    complete(now(manager.expire_subscriptions(&request, &Watch::patient(&world))));
    assert!(world.manager.now() >= until, "as long as the other may live");
    assert!(is_processed(&world, plan));
    assert_eq!(lms.done().len(), 1);
}

#[test]
fn who_loses_a_plan_to_another_run_changes_nothing_more() {
    let (world, _, manager) = world_with_lms();
    let plan = used_plan(&world, 5);
    world.clock.advance(days(365));
    let thief = Arc::new(Lms::default());
    let (store, clock) = (world.store.clone(), world.clock.clone());
    // While the LMS answers, so much time passes that another run takes the plan.
    thief.fail(move |_| {
        clock.advance(Duration::minutes(10));
        let now = ports::Clock::now(&*clock);
        let task = ports::Task { operation: "expire-subscriptions", key: plan.0 };
        let other = uuid::Uuid::from_u128(77);
        take_task(&*store, task, other, now, now + days(1));
        None
    });
    let manager = manager.with_learner_registry(thief);
    let summary = expire(&world, &manager);
    assert_eq!(summary.errors.len(), 1, "{summary:?}");
    assert!(!is_processed(&world, plan));
    assert_eq!(events(&world), 0);
}

#[test]
fn a_plan_that_is_extended_after_its_end_ends_once_more() {
    let (world, lms, manager) = world_with_lms();
    let plan = used_plan(&world, 5);
    world.clock.advance(days(365) + Duration::hours(1));
    complete(expire(&world, &manager));
    let renamed = PlanChanges { title: Some("Renamed".to_owned()), ..PlanChanges::default() };
    world.change(plan, renamed).unwrap();
    assert!(is_processed(&world, plan), "its end was carried out");

    let later = world.manager.now() + days(365);
    world.change(plan, PlanChanges { expiration_date: Some(later), ..PlanChanges::default() }).unwrap();
    assert!(!is_processed(&world, plan));
    world.clock.advance(days(365) + Duration::hours(1));
    assert_eq!(complete(expire(&world, &manager)).uuids, [plan.0]);
    assert_eq!((events(&world), lms.done().len()), (4, 2));
}

#[test]
fn a_plan_that_is_extended_while_it_is_ended_stays_unmarked() {
    let (world, lms, manager) = world_with_lms();
    let plan = used_plan(&world, 5);
    world.clock.advance(days(365) + Duration::hours(1));
    let (extending, later) = (world.manager.clone(), world.manager.now() + days(365));
    lms.fail(move |_| {
        let changes = PlanChanges { expiration_date: Some(later), ..PlanChanges::default() };
        extending.update_plan(&admin(), ChangeReason::Other, plan, changes).unwrap();
        None
    });
    expire(&world, &manager);
    assert!(!is_processed(&world, plan));
}
