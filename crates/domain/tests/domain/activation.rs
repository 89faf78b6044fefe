//! A learner activates a license.

use crate::support::*;
use chrono::Duration;
use license_manager_domain::outbox::Topic;
use license_manager_domain::ports::{Person, StoreExt};
use license_manager_domain::use_cases::{LearnerLicense, LicenseEdit};
use license_manager_domain::*;
use uuid::Uuid;

fn key_of(world: &World, plan: PlanId, address: &str) -> ActivationKey {
    world.license_of(plan, address).activation_key().unwrap()
}

fn activate(world: &World, key: ActivationKey, address: &str) -> Result<LearnerLicense, Error> {
    world.manager.activate(&Actor::user("amy"), key, &person(address, 7))
}

/// A plan of one, assigned to amy.
fn assigned(world: &World) -> (PlanId, ActivationKey) {
    let plan = world.plan(1);
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    (plan, key_of(world, plan, "amy@example.com"))
}

#[test]
fn the_key_from_the_mail_activates() {
    let world = World::new();
    let (plan, key) = assigned(&world);
    world.clock.advance(Duration::hours(1));
    let mut view = None;
    let owed = world.newly_owed(|| view = Some(activate(&world, key, "Amy@example.com").unwrap()));

    let columns = world.license_of(plan, "amy@example.com").columns();
    assert_eq!(columns.status, LicenseStatus::Activated);
    assert_eq!(columns.activation_date, Some(beginning() + Duration::hours(1)));
    assert_eq!(columns.lms_user_id, Some(LmsUserId(7)));
    let view = view.unwrap();
    assert_eq!(view.license.columns(), columns);
    assert_eq!(view.agreement.agreement.customer, customer());

    assert_eq!(topics(&owed), [Topic::LicenseEvent, Topic::Activation]);
    assert_eq!(
        world.owed(Topic::Activation),
        [serde_json::json!({ "email": "amy@example.com", "lms_user_id": 7, "mail": true })]
    );
    let event = &world.owed(Topic::LicenseEvent)[1];
    assert_eq!(event["event"], "edx.server.license-manager.license-lifecycle.activated");
    assert_eq!(event["properties"]["activation_date"], "2024-10-04T01:00:00Z");
    assert_eq!(event["properties"]["assigned_lms_user_id"], 7);
}

#[test]
fn without_an_address_that_we_accept_a_learner_is_known_by_lms_user_id() {
    let world = World::new();
    let (plan, key) = assigned(&world);
    let unnamed = |user| Person { email: None, lms_user_id: Some(LmsUserId(user)) };
    let activate = |user| world.manager.activate(&Actor::user("amy"), key, &unnamed(user));
    assert_eq!(activate(7).err(), Some(Error::NotFound(Entity::License)), "the license names nobody by id");
    let license = world.license_of(plan, "amy@example.com").id;
    let noted = LicenseEdit { lms_user_id: Edit::Set(LmsUserId(7)), ..LicenseEdit::default() };
    world.manager.edit_license(&admin(), license, noted).unwrap();
    assert_eq!(activate(8).err(), Some(Error::NotFound(Entity::License)));
    let renamed = world.manager.activate(&Actor::user("amy"), key, &person("new@example.com", 7));
    assert_eq!(renamed.err(), Some(Error::NotFound(Entity::License)), "a key is for the address that it was sent to");
    assert_eq!(activate(7).unwrap().license.status(), LicenseStatus::Activated);
    assert_eq!(activate(7).unwrap().license.status(), LicenseStatus::Activated, "again changes nothing");
}

#[test]
fn the_lms_user_id_of_whoever_activates_wins() {
    for (user, expected) in [(Some(7), 7), (None, 9)] {
        let world = World::new();
        let (plan, key) = assigned(&world);
        let license = world.license_of(plan, "amy@example.com").id;
        let noted = LicenseEdit { lms_user_id: Edit::Set(LmsUserId(9)), ..LicenseEdit::default() };
        world.manager.edit_license(&admin(), license, noted).unwrap();
        let amy = Person { email: Some(email("amy@example.com")), lms_user_id: user.map(LmsUserId) };
        world.manager.activate(&Actor::user("amy"), key, &amy).unwrap();
        assert_eq!(world.license_of(plan, "amy@example.com").lms_user_id(), Some(LmsUserId(expected)));
    }
}

