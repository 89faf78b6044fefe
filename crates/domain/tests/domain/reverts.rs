//! Setting licenses back to how they were.

use crate::history::{history, later};
use crate::support::*;
use chrono::{DateTime, Duration, Utc};
use license_manager_domain::history::EntityRef;
use license_manager_domain::model::HeldTwice;
use license_manager_domain::ports::StoreExt;
use license_manager_domain::use_cases::{LeftAlone, LicenseEdit, Reverted};
use license_manager_domain::*;

fn revert(world: &World, plan: PlanId, as_of: DateTime<Utc>, dry_run: bool) -> Result<Reverted, Error> {
    world.manager.revert(&Actor::user("staff"), &RevertRequest { plan, licenses: None, as_of, dry_run })
}

/// How many unassigned licenses a revert removes and adds, after a dry run that says the same.
fn seats(world: &World, plan: PlanId, as_of: DateTime<Utc>) -> (i64, i64) {
    let before = world.footprint(plan);
    let dry = revert(world, plan, as_of, true).unwrap();
    assert_eq!(world.footprint(plan), before, "a dry run changes nothing");
    let done = revert(world, plan, as_of, false).unwrap();
    assert_eq!(done, dry);
    (done.removed, done.added)
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

    later(&world);
    assert_eq!(revert(&world, plan, good, false), Ok(dry));
    assert_eq!(world.counts(plan), LicenseCounts { activated: 1, assigned: 1, unassigned: 1, ..Default::default() });
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
    let larger = PlanChanges { desired_num_licenses: Edit::Set(3), ..PlanChanges::default() };
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
    assert_eq!(revert(&world, plan, world.manager.now(), true), Ok(Reverted::default()), "now is not the future");
}

#[test]
fn a_revocation_that_is_undone_makes_no_seat() {
    let world = World::new();
    let plan = world.plan(3);
    world.assign(plan, &crowd(3)).unwrap();
    let good = world.manager.now();
    later(&world);
    world.manager.revoke_all(&admin(), plan).unwrap();
    let revoked = later(&world);
    later(&world);
    let deleted = |world: &World| world.store.history().iter().filter(|entry| entry.kind == '-').count();
    assert_eq!(seats(&world, plan, good), (3, 0));
    assert_eq!(world.counts(plan), LicenseCounts { assigned: 3, ..LicenseCounts::default() });
    assert_eq!(deleted(&world), 3, "the history tells that seats went");

    // Revoked again by a revert: as many seats are added as a revocation adds.
    later(&world);
    assert_eq!(seats(&world, plan, revoked), (0, 3));
    assert_eq!(world.counts(plan), LicenseCounts { revoked: 3, unassigned: 3, ..LicenseCounts::default() });
    assert_eq!(seats(&world, plan, revoked), (0, 0), "twice is once");
}

#[test]
fn a_seat_that_is_in_use_is_not_removed() {
    let world = World::new();
    let plan = world.plan(4);
    world.assign(plan, &learners(["amy@example.com", "bob@example.com", "eve@example.com"])).unwrap();
    let good = world.manager.now();
    later(&world);
    world.manager.revoke_all(&admin(), plan).unwrap();
    world.assign(plan, &learners(["ann@example.com", "kim@example.com", "zoe@example.com"])).unwrap();
    // The seats of the three newcomers are not all new: one was there before, and is free after the revert.
    let before = world.footprint(plan);
    let refused = Err(Refusal::TooFewToRemove { missing: 1 }.into());
    for dry_run in [true, false] {
        assert_eq!(revert(&world, plan, good, dry_run), refused);
    }
    assert_eq!(world.footprint(plan), before, "all or nothing");
    world.revoke(plan, &["kim@example.com"]).unwrap();
    assert_eq!(seats(&world, plan, good), (3, 0));
    assert_eq!(world.counts(plan).total(), 4);
}

#[test]
fn a_license_that_is_free_again_after_a_revert_is_a_seat_to_remove() {
    let world = World::new();
    let plan = world.plan(1);
    let good = world.manager.now();
    later(&world);
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    world.revoke(plan, &["amy@example.com"]).unwrap();
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    // Amy's license was unassigned then. It comes back, and is itself the seat that the plan has too many.
    assert_eq!(seats(&world, plan, good), (1, 0));
    assert_eq!(world.counts(plan), LicenseCounts { assigned: 1, ..LicenseCounts::default() });
    assert_eq!(world.license_of(plan, "bob@example.com").status(), LicenseStatus::Assigned);
}

