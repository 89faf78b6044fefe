//! retire-old-licenses.

use license_manager_domain::model::Enrollees;
use license_manager_domain::operations::OperationSummary;
use license_manager_domain::outbox::{EventName, Topic};
use license_manager_domain::ports::StoreExt;
use license_manager_domain::use_cases::LearnerLicenseFilter;
use license_manager_domain::*;

use super::world::*;
use crate::support::*;

fn retire(world: &World, dry_run: bool) -> OperationSummary {
    complete(world.manager.retire_old_licenses(dry_run, &Watch::patient(world)))
}

/// A world whose batches are small.
fn small_batches() -> World {
    World::with(Settings { batch_size: batches_of(3), ..Settings::default() })
}

/// What the store knows of people, as a text.
fn known(world: &World, plans: &[PlanId]) -> String {
    let licenses: Vec<_> = plans.iter().flat_map(|&plan| world.licenses(plan)).collect();
    let columns: Vec<_> = licenses.iter().map(License::columns).collect();
    let told: Vec<_> = world.store.history().into_iter().filter_map(|entry| entry.license).collect();
    let owed: Vec<_> = world.store.outbox().into_iter().map(|message| message.payload.to_text()).collect();
    let people = columns.iter().chain(&told).map(|columns| {
        let email = columns.user_email.as_ref().map_or("", Email::as_str);
        format!("{email} {:?} {:?}", columns.lms_user_id, columns.activation_key)
    });
    people.chain(owed).collect::<Vec<_>>().join("\n")
}

fn counts(summary: &OperationSummary) -> [i64; 3] {
    ["plan_expired", "revoked", "never_activated"].map(|name| count(summary, name))
}

#[test]
fn licenses_of_plans_long_expired_are_revoked_and_name_nobody() {
    let world = small_batches();
    let plan = world.plan(10);
    for number in 0..5 {
        world.activate(plan, &format!("learner{number}@example.com"), number + 1);
    }
    let sold = [(email("amy@example.com"), Some("006000000000000001".to_owned()))].into_iter().collect();
    world.assign(plan, &sold).unwrap();
    world.revoke(plan, &["learner0@example.com"]).unwrap();
    world.clock.advance(days(365 + 90));
    // Revoked before the plan ended, and not long enough ago of themselves: at this moment the plan is not long enough
    // over either.
    world.rewrite_agreement(|agreement| agreement.license_duration_before_purge = days(90));
    let first = retire(&world, true);
    assert_eq!(count(&first, "plan_expired"), 0);

    world.clock.advance(days(1));
    let before = world.footprint(plan);
    let preview = retire(&world, true);
    assert_eq!(world.footprint(plan), before, "a dry run changes nothing");
    let total = world.counts(plan).total() + world.counts(plan).revoked;
    let summary = retire(&world, false);
    assert_eq!(count(&summary, "plan_expired"), 6);
    assert_eq!(count(&preview, "plan_expired"), 6);
    let after = world.counts(plan);
    assert_eq!((after.revoked, after.allocated(), after.total() + after.revoked), (6, 0, total));
    let purged: Vec<License> = before.2.into_iter().map(|license| license.purge(world.manager.now())).collect();
    assert_eq!(world.licenses(plan), purged, "LMS user id, dates and activation key stay");
    let left = known(&world, &[plan]);
    assert!(!left.contains("example.com"), "{left}");
    assert!(left.contains("Some(LmsUserId(5))"), "{left}");
    assert!(world.store.sources().is_empty());
    let told = world.owed(Topic::LicenseEvent);
    assert_eq!(world.store.outbox().len(), told.len(), "what waited is gone");
    let mut accounts: Vec<_> = told.iter().map(|event| event["properties"]["assigned_lms_user_id"].as_i64()).collect();
    accounts.sort_unstable();
    assert_eq!(accounts, [2, 3, 4, 5].map(Some), "not who was revoked before, and not who has no account");
    for event in told {
        assert_eq!(event["event"], EventName::Revoked.as_str());
        let properties = &event["properties"];
        assert_eq!((&properties["assigned_email"], &properties["auto_applied"]), (&"".into(), &false.into()));
        for known in ["license_uuid", "license_activation_key", "assigned_date", "activation_date"] {
            assert!(properties[known].as_str().is_some_and(|text| !text.is_empty()), "{known}");
        }
    }
    assert_eq!(counts(&retire(&world, false)), [0, 0, 0], "once");
}