#[test]
fn activating_again_answers_alike_and_writes_nothing() {
    let world = World::new();
    let (plan, key) = assigned(&world);
    let first = activate(&world, key, "amy@example.com").unwrap();
    let before = world.footprint(plan);
    world.clock.advance(Duration::hours(1));
    let second = activate(&world, key, "amy@example.com").unwrap();
    assert_eq!((first.license, first.plan), (second.license, second.plan));
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn a_license_that_was_taken_back_is_refused() {
    let world = World::new();
    let (plan, key) = assigned(&world);
    world.revoke(plan, &["amy@example.com"]).unwrap();
    let refused = activate(&world, key, "amy@example.com").unwrap_err();
    assert_eq!(refused, Refusal::NotActivatable(LicenseStatus::Revoked).into());
}

#[test]
fn a_key_without_its_person_finds_nothing() {
    let world = World::new();
    let (plan, key) = assigned(&world);
    let before = world.footprint(plan);
    let not_found = Error::NotFound(Entity::License);
    assert_eq!(activate(&world, key, "eve@example.com").unwrap_err(), not_found);
    assert_eq!(activate(&world, ActivationKey(Uuid::nil()), "amy@example.com").unwrap_err(), not_found);
    assert_eq!(world.footprint(plan), before);
    assert_eq!(world.manager.customer_of_activation_key(key), Ok(Some(customer())));
    assert_eq!(world.manager.customer_of_activation_key(ActivationKey(Uuid::nil())), Ok(None));
}

#[test]
fn a_plan_that_is_inactive_or_not_current_has_nothing_to_activate() {
    let not_found = Error::NotFound(Entity::License);
    let world = World::new();
    let (plan, key) = assigned(&world);
    world.change(plan, PlanChanges { is_active: Some(false), ..PlanChanges::default() }).unwrap();
    assert_eq!(activate(&world, key, "amy@example.com").unwrap_err(), not_found, "inactive");
    world.change(plan, PlanChanges { is_active: Some(true), ..PlanChanges::default() }).unwrap();

    world.clock.advance(Duration::days(365) + Duration::microseconds(1));
    assert_eq!(activate(&world, key, "amy@example.com").unwrap_err(), not_found, "expired");
    world.clock.advance(Duration::days(-366));
    assert_eq!(activate(&world, key, "amy@example.com").unwrap_err(), not_found, "not yet begun");
    world.clock.advance(Duration::days(366) - Duration::microseconds(1));
    activate(&world, key, "amy@example.com").expect("the last moment belongs to the plan");
}

#[test]
fn of_licenses_that_share_a_key_the_one_in_use_answers() {
    let world = World::new();
    let (plan, key) = assigned(&world);
    let renewed = world.plan(2);
    let free = world.licenses(renewed).remove(0);
    let copy = free.assign(email("amy@example.com"), key, beginning() + Duration::hours(1)).unwrap();
    world.store.write(|unit| unit.licenses().save(std::slice::from_ref(&copy), &admin().change(beginning()))).unwrap();

    let latest = activate(&world, key, "amy@example.com").unwrap();
    assert_eq!(latest.license.id, copy.id, "of two assigned ones the latest");
    let again = activate(&world, key, "amy@example.com").unwrap();
    assert_eq!(again.license.id, copy.id, "then the one in use");
    assert_eq!(world.license_of(plan, "amy@example.com").status(), LicenseStatus::Assigned);
}

#[test]
fn a_revoked_license_does_not_hide_one_that_can_be_activated() {
    let world = World::new();
    let (plan, key) = assigned(&world);
    world.revoke(plan, &["amy@example.com"]).unwrap();
    let renewed = world.plan(2);
    let free = world.licenses(renewed).remove(0);
    let copy = free.assign(email("amy@example.com"), key, beginning()).unwrap();
    world.store.write(|unit| unit.licenses().save(std::slice::from_ref(&copy), &admin().change(beginning()))).unwrap();
    assert_eq!(activate(&world, key, "amy@example.com").unwrap().license.id, copy.id);
}

#[test]
fn nobody_is_welcomed_where_the_customer_wants_no_onboarding_mails() {
    let world = World::new();
    let (_, key) = assigned(&world);
    world.rewrite_agreement(|agreement| agreement.disable_onboarding_notifications = true);
    activate(&world, key, "amy@example.com").unwrap();
    assert_eq!(world.owed(Topic::Activation)[0]["mail"], false);
}

#[test]
fn who_activates_a_second_license_keeps_the_one_in_use() {
    let world = World::new();
    let plan = world.plan(3);
    world.activate(plan, "old@example.com", 7);
    world.activate(plan, "bob@example.com", 8);
    let used = world.license_of(plan, "old@example.com");
    world.clock.advance(Duration::hours(1));
    world.assign(plan, &learners(["new@example.com"])).unwrap();
    let key = key_of(&world, plan, "new@example.com");
    let mut kept = None;
    let owed = world.newly_owed(|| kept = Some(activate(&world, key, "new@example.com").unwrap().license));
    assert_eq!((kept, owed), (Some(used), vec![]));
    assert_eq!(world.counts(plan), LicenseCounts { activated: 2, unassigned: 1, ..Default::default() });
}

#[test]
fn of_two_assigned_licenses_a_person_keeps_the_one_assigned_last() {
    for [first, second] in [["old@example.com", "new@example.com"], ["new@example.com", "old@example.com"]] {
        let world = World::new();
        let plan = world.plan(2);
        world.assign(plan, &learners([first])).unwrap();
        world.clock.advance(Duration::hours(1));
        world.assign(plan, &learners([second])).unwrap();
        let old = world.license_of(plan, "old@example.com").with_lms_user_id(Some(LmsUserId(7)), beginning());
        world
            .store
            .write(|unit| unit.licenses().save(std::slice::from_ref(&old), &admin().change(beginning())))
            .unwrap();
        let last = world.license_of(plan, second).id;

        let key = key_of(&world, plan, "new@example.com");
        let owed = world.newly_owed(|| assert_eq!(activate(&world, key, "new@example.com").unwrap().license.id, last));
        assert_eq!(topics(&owed), [Topic::LicenseEvent, Topic::Activation]);
        assert_eq!(world.license_of(plan, second).status(), LicenseStatus::Activated);
        assert_eq!(world.counts(plan), LicenseCounts { activated: 1, unassigned: 1, ..Default::default() });
    }
}

#[test]
fn of_two_licenses_assigned_at_one_moment_a_person_keeps_the_one_whose_key_they_give() {
    for [given, other] in [["amy@example.com", "zoe@example.com"], ["zoe@example.com", "amy@example.com"]] {
        let world = World::new();
        let plan = world.plan(2);
        world.assign(plan, &learners([given, other])).unwrap();
        let of_other = world.license_of(plan, other).with_lms_user_id(Some(LmsUserId(7)), beginning());
        let change = admin().change(beginning());
        world.store.write(|unit| unit.licenses().save(std::slice::from_ref(&of_other), &change)).unwrap();

        let kept = world.license_of(plan, given).id;
        assert_eq!(activate(&world, key_of(&world, plan, given), given).unwrap().license.id, kept);
    }
}

#[test]
fn licenses_of_other_plans_and_of_people_without_an_account_stay() {
    let world = World::new();
    let [plan, other] = [2, 3].map(|seats| world.plan(seats));
    world.activate(other, "old@example.com", 7);
    world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    let amy = ports::Person { email: Some(email("amy@example.com")), lms_user_id: None };
    world.manager.activate(&Actor::user("amy"), key_of(&world, plan, "amy@example.com"), &amy).unwrap();
    activate(&world, key_of(&world, plan, "bob@example.com"), "bob@example.com").unwrap();
    assert_eq!(world.counts(plan), LicenseCounts { activated: 2, ..Default::default() });
    assert_eq!(world.counts(other), LicenseCounts { activated: 1, unassigned: 2, ..Default::default() });
}
