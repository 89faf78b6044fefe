//! What became of a license, how it was, and setting it back.

use crate::support::*;
use chrono::Duration;
use license_manager_domain::history::{ChangeKind, EntityRef, Value};
use license_manager_domain::model::HeldTwice;
use license_manager_domain::ports::{LimitOffset, StoreExt};
use license_manager_domain::use_cases::{HistoricChange, LeftAlone, LicenseEdit, Reverted};
use license_manager_domain::*;

fn history(world: &World, of: EntityRef) -> Vec<HistoricChange> {
    world.manager.history::<Error>(of, |_| Ok(ALL)).unwrap().items
}

fn changed(change: &HistoricChange) -> Vec<&'static str> {
    change.changes.iter().map(|change| change.field).collect()
}

/// Makes an hour pass and returns the moment it ended.
fn later(world: &World) -> chrono::DateTime<chrono::Utc> {
    world.clock.advance(Duration::hours(1));
    world.manager.now()
}

fn revert(world: &World, plan: PlanId, as_of: chrono::DateTime<chrono::Utc>, dry_run: bool) -> Result<Reverted, Error> {
    world.manager.revert(&Actor::user("staff"), &RevertRequest { plan, licenses: None, as_of, dry_run })
}

#[test]
fn a_license_tells_who_did_what_to_it() {
    let world = World::new();
    let plan = world.plan(1);
    later(&world);
    world.activate(plan, "amy@example.com", 7);
    later(&world);
    world.revoke(plan, &["amy@example.com"]).unwrap();
    let told = history(&world, EntityRef::License(world.license_of(plan, "amy@example.com").id));
    let people: Vec<_> = told.iter().map(|change| change.version.by.as_deref()).collect();
    assert_eq!(people, [Some("admin"), Some("amy@example.com"), Some("admin"), Some("admin")]);
    assert_eq!(changed(&told[0]), ["status", "revoked_date"]);
    assert_eq!(changed(&told[1]), ["status", "lms_user_id", "activation_date"]);
    let status = &told[1].changes[0];
    assert_eq!((&status.from, &status.to), (&Value::from("assigned"), &Value::from("activated")));
    assert_eq!(told[3].version.kind, ChangeKind::Added);
}

#[test]
fn a_page_compares_its_last_change_with_the_one_on_the_next_page() {
    let world = World::new();
    let plan = world.plan(1);
    world.activate(plan, "amy@example.com", 7);
    let license = EntityRef::License(world.license_of(plan, "amy@example.com").id);
    let first = |total| {
        assert_eq!(total, 3);
        Ok(LimitOffset { offset: 0, limit: 1 })
    };
    let page = world.manager.history::<Error>(license, first).unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(changed(&page.items[0]), ["status", "lms_user_id", "activation_date"]);
}

#[test]
fn a_plan_tells_why_it_changed() {
    let world = World::new();
    let plan = world.plan(1);
    world.change(plan, PlanChanges { title: Some("Another title".to_owned()), ..PlanChanges::default() }).unwrap();
    let told = history(&world, EntityRef::Plan(plan));
    let reasons: Vec<_> = told.iter().map(|change| change.version.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("other"), Some("new")]);
    assert_eq!(changed(&told[0]), ["title"]);
}

#[test]
fn how_it_was_is_known_for_every_moment_since_it_exists() {
    let world = World::new();
    let before = world.manager.now();
    later(&world);
    let plan = world.plan(1);
    let made = world.manager.now();
    later(&world);
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    let license = EntityRef::License(world.license_of(plan, "amy@example.com").id);
    let status = |at| world.manager.as_of(license, at).map(|version| version.row.get("status").clone());
    assert_eq!(status(before), Err(Error::NotFound(Entity::License)));
    assert_eq!(status(made), Ok(Value::from("unassigned")));
    assert_eq!(status(world.manager.now()), Ok(Value::from("assigned")));
    assert_eq!(world.manager.as_of(EntityRef::Plan(plan), before), Err(Error::NotFound(Entity::Plan)));
}

#[test]
fn what_was_done_by_mistake_is_set_back() {
    let world = World::new();
    let plan = world.plan(3);
    world.activate(plan, "amy@example.com", 7);
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    let amy = world.license_of(plan, "amy@example.com");
    let good = world.manager.now();
    later(&world);
    world.manager.revoke_all(&admin(), plan).unwrap();
    let mistaken = world.footprint(plan);

    let dry = revert(&world, plan, good, true).unwrap();
    assert_eq!(world.footprint(plan), mistaken, "a dry run changes nothing");
    assert_eq!(dry.changed.len(), 2);
    let fields: Vec<_> = dry.changed[0].1.iter().map(|change| change.field).collect();
    assert_eq!(fields, ["status", "revoked_date"]);
    let replacements: Vec<_> = dry.left_alone.iter().map(|(_, why)| *why).collect();
    assert_eq!(replacements, [LeftAlone::DidNotExist; 2], "revocation had added two");

    assert_eq!(revert(&world, plan, good, false), Ok(dry));
    assert_eq!(world.counts(plan), LicenseCounts { activated: 1, assigned: 1, unassigned: 3, ..Default::default() });
    let back = world.license_of(plan, "amy@example.com");
    assert_eq!(back, License { modified: world.manager.now(), ..amy.clone() });
    let last = history(&world, EntityRef::License(amy.id)).remove(0).version;
    assert_eq!((last.by.as_deref(), last.at), (Some("staff"), world.manager.now()));
    assert_eq!(world.store.outbox().len(), mistaken.1, "setting back owes nothing");
    assert_eq!(revert(&world, plan, good, false).unwrap().changed, [], "twice is once");
}

