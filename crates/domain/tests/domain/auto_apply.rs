//! A learner logs in and gets a license.

use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::RenewalTerms;
use license_manager_domain::outbox::Topic;
use license_manager_domain::*;
use serde_json::Value;
use uuid::Uuid;

/// A plan that hands out so many licenses by itself.
fn handing_out(world: &World, seats: i32) -> PlanId {
    let mut new = world.new_plan(&format!("Hands out {seats}"), seats);
    new.changes.should_auto_apply_licenses = Edit::Set(true);
    world.create(new).unwrap()
}

fn come(world: &World, address: &str, user: i64) -> Result<License, Error> {
    let found = world.manager.auto_apply(&Actor::user(address), world.agreement, &person(address, user))?;
    Ok(found.held.license)
}

#[test]
fn who_comes_gets_a_license_that_is_in_use_at_once() {
    let world = World::new();
    let plan = handing_out(&world, 2);
    let license = come(&world, "amy@example.com", 7).unwrap();
    assert_eq!(license, world.license_of(plan, "amy@example.com"));
    let columns = license.columns();
    assert_eq!((columns.status, license.auto_applied), (LicenseStatus::Activated, Some(true)));
    assert_eq!(columns.lms_user_id, Some(LmsUserId(7)));
    assert!(columns.activation_key.is_some());
    for date in [columns.assigned_date, columns.activation_date, columns.last_remind_date] {
        assert_eq!(date, Some(beginning()));
    }
    assert_eq!(world.counts(plan), LicenseCounts { activated: 1, unassigned: 1, ..Default::default() });
    let last = world.store.history().pop().unwrap();
    assert_eq!((last.id, last.change.by), (license.id.to_string(), Some("amy@example.com".to_owned())));
}

#[test]
fn what_is_owed_is_an_event_a_welcome_and_a_look_at_the_plan() {
    let world = World::new();
    handing_out(&world, 2);
    let owed = world.newly_owed(|| drop(come(&world, "amy@example.com", 7).unwrap()));
    assert_eq!(topics(&owed), [Topic::LicenseEvent, Topic::AutoApplied, Topic::UtilizationThresholds]);
    let event = world.owed(Topic::LicenseEvent).pop().unwrap();
    assert_eq!(event["event"], "edx.server.license-manager.license-lifecycle.activated");
    assert_eq!(event["properties"]["auto_applied"], true);
    let welcome = serde_json::json!({ "email": "amy@example.com", "lms_user_id": 7 });
    assert_eq!(world.owed(Topic::AutoApplied), [welcome]);
    assert_eq!((owed[2].license, world.owed(Topic::UtilizationThresholds)), (None, vec![serde_json::json!({})]));

    world.rewrite_agreement(|agreement| agreement.disable_onboarding_notifications = true);
    come(&world, "bob@example.com", 8).unwrap();
    assert_eq!(world.owed(Topic::AutoApplied)[1]["mail"], Value::Null, "this mail cannot be turned off");
}

