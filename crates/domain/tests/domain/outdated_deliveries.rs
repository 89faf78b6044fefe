//! What was promised is decided again when it is delivered: only what is still owed goes out.

use crate::support::upstreams::*;
use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::{TransferOrder, TransferredLicenses};
use license_manager_domain::outbox::{OutboxSelection, Topic};
use license_manager_domain::ports::*;
use license_manager_domain::queue::Queue;
use license_manager_domain::use_cases::{LicenseEdit, RevertRequest};
use license_manager_domain::*;

const AMY: &str = "amy@example.com";
const BOB: &str = "bob@example.com";

/// A town with a plan in which amy and bob are assigned, and nothing is delivered yet.
fn assigned(seats: i32) -> (Town, PlanId) {
    let town = Town::new();
    let plan = town.world.plan(seats);
    town.world.assign(plan, &learners([AMY, BOB])).unwrap();
    (town, plan)
}

/// The calls about people: events tell what happened, and are always sent.
fn calls(town: &Town) -> Vec<String> {
    town.deliver();
    assert_eq!(town.waiting(), [], "what nobody is owed any more counts as done");
    let mut calls = town.upstreams.calls();
    calls.retain(|call| !call.starts_with("track"));
    calls
}

fn remind(town: &Town, plan: PlanId) {
    let whose = LicenseSelection::Emails(vec![email(AMY), email(BOB)]);
    town.world.manager.remind(&admin(), plan, &whose, &ReminderMail::default()).unwrap();
}

fn accept(town: &Town, plan: PlanId, address: &str, user: i64) {
    let key = town.world.license_of(plan, address).activation_key().unwrap();
    town.world.manager.activate(&Actor::user(address), key, &person(address, user)).unwrap();
}

fn edit(town: &Town, id: LicenseId, edit: LicenseEdit) {
    town.world.manager.edit_license(&admin(), id, edit).unwrap();
}

#[test]
fn who_was_revoked_before_the_delivery_is_neither_linked_nor_invited() {
    let (town, plan) = assigned(2);
    town.world.revoke(plan, &[AMY]).unwrap();
    assert_eq!(calls(&town), ["link bob", "assignment bob"]);
    assert_eq!(town.upstreams.told(|told| told.events.len()), 3, "events tell what happened");
}

#[test]
fn who_was_revoked_after_being_linked_is_not_invited() {
    let (town, plan) = assigned(2);
    town.deliver_queue(Queue::Lms);
    town.world.revoke(plan, &[BOB]).unwrap();
    assert_eq!(calls(&town), ["link amy bob", "assignment amy"]);
}

#[test]
fn who_activated_is_linked_and_welcomed_but_neither_invited_nor_reminded() {
    let (town, plan) = assigned(2);
    remind(&town, plan);
    accept(&town, plan, AMY, 7);
    town.deliver_queue(Queue::Lms);
    assert_eq!(town.upstreams.calls(), ["link amy bob"]);
    assert_eq!(calls(&town), ["assignment bob", "reminder bob", "identify amy", "post_activation amy"]);
    assert_eq!(town.world.license_of(plan, AMY).last_remind_date(), Some(beginning()));
}

#[test]
fn who_was_revoked_is_not_reminded() {
    let (town, plan) = assigned(2);
    town.deliver();
    town.upstreams.calls();
    town.world.clock.advance(Duration::days(1));
    remind(&town, plan);
    town.world.revoke(plan, &[BOB]).unwrap();
    let history = town.world.store.history().len();
    assert_eq!(calls(&town), ["reminder amy"]);
    assert_eq!(town.world.store.history().len(), history + 1, "only amy's license was written");
}

#[test]
fn a_retry_days_later_invites_nobody_who_left() {
    let (town, plan) = assigned(2);
    town.upstreams.told(|told| told.refused = vec![AMY.to_owned(), BOB.to_owned()]);
    town.deliver();
    assert_eq!(town.dead_lettered().len(), 2);
    town.upstreams.told(|told| told.refused.clear());
    town.upstreams.calls();
    town.world.clock.advance(Duration::days(9));
    town.world.revoke(plan, &[AMY]).unwrap();
    assert_eq!(town.world.manager.retry_messages(&Actor::service(), &OutboxSelection::DeadLettered(None)), Ok(2));
    assert_eq!(calls(&town), ["link bob", "assignment bob"]);
}

#[test]
fn a_license_that_was_given_to_somebody_else_invites_only_them() {
    let (town, plan) = assigned(2);
    let license = town.world.license_of(plan, AMY).id;
    edit(&town, license, LicenseEdit { status: Some(LicenseStatus::Unassigned), ..LicenseEdit::default() });
    let to_eve = LicenseEdit {
        status: Some(LicenseStatus::Assigned),
        user_email: Some(email("eve@example.com")),
        ..LicenseEdit::default()
    };
    edit(&town, license, to_eve);
    assert_eq!(calls(&town), ["link bob", "link eve", "assignment bob eve"]);
}

