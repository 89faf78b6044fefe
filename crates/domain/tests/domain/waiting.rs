//! Who waits for a license of the plan that follows gets one as soon as it has one.

use crate::following::{AMY, BOB, CID, edit, followed, names, process, revert, transfer, wait_until, waiting};
use crate::operations::world::Watch;
use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::{TransferOrder, TransferredLicenses};
use license_manager_domain::outbox::Topic;
use license_manager_domain::use_cases::{LearnerLicenseFilter, LicenseEdit};
use license_manager_domain::*;

const DAN: &str = "dan@example.com";

/// As [`followed`], and the following plan has two licenses, so that cid waits.
fn full(world: &World) -> (PlanId, PlanId) {
    let plans @ (prior, following) = followed(world, 2);
    world.clock.advance(Duration::days(50));
    assert_eq!(world.assign(prior, &learners([CID])).unwrap().not_carried_over, 1);
    assert_eq!((names(world, following), waiting(world, prior)), (vec![AMY.to_owned(), BOB.to_owned()], 1));
    plans
}

fn reset() -> LicenseEdit {
    LicenseEdit { status: Some(LicenseStatus::Unassigned), ..LicenseEdit::default() }
}

fn renamed(address: &str) -> LicenseEdit {
    LicenseEdit { user_email: Some(email(address)), ..LicenseEdit::default() }
}

/// Moves all licenses of a new plan, which are unassigned.
fn move_unassigned(world: &World, new_plan: PlanId) {
    let old_plan = world.plan(2);
    let (agreement, licenses) = (world.agreement, TransferredLicenses::All);
    let order = TransferOrder { agreement, old_plan, new_plan, notes: None, is_dry_run: false, licenses };
    let job = world.manager.create_transfer_job(&admin(), &order).unwrap().id;
    world.manager.process_transfer_job(&admin(), job, None).unwrap();
}

fn move_start(world: &World, plan: PlanId, by: Duration) {
    let start_date = Some(world.details(plan).start_date + by);
    world.change(plan, PlanChanges { start_date, ..PlanChanges::default() }).unwrap();
}

