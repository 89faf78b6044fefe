//! Staff correct a license.

use crate::support::*;
use license_manager_domain::model::HeldTwice;
use license_manager_domain::outbox::Topic;
use license_manager_domain::use_cases::LicenseEdit;
use license_manager_domain::*;

fn edit(world: &World, license: LicenseId, edit: LicenseEdit) -> Result<License, Error> {
    world.manager.edit_license(&Actor::user("staff"), license, edit)
}

fn status(status: LicenseStatus) -> LicenseEdit {
    LicenseEdit { status: Some(status), ..LicenseEdit::default() }
}

fn holder(address: &str) -> LicenseEdit {
    LicenseEdit { user_email: Some(email(address)), ..LicenseEdit::default() }
}

/// The fields that an edit must not have had.
fn wrong_fields(outcome: Result<License, Error>) -> Vec<String> {
    let Err(Error::Invalid(errors)) = outcome else { panic!("{outcome:?}") };
    errors.iter().map(|(field, _)| field.to_owned()).collect()
}

#[test]
fn a_misspelt_holder_is_corrected() {
    let world = World::new();
    let plan = world.plan(1);
    world.activate(plan, "ammy@example.com", 7);
    let before = world.license_of(plan, "ammy@example.com");
    let owed = world.newly_owed(|| {
        let corrected = LicenseEdit { lms_user_id: Some(Some(LmsUserId(8))), ..holder("amy@example.com") };
        edit(&world, before.id, corrected).unwrap();
    });
    assert_eq!(topics(&owed), [], "nobody is mailed");
    let mut expected = before.columns();
    expected.user_email = Some(email("amy@example.com"));
    expected.lms_user_id = Some(LmsUserId(8));
    assert_eq!(world.license_of(plan, "amy@example.com").columns(), expected);
    let last = world.store.history().pop().unwrap();
    assert_eq!((last.id, last.change.by.as_deref()), (before.id.to_string(), Some("staff")));
    edit(&world, before.id, LicenseEdit { lms_user_id: Some(None), ..LicenseEdit::default() }).unwrap();
    assert_eq!(world.license_of(plan, "amy@example.com").lms_user_id(), None);
}

