//! An admin takes licenses back.

use crate::support::*;
use chrono::Duration;
use license_manager_domain::outbox::Topic;
use license_manager_domain::ports::LicenseFilter;
use license_manager_domain::*;

/// A capped plan with so many activated licenses, learner0@example.com and so on.
fn capped(world: &World, seats: i32, percentage: i16, activated: usize) -> PlanId {
    let plan = world.capped_plan(seats, percentage);
    for number in 0..activated {
        world.activate(plan, &format!("learner{number}@example.com"), number as i64);
    }
    plan
}

#[test]
fn for_every_license_taken_back_the_plan_gets_a_fresh_one() {
    let world = World::new();
    let plan = world.plan(3);
    world.activate(plan, "amy@example.com", 1);
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    assert_eq!(world.counts(plan).total(), 3);

    let outcome = world.revoke(plan, &["amy@example.com", "bob@example.com"]).unwrap();
    assert_eq!(outcome.not_found, []);
    let mut told: Vec<_> =
        outcome.revoked.iter().map(|revoked| (revoked.email.clone(), revoked.original_status)).collect();
    told.sort();
    assert_eq!(
        told,
        [(email("amy@example.com"), LicenseStatus::Activated), (email("bob@example.com"), LicenseStatus::Assigned)]
    );
    assert_eq!(world.counts(plan), LicenseCounts { unassigned: 3, revoked: 2, ..Default::default() });
    assert_eq!(world.counts(plan).total(), 3);
    let columns = world.license_of(plan, "amy@example.com").columns();
    assert_eq!((columns.status, columns.revoked_date), (LicenseStatus::Revoked, Some(beginning())));
}

#[test]
fn who_holds_nothing_is_reported_and_the_others_lose_theirs() {
    let world = World::new();
    let plan = world.plan(2);
    world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    world.revoke(plan, &["bob@example.com"]).unwrap();
    let outcome = world.revoke(plan, &["bob@example.com", "amy@example.com", "eve@example.com"]).unwrap();
    assert_eq!(outcome.revoked.len(), 1);
    assert_eq!(outcome.not_found, ["bob@example.com", "eve@example.com"].map(email));
}

#[test]
fn enrollments_end_only_for_licenses_in_use_by_somebody_the_lms_knows() {
    let world = World::new();
    let plan = world.plan(3);
    world.activate(plan, "amy@example.com", 7);
    world.assign(plan, &learners(["bob@example.com", "eve@example.com"])).unwrap();
    let key = world.license_of(plan, "eve@example.com").activation_key().unwrap();
    let eve = ports::Person { email: Some(email("eve@example.com")), lms_user_id: None };
    world.manager.activate(&Actor::user("eve"), key, &eve).unwrap();

    let owed = world.newly_owed(|| {
        world.revoke(plan, &["amy@example.com", "bob@example.com", "eve@example.com"]).unwrap();
    });
    assert_eq!(topics(&owed).iter().filter(|&&topic| topic == Topic::LicenseEvent).count(), 3);
    assert_eq!(owed.len(), 4);
    assert_eq!(
        world.owed(Topic::EndEnrollments),
        [serde_json::json!({ "catalog": world.details(plan).catalog, "lms_user_id": 7 })]
    );
    let ended = owed.iter().find(|message| message.payload.topic() == Topic::EndEnrollments).unwrap();
    assert_eq!(ended.license, Some(world.license_of(plan, "amy@example.com").id));
}

#[test]
fn the_cap_is_rounded_up() {
    // ⌈21 × 5 / 100⌉ = 2
    let world = World::new();
    let plan = capped(&world, 21, 5, 3);
    let all = ["learner0@example.com", "learner1@example.com", "learner2@example.com"];
    let refused = world.revoke(plan, &all).unwrap_err();
    assert_eq!(refused, Refusal::RevocationCap { requested: 3, remaining: 2 }.into());
    world.revoke(plan, &all[..2]).unwrap();
    assert_eq!(world.details(plan).num_revocations_applied, 2);
    let refused = world.revoke(plan, &all[2..]).unwrap_err();
    assert_eq!(refused, Refusal::RevocationCap { requested: 1, remaining: 0 }.into());
}

