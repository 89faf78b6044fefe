//! Staff correct a license.

use crate::following::{AMY, followed};
use crate::operations::world::Watch;
use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::HeldTwice;
use license_manager_domain::outbox::Topic;
use license_manager_domain::ports::StoreExt;
use license_manager_domain::use_cases::LicenseEdit;
use license_manager_domain::*;

fn edit(world: &World, license: LicenseId, edit: LicenseEdit) -> Result<License, Error> {
    world.manager.edit_license(&Actor::user("staff"), license, edit).map(|record| record.license)
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
        let corrected = LicenseEdit { lms_user_id: Edit::Set(LmsUserId(8)), ..holder("amy@example.com") };
        edit(&world, before.id, corrected).unwrap();
    });
    assert_eq!(topics(&owed), [], "nobody is mailed");
    let mut expected = before.columns();
    expected.user_email = Some(email("amy@example.com"));
    expected.lms_user_id = Some(LmsUserId(8));
    assert_eq!(world.license_of(plan, "amy@example.com").columns(), expected);
    let last = world.store.history().pop().unwrap();
    assert_eq!((last.id, last.change.by.as_deref()), (before.id.to_string(), Some("staff")));
    edit(&world, before.id, LicenseEdit { lms_user_id: Edit::Clear, ..LicenseEdit::default() }).unwrap();
    assert_eq!(world.license_of(plan, "amy@example.com").lms_user_id(), None);
}