#[test]
fn a_license_that_was_taken_and_given_to_the_same_person_invites_once() {
    let (town, plan) = assigned(2);
    let license = town.world.license_of(plan, AMY).id;
    edit(&town, license, LicenseEdit { status: Some(LicenseStatus::Unassigned), ..LicenseEdit::default() });
    town.world.assign(plan, &learners([AMY])).unwrap();
    assert_eq!(town.world.license_of(plan, AMY).id, license);
    calls(&town);
    let key = town.world.license_of(plan, AMY).activation_key().unwrap().to_string();
    let mails = town.upstreams.told(|told| std::mem::take(&mut told.mails));
    let keys: Vec<_> = mails.iter().filter(|mail| mail.to == email(AMY)).collect();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].properties["license_activation_key"], key, "the old key is dead");
}

#[test]
fn a_license_that_moved_to_another_plan_is_still_theirs() {
    let (town, plan) = assigned(2);
    let other = town.world.plan(0);
    let order = TransferOrder {
        agreement: town.world.agreement,
        old_plan: plan,
        new_plan: other,
        notes: None,
        is_dry_run: false,
        licenses: TransferredLicenses::All,
    };
    let job = town.world.manager.create_transfer_job(&admin(), &order).unwrap().id;
    town.world.manager.process_transfer_job(&admin(), job, None).unwrap();
    assert_eq!(town.world.license_of(other, AMY).plan, other);
    assert_eq!(calls(&town), ["link amy bob", "assignment amy bob"]);
}

#[test]
fn nothing_is_sent_about_deleted_licenses_and_retired_people() {
    let (town, plan) = assigned(2);
    accept(&town, plan, AMY, 7);
    town.world.revoke(plan, &[BOB]).unwrap();
    town.world.manager.delete_revoked(&admin(), plan).unwrap();
    town.world.manager.retire(&admin(), LmsUserId(7), "amy").unwrap();
    assert_eq!(calls(&town), [""; 0]);
}

#[test]
fn an_expired_plan_invites_nobody_unless_it_was_renewed() {
    let (town, plan) = assigned(2);
    town.world.rewrite_plan(plan, |plan| plan.expiration_date = beginning() + Duration::days(1));
    town.world.clock.advance(Duration::days(2));
    assert_eq!(calls(&town), ["link amy bob"]);

    let (town, plan) = assigned(2);
    let renewal = town.world.schedule(&town.world.terms(plan, 2));
    town.world.renew(renewal).unwrap();
    town.world.clock.advance(Duration::days(400));
    assert_eq!(calls(&town), ["link amy bob", "assignment amy bob"], "their keys lead to the next plan");
}

#[test]
fn who_lost_a_license_is_not_welcomed() {
    let (town, plan) = assigned(2);
    accept(&town, plan, AMY, 7);
    town.world.revoke(plan, &[AMY]).unwrap();
    assert_eq!(calls(&town), ["link bob", "end 7", "identify amy", "assignment bob"]);

    let town = Town::new();
    let plan = town.world.plan(2);
    town.world.rewrite_plan(plan, |plan| plan.should_auto_apply_licenses = Some(true));
    town.world.manager.auto_apply(&Actor::user("amy"), town.world.agreement, &person(AMY, 7)).unwrap();
    town.world.revoke(plan, &[AMY]).unwrap();
    assert_eq!(calls(&town), ["end 7", "identify amy"]);
}

#[test]
fn enrollments_stay_if_the_revocation_was_undone() {
    let (town, plan) = assigned(3);
    accept(&town, plan, AMY, 7);
    town.deliver();
    town.upstreams.calls();
    let before = town.world.manager.now();
    town.world.clock.advance(Duration::hours(1));
    town.world.revoke(plan, &[AMY]).unwrap();
    let revert = RevertRequest::new(plan, before);
    town.world.manager.revert(&admin(), &revert).unwrap();
    assert_eq!(calls(&town), [""; 0]);
}

/// What the LMS is told of amy, whose activated license was revoked and who activated another one before the delivery.
fn ended_after(other: impl FnOnce(&Town, PlanId) -> PlanId, change: impl Fn(&mut SubscriptionPlan)) -> Vec<String> {
    let town = Town::new();
    let plan = town.world.plan(2);
    town.world.activate(plan, AMY, 7);
    town.world.revoke(plan, &[AMY]).unwrap();
    let other = other(&town, plan);
    town.world.assign(other, &learners([AMY])).unwrap();
    let licenses = town.world.licenses(other);
    let assigned = licenses.iter().find(|license| license.status() == LicenseStatus::Assigned).unwrap();
    town.world.manager.activate(&Actor::user(AMY), assigned.activation_key().unwrap(), &person(AMY, 7)).unwrap();
    town.world.rewrite_plan(other, change);
    let mut calls = calls(&town);
    calls.retain(|call| call.starts_with("end"));
    calls
}

