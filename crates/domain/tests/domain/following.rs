//! Until it starts, the plan of a processed renewal follows its prior plan.

use crate::operations::world::{Watch, now};
use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::{RenewalTerms, TransferOrder, TransferredLicenses};
use license_manager_domain::outbox::Topic;
use license_manager_domain::ports::StoreExt;
use license_manager_domain::use_cases::{LearnerLicenseFilter, LicenseEdit};
use license_manager_domain::*;

pub const AMY: &str = "amy@example.com";
pub const BOB: &str = "bob@example.com";
pub const CID: &str = "cid@example.com";

/// A plan of ten seats, amy's activated and bob's assigned, and the plan of this many seats that follows it.
pub fn followed(world: &World, seats: i32) -> (PlanId, PlanId) {
    followed_with(world, seats, LicenseTypesToCopy::AssignedAndActivated)
}

pub fn followed_with(world: &World, seats: i32, license_types_to_copy: LicenseTypesToCopy) -> (PlanId, PlanId) {
    let prior = world.plan(10);
    world.activate(prior, AMY, 7);
    world.assign(prior, &learners([BOB])).unwrap();
    world.clock.advance(Duration::days(1));
    let terms = RenewalTerms { license_types_to_copy, ..world.terms(prior, seats) };
    let following = world.renew(world.schedule(&terms)).unwrap();
    world.clock.advance(Duration::days(1));
    (prior, following)
}

pub fn wait_until(world: &World, moment: chrono::DateTime<chrono::Utc>) {
    world.clock.advance(moment - world.manager.now());
}

/// The addresses and statuses of live licenses.
fn holders(world: &World, plan: PlanId) -> Vec<(String, LicenseStatus)> {
    let live = world.licenses(plan).into_iter().filter(License::is_live);
    let mut holders: Vec<_> =
        live.map(|license| (license.holder_email().unwrap().as_str().to_owned(), license.status())).collect();
    holders.sort();
    holders
}

pub fn names(world: &World, plan: PlanId) -> Vec<String> {
    holders(world, plan).into_iter().map(|(address, _)| address).collect()
}

/// Both plans have the same holders with the same statuses, and the following plan has this size.
#[track_caller]
pub fn assert_in_line(world: &World, (prior, following): (PlanId, PlanId), seats: i64) {
    assert_eq!(holders(world, following), holders(world, prior));
    assert_eq!(world.counts(following).total(), seats);
    for original in world.licenses(prior).into_iter().filter(License::is_live) {
        let copy = world.license_of(following, original.holder_email().unwrap().as_str());
        assert_eq!(original.renewed_to, Some(copy.id));
        assert_eq!((original.activation_key(), original.lms_user_id()), (copy.activation_key(), copy.lms_user_id()));
    }
}

/// The renewal of the plan, as it is shown.
fn shown(world: &World, prior: PlanId) -> model::RenewalDetails {
    let renewal = world.store.read(|unit| unit.renewals().find_by_plans(prior, None)).unwrap().remove(0);
    world.manager.renewal(renewal.renewal.id).unwrap()
}

pub fn waiting(world: &World, prior: PlanId) -> i64 {
    shown(world, prior).num_not_carried_over
}

pub fn process(world: &World, dry_run: bool) -> operations::OperationSummary {
    now(world.manager.process_renewals(Duration::hours(12), dry_run, &Watch::patient(world)))
}

pub fn edit(world: &World, plan: PlanId, address: &str, edit: LicenseEdit) {
    world.manager.edit_license(&Actor::user("staff"), world.license_of(plan, address).id, edit).unwrap();
}

pub fn revert(world: &World, plan: PlanId, as_of: chrono::DateTime<chrono::Utc>) {
    let request = RevertRequest::new(plan, as_of);
    world.manager.revert(&Actor::user("staff"), &request).unwrap();
}

