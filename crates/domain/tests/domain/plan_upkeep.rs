//! Staff freezes plans, fills them up, and clears revoked licenses away.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::{JobKind, StaffActionKind};
use license_manager_domain::outbox::{EventName, Topic};
use license_manager_domain::ports::{Clock, SequentialIds, StaffActionFilter, StoreExt};
use license_manager_domain::*;

fn freezable(world: &World, seats: i32) -> PlanId {
    let mut new = world.new_plan("Freezable", seats);
    new.changes.can_freeze_unused_licenses = Some(true);
    world.create(new).unwrap()
}

#[test]
fn freezing_deletes_what_nobody_holds() {
    let world = World::new();
    let plan = freezable(&world, 5);
    world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    world.clock.advance(Duration::days(1));
    let owed = world.newly_owed(|| {
        let done = world.manager.freeze(&admin(), plan).unwrap();
        assert_eq!((done.deleted, done.counts), (3, LicenseCounts { assigned: 2, ..Default::default() }));
    });
    assert!(owed.is_empty(), "licenses that belong to nobody owe nothing");
    let details = world.details(plan);
    assert_eq!(details.last_freeze_timestamp, Some(beginning() + Duration::days(1)));
    assert_eq!(details.modified, beginning() + Duration::days(1));
    let deletions = world.store.history().into_iter().filter(|entry| entry.kind == '-').count();
    assert_eq!(deletions, 3);
}