#[test]
fn enrollments_stay_if_another_license_gives_the_same_access() {
    let in_other_plan = |town: &Town, _| town.world.plan(1);
    assert_eq!(ended_after(|_, plan| plan, |_| ()), [""; 0], "of the same plan");
    assert_eq!(ended_after(in_other_plan, |_| ()), [""; 0], "of another plan with the same catalog");
    let elsewhere = CatalogId(uuid::Uuid::from_u128(404));
    assert_eq!(ended_after(in_other_plan, |plan| plan.catalog = elsewhere), ["end 7"], "of another catalog");
    assert_eq!(ended_after(|_, plan| plan, |plan| plan.is_active = false), ["end 7"], "of an inactive plan");
    let past = beginning() - Duration::days(1);
    assert_eq!(ended_after(|_, plan| plan, |plan| plan.expiration_date = past), ["end 7"], "of an expired plan");
}

#[test]
fn a_deleted_license_is_compared_by_the_catalog_that_it_had() {
    let deleted = |town: &Town, plan| {
        town.world.manager.delete_revoked(&admin(), plan).unwrap();
        town.world.plan(1)
    };
    assert_eq!(ended_after(deleted, |_| ()), [""; 0], "the same catalog");
    let elsewhere = CatalogId(uuid::Uuid::from_u128(404));
    assert_eq!(ended_after(deleted, |plan| plan.catalog = elsewhere), ["end 7"], "another catalog");
}

#[test]
fn enrollments_end_if_the_other_license_is_not_activated_or_is_somebody_else_s() {
    let (town, plan) = assigned(4);
    accept(&town, plan, AMY, 7);
    town.world.revoke(plan, &[AMY]).unwrap();
    town.world.assign(plan, &learners([AMY])).unwrap();
    accept(&town, plan, BOB, 8);
    let calls = calls(&town);
    assert!(calls.contains(&"end 7".to_owned()), "{calls:?}");
}

#[test]
fn nobody_is_invited_or_welcomed_after_onboarding_notifications_were_switched_off() {
    let (town, plan) = assigned(3);
    town.world.assign(plan, &learners(["eve@example.com"])).unwrap();
    remind(&town, plan);
    accept(&town, plan, AMY, 7);
    town.world.rewrite_agreement(|agreement| agreement.disable_onboarding_notifications = true);
    assert_eq!(calls(&town), ["link amy bob eve", "reminder bob", "identify amy"]);
}

/// The kinds of mails that went to admins and to customer success.
fn told(town: &Town) -> Vec<MailKind> {
    town.upstreams.told(|told| told.admins = vec![admin_account(11, 1, "ann@example.com")]);
    calls(town);
    let mails = town.upstreams.told(|told| std::mem::take(&mut told.mails));
    let others =
        mails.into_iter().filter(|mail| [email("ann@example.com"), email("success@example.com")].contains(&mail.to));
    others.map(|mail| mail.kind).collect()
}

#[test]
fn admins_are_told_nothing_of_a_plan_that_is_out_of_use() {
    let used = |change: fn(&mut SubscriptionPlan)| {
        let town = Town::new();
        let plan = town.world.plan(1);
        town.world.rewrite_plan(plan, |plan| plan.should_auto_apply_licenses = Some(true));
        town.world.manager.auto_apply(&Actor::user("amy"), town.world.agreement, &person(AMY, 7)).unwrap();
        town.world.rewrite_plan(plan, change);
        told(&town)
    };
    assert_eq!(used(|_| ()), [MailKind::NoAllocations]);
    assert_eq!(used(|plan| plan.is_active = false), []);
    assert_eq!(used(|plan| plan.expiration_date = beginning() - Duration::days(1)), []);
}

#[test]
fn the_first_week_is_told_only_of_a_plan_that_still_auto_applies() {
    let week = |change: fn(&mut SubscriptionPlan)| {
        let town = Town::new();
        let plan = town.world.plan(2);
        town.world.rewrite_plan(plan, |plan| plan.should_auto_apply_licenses = Some(true));
        town.world.clock.advance(Duration::days(8));
        town.world.manager.send_license_utilization_emails(false, &operations::Unsupervised);
        assert_eq!(town.world.owed(Topic::InitialUtilization).len(), 1);
        town.world.rewrite_plan(plan, change);
        told(&town)
    };
    assert_eq!(week(|_| ()), [MailKind::InitialUtilization]);
    assert_eq!(week(|plan| plan.is_active = false), []);
    assert_eq!(week(|plan| plan.should_auto_apply_licenses = Some(false)), []);
}

#[test]
fn customer_success_is_told_only_of_a_cap_that_is_still_used_up() {
    let revoked = |change: fn(&mut SubscriptionPlan)| {
        let town = Town::new();
        let plan = town.world.capped_plan(10, 10);
        town.world.activate(plan, AMY, 7);
        town.world.revoke(plan, &[AMY]).unwrap();
        town.world.rewrite_plan(plan, change);
        told(&town)
    };
    assert_eq!(revoked(|_| ()), [MailKind::RevocationCap]);
    assert_eq!(revoked(|plan| plan.revoke_max_percentage = 20), [], "it was raised");
    assert_eq!(revoked(|plan| plan.is_revocation_cap_enabled = false), [], "it is off");
}