#[test]
fn licenses_that_come_back_take_the_seats_of_those_that_are_revoked() {
    let world = World::new();
    let plan = world.plan(2);
    let names = ["amy@example.com", "bob@example.com"];
    world.assign(plan, &learners(names)).unwrap();
    let good = world.manager.now();
    later(&world);
    world.revoke(plan, &["amy@example.com"]).unwrap();
    let mixed = later(&world);
    later(&world);
    seats(&world, plan, good);
    later(&world);
    world.revoke(plan, &["bob@example.com"]).unwrap();
    // Amy's is revoked, Bob's comes back.
    assert_eq!(seats(&world, plan, mixed), (0, 0));
    let statuses = names.map(|name| world.license_of(plan, name).status());
    assert_eq!(statuses, [LicenseStatus::Revoked, LicenseStatus::Assigned]);
    assert_eq!(world.counts(plan).total(), 2);
}

#[test]
fn two_people_who_swapped_their_licenses_get_them_back() {
    let world = World::new();
    let plan = world.plan(2);
    let names = ["amy@example.com", "bob@example.com"];
    world.activate(plan, names[0], 7);
    world.assign(plan, &learners([names[1]])).unwrap();
    let good = world.manager.now();
    let then = names.map(|name| world.license_of(plan, name));
    later(&world);
    let give = |license: LicenseId, name: &str| {
        let edit = LicenseEdit { user_email: Some(email(name)), ..LicenseEdit::default() };
        world.manager.edit_license(&admin(), license, edit).unwrap();
    };
    give(then[0].id, "nobody@example.com");
    give(then[1].id, names[0]);
    give(then[0].id, names[1]);
    assert_eq!(seats(&world, plan, good), (0, 0));
    let back = names.map(|name| world.license_of(plan, name));
    let now = world.manager.now();
    assert_eq!(back, then.map(|license| License { modified: now, ..license }));
    for license in back {
        let told = history(&world, EntityRef::License(license.id));
        // A database refuses two licenses of one holder, also within a transaction.
        assert_eq!(told[1].version.row.text("status"), Some("unassigned"), "it is nobody's in between");
    }
}

#[test]
fn everybody_who_would_have_two_licenses_is_named() {
    let world = World::new();
    let plan = world.plan(2);
    let names = ["amy@example.com", "bob@example.com"];
    world.assign(plan, &learners(names)).unwrap();
    let twice = names.map(|name| HeldTwice { license: world.license_of(plan, name).id, email: email(name) });
    let good = world.manager.now();
    later(&world);
    world.revoke(plan, &names).unwrap();
    world.assign(plan, &learners(names)).unwrap();
    assert_eq!(revert(&world, plan, good, false), Err(Conflict::LiveLicense(twice.into()).into()));
}

#[test]
fn it_is_set_back_too_whether_a_license_was_auto_applied_and_renewed() {
    let world = World::new();
    let plan = world.plan(2);
    world.rewrite_plan(plan, |plan| plan.should_auto_apply_licenses = Some(true));
    let unused = world.manager.now();
    later(&world);
    world.manager.auto_apply(&Actor::user("amy"), world.agreement, &person("amy@example.com", 7)).unwrap();
    let amy = world.license_of(plan, "amy@example.com");
    let used = later(&world);
    later(&world);
    world.manager.edit_license(&admin(), amy.id, reset()).unwrap();
    later(&world);
    revert(&world, plan, used, false).unwrap();
    let back = world.license_of(plan, "amy@example.com");
    assert_eq!(back, License { modified: world.manager.now(), ..amy });

    later(&world);
    world.renew(world.schedule(&world.terms(plan, 2))).unwrap();
    assert!(world.license_of(plan, "amy@example.com").renewed_to.is_some());
    later(&world);
    revert(&world, plan, unused, false).unwrap();
    let free = world.manager.license(back.id).unwrap();
    assert_eq!((free.status(), free.auto_applied, free.renewed_to), (LicenseStatus::Unassigned, None, None));
}

#[test]
fn a_license_whose_holder_was_removed_stays_as_it_is() {
    let world = World::new();
    let plan = world.plan(3);
    world.activate(plan, "amy@example.com", 7);
    world.activate(plan, "bob@example.com", 8);
    let good = world.manager.now();
    later(&world);
    world.manager.revoke_all(&admin(), plan).unwrap();
    let revoked = later(&world);
    let amy = world.license_of(plan, "amy@example.com").id;
    later(&world);
    world.manager.retire(&admin(), LmsUserId(7), "amy").unwrap();
    let left = |as_of| revert(&world, plan, as_of, true).unwrap().left_alone;
    assert!(left(good).contains(&(amy, LeftAlone::HolderRetired)));
    assert!(left(revoked).contains(&(amy, LeftAlone::Unchanged)));
    let known = history(&world, EntityRef::License(amy));
    assert!(known.iter().all(|change| change.version.row.text("user_email").is_none()));

    let bob = world.license_of(plan, "bob@example.com").id;
    assert_eq!(seats(&world, plan, good), (1, 0), "bob's comes back");
    later(&world);
    world.manager.retire(&admin(), LmsUserId(8), "bob").unwrap();
    assert!(left(revoked).contains(&(bob, LeftAlone::HolderRetired)), "nobody's license is revoked");
}