pub fn transfer(world: &World, [old_plan, new_plan]: [PlanId; 2], address: &str) {
    let licenses = TransferredLicenses::Named(vec![world.license_of(old_plan, address).id]);
    let order =
        TransferOrder { agreement: world.agreement, old_plan, new_plan, notes: None, is_dry_run: false, licenses };
    let job = world.manager.create_transfer_job(&admin(), &order).unwrap().id;
    world.manager.process_transfer_job(&admin(), job, None).unwrap();
}

#[test]
fn revoking_the_original_revokes_its_copy_and_owes_no_second_call() {
    let world = World::new();
    let plans @ (prior, following) = followed(&world, 5);
    world.rewrite_plan(following, |plan| (plan.is_revocation_cap_enabled, plan.revoke_max_percentage) = (true, 0));
    let [amy, bob] = [AMY, BOB].map(|address| world.license_of(prior, address).id);
    let copies = [AMY, BOB].map(|address| world.license_of(following, address).id);
    let owed = world.newly_owed(|| drop(world.revoke(prior, &[AMY, BOB]).unwrap()));
    assert_in_line(&world, plans, 5);
    assert_eq!(world.counts(following).revoked, 2);
    assert_eq!(world.details(following).num_revocations_applied, 0);
    let count = |topic| topics(&owed).into_iter().filter(|found| *found == topic).count();
    assert_eq!((count(Topic::LicenseEvent), count(Topic::EndEnrollments), owed.len()), (4, 1, 5));
    for (original, copy) in [(amy, copies[0]), (bob, copies[1])] {
        let message = owed.iter().find(|message| message.license == Some(copy)).unwrap();
        let told: serde_json::Value = serde_json::from_str(&message.payload.to_text()).unwrap();
        assert_eq!(told["event"], "edx.server.license-manager.license-lifecycle.revoked");
        assert_eq!(told["properties"]["previous_license_uuid"], original.to_string());
    }
}

#[test]
fn the_plan_follows_no_longer_than_to_its_start() {
    let world = World::new();
    let (prior, following) = followed(&world, 5);
    wait_until(&world, world.details(following).start_date - Duration::microseconds(1));
    world.revoke(prior, &[AMY]).unwrap();
    assert_eq!(names(&world, following), [BOB]);
    wait_until(&world, world.details(following).start_date);
    let before = world.licenses(following);
    world.revoke(prior, &[BOB]).unwrap();
    assert_eq!(world.assign(prior, &learners([CID])).unwrap().not_carried_over, 0);
    assert_eq!(world.licenses(following), before);
    assert_eq!(waiting(&world, prior), 0);
}

#[test]
fn activating_the_original_activates_its_copy_from_the_start_of_its_plan() {
    let world = World::new();
    let plans @ (prior, following) = followed(&world, 5);
    let key = world.license_of(prior, BOB).activation_key().unwrap();
    let owed = world.newly_owed(|| {
        world.manager.activate(&Actor::user(BOB), key, &person(BOB, 8)).unwrap();
    });
    assert_in_line(&world, plans, 5);
    let copy = world.license_of(following, BOB);
    assert_eq!(copy.activation_date(), Some(world.details(following).start_date));
    assert_eq!(copy.lms_user_id(), Some(LmsUserId(8)));
    assert_eq!(topics(&owed).iter().filter(|topic| **topic == Topic::Activation).count(), 1, "one welcome");
}