#[test]
fn the_cap_counts_the_licenses_that_are_not_revoked() {
    for (total, percentage, applied, remaining) in
        [(100, 5, 0, 5), (101, 5, 0, 6), (100, 0, 0, 0), (1, 1, 0, 1), (0, 50, 0, 0), (100, 100, 99, 1), (20, 5, 3, 0)]
    {
        let world = World::new();
        let mut plan = world.details(world.capped_plan(0, percentage));
        plan.num_revocations_applied = applied;
        let counts = LicenseCounts { unassigned: total, revoked: 1_000, ..Default::default() };
        let told = plan.revocations_remaining(&counts);
        assert_eq!(told, Some(remaining), "{percentage} % of {total}, {applied} applied");
    }
}

#[test]
fn more_than_the_cap_leaves_is_refused_before_anything_changes() {
    let world = World::new();
    let plan = capped(&world, 20, 5, 2);
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    let before = world.footprint(plan);
    let refused = world.revoke(plan, &["bob@example.com", "learner0@example.com", "learner1@example.com"]);
    assert_eq!(refused, Err(Refusal::RevocationCap { requested: 2, remaining: 1 }.into()));
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn licenses_that_were_never_used_do_not_count_against_the_cap() {
    let world = World::new();
    let plan = capped(&world, 20, 5, 1);
    world.assign(plan, &crowd(10)).unwrap(); // learner0 holds one already
    let never_used: Vec<String> = (1..10).map(|number| format!("learner{number}@example.com")).collect();
    let never_used: Vec<&str> = never_used.iter().map(String::as_str).collect();
    let before = world.details(plan);
    world.clock.advance(Duration::hours(1));
    assert_eq!(world.revoke(plan, &never_used).unwrap().revoked.len(), 9);
    assert_eq!(world.details(plan), before, "the plan is not written");
    assert_eq!(before.num_revocations_applied, 0);
    assert_eq!(world.revoke(plan, &["learner0@example.com"]).unwrap().revoked.len(), 1);
}

#[test]
fn customer_success_is_told_exactly_when_the_last_revocation_is_used() {
    let world = World::new();
    world.rewrite_agreement(|agreement| agreement.customer_name = Some("Acme".to_owned()));
    let plan = capped(&world, 21, 5, 3); // the cap allows two
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    let mails = || world.owed(Topic::RevocationCapMail);
    world.revoke(plan, &["learner0@example.com"]).unwrap();
    assert_eq!(mails().len(), 0);
    world.revoke(plan, &["learner1@example.com"]).unwrap();
    assert_eq!(
        mails(),
        [serde_json::json!({
            "plan_title": "Capped",
            "num_revocations_applied": 2,
            "enterprise_customer_name": "Acme",
            "date": "2024-10-04T00:00:00Z",
        })]
    );
    world.revoke(plan, &["bob@example.com"]).unwrap();
    world.revoke(plan, &["learner2@example.com"]).unwrap_err();
    assert_eq!(mails().len(), 1, "what does not use the cap does not tell again");
}

#[test]
fn without_a_cap_nothing_is_counted() {
    let world = World::new();
    let plan = world.plan(2);
    world.activate(plan, "amy@example.com", 1);
    world.activate(plan, "bob@example.com", 2);
    let before = world.details(plan);
    world.clock.advance(Duration::hours(1));
    world.revoke(plan, &["amy@example.com", "bob@example.com"]).unwrap();
    assert_eq!(world.details(plan), before, "the plan is not written");
    assert_eq!(before.num_revocations_applied, 0);
    assert_eq!(world.owed(Topic::RevocationCapMail).len(), 0);
}

#[test]
fn licenses_can_be_taken_back_by_what_they_have_in_common() {
    let world = World::new();
    let plan = world.plan(3);
    world.assign(plan, &learners(["amy@example.com", "amy@example.org", "bob@example.com"])).unwrap();
    let amys = LicenseFilter { email_words: vec!["amy".to_owned()], ..LicenseFilter::default() };
    let outcome = world.manager.revoke(&admin(), plan, &LicenseSelection::Matching(amys)).unwrap();
    assert_eq!((outcome.revoked.len(), outcome.not_found.len()), (2, 0));
    assert_eq!(world.license_of(plan, "bob@example.com").status(), LicenseStatus::Assigned);
}

#[test]
fn filters_that_match_too_many_take_nothing_back() {
    let world = World::with(Settings { batch_size: batches_of(3), ..Settings::default() });
    let plan = world.plan(5);
    world.assign(plan, &crowd(4)).unwrap();
    let before = world.footprint(plan);
    let everybody = LicenseSelection::Matching(LicenseFilter::default());
    let revoke = || world.manager.revoke(&admin(), plan, &everybody);
    assert_eq!(revoke(), Err(Refusal::TooManyMatches { most: 3 }.into()));
    assert_eq!(world.footprint(plan), before);
    world.revoke(plan, &["learner0@example.com"]).unwrap();
    assert_eq!(revoke().unwrap().revoked.len(), 3, "as many as one request takes");
}

#[test]
fn a_job_takes_back_only_what_was_handed_out_when_it_was_asked_for() {
    let world = World::with(Settings { batch_size: batches_of(2), ..Settings::default() });
    let plan = world.plan(6);
    world.assign(plan, &crowd(5)).unwrap();
    world.manager.revoke_all(&admin(), plan).unwrap();
    world.clock.advance(chrono::Duration::seconds(1));
    world.assign(plan, &learners(["late@example.com"])).unwrap();
    while world.manager.run_next_job().unwrap() {}
    assert_eq!(world.license_of(plan, "late@example.com").status(), LicenseStatus::Assigned);
    assert_eq!(world.counts(plan).revoked, 5);
}

#[test]
fn few_licenses_are_taken_back_at_once() {
    let world = World::with(Settings { batch_size: batches_of(2), ..Settings::default() });
    let plan = world.plan(4);
    world.activate(plan, "amy@example.com", 1);
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    world.manager.revoke_all(&admin(), plan).unwrap();
    assert_eq!(world.counts(plan), LicenseCounts { unassigned: 4, revoked: 2, ..Default::default() });
    assert_eq!(world.manager.run_next_job(), Ok(false));
    world.manager.revoke_all(&admin(), plan).unwrap();
    assert_eq!(world.counts(plan).revoked, 2);
}

#[test]
fn many_licenses_are_taken_back_by_a_job_in_batches() {
    let world = World::with(Settings { inline_limit: 4, batch_size: batches_of(3), ..Settings::default() });
    let plan = world.plan(4);
    world.change(plan, PlanChanges { desired_num_licenses: Edit::Set(8), ..PlanChanges::default() }).unwrap();
    world.assign(plan, &crowd(7)).unwrap();
    let boss = Actor::user("boss");
    world.manager.revoke_all(&boss, plan).unwrap();
    world.manager.revoke_all(&boss, plan).unwrap();
    assert_eq!(world.counts(plan).revoked, 0, "the job has yet to begin");
    // The last batch looks from the first license on.
    for revoked in [3, 6, 7, 7] {
        assert_eq!(world.manager.run_next_job(), Ok(true));
        assert_eq!(world.counts(plan).revoked, revoked);
    }
    assert_eq!(world.manager.run_next_job(), Ok(false), "one job, however often it was asked for");
    assert_eq!(world.counts(plan), LicenseCounts { unassigned: 8, revoked: 7, ..Default::default() });
    let last = world.store.history().pop().unwrap();
    assert_eq!(last.change.by.as_deref(), Some("boss"), "the history names who asked for it");
}

#[test]
fn a_capped_plan_is_not_taken_back_as_a_whole() {
    let world = World::new();
    let plan = capped(&world, 5, 100, 1);
    let before = world.footprint(plan);
    assert_eq!(world.manager.revoke_all(&admin(), plan), Err(Refusal::RevokeAllUnderCap.into()));
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn a_cap_that_comes_before_the_job_ends_the_job_and_holds_up_no_other() {
    let world = World::with(Settings { inline_limit: 2, batch_size: batches_of(2), ..Settings::default() });
    let plan = world.plan(2);
    for seats in [4, 6] {
        world.change(plan, PlanChanges { desired_num_licenses: Edit::Set(seats), ..PlanChanges::default() }).unwrap();
    }
    for number in 0..5 {
        world.activate(plan, &format!("learner{number}@example.com"), number);
    }
    world.manager.revoke_all(&admin(), plan).unwrap();
    let capped = PlanChanges {
        is_revocation_cap_enabled: Some(true),
        revoke_max_percentage: Some(10),
        ..PlanChanges::default()
    };
    world.change(plan, capped).unwrap();
    let before = world.footprint(plan);
    assert_eq!(world.manager.run_next_job(), Ok(true));
    assert_eq!(world.footprint(plan), before, "a capped plan is not taken back as a whole");
    assert_eq!(world.manager.run_next_job(), Ok(false));
}