fn previous_of(messages: &[outbox::Message]) -> Vec<String> {
    let told = messages.iter().map(|message| serde_json::from_str(&message.payload.to_text()).unwrap());
    let told = told.filter(|payload: &serde_json::Value| payload["event"].is_string());
    told.map(|payload| payload["properties"]["previous_license_uuid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn whatever_frees_a_license_of_the_following_plan_gives_it_to_who_waits() {
    type Way = fn(&World, PlanId, PlanId);
    let ways: [(&str, Way); 10] = [
        ("a revocation there", |world, _, following| drop(world.revoke(following, &[BOB]).unwrap())),
        ("all revoked there", |world, _, following| world.manager.revoke_all(&admin(), following).unwrap()),
        ("a reset by staff", |world, _, following| edit(world, following, BOB, reset())),
        ("a license added by staff", |world, _, following| {
            world.manager.add_license(&admin(), following, LicenseEdit::default()).unwrap();
        }),
        ("a retirement", |world, _, _| {
            world.manager.retire(&admin(), LmsUserId(7), "amy").unwrap();
        }),
        ("a purge of original and copy", |world, _, _| {
            wait_until(world, beginning() + Duration::days(92));
            world.manager.retire_old_licenses(false, &Watch::patient(world));
        }),
        ("unassigned licenses from another plan", |world, _, following| move_unassigned(world, following)),
        ("a larger plan", |world, _, following| {
            let changes = PlanChanges { desired_num_licenses: Edit::Set(3), ..PlanChanges::default() };
            world.change(following, changes).unwrap();
        }),
        ("provisioning", |world, _, following| {
            world.rewrite_plan(following, |plan| plan.desired_num_licenses = Some(3));
            world.manager.provision_plan(&admin(), following).unwrap();
        }),
        ("a copy that leaves the plan and a license that comes", |world, _, following| {
            let other = world.plan(1);
            transfer(world, [following, other], BOB);
            move_unassigned(world, following);
        }),
    ];
    for (name, free) in ways {
        let world = World::new();
        let (prior, following) = full(&world);
        free(&world, prior, following);
        assert!(names(&world, following).contains(&CID.to_owned()), "{name}: {:?}", names(&world, following));
        // Whose copy was reset waits now.
        assert_eq!(waiting(&world, prior), i64::from(name == "a reset by staff"), "{name}");
        let copy = world.license_of(following, CID);
        let original = world.license_of(prior, CID);
        assert_eq!((original.renewed_to, copy.renewed_from), (Some(copy.id), Some(original.id)), "{name}");
    }
}

#[test]
fn a_revert_of_the_following_plan_gives_its_licenses_to_who_waits() {
    let world = World::new();
    let (prior, following) = followed(&world, 3);
    let then = world.manager.now();
    world.clock.advance(Duration::hours(1));
    world.assign(following, &learners(["eve@example.com"])).unwrap();
    assert_eq!(world.assign(prior, &learners([CID])).unwrap().not_carried_over, 1);
    revert(&world, following, then);
    assert_eq!(
        (names(&world, following), waiting(&world, prior)),
        (vec![AMY.to_owned(), BOB.to_owned(), CID.to_owned()], 0)
    );
}

#[test]
fn a_deleted_copy_leaves_its_person_waiting_for_a_free_license() {
    let world = World::new();
    let (prior, following) = followed(&world, 2);
    world.revoke(following, &[BOB]).unwrap();
    assert_eq!((names(&world, following), waiting(&world, prior)), (vec![AMY.to_owned()], 0), "it is not made again");
    world.manager.delete_revoked(&admin(), following).unwrap();
    assert_eq!((names(&world, following), waiting(&world, prior)), (vec![AMY.to_owned(), BOB.to_owned()], 0));
}

#[test]
fn who_was_refused_in_the_following_plan_is_not_carried_over_for_the_same_license() {
    let world = World::new();
    let (prior, following) = followed(&world, 3);
    world.assign(following, &learners([CID])).unwrap();
    world.assign(prior, &learners([CID])).unwrap();
    world.clock.advance(Duration::hours(1));
    world.revoke(following, &[CID]).unwrap();
    assert_eq!((names(&world, following), waiting(&world, prior)), (vec![AMY.to_owned(), BOB.to_owned()], 0));
    let key = world.license_of(prior, CID).activation_key().unwrap();
    world.manager.activate(&Actor::user(CID), key, &person(CID, 9)).unwrap();
    assert_eq!(names(&world, following), [AMY, BOB]);

    world.clock.advance(Duration::hours(1));
    world.revoke(prior, &[CID]).unwrap();
    assert_eq!(world.assign(prior, &learners([CID])).unwrap().not_carried_over, 0);
    assert_eq!(names(&world, following), [AMY, BOB, CID], "it is another license");
}

#[test]
fn a_copy_that_was_revoked_itself_is_not_made_again_by_a_revert() {
    let world = World::new();
    let (prior, following) = followed(&world, 3);
    world.revoke(following, &[BOB]).unwrap();
    world.clock.advance(Duration::hours(1));
    let then = world.manager.now();
    world.clock.advance(Duration::hours(1));
    world.revoke(prior, &[AMY, BOB]).unwrap();
    world.clock.advance(Duration::hours(1));
    revert(&world, prior, then);
    assert_eq!(names(&world, prior), [AMY, BOB]);
    assert_eq!((names(&world, following), waiting(&world, prior)), (vec![AMY.to_owned()], 0));
    assert!(world.license_of(prior, BOB).renewed_to.is_some());
}

#[test]
fn a_license_that_was_taken_from_a_copy_is_its_new_holders_alone() {
    let world = World::new();
    let (prior, following) = full(&world);
    edit(&world, following, BOB, reset());
    assert_eq!(
        (names(&world, following), waiting(&world, prior)),
        (vec![AMY.to_owned(), CID.to_owned()], 1),
        "bob waits now"
    );
    world.revoke(prior, &[BOB]).unwrap();
    assert_eq!((names(&world, following), waiting(&world, prior)), (vec![AMY.to_owned(), CID.to_owned()], 0));

    // Also if nobody was carried over to it.
    edit(&world, following, AMY, reset());
    world.assign(following, &learners([DAN])).unwrap();
    let owed = world.newly_owed(|| drop(world.revoke(prior, &[AMY]).unwrap()));
    assert_eq!(names(&world, following), [CID, DAN]);
    assert_eq!(previous_of(&owed), [""], "amy's own revocation is all there is to tell");
}

#[test]
fn what_is_told_of_who_gets_a_retired_persons_license_stays() {
    for retire in [true, false] {
        let world = World::new();
        let (prior, following) = full(&world);
        let freed = world.license_of(following, if retire { AMY } else { BOB }).id;
        if retire {
            world.manager.retire(&admin(), LmsUserId(7), "amy").unwrap();
        } else {
            wait_until(&world, beginning() + Duration::days(92));
            world.manager.retire_old_licenses(false, &Watch::patient(&world));
        }
        let copy = world.license_of(following, CID);
        assert_eq!(copy.id, freed);
        let renewed = world.owed(Topic::LicenseEvent).into_iter().filter(|event| {
            let properties = &event["properties"];
            properties["assigned_email"] == CID && properties["license_uuid"] == freed.to_string()
        });
        assert_eq!(renewed.count(), 1);
        let known = world.store.history().into_iter().filter_map(|entry| entry.license).filter(|license| {
            license.user_email == Some(email(CID)) && license.activation_key == copy.activation_key()
        });
        assert_eq!(known.count(), 3, "his license assigned, then renewed, and the copy");
        assert_eq!(waiting(&world, prior), 0);
    }
}

#[test]
fn who_waits_may_find_the_seat_of_somebody_with_a_new_address() {
    let world = World::new();
    let (prior, following) = followed(&world, 2);
    world.revoke(prior, &[BOB]).unwrap();
    world.assign(following, &learners([CID])).unwrap();
    world.assign(prior, &learners([DAN])).unwrap();
    assert_eq!(waiting(&world, prior), 1);
    // Amy and cid are one person: her copy ends, because cid's seat is hers.
    edit(&world, prior, AMY, renamed(CID));
    assert_eq!((names(&world, following), waiting(&world, prior)), (vec![CID.to_owned(), DAN.to_owned()], 0));
    let wanted = LearnerLicenseFilter::default();
    world.manager.learner_licenses(&Actor::user("amy"), customer(), &person(CID, 7), wanted).unwrap();
    assert_eq!(names(&world, following), [CID, DAN]);
}

#[test]
fn staff_who_free_a_license_are_told_who_got_it() {
    let world = World::new();
    let (_, following) = full(&world);
    let copy = world.license_of(following, BOB).id;
    let edited = world.manager.edit_license(&admin(), copy, reset()).unwrap().license;
    assert_eq!((edited.id, edited.holder_email()), (copy, Some(&email(CID))), "who waited");
    assert_eq!(edited, world.license_of(following, CID));
}

#[test]
fn every_plan_of_a_chain_gives_its_licenses_to_who_waits() {
    let world = World::new();
    let (prior, following) = full(&world);
    let later = model::RenewalTerms {
        effective_date: beginning() + Duration::days(465),
        renewed_expiration_date: beginning() + Duration::days(800),
        ..world.terms(following, 2)
    };
    let last = world.renew(world.schedule(&later)).unwrap();
    world.revoke(following, &[BOB]).unwrap();
    assert_eq!([following, last].map(|plan| names(&world, plan)), [[AMY, CID], [AMY, CID]]);
    assert_eq!([prior, following].map(|plan| waiting(&world, plan)), [0, 0]);
}

#[test]
fn a_new_start_is_the_one_from_which_copies_are_activated() {
    let world = World::new();
    let (prior, following) = followed(&world, 3);
    let activation = |world: &World| world.license_of(following, AMY).activation_date();
    for by in [Duration::days(5), Duration::days(-20), Duration::days(-120), Duration::days(200)] {
        let owed = world.newly_owed(|| move_start(&world, following, by));
        assert_eq!(activation(&world), Some(world.details(following).start_date), "{by}");
        assert_eq!(owed, [], "nobody activated anything");
    }
    assert_eq!(names(&world, prior), names(&world, following));
}

#[test]
fn a_plan_that_follows_again_makes_up_for_what_it_missed() {
    for at_once in [true, false] {
        let world = World::new();
        let (prior, following) = followed(&world, 3);
        world.assign(prior, &learners([CID])).unwrap();
        let start = world.details(following).start_date;
        world.rewrite_plan(following, |plan| plan.start_date = world.manager.now() - Duration::days(1));
        world.revoke(prior, &[AMY]).unwrap();
        edit(&world, prior, BOB, reset());
        world.assign(prior, &learners([DAN])).unwrap();
        assert_eq!(names(&world, following), [AMY, BOB, CID]);
        if at_once {
            move_start(&world, following, start - world.details(following).start_date);
        } else {
            world.rewrite_plan(following, |plan| plan.start_date = start);
            wait_until(&world, start);
            let summary = process(&world, false);
            assert!(summary.is_complete(), "{summary:?}");
        }
        assert_eq!(names(&world, following), [CID, DAN]);
        assert_eq!(world.counts(following).total(), 3);
    }
}

#[test]
fn a_start_that_stays_in_the_past_copies_nobody() {
    let world = World::new();
    let (prior, following) = followed(&world, 5);
    wait_until(&world, world.details(following).start_date + Duration::days(2));
    world.assign(prior, &learners([CID])).unwrap();
    move_start(&world, following, Duration::days(1));
    assert_eq!(names(&world, following), [AMY, BOB]);
}

#[test]
fn who_lost_the_license_of_a_copy_that_was_reset_waits_like_the_others() {
    let world = World::new();
    let (prior, following) = followed(&world, 2);
    for address in [AMY, BOB] {
        edit(&world, following, address, reset());
    }
    assert_eq!((names(&world, following).len(), waiting(&world, prior)), (0, 0), "they are not made again");
    world.assign(prior, &learners([CID])).unwrap();
    let holders = names(&world, following);
    assert!(holders.len() == 2 && holders.contains(&CID.to_owned()), "{holders:?}");
    assert_eq!((world.counts(following).unassigned, waiting(&world, prior)), (0, 1));
}

#[test]
fn a_license_that_was_given_to_somebody_else_while_nothing_followed_has_a_new_copy() {
    let world = World::new();
    let (prior, following) = followed(&world, 5);
    wait_until(&world, world.details(following).start_date);
    let bob = world.license_of(prior, BOB).id;
    edit(&world, prior, BOB, reset());
    let given =
        LicenseEdit { status: Some(LicenseStatus::Assigned), user_email: Some(email(CID)), ..LicenseEdit::default() };
    world.manager.edit_license(&admin(), bob, given).unwrap();
    assert_eq!(names(&world, following), [AMY, BOB], "it has started");
    let start_date = Some(world.manager.now() + Duration::days(1));
    world.change(following, PlanChanges { start_date, ..PlanChanges::default() }).unwrap();
    let copy = world.license_of(following, CID).id;
    assert_eq!(names(&world, following), [AMY, CID]);
    assert_eq!(world.license_of(prior, CID).renewed_to, Some(copy));
}

#[test]
fn who_is_auto_applied_is_told_that_they_are_not_carried_over() {
    let world = World::new();
    let (prior, following) = followed(&world, 3);
    world.rewrite_plan(prior, |plan| plan.should_auto_apply_licenses = Some(true));
    let come = |address: &str, user| {
        let applied = world.manager.auto_apply(&Actor::user(address), world.agreement, &person(address, user));
        applied.unwrap().not_carried_over
    };
    assert_eq!([come(CID, 9), come(DAN, 10), come(DAN, 10)], [0, 1, 0], "dan has one already when he comes again");
    assert_eq!(
        (names(&world, following), waiting(&world, prior)),
        (vec![AMY.to_owned(), BOB.to_owned(), CID.to_owned()], 1)
    );
}

#[test]
fn a_license_that_moves_to_the_following_plan_takes_the_place_of_its_copy() {
    let world = World::new();
    let (prior, following) = full(&world);
    let (agreement, licenses) = (world.agreement, TransferredLicenses::All);
    let order =
        TransferOrder { agreement, old_plan: prior, new_plan: following, notes: None, is_dry_run: true, licenses };
    let job = world.manager.create_transfer_job(&admin(), &order).unwrap().id;
    let before = world.licenses(following);
    world.manager.process_transfer_job(&admin(), job, None).unwrap();
    assert_eq!(world.licenses(following), before, "a dry run changes nothing");
    let original = world.license_of(prior, AMY);
    let owed = world.newly_owed(|| drop(world.manager.process_transfer_job(&admin(), job, Some(false)).unwrap()));
    assert_eq!(owed, []);
    assert_eq!(names(&world, following), [AMY, BOB, CID]);
    let moved = world.license_of(following, AMY);
    assert_eq!((moved.id, moved.renewed_to), (original.id, None));
    assert_eq!(world.counts(following), LicenseCounts { activated: 1, assigned: 2, unassigned: 9, revoked: 0 });

    // A license of their own stays in the way.
    let world = World::new();
    let (prior, following) = followed(&world, 3);
    world.assign(following, &learners([CID])).unwrap();
    world.assign(prior, &learners([CID])).unwrap();
    let order = TransferOrder { agreement: world.agreement, old_plan: prior, new_plan: following, ..order };
    let job = world.manager.create_transfer_job(&admin(), &order).unwrap().id;
    let refused = world.manager.process_transfer_job(&admin(), job, Some(false)).unwrap_err();
    let Error::Conflict(Conflict::LiveLicense(held)) = refused else { panic!("{refused:?}") };
    assert_eq!(held.iter().map(|held| held.email.as_str()).collect::<Vec<_>>(), [CID]);
}

#[test]
fn a_copy_knows_its_original_whatever_became_of_that() {
    type Way = fn(&World, PlanId);
    let ways: [(&str, Way); 5] = [
        ("a reset by staff", |world, prior| edit(world, prior, BOB, reset())),
        ("a purge", |world, _| {
            world.manager.retire_old_licenses(false, &Watch::patient(world));
        }),
        ("another plan", |world, prior| {
            let other = world.plan(1);
            transfer(world, [prior, other], BOB);
        }),
        ("a deletion", |world, prior| {
            world.revoke(prior, &[BOB]).unwrap();
            world.manager.delete_revoked(&admin(), prior).unwrap();
        }),
        ("a revert", |world, prior| revert(world, prior, beginning() + Duration::minutes(1))),
    ];
    for (name, lose) in ways {
        let world = World::new();
        let prior = world.plan(10);
        world.clock.advance(Duration::hours(1));
        world.assign(prior, &learners([BOB])).unwrap();
        world.clock.advance(Duration::days(30));
        let following = world.renew(world.schedule(&world.terms(prior, 3))).unwrap();
        let original = world.license_of(prior, BOB).id;
        wait_until(&world, beginning() + Duration::days(101));
        lose(&world, prior);
        let key = world.license_of(following, BOB).activation_key().unwrap();
        let owed = world.newly_owed(|| {
            world.manager.activate(&Actor::user(BOB), key, &person(BOB, 8)).unwrap();
            world.revoke(following, &[BOB]).unwrap();
        });
        assert_eq!(previous_of(&owed), [original.to_string(), original.to_string()], "{name}");
    }
}

#[test]
fn a_copy_that_is_given_to_somebody_else_continues_nothing() {
    let world = World::new();
    let (prior, following) = followed(&world, 2);
    wait_until(&world, world.details(following).start_date);
    let then = world.manager.now();
    world.clock.advance(Duration::hours(1));
    edit(&world, following, BOB, reset());
    let owed = world.newly_owed(|| drop(world.assign(following, &learners([CID])).unwrap()));
    assert_eq!(previous_of(&owed), [""]);
    world.clock.advance(Duration::hours(1));
    revert(&world, following, then);
    let owed = world.newly_owed(|| drop(world.revoke(following, &[BOB]).unwrap()));
    assert_eq!(previous_of(&owed), [world.license_of(prior, BOB).id.to_string()], "it is bob's again");
}

#[test]
fn a_copy_that_was_activated_itself_stays_activated() {
    let world = World::new();
    let (prior, following) = followed(&world, 4);
    let activated = LicenseEdit {
        status: Some(LicenseStatus::Activated),
        lms_user_id: Edit::Set(LmsUserId(80)),
        ..LicenseEdit::default()
    };
    edit(&world, following, BOB, activated);
    let copy = world.license_of(following, BOB);
    assert_eq!((copy.status(), copy.lms_user_id()), (LicenseStatus::Activated, Some(LmsUserId(80))));

    world.clock.advance(Duration::days(1));
    assert_eq!(process(&world, false).counts["licenses"], 0, "it is in line");
    let reminded = LicenseEdit { last_remind_date: Edit::Set(world.manager.now()), ..LicenseEdit::default() };
    edit(&world, prior, BOB, reminded);
    move_start(&world, following, Duration::days(2));
    assert_eq!(world.license_of(following, BOB).state, copy.state, "nobody undid it");

    edit(&world, prior, BOB, renamed(CID));
    let renamed_copy = world.license_of(following, CID);
    assert_eq!((renamed_copy.id, renamed_copy.status()), (copy.id, LicenseStatus::Activated));
    assert_eq!(renamed_copy.activation_date(), copy.activation_date());
}