#[test]
fn who_is_assigned_late_is_carried_over_while_there_is_room() {
    let world = World::new();
    let plans @ (prior, following) = followed(&world, 3);
    let owed = world.newly_owed(|| {
        let assigned = world.assign(prior, &learners([CID, "dan@example.com"])).unwrap();
        assert_eq!((assigned.assigned.len(), assigned.not_carried_over), (2, 1));
    });
    assert_eq!(world.counts(following).total(), 3);
    assert_eq!(holders(&world, following).len(), 3);
    assert_eq!(waiting(&world, prior), 1);
    let renewed = |message: &&outbox::Message| message.payload.event().is_some_and(|name| name.ends_with(".renewed"));
    assert_eq!(owed.iter().filter(renewed).count(), 1);

    // A license that comes free, and one that is added, go to those who wait.
    world.revoke(prior, &[AMY]).unwrap();
    assert_in_line(&world, plans, 3);
    assert_eq!(waiting(&world, prior), 0);
    assert_eq!(world.assign(prior, &learners(["eve@example.com"])).unwrap().not_carried_over, 1);
    world.change(following, PlanChanges { desired_num_licenses: Edit::Set(4), ..PlanChanges::default() }).unwrap();
    assert_in_line(&world, plans, 4);
}

#[test]
fn who_holds_a_license_of_the_following_plan_needs_no_copy() {
    let world = World::new();
    let (prior, following) = followed(&world, 3);
    world.assign(following, &learners([CID])).unwrap();
    assert_eq!(world.assign(prior, &learners([CID])).unwrap().not_carried_over, 0);
    assert_eq!(waiting(&world, prior), 0);
    world.revoke(prior, &[CID]).unwrap();
    assert_eq!(names(&world, following), [AMY, BOB, CID], "it is no copy, so it does not follow");
}

#[test]
fn only_the_agreed_kinds_of_licenses_are_carried_over_later() {
    let world = World::new();
    let (prior, following) = followed_with(&world, 3, LicenseTypesToCopy::Activated);
    assert_eq!(world.assign(prior, &learners([CID])).unwrap().not_carried_over, 0);
    assert_eq!(names(&world, following), [AMY]);
    assert_eq!(waiting(&world, prior), 0);
    let key = world.license_of(prior, CID).activation_key().unwrap();
    world.manager.activate(&Actor::user(CID), key, &person(CID, 9)).unwrap();
    assert_eq!(names(&world, following), [AMY, CID]);

    let world = World::new();
    let (prior, following) = followed_with(&world, 3, LicenseTypesToCopy::Nothing);
    world.activate(prior, CID, 9);
    assert_eq!(names(&world, following), [""; 0]);
    assert_eq!(waiting(&world, prior), 0);
}

#[test]
fn who_is_auto_applied_late_is_carried_over() {
    let world = World::new();
    let plans @ (prior, _) = followed(&world, 3);
    world.rewrite_plan(prior, |plan| plan.should_auto_apply_licenses = Some(true));
    world.manager.auto_apply(&Actor::user(CID), world.agreement, &person(CID, 9)).unwrap();
    assert_in_line(&world, plans, 3);
}

#[test]
fn revoking_all_in_a_job_revokes_all_copies() {
    let world = World::with(Settings { batch_size: batches_of(2), ..Settings::default() });
    let plans @ (prior, following) = followed(&world, 9);
    world.assign(prior, &crowd(5)).unwrap();
    world.manager.revoke_all(&admin(), prior).unwrap();
    while world.manager.run_next_job().unwrap() {}
    assert_in_line(&world, plans, 9);
    assert_eq!(world.counts(following), LicenseCounts { revoked: 7, unassigned: 9, ..LicenseCounts::default() });
}

#[test]
fn what_is_set_back_is_set_back_in_the_plan_that_follows() {
    let world = World::new();
    let plans @ (prior, following) = followed(&world, 5);
    let then = world.manager.now();
    world.clock.advance(Duration::hours(1));
    world.revoke(prior, &[AMY]).unwrap();
    world.assign(prior, &learners([CID])).unwrap();
    let key = world.license_of(prior, BOB).activation_key().unwrap();
    world.manager.activate(&Actor::user(BOB), key, &person(BOB, 8)).unwrap();
    assert_in_line(&world, plans, 5);
    world.clock.advance(Duration::hours(1));
    revert(&world, prior, then);
    assert_eq!(
        holders(&world, prior),
        [(AMY.to_owned(), LicenseStatus::Activated), (BOB.to_owned(), LicenseStatus::Assigned)]
    );
    assert_eq!(holders(&world, following), holders(&world, prior));
    assert_eq!(world.counts(following).total(), 5);
    let original = world.license_of(prior, AMY);
    let copy = world.licenses(following).into_iter().find(|copy| Some(copy.id) == original.renewed_to).unwrap();
    assert!(copy.is_live(), "amy's former copy stays revoked, and she has a new one");
}

