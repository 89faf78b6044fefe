//! unlink-expired-licenses.

use license_manager_domain::model::RenewalTerms;
use license_manager_domain::operations::{Expiration, OperationSummary, UNLINKED_EVENT};
use license_manager_domain::ports::{LicenseEventFilter, StoreExt, Undelivered};
use license_manager_domain::*;

use super::world::*;
use crate::support::*;

fn unlink(world: &World, manager: &LicenseManager, dry_run: bool) -> OperationSummary {
    now(manager.unlink_expired_licenses(None, dry_run, &Watch::patient(world)))
}

/// A plan of so many learners whose end was carried out.
fn expired_plan(world: &World, learners: &Assignees) -> PlanId {
    let plan = world.plan(learners.len() as i32 + 1);
    world.assign(plan, learners).unwrap();
    plan
}

fn carry_out(world: &World, plan: PlanId) {
    world.rewrite_plan(plan, |plan| plan.expiration_processed = true);
}

fn marks(world: &World) -> usize {
    let filter = LicenseEventFilter { event_name: Some(UNLINKED_EVENT.to_owned()), ..LicenseEventFilter::default() };
    world.store.read(|unit| unit.license_events().count(&filter)).unwrap() as usize
}

#[test]
fn holders_are_unlinked_ninety_days_after_their_plan_ended() {
    let (world, lms, manager) = world_with_lms();
    let plan = expired_plan(&world, &learners(["amy@example.com", "bob@example.com"]));
    carry_out(&world, plan);
    world.clock.advance(days(365 + 90));
    assert_eq!(count(&complete(unlink(&world, &manager, false)), "licenses"), 0, "not yet");
    world.clock.advance(days(1));
    let preview = complete(unlink(&world, &manager, true));
    assert_eq!((lms.done().len(), marks(&world)), (0, 0), "a dry run changes nothing");

    let summary = complete(unlink(&world, &manager, false));
    assert_eq!((&preview.counts, &preview.uuids), (&summary.counts, &summary.uuids));
    assert_eq!((count(&summary, "licenses"), count(&summary, "learners")), (2, 2));
    let addresses = ["amy@example.com", "bob@example.com"].map(str::to_owned).to_vec();
    assert_eq!(lms.done(), [Call::Unlink(customer(), addresses)]);
    assert_eq!(marks(&world), 2);
    assert_eq!(count(&complete(unlink(&world, &manager, false)), "licenses"), 0, "once");
    assert_eq!(lms.done().len(), 1);
}

#[test]
fn nobody_is_unlinked_before_the_end_of_their_plan_was_carried_out() {
    let (world, lms, manager) = world_with_lms();
    let plan = expired_plan(&world, &learners(["amy@example.com"]));
    world.clock.advance(days(365 + 100));
    assert_eq!(count(&complete(unlink(&world, &manager, false)), "licenses"), 0);
    // One run of the other operation does both, in this order; and its dry run tells so.
    let now_is = world.manager.now();
    let request = Expiration { expired_after: now_is - days(200), dry_run: true, ..Expiration::before(now_is) };
    let preview = complete(now(manager.expire_subscriptions(&request, &Watch::patient(&world))));
    assert!(lms.done().is_empty());
    let request = Expiration { dry_run: false, ..request };
    let summary = complete(now(manager.expire_subscriptions(&request, &Watch::patient(&world))));
    assert_eq!(preview.counts, summary.counts);
    assert_eq!(["plans", "licenses", "unlinked_licenses"].map(|name| count(&summary, name)), [1, 1, 1]);
    assert!(matches!(&lms.done()[..], [Call::Expire(..), Call::Unlink(..)]), "{:?}", lms.done());
    assert!(world.details(plan).expiration_processed);
}

#[test]
fn where_ending_the_enrollments_fails_nobody_is_unlinked() {
    let (world, lms, manager) = world_with_lms();
    expired_plan(&world, &learners(["amy@example.com"]));
    world.clock.advance(days(365 + 100));
    lms.fail(|call| match call {
        Call::Expire(..) => Some(Undelivered::Unavailable("is away".to_owned())),
        Call::Unlink(..) => None,
    });
    let now_is = world.manager.now();
    let request = Expiration { expired_after: now_is - days(200), ..Expiration::before(now_is) };
    let summary = now(manager.expire_subscriptions(&request, &Watch::patient(&world)));
    assert_eq!((summary.errors.len(), lms.done().len(), marks(&world)), (1, 0, 0));
}

