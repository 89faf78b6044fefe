//! Jobs on whole plans: which plans may have one, who works on it, and what is recorded.

use chrono::Duration;
use license_manager_domain::model::{JobKind, StaffActionKind};
use license_manager_domain::ports::{StaffActionFilter, StoreExt};
use license_manager_domain::queue::{ClaimedJob, Queue};
use license_manager_domain::use_cases::JOB_LEASE;
use license_manager_domain::*;

use crate::support::*;

/// A plan that lacks two licenses, and a job that adds them.
fn lacking(world: &World, seats: i32) -> PlanId {
    let plan = world.plan(seats);
    world.rewrite_plan(plan, |plan| plan.desired_num_licenses = Some(seats + 2));
    assert_eq!(world.manager.request_jobs(&admin(), JobKind::Provision, &[plan]), Ok(vec![plan]));
    plan
}

fn claim(world: &World, kind: JobKind) -> Option<ClaimedJob> {
    world.manager.claim_job(Queue::PlanJobs(kind)).unwrap()
}

#[test]
fn only_plans_with_something_to_revoke_and_without_a_cap_are_revoked_by_jobs() {
    let world = World::new();
    let (held, free, capped) = (world.plan(3), world.plan(2), world.capped_plan(4, 50));
    for plan in [held, capped] {
        world.assign(plan, &learners(["amy@example.com"])).unwrap();
        world.activate(plan, "bob@example.com", 7);
    }
    let asked = world.manager.request_jobs(&admin(), JobKind::RevokeAll, &[held, free, capped]);
    assert_eq!(asked, Ok(vec![held]));
}

#[test]
fn a_plan_is_frozen_once_and_again_when_it_has_unassigned_licenses() {
    let world = World::new();
    let freezable = |title: &str, seats| {
        let mut new = world.new_plan(title, seats);
        new.changes.can_freeze_unused_licenses = Some(true);
        world.create(new).unwrap()
    };
    let (full, emptied) = (freezable("Full", 1), freezable("Emptied", 2));
    let asked = |plan| world.manager.request_jobs(&admin(), JobKind::Freeze, &[plan]).unwrap() == [plan];
    world.assign(full, &learners(["amy@example.com"])).unwrap();
    assert!(asked(full), "there is nothing to delete, and it is to get nothing more");
    world.assign(emptied, &learners(["bob@example.com"])).unwrap();
    world.manager.freeze(&admin(), emptied).unwrap();
    assert!(!asked(emptied), "it is frozen, and has nothing unassigned");
    world.revoke(emptied, &["bob@example.com"]).unwrap();
    assert!(asked(emptied), "a revoked license was replaced");
}

#[test]
fn a_job_is_somebodys_until_the_lease_ends() {
    let world = World::new();
    let plan = lacking(&world, 1);
    let waiting = world.manager.waiting_jobs().unwrap();
    assert_eq!((waiting[&JobKind::Provision], waiting.values().sum::<i64>()), (1, 1));
    let late = claim(&world, JobKind::Provision).expect("there is a job");
    let instant = Duration::seconds(1);
    world.clock.advance(JOB_LEASE - instant);
    assert_eq!(claim(&world, JobKind::Provision), None);
    world.manager.prolong_job(&late).unwrap();
    world.clock.advance(JOB_LEASE - instant);
    assert_eq!(claim(&world, JobKind::Provision), None, "the lease was prolonged");
    world.clock.advance(instant);
    let next = claim(&world, JobKind::Provision).expect("the lease is over");

    let before = world.footprint(plan);
    let outcome = world.manager.run_job(&late);
    assert!(matches!(outcome, Err(Error::Internal(_))), "somebody else took it over: {outcome:?}");
    assert_eq!(world.footprint(plan), before);
    assert_eq!(world.manager.run_job(&next), Ok(2));
    assert_eq!(world.manager.waiting_jobs().unwrap().values().sum::<i64>(), 0);
    assert_eq!(world.manager.run_job(&next), Ok(0), "it is done");
}

#[test]
fn a_batch_tells_how_many_licenses_it_added_revoked_or_deleted() {
    let world = World::with(Settings { batch_size: batches_of(3), ..Settings::default() });
    let plan = world.plan(1);
    world.rewrite_plan(plan, |plan| {
        plan.desired_num_licenses = Some(6);
        plan.can_freeze_unused_licenses = true;
    });
    let batches = |kind| {
        assert_eq!(world.manager.request_jobs(&admin(), kind, &[plan]), Ok(vec![plan]), "{kind:?}");
        let next = || Some(world.manager.run_job(&claim(&world, kind)?).unwrap());
        std::iter::from_fn(next).collect::<Vec<i64>>()
    };
    assert_eq!(batches(JobKind::Provision), [3, 2]);
    world.assign(plan, &crowd(4)).unwrap();
    // The last batch looks from the first license on.
    assert_eq!(batches(JobKind::RevokeAll), [3, 1, 0]);
    let owed = world.newly_owed(|| assert_eq!(batches(JobKind::DeleteRevoked), [3, 1, 0]));
    assert_eq!(owed.len(), 4, "each is told of once");
    assert_eq!(batches(JobKind::Freeze), [3, 3]);
    let left = (world.counts(plan).total(), world.details(plan).last_freeze_timestamp);
    assert_eq!(left, (0, Some(beginning())));
}