#[test]
fn who_comes_back_without_a_free_seat_waits_for_one() {
    let world = World::new();
    let (prior, following) = followed(&world, 2);
    let then = world.manager.now();
    world.clock.advance(Duration::hours(1));
    world.revoke(prior, &[AMY]).unwrap();
    world.assign(following, &learners(["eve@example.com"])).unwrap();
    world.clock.advance(Duration::hours(1));
    revert(&world, prior, then);
    assert_eq!(names(&world, prior), [AMY, BOB]);
    assert_eq!(
        (names(&world, following), waiting(&world, prior)),
        (vec![BOB.to_owned(), "eve@example.com".to_owned()], 1)
    );
    world.revoke(prior, &[BOB]).unwrap();
    assert_eq!(names(&world, following), [AMY, "eve@example.com"]);
    assert_eq!(waiting(&world, prior), 0);
}

#[test]
fn who_is_retired_or_purged_leaves_no_copy() {
    let world = World::new();
    let plans @ (_, following) = followed(&world, 5);
    world.manager.retire(&admin(), LmsUserId(7), "amy").unwrap();
    assert_in_line(&world, plans, 5);
    assert_eq!(names(&world, following), [BOB]);

    // Bob's license was assigned 90 days ago, his copy a day later.
    wait_until(&world, beginning() + Duration::days(90) + Duration::hours(1));
    let watch = Watch::patient(&world);
    let summary = world.manager.retire_old_licenses(false, &watch);
    assert_eq!(summary.counts["never_activated"], 1, "{summary:?}");
    assert_in_line(&world, plans, 5);
    assert_eq!(world.counts(following).unassigned, 5);
    let known = world.store.history().into_iter().filter_map(|entry| entry.license?.user_email);
    assert_eq!(known.filter(|address| *address == email(BOB)).count(), 0, "the history of his copy forgot him, too");
}

#[test]
fn the_end_of_the_prior_plan_ends_no_copy() {
    let world = World::new();
    let (prior, following) = followed(&world, 5);
    // Bob has not activated his license, so the copy is purged for itself.
    world.activate(prior, CID, 9);
    world.rewrite_plan(prior, |plan| plan.expiration_date = plan.start_date + Duration::days(3));
    world.rewrite_agreement(|agreement| agreement.license_duration_before_purge = Duration::days(1));
    world.clock.advance(Duration::days(5));
    world.manager.retire_old_licenses(false, &Watch::patient(&world));
    assert_eq!(names(&world, prior), [""; 0]);
    assert_eq!(names(&world, following), [AMY, CID]);
    wait_until(&world, world.details(following).start_date);
    process(&world, false);
    assert_eq!(names(&world, following), [AMY, CID]);
}

#[test]
fn what_staff_correct_is_corrected_in_both_plans() {
    let world = World::new();
    let plans @ (prior, following) = followed(&world, 5);
    let new = "bob.new@example.com";
    let id = Edit::Set(LmsUserId(80));
    let copy = world.license_of(following, BOB).id.to_string();
    let written = || world.store.history().iter().filter(|entry| entry.id == copy).count();
    let before = written();
    edit(&world, prior, BOB, LicenseEdit { user_email: Some(email(new)), lms_user_id: id, ..LicenseEdit::default() });
    assert_in_line(&world, plans, 5);
    assert_eq!(written(), before + 1, "it is not freed first: nobody else gets the address");
    assert_eq!(names(&world, following), [AMY, new]);

    edit(&world, prior, new, LicenseEdit { status: Some(LicenseStatus::Unassigned), ..LicenseEdit::default() });
    assert_in_line(&world, plans, 5);
    assert_eq!((names(&world, following), world.counts(following).revoked), (vec![AMY.to_owned()], 0));

    edit(&world, prior, AMY, LicenseEdit { status: Some(LicenseStatus::Revoked), ..LicenseEdit::default() });
    assert_in_line(&world, plans, 5);

    let free = world.licenses(prior).into_iter().find(|license| license.status() == LicenseStatus::Unassigned).unwrap();
    let given =
        LicenseEdit { status: Some(LicenseStatus::Activated), user_email: Some(email(CID)), ..LicenseEdit::default() };
    world.manager.edit_license(&admin(), free.id, given).unwrap();
    assert_in_line(&world, plans, 5);
    assert_eq!(names(&world, following), [CID]);
}