#[test]
fn who_holds_another_license_of_a_current_plan_stays() {
    let (world, lms, manager) = world_with_lms();
    let old = world.plan(5);
    for (number, name) in ["amy", "bob", "eve", "zoe"].into_iter().enumerate() {
        world.activate(old, &format!("{name}@example.com"), number as i64 + 1);
    }
    carry_out(&world, old);
    world.clock.advance(days(365 + 91));
    let current = world.plan(6);
    world.assign(current, &learners(["amy@example.com"])).unwrap();
    // Bob has a new address, and is still the same in the LMS.
    world.activate(current, "robert@example.com", 2);
    let inactive = world.plan(7);
    world.assign(inactive, &learners(["eve@example.com"])).unwrap();
    world.rewrite_plan(inactive, |plan| plan.is_active = false);
    complete(unlink(&world, &manager, false));
    assert_eq!(lms.unlinked(), ["eve@example.com", "zoe@example.com"]);

    world.revoke(current, &["amy@example.com"]).unwrap();
    complete(unlink(&world, &manager, false));
    assert_eq!(lms.unlinked(), ["eve@example.com", "zoe@example.com", "amy@example.com"], "once nothing keeps them");
}

#[test]
fn only_configured_customers_and_licenses_that_nothing_carries_on_count() {
    let (world, lms, manager) = world_with_lms();
    let plan = world.plan(3);
    world.activate(plan, "amy@example.com", 7);
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    let terms = RenewalTerms { license_types_to_copy: LicenseTypesToCopy::Activated, ..world.terms(plan, 3) };
    let following = world.renew(world.schedule(&terms)).unwrap();
    world.rewrite_plan(following, |plan| plan.is_active = false);
    carry_out(&world, plan);
    world.clock.advance(days(365 + 91));
    let nobody = now(manager.unlink_expired_licenses(Some(&[]), false, &Watch::patient(&world)));
    assert_eq!(count(&complete(nobody), "licenses"), 0);
    complete(unlink(&world, &manager, false));
    assert_eq!(lms.unlinked(), ["bob@example.com"]);
}

#[test]
fn many_are_unlinked_a_hundred_at_a_time_and_a_person_with_two_licenses_once() {
    let (world, lms, manager) = world_with_lms();
    let plan = expired_plan(&world, &crowd(230));
    carry_out(&world, plan);
    world.clock.advance(days(365 + 91));
    let stopped = now(manager.unlink_expired_licenses(None, false, &Watch::for_looks(&world, 3)));
    assert!(stopped.interrupted);
    assert_eq!(lms.done().len(), 2);
    complete(unlink(&world, &manager, false));
    assert_eq!((lms.done().len(), lms.unlinked().len(), marks(&world)), (3, 230, 230));
}

#[test]
fn one_learner_whom_the_lms_refuses_does_not_hold_up_the_others() {
    let (world, lms, manager) = world_with_lms();
    let plan = expired_plan(&world, &crowd(20));
    carry_out(&world, plan);
    world.clock.advance(days(365 + 91));
    lms.fail(|call| match call {
        Call::Unlink(_, learners) if learners.iter().any(|learner| learner == "learner7@example.com") => {
            Some(Undelivered::Refused("answered 400 Bad Request".to_owned()))
        }
        _ => None,
    });
    let summary = unlink(&world, &manager, false);
    assert_eq!(summary.errors.len(), 1, "{summary:?}");
    assert!(!summary.errors[0].message.contains('@'), "nobody is named");
    assert_eq!((count(&summary, "licenses"), marks(&world)), (19, 19));
    lms.fail(|_| Some(Undelivered::Unavailable("is away".to_owned())));
    assert_eq!(unlink(&world, &manager, false).errors[0].about, format!("customer {}", customer()));
    lms.recover();
    assert_eq!(count(&complete(unlink(&world, &manager, false)), "licenses"), 1);
}