#[test]
fn a_seat_that_went_to_another_license_comes_back_in_one_step() {
    let world = World::new();
    let plan = world.plan(2);
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    let first = world.license_of(plan, "amy@example.com").id;
    let good = world.manager.now();
    later(&world);
    world.manager.edit_license(&admin(), first, reset()).unwrap();
    let second = world.licenses(plan).into_iter().find(|license| license.id != first).unwrap().id;
    let assigned = LicenseEdit {
        status: Some(LicenseStatus::Assigned),
        user_email: Some(email("amy@example.com")),
        ..LicenseEdit::default()
    };
    world.manager.edit_license(&admin(), second, assigned).unwrap();
    assert_eq!(revert(&world, plan, good, false).unwrap().changed.len(), 2);
    assert_eq!(world.license_of(plan, "amy@example.com").id, first);
}

fn reset() -> LicenseEdit {
    LicenseEdit { status: Some(LicenseStatus::Unassigned), ..LicenseEdit::default() }
}

#[test]
fn nobody_is_given_a_second_license() {
    let world = World::new();
    let plan = world.plan(2);
    world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    let first = world.license_of(plan, "amy@example.com").id;
    let good = world.manager.now();
    later(&world);
    world.revoke(plan, &["amy@example.com", "bob@example.com"]).unwrap();
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    let before = world.footprint(plan);
    let held_twice = HeldTwice { license: first, email: email("amy@example.com") };
    let refused = Err(Conflict::LiveLicense(vec![held_twice]).into());
    for dry_run in [true, false] {
        assert_eq!(revert(&world, plan, good, dry_run), refused);
    }
    assert_eq!(world.footprint(plan), before, "bob's stays too");
}

#[test]
fn only_the_named_licenses_are_set_back() {
    let world = World::new();
    let plan = world.plan(2);
    let other = world.create(world.new_plan("Other", 1)).unwrap();
    world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    let good = world.manager.now();
    later(&world);
    world.revoke(plan, &["amy@example.com", "bob@example.com"]).unwrap();
    let request = |licenses| RevertRequest { plan, licenses: Some(licenses), as_of: good, dry_run: false };
    let amy = world.license_of(plan, "amy@example.com").id;
    let stranger = world.licenses(other)[0].id;
    let refused = world.manager.revert(&admin(), &request(vec![amy, stranger])).unwrap_err();
    let Error::Invalid(errors) = refused else { panic!("{refused:?}") };
    assert!(errors.iter().any(|(field, told)| field == "license_uuids" && told[0].contains(&stranger.to_string())));
    let done = world.manager.revert(&admin(), &request(vec![amy])).unwrap();
    assert_eq!(done.changed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [amy]);
    assert_eq!(world.license_of(plan, "bob@example.com").status(), LicenseStatus::Revoked);
}

#[test]
fn more_than_one_request_sets_back_have_to_be_named() {
    let world = World::with(Settings { inline_limit: 2, ..Settings::default() });
    let plan = world.plan(2);
    let good = world.manager.now();
    later(&world);
    world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    assert_eq!(revert(&world, plan, good, true).unwrap().changed.len(), 2);
    let larger = PlanChanges { desired_num_licenses: Some(Some(3)), ..PlanChanges::default() };
    world.change(plan, larger).unwrap();
    for dry_run in [true, false] {
        assert_eq!(revert(&world, plan, good, dry_run), Err(Refusal::TooManyToRevert { most: 2 }.into()));
    }
    let amy = world.license_of(plan, "amy@example.com").id;
    let request = RevertRequest { plan, licenses: Some(vec![amy]), as_of: good, dry_run: false };
    assert_eq!(world.manager.revert(&admin(), &request).unwrap().changed.len(), 1);
}

#[test]
fn a_license_that_came_from_another_plan_stays_as_it_is() {
    let world = World::new();
    let (old, new) = (world.create(world.new_plan("Old", 1)).unwrap(), world.create(world.new_plan("New", 0)).unwrap());
    world.assign(old, &learners(["amy@example.com"])).unwrap();
    let good = world.manager.now();
    let now = later(&world);
    let moved = License { plan: new, ..world.license_of(old, "amy@example.com") }.revoke(now).unwrap();
    world.store.write(|unit| unit.licenses().save(std::slice::from_ref(&moved), &admin().change(now))).unwrap();
    let done = revert(&world, new, good, false).unwrap();
    assert_eq!((done.changed.len(), done.left_alone), (0, vec![(moved.id, LeftAlone::InAnotherPlan)]));
}

#[test]
fn the_future_cannot_be_set_back_to() {
    let world = World::new();
    let plan = world.plan(1);
    let refused = revert(&world, plan, world.manager.now() + Duration::hours(1), true);
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
}