#[test]
fn licenses_revoked_long_ago_name_nobody_and_stay_as_they_were() {
    let world = small_batches();
    let [plan, internal] = [5, 6].map(|seats| world.plan(seats));
    world.rewrite_plan(internal, |plan| plan.for_internal_use_only = true);
    for (plan, name, id) in
        [(plan, "amy@example.com", 7), (plan, "bob@example.com", 8), (internal, "eve@example.com", 9)]
    {
        world.activate(plan, name, id);
    }
    world.revoke(plan, &["amy@example.com"]).unwrap();
    world.revoke(internal, &["eve@example.com"]).unwrap();
    world.clock.advance(days(91));
    let before = world.license_of(plan, "amy@example.com");
    let summary = retire(&world, false);
    assert_eq!(counts(&summary), [0, 1, 0]);
    let known = known(&world, &[plan, internal]);
    assert!(!known.contains("amy@") && known.contains("bob@") && known.contains("eve@"));
    let after = world.licenses(plan).into_iter().find(|license| license.id == before.id).unwrap();
    assert_eq!(after.columns(), LicenseColumns { user_email: None, ..before.columns() });
    assert_eq!(after.lms_user_id(), Some(LmsUserId(7)));
    // Every version of the history since the assignment has the key, and every one since the activation the id.
    let versions = world.store.history().into_iter().filter(|entry| entry.id == before.id.to_string());
    let kept: Vec<_> =
        versions.map(|entry| (entry.row.uuid("activation_key"), entry.row.number("lms_user_id"))).collect();
    let key = before.activation_key().map(|key| key.0);
    assert_eq!(kept, [(None, None), (key, None), (key, Some(7)), (key, Some(7)), (key, Some(7))]);
    assert_eq!(counts(&retire(&world, false)), [0, 0, 0], "once");
    world.clock.advance(days(365));
    assert_eq!(count(&retire(&world, false), "plan_expired"), 2, "the plan's end finds the others alone");
}

#[test]
fn a_license_that_names_nobody_is_still_the_learner_s() {
    let world = small_batches();
    let plan = world.plan(2);
    world.rewrite_plan(plan, |plan| plan.should_auto_apply_licenses = Some(true));
    world.activate(plan, "old@example.com", 7);
    world.revoke(plan, &["old@example.com"]).unwrap();
    world.clock.advance(days(91));
    retire(&world, false);
    let before = world.footprint(plan);
    let learner = person("new@example.com", 7);
    let refused = world.manager.auto_apply(&Actor::user("amy"), world.agreement, &learner);
    assert_eq!(refused.map(drop), Err(Refusal::RevokedBefore.into()));
    let everything =
        LearnerLicenseFilter { include_revoked: true, active_plans_only: false, current_plans_only: false };
    let seen = world.manager.learner_licenses(&Actor::user("amy"), customer(), &learner, everything).unwrap();
    assert_eq!(seen.licenses.len(), 1);
    assert_eq!(world.footprint(plan), before, "it takes no new address");
    assert_eq!(world.manager.retire(&admin(), LmsUserId(7), "amy").unwrap().licenses, 1, "it can be retired");
    assert!(world.licenses(plan).iter().all(|license| license.lms_user_id().is_none()));
}

#[test]
fn licenses_assigned_long_ago_and_never_activated_are_free_again() {
    let world = small_batches();
    let [plan, internal] = [8, 6].map(|seats| world.plan(seats));
    world.rewrite_plan(internal, |plan| plan.for_internal_use_only = true);
    world.assign(plan, &crowd(7)).unwrap();
    world.assign(internal, &learners(["eve@example.com"])).unwrap();
    world.clock.advance(days(50));
    world.activate(plan, "amy@example.com", 7);
    world.clock.advance(days(41));
    let preview = retire(&world, true);
    let summary = retire(&world, false);
    assert_eq!(counts(&summary), [0, 0, 7]);
    let mut uuids = summary.uuids.clone();
    uuids.sort_unstable();
    assert_eq!((preview.counts, preview.uuids), (summary.counts, uuids));
    assert_eq!(world.counts(plan), LicenseCounts { activated: 1, unassigned: 7, ..LicenseCounts::default() });
    assert!(!known(&world, &[plan]).contains("learner"));
    assert!(known(&world, &[internal]).contains("eve@example.com"));
}

#[test]
fn each_agreement_keeps_personal_data_as_long_as_it_says() {
    let world = small_batches();
    let plan = world.plan(3);
    world.activate(plan, "amy@example.com", 7);
    world.revoke(plan, &["amy@example.com"]).unwrap();
    world.rewrite_agreement(|agreement| agreement.license_duration_before_purge = days(200));
    world.clock.advance(days(200));
    assert_eq!(counts(&retire(&world, false)), [0, 0, 0]);
    world.clock.advance(days(1));
    assert_eq!(counts(&retire(&world, false)), [0, 1, 0]);
}