#[test]
fn an_edit_that_changes_nothing_leaves_no_trace() {
    let world = World::new();
    let plan = world.plan(1);
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    let license = world.license_of(plan, "amy@example.com").id;
    let before = world.footprint(plan);
    edit(&world, license, LicenseEdit { status: Some(LicenseStatus::Assigned), ..holder("AMY@example.com") }).unwrap();
    edit(&world, license, LicenseEdit::default()).unwrap();
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn a_license_takes_the_steps_of_its_life_and_owes_what_they_owe() {
    let world = World::new();
    let plan = world.plan(1);
    let license = world.licenses(plan)[0].id;
    let assigned = LicenseEdit { status: Some(LicenseStatus::Assigned), ..holder("amy@example.com") };
    let owed = world.newly_owed(|| drop(edit(&world, license, assigned.clone()).unwrap()));
    assert_eq!(topics(&owed), [Topic::LicenseEvent, Topic::Assignment]);
    let owed = world.newly_owed(|| drop(edit(&world, license, status(LicenseStatus::Activated)).unwrap()));
    assert_eq!(topics(&owed), [Topic::LicenseEvent, Topic::Activation]);
    let columns = world.license_of(plan, "amy@example.com").columns();
    assert_eq!((columns.status, columns.activation_date), (LicenseStatus::Activated, Some(beginning())));
    edit(&world, license, status(LicenseStatus::Unassigned)).unwrap();
    assert_eq!(world.licenses(plan)[0].columns(), LicenseColumns::default());

    edit(&world, license, LicenseEdit { lms_user_id: Some(Some(LmsUserId(7))), ..assigned }).unwrap();
    let owed = world.newly_owed(|| drop(edit(&world, license, status(LicenseStatus::Revoked)).unwrap()));
    assert_eq!(topics(&owed), [Topic::LicenseEvent], "a license that was never in use paid for no enrollments");
    assert_eq!(world.counts(plan), LicenseCounts { unassigned: 1, revoked: 1, ..Default::default() });
}

#[test]
fn a_license_can_be_activated_for_a_learner_at_once() {
    let world = World::new();
    let plan = world.plan(1);
    let license = world.licenses(plan)[0].id;
    let activated = LicenseEdit {
        status: Some(LicenseStatus::Activated),
        lms_user_id: Some(Some(LmsUserId(7))),
        ..holder("amy@example.com")
    };
    edit(&world, license, activated).unwrap();
    let columns = world.license_of(plan, "amy@example.com").columns();
    assert_eq!((columns.status, columns.lms_user_id), (LicenseStatus::Activated, Some(LmsUserId(7))));
    assert_eq!(world.owed(Topic::Assignment)[0]["mail"], false, "there is nothing left to activate");
}

#[test]
fn steps_that_no_license_takes_are_refused() {
    let world = World::new();
    let plan = world.plan(2);
    world.activate(plan, "amy@example.com", 7);
    world.activate(plan, "bob@example.com", 8);
    world.revoke(plan, &["bob@example.com"]).unwrap();
    let (amy, bob) = (world.license_of(plan, "amy@example.com").id, world.license_of(plan, "bob@example.com").id);
    let free = world.licenses(plan).into_iter().find(|license| license.status() == LicenseStatus::Unassigned).unwrap();
    let before = world.footprint(plan);
    for (license, to) in [
        (amy, LicenseStatus::Assigned),
        (bob, LicenseStatus::Assigned),
        (bob, LicenseStatus::Activated),
        (bob, LicenseStatus::Unassigned),
        (free.id, LicenseStatus::Revoked),
    ] {
        let refused = edit(&world, license, status(to));
        assert!(matches!(refused, Err(Error::Refused(Refusal::Impossible(_)))), "to {to}: {refused:?}");
    }
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn the_fields_have_to_fit_the_status() {
    let world = World::new();
    let plan = world.plan(1);
    let free = world.licenses(plan)[0].id;
    assert_eq!(wrong_fields(edit(&world, free, status(LicenseStatus::Assigned))), ["user_email"]);
    let somebody = LicenseEdit { lms_user_id: Some(Some(LmsUserId(7))), ..holder("amy@example.com") };
    assert_eq!(wrong_fields(edit(&world, free, somebody.clone())), ["lms_user_id", "user_email"]);
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    let freed = LicenseEdit { status: Some(LicenseStatus::Unassigned), ..somebody };
    assert_eq!(wrong_fields(edit(&world, free, freed)), ["lms_user_id", "user_email"]);
    let unknown = LicenseId(uuid::Uuid::from_u128(99));
    assert_eq!(edit(&world, unknown, LicenseEdit::default()), Err(Error::NotFound(Entity::License)));
}

#[test]
fn nobody_gets_a_second_license_of_a_plan() {
    let world = World::new();
    let plan = world.plan(3);
    world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    let bob = world.license_of(plan, "bob@example.com").id;
    let free = world.licenses(plan).into_iter().find(|license| !license.is_live()).unwrap().id;
    let twice =
        |license| Err(Conflict::LiveLicense(vec![HeldTwice { license, email: email("amy@example.com") }]).into());
    let before = world.footprint(plan);
    assert_eq!(edit(&world, bob, holder("amy@example.com")), twice(bob));
    let assigned = LicenseEdit { status: Some(LicenseStatus::Assigned), ..holder("amy@example.com") };
    assert_eq!(edit(&world, free, assigned), twice(free));
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn a_revocation_by_staff_counts_against_the_cap() {
    let world = World::new();
    let plan = world.capped_plan(20, 5);
    world.activate(plan, "amy@example.com", 7);
    world.activate(plan, "bob@example.com", 8);
    let revoke = |address| edit(&world, world.license_of(plan, address).id, status(LicenseStatus::Revoked));
    revoke("amy@example.com").unwrap();
    assert_eq!(world.details(plan).num_revocations_applied, 1);
    assert_eq!(revoke("bob@example.com"), Err(Refusal::RevocationCap { requested: 1, remaining: 0 }.into()));
}