#[test]
fn who_holds_a_license_gets_that_one_back_as_it_is() {
    let world = World::new();
    let plan = handing_out(&world, 5);
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    world.activate(plan, "bob@example.com", 8);
    let before = world.footprint(plan);
    for (address, user, status) in [
        ("amy@example.com", 7, LicenseStatus::Assigned),
        ("bob@example.com", 8, LicenseStatus::Activated),
        ("bob@example.com", 99, LicenseStatus::Activated),
    ] {
        assert_eq!(come(&world, address, user).unwrap(), world.license_of(plan, address), "{status}");
    }
    let renamed = come(&world, "robert@example.com", 8).unwrap();
    assert_eq!(renamed, world.license_of(plan, "bob@example.com"), "known by their LMS id");
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn who_lost_a_license_gets_none_until_an_admin_gives_them_another() {
    let world = World::new();
    let plan = handing_out(&world, 5);
    come(&world, "amy@example.com", 7).unwrap();
    world.revoke(plan, &["amy@example.com"]).unwrap();
    let before = world.footprint(plan);
    assert_eq!(come(&world, "amy@example.com", 7), Err(Refusal::RevokedBefore.into()));
    assert_eq!(come(&world, "new@example.com", 7), Err(Refusal::RevokedBefore.into()), "whatever their address");
    assert_eq!(world.footprint(plan), before);
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    assert_eq!(come(&world, "amy@example.com", 7).unwrap().status(), LicenseStatus::Assigned);
}

#[test]
fn a_license_of_another_plan_does_not_count() {
    let world = World::new();
    let (other, plan) = (world.plan(3), handing_out(&world, 5));
    world.activate(other, "amy@example.com", 7);
    world.activate(other, "bob@example.com", 8);
    world.revoke(other, &["bob@example.com"]).unwrap();
    assert_eq!(come(&world, "amy@example.com", 7).unwrap().plan, plan);
    assert_eq!(come(&world, "bob@example.com", 8).unwrap().plan, plan);
}

#[test]
fn without_a_plan_that_hands_out_licenses_nobody_gets_one() {
    let world = World::new();
    world.plan(3);
    let refused = Err(Refusal::NoAutoApplicablePlan.into());
    assert_eq!(come(&world, "amy@example.com", 7), refused);
    let plan = handing_out(&world, 5);
    world.change(plan, PlanChanges { is_active: Some(false), ..Default::default() }).unwrap();
    assert_eq!(come(&world, "amy@example.com", 7), refused);
    world.change(plan, PlanChanges { is_active: Some(true), ..Default::default() }).unwrap();
    world.clock.advance(Duration::days(366));
    assert_eq!(come(&world, "amy@example.com", 7), refused, "expired");
}

#[test]
fn of_several_plans_the_one_that_started_last_hands_out_its_licenses() {
    let world = World::new();
    handing_out(&world, 1);
    world.clock.advance(Duration::days(10));
    let mut new = world.new_plan("Newer", 1);
    new.start_date = beginning() + Duration::days(9);
    new.changes.should_auto_apply_licenses = Edit::Set(true);
    let newer = world.create(new).unwrap();
    assert_eq!(come(&world, "amy@example.com", 7).unwrap().plan, newer);
    assert_eq!(
        come(&world, "bob@example.com", 8),
        Err(Refusal::NoLicenseLeft.into()),
        "the older one does not help out"
    );
}

#[test]
fn where_none_is_left_only_the_event_of_it_remains() {
    let world = World::new();
    let plan = handing_out(&world, 1);
    come(&world, "amy@example.com", 7).unwrap();
    let (history, _, licenses, details) = world.footprint(plan);
    let owed = world.newly_owed(|| {
        assert_eq!(come(&world, "bob@example.com", 8), Err(Refusal::NoLicenseLeft.into()));
    });
    assert_eq!((topics(&owed), owed[0].license), (vec![Topic::LicenseEvent], None));
    let event = world.owed(Topic::LicenseEvent).pop().unwrap();
    assert_eq!(event["event"], "edx.server.license-manager.license-lifecycle.not-assigned");
    let properties = &event["properties"];
    assert_eq!(
        (&properties["assigned_email"], &properties["assigned_lms_user_id"]),
        (&"bob@example.com".into(), &8.into())
    );
    for absent in ["license_uuid", "license_activation_key", "assigned_date", "activation_date"] {
        assert_eq!(properties[absent], "", "{absent}");
    }
    assert_eq!(properties["auto_applied"], false);
    assert_eq!(properties["enterprise_customer_uuid"], customer().to_string());
    let after = world.footprint(plan);
    assert_eq!((after.0, after.2, after.3), (history, licenses, details));
}

#[test]
fn a_plan_that_is_locked_for_renewal_hands_out_licenses() {
    let world = World::new();
    let plan = handing_out(&world, 2);
    let effective_date = beginning() + Duration::hours(20);
    world.schedule(&RenewalTerms { effective_date, ..world.terms(plan, 2) });
    world.clock.advance(Duration::hours(9));
    let overview = world.manager.plan(plan).unwrap();
    let lock = Settings::default().renewal_lock;
    assert!(overview.chains.is_locked(plan, lock, world.manager.now()), "portals see the lock");
    assert_eq!(come(&world, "eve@example.com", 9).unwrap().status(), LicenseStatus::Activated);
}

#[test]
fn an_agreement_that_does_not_exist_is_not_found() {
    let world = World::new();
    let unknown = AgreementId(Uuid::from_u128(99));
    let answer = world.manager.auto_apply(&admin(), unknown, &person("amy@example.com", 7));
    assert_eq!(answer.map(drop), Err(Error::NotFound(Entity::Agreement)));
}

#[test]
fn who_is_known_by_the_lms_id_alone_gets_back_what_they_hold_and_nothing_new() {
    let world = World::new();
    let plan = handing_out(&world, 3);
    let held = come(&world, "amy@example.com", 7).unwrap();
    let come = |user| {
        let person = ports::Person { email: None, lms_user_id: Some(LmsUserId(user)) };
        world.manager.auto_apply(&Actor::user("amy"), world.agreement, &person).map(|found| found.held.license)
    };
    let before = world.footprint(plan);
    assert_eq!(come(7), Ok(held));
    assert_eq!(come(8), Err(Refusal::NoAddress.into()));
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn a_person_gets_one_license_whatever_their_address() {
    let world = World::new();
    let plan = handing_out(&world, 3);
    let held = come(&world, "old@example.com", 7).unwrap();
    assert_eq!(come(&world, "new@example.com", 7), Ok(held));
    assert_eq!(world.counts(plan), LicenseCounts { activated: 1, unassigned: 2, ..Default::default() });
}