#[test]
fn an_address_that_an_older_version_stored_is_nobody_elses_and_can_be_put_right() {
    let world = World::new();
    let plan = world.plan(2);
    let stored = Email::from_storage("amy@xn--mnchen-3ya.de".to_owned());
    let both = [(stored.clone(), None), (email("bob@example.com"), None)].into_iter().collect();
    world.assign(plan, &both).unwrap();
    let of = |address: &Email| {
        world.licenses(plan).into_iter().find(|license| license.holder_email() == Some(address)).unwrap().id
    };
    let (amy, bob) = (of(&stored), of(&email("bob@example.com")));
    let normal = "amy@m\u{fc}nchen.de";
    let twice = vec![HeldTwice { license: bob, email: email(normal) }];
    assert_eq!(edit(&world, bob, holder(normal)), Err(Conflict::LiveLicense(twice).into()));
    assert_eq!(edit(&world, amy, holder(normal)).unwrap().holder_email(), Some(&email(normal)));
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

    edit(&world, license, LicenseEdit { lms_user_id: Edit::Set(LmsUserId(7)), ..assigned }).unwrap();
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
        lms_user_id: Edit::Set(LmsUserId(7)),
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
    let somebody = LicenseEdit { lms_user_id: Edit::Set(LmsUserId(7)), ..holder("amy@example.com") };
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
fn an_lms_user_gets_no_second_license_of_a_plan() {
    let world = World::new();
    let plan = world.plan(2);
    world.activate(plan, "amy@example.com", 7);
    world.assign(plan, &learners(["new@example.com"])).unwrap();
    let second = world.license_of(plan, "new@example.com").id;
    let user = |user| LicenseEdit { lms_user_id: Edit::Set(LmsUserId(user)), ..LicenseEdit::default() };
    let twice = vec![HeldTwice { license: second, email: email("new@example.com") }];
    assert_eq!(edit(&world, second, user(7)), Err(Conflict::LiveLicense(twice).into()));
    assert_eq!(edit(&world, second, user(8)).unwrap().lms_user_id(), Some(LmsUserId(8)));
    let first = world.license_of(plan, "amy@example.com").id;
    assert_eq!(edit(&world, first, user(7)).unwrap().lms_user_id(), Some(LmsUserId(7)), "it is theirs");
}

#[test]
fn a_license_of_another_plan_and_a_revoked_one_are_no_second_ones() {
    let world = World::new();
    let (plan, other) = (world.plan(3), world.plan(1));
    world.activate(plan, "old@example.com", 9);
    world.revoke(plan, &["old@example.com"]).unwrap();
    world.activate(other, "old@example.com", 9);
    world.assign(plan, &learners(["new@example.com"])).unwrap();
    let user = LicenseEdit { lms_user_id: Edit::Set(LmsUserId(9)), ..LicenseEdit::default() };
    let edited = edit(&world, world.license_of(plan, "new@example.com").id, user).unwrap();
    assert_eq!(edited.lms_user_id(), Some(LmsUserId(9)));
}

#[test]
fn the_holder_of_a_copy_is_corrected_in_its_original() {
    let world = World::new();
    let plan = world.plan(1);
    world.activate(plan, "amy@example.com", 7);
    let following = world.renew(world.schedule(&world.terms(plan, 1))).unwrap();
    let copy = world.license_of(following, "amy@example.com").id;
    let user = LicenseEdit { lms_user_id: Edit::Set(LmsUserId(8)), ..LicenseEdit::default() };
    for change in [holder("bob@example.com"), user] {
        assert_eq!(edit(&world, copy, change), Err(Refusal::HolderOfOriginal.into()));
    }
    // Its own dates are its own.
    let reminded = LicenseEdit { last_remind_date: Edit::Set(beginning()), ..LicenseEdit::default() };
    assert_eq!(edit(&world, copy, reminded).unwrap().last_remind_date(), Some(beginning()));
    edit(&world, world.license_of(plan, "amy@example.com").id, holder("bob@example.com")).unwrap();
    assert_eq!(world.license_of(following, "bob@example.com").id, copy);

    world.clock.advance(Duration::days(101));
    assert_eq!(edit(&world, copy, holder("eve@example.com")).unwrap().holder_email(), Some(&email("eve@example.com")));
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

#[test]
fn dates_are_edited_where_the_status_has_them() {
    let world = World::new();
    let plan = world.plan(3);
    world.activate(plan, "amy@example.com", 7);
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    let (amy, bob) = (world.license_of(plan, "amy@example.com").id, world.license_of(plan, "bob@example.com").id);
    let free = world.licenses(plan).into_iter().find(|license| !license.is_live()).unwrap().id;
    let [early, late] = [1, 2].map(|days| beginning() - Duration::days(days));
    let dates = LicenseEdit {
        assigned_date: Edit::Set(late),
        activation_date: Edit::Set(early),
        last_remind_date: Edit::Clear,
        ..LicenseEdit::default()
    };
    world.clock.advance(Duration::days(1));
    let owed = world.newly_owed(|| drop(edit(&world, amy, dates.clone()).unwrap()));
    assert_eq!(topics(&owed), []);
    let license = world.license_of(plan, "amy@example.com");
    let columns = license.columns();
    assert_eq!(
        (columns.assigned_date, columns.activation_date, columns.last_remind_date),
        (Some(late), Some(early), None)
    );
    assert_eq!(license.modified, world.manager.now());

    let revoked = LicenseEdit { revoked_date: Edit::Set(early), ..status(LicenseStatus::Revoked) };
    assert_eq!(
        edit(&world, amy, revoked).unwrap().columns().revoked_date,
        Some(early),
        "with the step that leads there"
    );

    let before = world.footprint(plan);
    let all = LicenseEdit { revoked_date: Edit::Set(early), last_remind_date: Edit::Set(early), ..dates };
    let unassigned = ["activation_date", "assigned_date", "last_remind_date", "revoked_date"];
    assert_eq!(wrong_fields(edit(&world, free, all.clone())), unassigned);
    assert_eq!(wrong_fields(edit(&world, bob, all)), ["activation_date", "revoked_date"]);
    let emptied = LicenseEdit { assigned_date: Edit::Clear, revoked_date: Edit::Clear, ..LicenseEdit::default() };
    assert_eq!(wrong_fields(edit(&world, bob, emptied.clone())), ["assigned_date"]);
    assert_eq!(wrong_fields(edit(&world, amy, emptied)), ["revoked_date"]);
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn the_source_of_a_license_is_read_changed_and_removed() {
    let world = World::new();
    let plan = world.plan(1);
    let source = |number: u8| format!("00600000000000000{number}");
    let amy: Assignees = [(email("amy@example.com"), Some(source(1)))].into_iter().collect();
    world.assign(plan, &amy).unwrap();
    let id = world.license_of(plan, "amy@example.com").id;
    let read = || world.manager.license_record(id).unwrap().source;
    assert_eq!(read(), Some(source(1)));
    let staff = Actor::user("staff").because(Some("the other deal".to_owned()));
    let edit = |source| {
        let edit = LicenseEdit { source: Edit::from(source), ..LicenseEdit::default() };
        world.manager.edit_license(&staff, id, edit).map(|record| record.source)
    };
    let entries = || {
        let history = world.store.history().into_iter().filter(|entry| entry.table == "license_source");
        history.map(|entry| (entry.kind, entry.change.reason.map(String::from))).collect::<Vec<_>>()
    };
    let because = |kind| (kind, Some("the other deal".to_owned()));
    for (wanted, recorded) in [(Some(source(2)), 2), (Some(source(2)), 2), (None, 3), (None, 3), (Some(source(3)), 4)] {
        assert_eq!(edit(wanted.clone()), Ok(wanted.clone()));
        assert_eq!((read(), entries().len()), (wanted, recorded));
    }
    assert_eq!(entries(), [('+', None), because('~'), because('-'), because('+')]);
    let Err(Error::Invalid(errors)) = edit(Some("006".to_owned())) else { panic!("accepted") };
    assert_eq!(errors.iter().map(|(field, _)| field).collect::<Vec<_>>(), ["source_id"]);
    assert_eq!(read(), Some(source(3)));
}

#[test]
fn staff_add_a_license_to_a_plan() {
    let world = World::new();
    let plan = world.plan(2);
    let add = |edit| world.manager.add_license(&Actor::user("staff"), plan, edit);
    let owed = world.newly_owed(|| drop(add(LicenseEdit::default()).unwrap()));
    assert_eq!(topics(&owed), []);
    let activated = LicenseEdit {
        status: Some(LicenseStatus::Activated),
        lms_user_id: Edit::Set(LmsUserId(7)),
        source: Edit::Set("006000000000000001".to_owned()),
        ..holder("amy@example.com")
    };
    let owed = world.newly_owed(|| {
        let added = add(activated.clone()).unwrap();
        assert_eq!((added.license.plan, added.source), (plan, Some("006000000000000001".to_owned())));
    });
    assert_eq!(topics(&owed), [Topic::LicenseEvent, Topic::Assignment, Topic::LicenseEvent, Topic::Activation]);
    assert_eq!(world.counts(plan), LicenseCounts { unassigned: 3, activated: 1, ..Default::default() });
    let id = world.license_of(plan, "amy@example.com").id.to_string();
    let history = world.store.history();
    let kinds: String =
        history.iter().filter(|entry| entry.id == id && entry.table == "license").map(|entry| entry.kind).collect();
    assert_eq!(kinds, "+~", "the activation counts as one");

    let before = world.footprint(plan);
    assert!(matches!(add(activated), Err(Error::Conflict(Conflict::LiveLicense(_)))));
    assert!(matches!(add(status(LicenseStatus::Revoked)), Err(Error::Refused(Refusal::Impossible(_)))));
    let nowhere = PlanId(uuid::Uuid::from_u128(99));
    let unknown = world.manager.add_license(&Actor::user("staff"), nowhere, LicenseEdit::default());
    assert_eq!(unknown, Err(Error::UnknownReference { field: "subscription_plan", entity: Entity::Plan }));
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn the_holder_of_a_copy_whose_original_is_long_over_is_corrected_in_the_copy() {
    let world = World::new();
    let (prior, following) = followed(&world, 5);
    world.rewrite_plan(prior, |plan| plan.expiration_date = plan.start_date + Duration::days(3));
    world.rewrite_agreement(|agreement| agreement.license_duration_before_purge = Duration::days(1));
    world.clock.advance(Duration::days(5));
    world.manager.retire_old_licenses(false, &Watch::patient(&world));
    let copy = world.license_of(following, AMY).id;
    assert_eq!(edit(&world, copy, holder("eve@example.com")).unwrap().holder_email(), Some(&email("eve@example.com")));
}

#[test]
fn who_has_two_licenses_already_stands_in_the_way_of_no_other_edit() {
    let world = World::new();
    let plan = world.plan(2);
    world.activate(plan, "amy@example.com", 7);
    world.assign(plan, &learners(["new@example.com"])).unwrap();
    let second = world.license_of(plan, "new@example.com").with_lms_user_id(Some(LmsUserId(7)), beginning());
    let save = std::slice::from_ref(&second);
    world.store.write(|unit| unit.licenses().save(save, &admin().change(beginning()))).unwrap();
    let reminded = LicenseEdit { last_remind_date: Edit::Set(beginning()), ..LicenseEdit::default() };
    assert_eq!(edit(&world, second.id, reminded).unwrap().last_remind_date(), Some(beginning()));
}
