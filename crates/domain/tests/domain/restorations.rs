//! An earlier version of a plan or an agreement is restored.

use crate::support::*;
use chrono::Duration;
use license_manager_domain::history::{EntityRef, FieldChange, Value};
use license_manager_domain::use_cases::AgreementSettingsChanges;
use license_manager_domain::*;

/// The numbers of a row's versions, the oldest first.
fn versions(world: &World, of: EntityRef) -> Vec<i64> {
    let mut numbers: Vec<i64> =
        world.manager.latest_changes(of, 100).unwrap().iter().map(|change| change.version.number).collect();
    numbers.reverse();
    numbers
}

fn fields(changes: &[FieldChange]) -> Vec<&'static str> {
    changes.iter().map(|change| change.field).collect()
}

#[test]
fn a_plan_gets_the_fields_of_an_earlier_version_and_keeps_what_happened() {
    let world = World::new();
    let mut new = world.new_plan("Languages", 3);
    new.changes.can_freeze_unused_licenses = Some(true);
    let plan = world.create(new).unwrap();
    let first = world.details(plan);
    world.clock.advance(Duration::days(1));
    let edit = PlanChanges {
        title: Some("Music".to_owned()),
        is_active: Some(false),
        should_auto_apply_licenses: Edit::Set(true),
        ..PlanChanges::default()
    };
    world.change(plan, edit).unwrap();
    world.manager.freeze(&admin(), plan).unwrap();
    let number = versions(&world, EntityRef::Plan(plan))[0];

    let earlier = world.manager.earlier_plan(plan, number).unwrap();
    assert_eq!(fields(&earlier.changes), ["title", "is_active", "should_auto_apply_licenses"]);
    assert_eq!(
        earlier.changes[0],
        FieldChange { field: "title", from: Value::from("Music"), to: Value::from("Languages") }
    );
    assert_eq!(fields(&earlier.kept), ["last_freeze_timestamp"]);

    world.clock.advance(Duration::days(1));
    let restored = world.manager.restore_plan(&admin(), ChangeReason::IncorrectUserInput, plan, number).unwrap();
    let expected = SubscriptionPlan {
        modified: world.manager.now(),
        last_freeze_timestamp: Some(beginning() + Duration::days(1)),
        ..first
    };
    assert_eq!(restored.details.plan, expected);
    let last = world.manager.latest_changes(EntityRef::Plan(plan), 1).unwrap().remove(0);
    assert_eq!(last.version.reason.as_deref(), Some("incorrect_user_input"));
    assert_eq!(fields(&last.changes), ["title", "is_active", "should_auto_apply_licenses"]);
    // What is as it was already is left so.
    assert_eq!(world.manager.earlier_plan(plan, number).unwrap().changes, []);
}

#[test]
fn restoring_a_plan_keeps_the_rules() {
    let world = World::new();
    let plan = world.plan(2);
    let number = versions(&world, EntityRef::Plan(plan))[0];
    world.change(plan, PlanChanges { title: Some("Renamed".to_owned()), ..PlanChanges::default() }).unwrap();
    world.create(world.new_plan("Plan of 2", 1)).unwrap();
    let before = world.footprint(plan);
    let restore = |number| world.manager.restore_plan(&admin(), ChangeReason::Other, plan, number).map(drop);
    assert_eq!(restore(number), Err(Conflict::PlanTitle.into()), "another plan has the title now");
    assert_eq!(restore(number + 1_000), Err(Error::NotFound(Entity::Plan)), "no such version");
    assert_eq!(world.footprint(plan), before);
    world.manager.delete_plan(&admin(), plan).unwrap();
    assert_eq!(restore(number), Err(Error::NotFound(Entity::Plan)), "it is deleted");
}

#[test]
fn restoring_a_larger_number_adds_licenses_and_a_smaller_one_removes_none() {
    let world = World::new();
    let plan = world.plan(4);
    world.change(plan, PlanChanges { desired_num_licenses: Edit::Set(6), ..PlanChanges::default() }).unwrap();
    let numbers = versions(&world, EntityRef::Plan(plan));
    world.manager.restore_plan(&admin(), ChangeReason::Other, plan, numbers[0]).unwrap();
    assert_eq!((world.details(plan).desired_num_licenses, world.counts(plan).total()), (Some(4), 6));
    let other = world.create(world.new_plan("Other", 3)).unwrap();
    world.change(other, PlanChanges { desired_num_licenses: Edit::Clear, ..PlanChanges::default() }).unwrap();
    world.rewrite_plan(other, |plan| plan.desired_num_licenses = Some(9));
    let numbers = versions(&world, EntityRef::Plan(other));
    world.manager.restore_plan(&admin(), ChangeReason::Other, other, numbers[2]).unwrap();
    assert_eq!(world.counts(other).total(), 9);
}

#[test]
fn an_agreement_gets_the_fields_of_an_earlier_version() {
    let world = World::new();
    let first = world.manager.agreement(world.agreement).unwrap().details.agreement;
    world.clock.advance(Duration::days(1));
    let named = AgreementChanges {
        customer_slug: Edit::Set("acme".to_owned()),
        default_catalog: Edit::Clear,
        disable_expiration_notifications: Some(true),
        ..AgreementChanges::default()
    };
    world.manager.update_agreement(&admin(), world.agreement, named).unwrap();
    let settings = AgreementSettingsChanges {
        license_duration_before_purge: Some(Duration::days(7)),
        disable_onboarding_notifications: Some(true),
        auto_scaling_enabled: Some(true),
        auto_scaling_max_licenses: Edit::Set(10),
        auto_scaling_threshold_percentage: Edit::Set(80),
        auto_scaling_increment_percentage: Edit::Set(10),
        ..AgreementSettingsChanges::default()
    };
    world.manager.update_agreement_settings(&admin(), world.agreement, &settings).unwrap();
    let scaled = world.manager.agreement(world.agreement).unwrap().details.agreement;
    let numbers = versions(&world, EntityRef::Agreement(world.agreement));

    let earlier = world.manager.earlier_agreement(world.agreement, numbers[0]).unwrap();
    assert_eq!(earlier.changes.len(), 9, "{:?}", earlier.changes);
    let why = admin().because(Some("a mistake".to_owned()));
    let restored = world.manager.restore_agreement(&why, world.agreement, numbers[0]).unwrap();
    assert_eq!(restored, CustomerAgreement { modified: world.manager.now(), ..first });
    let last = world.manager.latest_changes(EntityRef::Agreement(world.agreement), 1).unwrap().remove(0);
    assert_eq!(last.version.reason.as_deref(), Some("a mistake"));
    // And back again.
    let back = world.manager.restore_agreement(&admin(), world.agreement, numbers[2]).unwrap();
    assert_eq!(back, scaled);
    let unknown = world.manager.restore_agreement(&admin(), world.agreement, 1_000);
    assert_eq!(unknown, Err(Error::NotFound(Entity::Agreement)));
}