#[test]
fn who_holds_another_license_is_still_known_by_it() {
    let world = small_batches();
    let [old, new] = [3, 4].map(|seats| world.plan(seats));
    world.activate(old, "amy@example.com", 7);
    world.activate(old, "bob@example.com", 8);
    world.revoke(old, &["amy@example.com", "bob@example.com"]).unwrap();
    world.clock.advance(days(91));
    world.activate(new, "amy@example.com", 7);
    let job = |name: &str| {
        let enrollment = BulkEnrollment {
            learners: Enrollees::Emails(vec![email(name), email("zoe@example.com")]),
            plan: None,
            course_run_keys: vec!["course".to_owned()],
            notify: false,
        };
        world.manager.request_enrollment(customer(), None, enrollment).unwrap()
    };
    let jobs = [job("amy@example.com"), job("bob@example.com")];
    let waiting = world.store.outbox().iter().filter(|message| message.payload.to_text().contains("amy@")).count();
    assert!(waiting > 0);
    assert_eq!(counts(&retire(&world, false)), [0, 2, 0]);
    let enrolled = jobs.map(|id| {
        let job = world.store.read(|unit| unit.enrollment_jobs().find(id)).unwrap().unwrap();
        format!("{:?}", job.enrollment.learners).matches("Email").count()
    });
    assert_eq!(enrolled[0], enrolled[1] + 1, "amy's enrollment is still wanted, bob's is forgotten");
    let left = known(&world, &[old, new]);
    assert!(left.contains("amy@example.com") && !left.contains("bob@example.com"), "{left}");
}

#[test]
fn a_run_that_is_ended_is_followed_by_one_that_does_the_rest() {
    let world = small_batches();
    let plan = world.plan(20);
    world.assign(plan, &crowd(11)).unwrap();
    world.clock.advance(days(91));
    // One look before each batch; the third reason is the one that has something to do.
    let first = world.manager.retire_old_licenses(false, &Watch::for_looks(&world, 4));
    assert!(first.interrupted);
    assert_eq!(count(&first, "never_activated"), 6);
    assert_eq!(counts(&retire(&world, false)), [0, 0, 5]);
}

#[test]
fn the_history_of_licenses_deleted_long_ago_knows_nobody() {
    let world = small_batches();
    let [plan, internal, other] = [8, 6, 4].map(|seats| world.plan(seats));
    world.rewrite_plan(internal, |plan| plan.for_internal_use_only = true);
    let people: Vec<String> = (0..7).map(|number| format!("learner{number}@example.com")).collect();
    for (number, name) in people.iter().enumerate() {
        world.activate(plan, name, number as i64 + 1);
    }
    world.activate(internal, "eve@example.com", 20);
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    world.revoke(plan, &names).unwrap();
    world.revoke(internal, &["eve@example.com"]).unwrap();
    // Learner 0 has another license, by which she is still known.
    world.activate(other, "learner0@example.com", 1);
    world.clock.advance(days(50));
    for plan in [plan, internal] {
        world.manager.delete_revoked(&admin(), plan).unwrap();
    }
    let deleted = |events: Vec<serde_json::Value>| {
        events.iter().filter(|event| event["event"] == EventName::Deleted.as_str()).count()
    };
    assert_eq!(deleted(world.owed(Topic::LicenseEvent)), 8);

    world.clock.advance(days(90));
    assert_eq!(count(&retire(&world, true), "deleted"), 0, "90 days after the deletion they are not over");
    world.clock.advance(days(1));
    let preview = retire(&world, true);
    assert_eq!(deleted(world.owed(Topic::LicenseEvent)), 8, "a dry run changes nothing");
    let first = world.manager.retire_old_licenses(false, &Watch::for_looks(&world, 5));
    assert!(first.interrupted, "one look at each of the other kinds, and at two batches");
    assert_eq!(count(&first, "deleted"), 6);
    let second = retire(&world, false);
    assert_eq!([&preview, &second].map(|summary| count(summary, "deleted")), [7, 1]);
    let mut uuids = [first.uuids, second.uuids].concat();
    uuids.sort_unstable();
    assert_eq!(preview.uuids, uuids);
    assert_eq!(deleted(world.owed(Topic::LicenseEvent)), 1);
    let left = known(&world, &[plan, internal, other]);
    assert!(!names[1..].iter().any(|name| left.contains(name)), "{left}");
    assert!(left.contains("learner0@example.com") && left.contains("eve@example.com"), "{left}");

    // Whom a plan for internal use knows, it knows until it is over.
    world.clock.advance(days(365));
    assert_eq!(count(&retire(&world, false), "deleted"), 1);
    assert!(!known(&world, &[internal]).contains("eve@example.com"));
    assert_eq!(deleted(world.owed(Topic::LicenseEvent)), 0);
}

#[test]
fn any_duration_that_is_stored_can_be_reckoned_with() {
    let world = small_batches();
    let plan = world.plan(1);
    world.activate(plan, "amy@example.com", 7);
    world.clock.advance(days(400));
    world.rewrite_agreement(|agreement| agreement.license_duration_before_purge = chrono::Duration::MAX);
    assert_eq!(counts(&retire(&world, false)), [0, 0, 0]);
    world.rewrite_agreement(|agreement| agreement.license_duration_before_purge = chrono::Duration::MIN);
    assert_eq!(counts(&retire(&world, false)), [1, 0, 0]);
}