#[test]
fn people_who_swap_their_licenses_swap_their_copies() {
    let world = World::new();
    let plans @ (prior, _) = followed(&world, 5);
    let then = world.manager.now();
    world.clock.advance(Duration::hours(1));
    let [amy, bob] = [AMY, BOB].map(|address| world.license_of(prior, address));
    for (license, address) in [(&amy, CID), (&bob, AMY), (&amy, BOB)] {
        let renamed = LicenseEdit { user_email: Some(email(address)), ..LicenseEdit::default() };
        world.manager.edit_license(&admin(), license.id, renamed).unwrap();
        assert_in_line(&world, plans, 5);
    }
    world.clock.advance(Duration::hours(1));
    revert(&world, prior, then);
    assert_in_line(&world, plans, 5);
    assert_eq!(world.license_of(prior, AMY).id, amy.id);
}

#[test]
fn a_copy_ends_where_the_new_address_has_a_license_of_its_own() {
    let world = World::new();
    let (prior, following) = followed(&world, 3);
    world.assign(following, &learners([CID])).unwrap();
    world.assign(prior, &learners(["dan@example.com"])).unwrap();
    let renamed = |address: &str| LicenseEdit { user_email: Some(email(address)), ..LicenseEdit::default() };
    edit(&world, prior, BOB, renamed(CID));
    assert_eq!(names(&world, following), [AMY, CID, "dan@example.com"], "dan waited for bob's seat");
    assert_eq!(world.license_of(prior, CID).renewed_to, None);
    assert_eq!(waiting(&world, prior), 0);
    // Without the license of its own, the other one would be carried over again.
    edit(&world, following, CID, LicenseEdit { status: Some(LicenseStatus::Unassigned), ..LicenseEdit::default() });
    let copy = world.license_of(following, CID);
    assert_eq!(copy.renewed_from, Some(world.license_of(prior, CID).id));
}

#[test]
fn a_learners_new_address_is_the_one_of_both() {
    let world = World::new();
    let plans = followed(&world, 5);
    let wanted = LearnerLicenseFilter::default();
    let new = person("amy.new@example.com", 7);
    world.manager.learner_licenses(&Actor::user("amy"), customer(), &new, wanted).unwrap();
    assert_in_line(&world, plans, 5);
    assert_eq!(names(&world, plans.1), ["amy.new@example.com", BOB]);
}

#[test]
fn a_license_that_leaves_the_plan_leaves_no_copy_and_one_that_comes_gets_one() {
    let world = World::new();
    let plans @ (prior, following) = followed(&world, 5);
    let other = world.plan(2);
    transfer(&world, [prior, other], AMY);
    assert_in_line(&world, plans, 5);
    assert_eq!((names(&world, following), world.counts(following).revoked), (vec![BOB.to_owned()], 1));
    assert_eq!(world.license_of(other, AMY).renewed_to, None, "it does not count as renewed any more");

    transfer(&world, [other, prior], AMY);
    assert_eq!(names(&world, following), [AMY, BOB]);
    assert_eq!(world.counts(following).total(), 5);
}