/// Otherwise a batch would pass what the batches before have taken away, as long as storage keeps that.
#[test]
fn a_batch_that_takes_licenses_away_begins_after_the_one_before_it() {
    let world = World::with(Settings { batch_size: batches_of(2), ..Settings::default() });
    let plan = world.plan(6);
    world.rewrite_plan(plan, |plan| plan.can_freeze_unused_licenses = true);
    world.assign(plan, &crowd(3)).unwrap();
    let next = |kind| {
        let number = world.manager.run_job(&claim(&world, kind).expect("there is a job")).unwrap();
        let left = world.store.read(|unit| unit.jobs().find(plan, kind)).unwrap();
        (number, left.map(|job| job.read_until))
    };
    let ids_of = |status: LicenseStatus| {
        let of_status = world.licenses(plan).into_iter().filter(move |license| license.status() == status);
        let mut ids: Vec<LicenseId> = of_status.map(|license| license.id).collect();
        ids.sort_unstable();
        ids
    };
    let request = |kind| assert_eq!(world.manager.request_jobs(&admin(), kind, &[plan]), Ok(vec![plan]), "{kind:?}");

    request(JobKind::RevokeAll);
    let held = ids_of(LicenseStatus::Assigned);
    assert_eq!(next(JobKind::RevokeAll), (2, Some(Some(held[1]))));
    assert_eq!(next(JobKind::RevokeAll), (1, Some(None)), "somebody may have got a license before it");
    assert_eq!(next(JobKind::RevokeAll), (0, None));

    request(JobKind::DeleteRevoked);
    assert_eq!(next(JobKind::DeleteRevoked), (2, Some(Some(held[1]))));
    assert_eq!(next(JobKind::DeleteRevoked), (1, Some(None)));
    assert_eq!(next(JobKind::DeleteRevoked), (0, None));

    request(JobKind::Freeze);
    let free = ids_of(LicenseStatus::Unassigned);
    assert_eq!(free.len(), 6);
    assert_eq!(next(JobKind::Freeze), (2, Some(Some(free[1]))));
    world.store.write(|unit| unit.licenses().add_unassigned(plan, &free[..1], &admin().change(beginning()))).unwrap();
    assert_eq!(next(JobKind::Freeze), (2, Some(Some(free[3]))));
    assert_eq!(next(JobKind::Freeze), (2, Some(Some(free[5]))));
    world.store.write(|unit| unit.licenses().add_unassigned(plan, &free[1..3], &admin().change(beginning()))).unwrap();
    assert_eq!(next(JobKind::Freeze), (0, Some(None)), "more than a batch have become unassigned before it");
    assert_eq!(next(JobKind::Freeze), (2, Some(Some(free[1]))));
    assert_eq!(next(JobKind::Freeze), (1, None), "the last batch deletes all that are left");
}

#[test]
fn a_job_that_failed_rests_for_a_minute_and_counts_its_attempts() {
    let world = World::new();
    lacking(&world, 1);
    for attempts in 0..3 {
        let claimed = claim(&world, JobKind::Provision).expect("it is due");
        assert_eq!(claimed.attempts, attempts);
        world.manager.postpone_job(&claimed, &Error::Unavailable).unwrap();
        world.clock.advance(Duration::seconds(59));
        assert_eq!(claim(&world, JobKind::Provision), None);
        world.clock.advance(Duration::seconds(1));
    }
}

#[test]
fn what_is_done_to_jobs_of_several_plans_is_recorded_once_with_their_number() {
    let world = World::new();
    let plans = [lacking(&world, 1), lacking(&world, 2)];
    let why = admin().because(Some("a mistake".to_owned()));
    assert_eq!(world.manager.retry_jobs(&why, JobKind::Provision, &plans), Ok(2));
    assert_eq!(world.manager.cancel_jobs(&why, JobKind::Provision, &plans), Ok(2));
    let all = StaffActionFilter::default();
    let actions = world.store.read(|unit| unit.staff_actions().list(&all, ALL)).unwrap();
    let mut told: Vec<_> = actions
        .iter()
        .map(|action| (action.kind, action.subject.as_deref(), action.number, action.reason.as_deref()))
        .collect();
    told.sort_unstable();
    let done = |kind| (kind, Some("provision"), 2, Some("a mistake"));
    assert_eq!(told, [done(StaffActionKind::JobsRetried), done(StaffActionKind::JobsCanceled)]);
}