#[test]
fn a_plan_that_does_not_permit_it_is_not_frozen() {
    let world = World::new();
    let plan = world.plan(3);
    let before = world.footprint(plan);
    assert_eq!(world.manager.freeze(&admin(), plan), Err(Refusal::NotFreezable.into()));
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn a_frozen_plan_gets_licenses_in_the_place_of_revoked_ones_only() {
    let world = World::new();
    let plan = freezable(&world, 3);
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    world.manager.freeze(&admin(), plan).unwrap();
    assert_eq!(world.manager.provision_plan(&admin(), plan), Err(Refusal::Frozen.into()));
    world.revoke(plan, &["amy@example.com"]).unwrap();
    assert_eq!(world.counts(plan), LicenseCounts { unassigned: 1, revoked: 1, ..Default::default() });
    assert_eq!(world.manager.freeze(&admin(), plan).unwrap().deleted, 1, "frozen again");
}

#[test]
fn a_plan_is_filled_up_and_never_emptied() {
    let world = World::with(Settings { inline_limit: 5, ..Settings::default() });
    let plan = world.plan(2);
    let provision = || {
        let done = world.manager.provision_plan(&admin(), plan).unwrap();
        (done.added, done.pending, done.counts.total())
    };
    assert_eq!(provision(), (0, 0, 2));
    let desire = |number| world.rewrite_plan(plan, |plan| plan.desired_num_licenses = Some(number));
    desire(7);
    assert_eq!(provision(), (5, 0, 7));
    desire(1);
    assert_eq!(provision(), (0, 0, 7));
    desire(20);
    assert_eq!(provision(), (0, 13, 7));
    while world.manager.run_next_job().unwrap() {}
    assert_eq!(provision(), (0, 0, 20));
}

#[test]
fn revoked_licenses_are_deleted_and_what_was_carried_on_to_them_is_not() {
    let world = World::new();
    let (prior, future) = (world.plan(1), world.create(world.new_plan("Future", 2)).unwrap());
    world.assign(prior, &learners(["amy@example.com"])).unwrap();
    world.assign(future, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    let copy = world.license_of(future, "amy@example.com").id;
    let original = License { renewed_to: Some(copy), ..world.license_of(prior, "amy@example.com") };
    let change = admin().change(beginning());
    world.store.write(|unit| unit.licenses().save(std::slice::from_ref(&original), &change)).unwrap();
    world.revoke(future, &["amy@example.com"]).unwrap();

    let done = world.manager.delete_revoked(&admin(), future).unwrap();
    assert_eq!((done.deleted, done.counts), (1, LicenseCounts { assigned: 1, unassigned: 1, ..Default::default() }));
    assert_eq!(world.license_of(prior, "amy@example.com"), License { renewed_to: None, ..original });
    assert_eq!(world.manager.delete_revoked(&admin(), future).unwrap().deleted, 0);
}

#[test]
fn of_deleted_licenses_those_are_told_of_that_belonged_to_somebody() {
    let world = World::new();
    let plan = world.plan(3);
    world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    world.activate(plan, "eve@example.com", 7);
    world.revoke(plan, &["amy@example.com", "bob@example.com", "eve@example.com"]).unwrap();
    world.manager.retire(&admin(), LmsUserId(7), "eve").unwrap();

    assert_eq!(world.manager.delete_revoked(&admin(), plan).unwrap().deleted, 3);
    let events = world.owed(Topic::LicenseEvent);
    let deleted = events.iter().filter(|event| event["event"] == EventName::Deleted.as_str());
    let mut people: Vec<&str> = deleted.filter_map(|event| event["properties"]["assigned_email"].as_str()).collect();
    people.sort_unstable();
    assert_eq!(people, ["amy@example.com", "bob@example.com"]);
}

#[test]
fn of_many_deleted_licenses_each_is_told_of_once() {
    for number in [2, 4, 5] {
        let world = World::with(Settings { batch_size: batches_of(2), ..Settings::default() });
        let plan = world.plan(5);
        world.assign(plan, &crowd(number)).unwrap();
        let emails = (0..number).map(|number| email(&format!("learner{number}@example.com"))).collect();
        world.manager.revoke(&admin(), plan, &LicenseSelection::Emails(emails)).unwrap();
        let owed = world.newly_owed(|| {
            assert_eq!(world.manager.delete_revoked(&admin(), plan).unwrap().deleted, number as i64);
        });
        let mut told: Vec<LicenseId> = owed.iter().filter_map(|message| message.license).collect();
        told.sort_unstable();
        told.dedup();
        assert_eq!((owed.len(), told.len()), (number, number));
    }
}

#[test]
fn very_many_licenses_are_deleted_by_jobs() {
    let world = World::with(Settings { batch_size: batches_of(2), inline_limit: 3, ..Settings::default() });
    let plan = freezable(&world, 9);
    run_jobs(&world);
    world.assign(plan, &crowd(4)).unwrap();
    let emails = (0..4).map(|number| email(&format!("learner{number}@example.com"))).collect();
    world.manager.revoke(&admin(), plan, &LicenseSelection::Emails(emails)).unwrap();
    let done = world.manager.delete_revoked(&admin(), plan).unwrap();
    assert_eq!((done.deleted, done.pending, done.counts.revoked), (0, 4, 4));
    run_jobs(&world);
    assert_eq!(world.counts(plan), LicenseCounts { unassigned: 9, ..Default::default() });
    let done = world.manager.freeze(&admin(), plan).unwrap();
    assert_eq!((done.deleted, done.pending, done.counts.unassigned), (0, 9, 9));
    assert!(world.details(plan).last_freeze_timestamp.is_some(), "it is frozen at once");
    run_jobs(&world);
    assert_eq!(world.counts(plan).total(), 0);
}

/// A clock that goes on whenever it is read.
struct MovingClock(AtomicI64);

impl Clock for MovingClock {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        beginning() + Duration::microseconds(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

#[test]
fn a_plan_that_a_job_freezes_is_recorded_when_that_is_asked_and_when_it_is_done() {
    let world = World::with(Settings { inline_limit: 9, ..Settings::default() });
    let plan = freezable(&world, 9);
    let settings = Settings { batch_size: batches_of(2), inline_limit: 3, ..Settings::default() };
    let clock = Arc::new(MovingClock(AtomicI64::new(1)));
    let manager = LicenseManager::new(world.store.clone(), clock, Arc::new(SequentialIds::default()), settings);
    let before = world.store.history().len();
    assert_eq!(manager.freeze(&admin(), plan).unwrap().pending, 9);
    while manager.run_next_job().unwrap() {}
    assert_eq!(world.counts(plan).total(), 0);
    let history = world.store.history();
    assert_eq!(history[before..].iter().filter(|entry| entry.table == "subscription_plan").count(), 2);
}

/// Runs every job that is due.
fn run_jobs(world: &World) {
    while world.manager.run_next_job().unwrap() {}
}

#[test]
fn several_plans_are_frozen_by_jobs_that_tell_who_asked_and_why() {
    let world = World::new();
    let frozen = |title: &str| {
        let mut new = world.new_plan(title, 3);
        new.changes.can_freeze_unused_licenses = Some(true);
        world.create(new).unwrap()
    };
    let (first, second, fixed) = (frozen("First"), frozen("Second"), world.plan(3));
    world.assign(first, &learners(["amy@example.com"])).unwrap();
    let amy = admin().because(Some("unused".to_owned()));
    let mut asked = vec![first, second];
    asked.sort_unstable();
    let unknown = PlanId(uuid::Uuid::from_u128(404));
    let requested = world.manager.request_jobs(&amy, JobKind::Freeze, &[first, second, fixed, unknown]);
    assert_eq!(requested, Ok(asked), "what permits it");
    assert_eq!(world.counts(first).unassigned, 2, "the jobs have yet to run");
    run_jobs(&world);
    let unassigned = [first, second, fixed].map(|plan| world.counts(plan).unassigned);
    assert_eq!(unassigned, [0, 0, 3]);
    assert!(world.details(first).last_freeze_timestamp.is_some());
    let last = world.store.history().pop().unwrap();
    assert_eq!((last.change.by.as_deref(), last.change.reason.as_deref()), (Some("admin"), Some("unused")));
    assert_eq!(world.manager.request_jobs(&amy, JobKind::Freeze, &[first]), Ok(Vec::new()), "nothing is left");
}

#[test]
fn a_plan_that_forbids_it_meanwhile_is_not_frozen() {
    let world = World::new();
    let plan = freezable(&world, 3);
    world.manager.request_jobs(&admin(), JobKind::Freeze, &[plan]).unwrap();
    world.rewrite_plan(plan, |plan| plan.can_freeze_unused_licenses = false);
    run_jobs(&world);
    assert_eq!((world.counts(plan).unassigned, world.details(plan).last_freeze_timestamp), (3, None));
}

#[test]
fn missing_licenses_are_added_and_revoked_ones_deleted_by_jobs() {
    let world = World::new();
    let (short, whole) = (world.plan(2), world.plan(3));
    world.rewrite_plan(short, |plan| plan.desired_num_licenses = Some(5));
    assert_eq!(world.manager.request_jobs(&admin(), JobKind::Provision, &[short, whole]), Ok(vec![short]));
    world.assign(whole, &learners(["amy@example.com"])).unwrap();
    world.revoke(whole, &["amy@example.com"]).unwrap();
    assert_eq!(world.manager.request_jobs(&admin(), JobKind::DeleteRevoked, &[short, whole]), Ok(vec![whole]));
    run_jobs(&world);
    assert_eq!((world.counts(short).total(), world.counts(whole).revoked), (5, 0));
}

#[test]
fn a_job_is_hurried_or_given_up_by_somebody() {
    let world = World::new();
    let plan = world.plan(2);
    world.rewrite_plan(plan, |plan| plan.desired_num_licenses = Some(5));
    world.manager.request_jobs(&admin(), JobKind::Provision, &[plan]).unwrap();
    let claimed = world.manager.claim_job(world.manager.due_jobs().unwrap()[0]).unwrap().unwrap();
    world.manager.postpone_job(&claimed, &Error::Unavailable).unwrap();
    assert_eq!(world.manager.run_next_job(), Ok(false), "it rests");
    let other = world.plan(1);
    let (retry, cancel) = (LicenseManager::retry_jobs, LicenseManager::cancel_jobs);
    assert_eq!(retry(&world.manager, &admin(), JobKind::Provision, &[plan]), Ok(1));
    assert_eq!(retry(&world.manager, &admin(), JobKind::Freeze, &[plan]), Ok(0), "there is none");
    assert_eq!(cancel(&world.manager, &admin(), JobKind::Provision, &[plan, other]), Ok(1));
    assert_eq!(cancel(&world.manager, &admin(), JobKind::Provision, &[plan, other]), Ok(0), "once");
    run_jobs(&world);
    assert_eq!(world.counts(plan).total(), 2);
    let actions = world.store.read(|unit| unit.staff_actions().list(&StaffActionFilter::default(), ALL)).unwrap();
    let mut kinds: Vec<StaffActionKind> = actions.iter().map(|action| action.kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [StaffActionKind::JobsRetried, StaffActionKind::JobsCanceled]);
    let retried = actions.iter().find(|action| action.kind == StaffActionKind::JobsRetried).unwrap();
    assert_eq!((retried.subject.clone(), retried.number), (Some(format!("provision {plan}")), 1));
}

#[test]
fn what_people_did_is_kept_for_the_time_of_the_settings() {
    let world = World::with(Settings { staff_action_retention: Duration::days(30), ..Settings::default() });
    let plan = freezable(&world, 3);
    let act = || {
        world.manager.request_jobs(&admin(), JobKind::Freeze, &[plan]).unwrap();
        world.manager.cancel_jobs(&admin(), JobKind::Freeze, &[plan]).unwrap();
    };
    act();
    world.clock.advance(Duration::days(20));
    act();
    assert_eq!(world.manager.remove_old_staff_actions(), Ok(0));
    world.clock.advance(Duration::days(10));
    assert_eq!(world.manager.remove_old_staff_actions(), Ok(1));
    let left = world.store.read(|unit| unit.staff_actions().list(&StaffActionFilter::default(), ALL)).unwrap();
    assert_eq!(left.iter().map(|action| action.at).collect::<Vec<_>>(), [beginning() + Duration::days(20)]);
}