#[test]
fn a_frozen_plan_follows_with_the_licenses_it_has() {
    let world = World::new();
    let (prior, following) = followed(&world, 5);
    world.rewrite_plan(following, |plan| plan.can_freeze_unused_licenses = true);
    world.manager.freeze(&admin(), following).unwrap();
    assert_eq!(world.assign(prior, &learners([CID])).unwrap().not_carried_over, 1);
    let listed = world.manager.renewals(&ports::RenewalFilter::default(), |_| Ok::<_, Error>(ALL)).unwrap();
    assert_eq!(listed.items[0].num_not_carried_over, 1);
    world.revoke(prior, &[AMY]).unwrap();
    assert_eq!(names(&world, following), [BOB, CID]);
}

#[test]
fn without_its_renewal_a_plan_follows_no_more() {
    let world = World::new();
    let (prior, following) = followed(&world, 5);
    let renewal = shown(&world, prior).renewal.id;
    world.manager.delete_renewal(&admin(), renewal).unwrap();
    let before = world.licenses(following);
    world.revoke(prior, &[AMY]).unwrap();
    world.assign(prior, &learners([CID])).unwrap();
    assert_eq!(world.licenses(following), before);
}

#[test]
fn a_plan_that_waits_for_its_renewal_is_followed_by_none() {
    let world = World::new();
    let prior = world.plan(3);
    world.activate(prior, AMY, 7);
    let waiting = world.create(world.new_plan("Waiting", 3)).unwrap();
    world.schedule(&RenewalTerms { renewed_plan: Some(waiting), ..world.terms(prior, 3) });
    world.assign(prior, &learners([BOB])).unwrap();
    assert_eq!(world.counts(waiting).allocated(), 0);
}

#[test]
fn at_its_start_the_plan_is_brought_in_line_once_more() {
    let world = World::new();
    let plans @ (prior, following) = followed(&world, 4);
    // What no use case told the plan that follows, as before it followed.
    let [amy, bob] = [AMY, BOB].map(|address| world.license_of(prior, address));
    let now = world.manager.now();
    let free = world.licenses(prior).into_iter().filter(|license| license.status() == LicenseStatus::Unassigned);
    let late: Vec<License> = free
        .zip([CID, "dan@example.com", "eve@example.com", "fay@example.com"])
        .enumerate()
        .map(|(number, (license, address))| {
            license.assign(email(address), ActivationKey(uuid::Uuid::from_u128(number as u128)), now).unwrap()
        })
        .collect();
    let changed = [&[amy.revoke(now).unwrap(), bob.activate(Some(LmsUserId(8)), now).unwrap()], &late[..]].concat();
    world.store.write(|unit| unit.licenses().save(&changed, &admin().change(now))).unwrap();
    assert_eq!(waiting(&world, prior), 4);

    wait_until(&world, world.details(following).start_date);
    let before = world.footprint(following);
    let preview = process(&world, true);
    assert_eq!(world.footprint(following), before, "a dry run changes nothing");
    let summary = process(&world, false);
    assert_eq!((summary.uuids.clone(), preview.uuids), (vec![prior.0], vec![prior.0]));
    assert!(summary.is_complete() && summary.counts["licenses"] >= 4, "{summary:?}");
    assert_eq!(world.counts(following).total(), 4);
    let (held, carried) = (names(&world, prior), names(&world, following));
    assert_eq!(carried.len(), 4);
    assert!(carried.iter().all(|address| held.contains(address)) && !carried.contains(&AMY.to_owned()), "{carried:?}");
    assert_eq!(world.license_of(following, BOB).status(), LicenseStatus::Activated);
    let automatic =
        world.owed(Topic::LicenseEvent).into_iter().filter(|event| event["properties"]["is_auto_renewed"] == true);
    assert_eq!(automatic.count(), 3);

    let before = world.footprint(plans.1);
    let again = process(&world, false);
    assert_eq!((again.uuids.len(), world.footprint(following)), (0, before), "it is in line");
}
