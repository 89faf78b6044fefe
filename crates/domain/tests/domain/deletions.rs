//! Staff delete what was made by mistake.

use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::{
    LicenseMark, Notification, NotificationKind, RenewalTerms, TransferOrder, TransferredLicenses,
};
use license_manager_domain::operations::{OperationSummary, Unsupervised};
use license_manager_domain::outbox::Topic;
use license_manager_domain::ports::{LicenseEventFilter, NotificationFilter, StoreExt, UnitOfWork};
use license_manager_domain::use_cases::LicenseEdit;
use license_manager_domain::*;

fn staff() -> Actor {
    Actor::user("staff").because(Some("a mistake".to_owned()))
}

/// The last recorded change: table, kind and reason.
fn last(world: &World) -> (&'static str, char, Option<String>) {
    let entry = world.store.history().pop().unwrap();
    (entry.table, entry.kind, entry.change.reason.map(Into::into))
}

fn refused(outcome: Result<(), Error>) -> Refusal {
    let Err(Error::Refused(refusal)) = outcome else { panic!("{outcome:?}") };
    refusal
}

fn freeze(world: &World, plan: PlanId) {
    world.change(plan, PlanChanges { can_freeze_unused_licenses: Some(true), ..PlanChanges::default() }).unwrap();
    world.manager.freeze(&admin(), plan).unwrap();
}

#[test]
fn an_agreement_is_deleted_when_it_has_no_plans() {
    let world = World::new();
    let plan = world.plan(1);
    let delete = || world.manager.delete_agreement(&staff(), world.agreement);
    let check = || world.manager.check_deletion_of_agreement(world.agreement);
    assert_eq!(refused(check()), Refusal::AgreementHasPlans { plans: 1 });
    assert_eq!(refused(delete()), Refusal::AgreementHasPlans { plans: 1 });
    world.manager.delete_plan(&staff(), plan).unwrap();
    assert_eq!(check(), Ok(()));
    delete().unwrap();
    assert_eq!(check(), Err(Error::NotFound(Entity::Agreement)));
    assert_eq!(last(&world), ("customer_agreement", '-', Some("a mistake".to_owned())));
    assert_eq!(delete(), Err(Error::NotFound(Entity::Agreement)));
}

#[test]
fn a_plan_goes_with_the_licenses_that_were_never_handed_out() {
    let world = World::new();
    let (plan, other) = (world.plan(3), world.plan(2));
    assert_eq!(world.manager.check_deletion_of_plan(plan), Ok(()));
    let owed = world.newly_owed(|| world.manager.delete_plan(&staff(), plan).unwrap());
    assert_eq!(world.manager.check_deletion_of_plan(plan), Err(Error::NotFound(Entity::Plan)));
    assert_eq!(topics(&owed), [], "nobody is concerned");
    assert_eq!(last(&world), ("subscription_plan", '-', Some("a mistake".to_owned())));
    let history = world.store.history();
    let deleted = history.iter().filter(|entry| entry.table == "license" && entry.kind == '-');
    let reasons: Vec<_> = deleted.map(|entry| entry.change.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("a mistake"); 3]);
    assert_eq!((world.licenses(plan).len(), world.counts(other).total()), (0, 2));
    assert_eq!(world.manager.delete_plan(&staff(), plan), Err(Error::NotFound(Entity::Plan)));
}

#[test]
fn a_plan_stays_once_a_license_was_handed_out() {
    type Story = fn(&World, PlanId);
    let stories: [(&str, Story); 4] = [
        ("assigned", |_, _| {}),
        ("revoked", |world, plan| drop(world.revoke(plan, &["amy@example.com"]).unwrap())),
        ("taken back", |world, plan| {
            let freed = LicenseEdit { status: Some(LicenseStatus::Unassigned), ..LicenseEdit::default() };
            world.manager.edit_license(&admin(), world.license_of(plan, "amy@example.com").id, freed).unwrap();
        }),
        ("deleted", |world, plan| {
            world.revoke(plan, &["amy@example.com"]).unwrap();
            world.clock.advance(Duration::days(1));
            world.manager.delete_revoked(&admin(), plan).unwrap();
            freeze(world, plan);
        }),
    ];
    for (story, work) in stories {
        let world = World::new();
        let plan = world.plan(2);
        world.clock.advance(Duration::days(1));
        world.assign(plan, &learners(["amy@example.com"])).unwrap();
        world.clock.advance(Duration::days(1));
        work(&world, plan);
        let before = world.footprint(plan);
        assert_eq!(refused(world.manager.check_deletion_of_plan(plan)), Refusal::PlanWasHandedOut, "{story}");
        assert_eq!(refused(world.manager.delete_plan(&staff(), plan)), Refusal::PlanWasHandedOut, "{story}");
        assert_eq!(world.footprint(plan), before, "{story}");
    }
}

#[test]
fn a_plan_with_a_renewal_or_a_job_stays() {
    let world = World::with(Settings { inline_limit: 5, ..Settings::default() });
    let [prior, next, old, new, filling] = [1, 2, 3, 4, 6].map(|seats| world.plan(seats));
    let renewal = world.schedule(&RenewalTerms { renewed_plan: Some(next), ..world.terms(prior, 5) });
    let licenses = TransferredLicenses::All;
    let order = TransferOrder {
        agreement: world.agreement,
        old_plan: old,
        new_plan: new,
        notes: None,
        is_dry_run: true,
        licenses,
    };
    let job = world.manager.create_transfer_job(&admin(), &order).unwrap().id;
    let delete = |plan| world.manager.delete_plan(&staff(), plan);
    let check = |plan| world.manager.check_deletion_of_plan(plan);
    for plan in [prior, next] {
        assert_eq!(refused(check(plan)), Refusal::PlanHasRenewal);
        assert_eq!(refused(delete(plan)), Refusal::PlanHasRenewal);
    }
    for plan in [old, new, filling] {
        assert_eq!(refused(check(plan)), Refusal::PlanHasJobs);
        assert_eq!(refused(delete(plan)), Refusal::PlanHasJobs);
    }
    delete(world.plan(0)).expect("the jobs of others do not matter");
    world.manager.delete_renewal(&admin(), renewal).unwrap();
    world.manager.delete_transfer_job(&staff(), job).unwrap();
    for plan in [prior, next, old, new] {
        delete(plan).unwrap();
    }
}

#[test]
fn a_transfer_job_is_deleted_until_it_has_moved_licenses() {
    let world = World::new();
    let (old_plan, new_plan) = (world.plan(2), world.plan(1));
    let licenses = TransferredLicenses::All;
    let order =
        TransferOrder { agreement: world.agreement, old_plan, new_plan, notes: None, is_dry_run: false, licenses };
    let [tried, done] = [Some(true), None].map(|is_dry_run| {
        let id = world.manager.create_transfer_job(&admin(), &order).unwrap().id;
        world.manager.process_transfer_job(&admin(), id, is_dry_run).unwrap().id
    });
    world.manager.delete_transfer_job(&staff(), tried).unwrap();
    assert_eq!(last(&world), ("license_transfer_job", '-', Some("a mistake".to_owned())));
    assert_eq!(refused(world.manager.delete_transfer_job(&staff(), done)), Refusal::TransferIsCompleted);
    let again = world.manager.delete_transfer_job(&staff(), tried);
    assert_eq!(again, Err(Error::NotFound(Entity::TransferJob)));
    let next = world.manager.create_transfer_job(&admin(), &order).unwrap().id;
    assert!(next > done, "ids are not used again");
}

fn notification(world: &World, plan: PlanId, customer_user: i64, kind: NotificationKind) -> Notification {
    Notification { customer: customer(), customer_user, plan, kind, last_sent: world.manager.now() }
}

fn save(world: &World, sent: &[Notification]) {
    world.store.write(|unit| unit.notifications().save(sent, &admin().change(beginning()))).unwrap();
}

fn mail(world: &World) -> OperationSummary {
    world.manager.send_license_utilization_emails(false, &Unsupervised)
}

#[test]
fn without_the_last_notification_of_a_kind_the_mail_is_sent_again() {
    let world = World::new();
    let plan = world.plan(3);
    let mut applying = world.details(plan);
    applying.should_auto_apply_licenses = Some(true);
    world.store.write(|unit| unit.plans().save(&applying, &admin().change(beginning()))).unwrap();
    world.clock.advance(Duration::days(8));
    mail(&world);
    let sent = [5, 6].map(|user| notification(&world, plan, user, NotificationKind::PeriodicInformational));
    save(&world, &sent);
    let listed = world.store.read(|unit| unit.notifications().list(&NotificationFilter::default(), ALL)).unwrap();
    let mails = || world.owed(Topic::InitialUtilization).len();
    for ((id, _), expected) in listed.iter().zip([1, 2]) {
        world.manager.delete_notification(&staff(), *id).unwrap();
        assert_eq!(last(&world), ("notification", '-', Some("a mistake".to_owned())));
        mail(&world);
        assert_eq!(mails(), expected);
    }
    let again = world.manager.delete_notification(&staff(), listed[0].0);
    assert_eq!(again, Err(Error::NotFound(Entity::Notification)));
}

#[test]
fn the_mail_is_sent_again_though_a_notification_of_another_kind_is_left() {
    let world = World::new();
    let plan = world.plan(1);
    let kinds = [NotificationKind::PeriodicInformational, NotificationKind::NoAllocationsRemaining];
    save(&world, &kinds.map(|kind| notification(&world, plan, 5, kind)));
    let mark = || {
        let mark =
            |unit: &mut dyn UnitOfWork| unit.operations().mark_plans(&[plan], "initial_utilization", beginning());
        world.store.write(mark).unwrap()
    };
    assert_eq!(mark(), [plan]);
    let usual = NotificationFilter { kind: Some(kinds[0]), ..NotificationFilter::default() };
    assert_eq!(world.manager.delete_notifications(&staff(), &usual, false), Ok(1));
    assert_eq!(mark(), [plan], "it is not marked any more");
}

#[test]
fn a_plan_goes_with_its_own_notifications() {
    let world = World::new();
    let (plan, other) = (world.plan(1), world.plan(2));
    let sent = [plan, other].map(|plan| notification(&world, plan, 5, NotificationKind::PeriodicInformational));
    save(&world, &sent);
    world.manager.delete_plan(&staff(), plan).unwrap();
    let left = world.store.read(|unit| unit.notifications().list(&NotificationFilter::default(), ALL)).unwrap();
    assert_eq!(left.into_iter().map(|(_, sent)| sent.plan).collect::<Vec<_>>(), [other]);
}

#[test]
fn many_notifications_are_counted_then_deleted() {
    let world = World::new();
    let plans = [world.plan(1), world.plan(2), world.plan(3)];
    let sent = |plan, customer_user, kind| notification(&world, plan, customer_user, kind);
    let (usual, full) = (NotificationKind::PeriodicInformational, NotificationKind::NoAllocationsRemaining);
    let all: Vec<Notification> =
        plans.into_iter().flat_map(|plan| [sent(plan, 5, usual), sent(plan, 6, usual), sent(plan, 5, full)]).collect();
    world
        .store
        .write(|unit| {
            unit.operations().mark_plans(&plans, "initial_utilization", beginning())?;
            unit.notifications().save(&all, &admin().change(beginning()))
        })
        .unwrap();
    let listed = || world.store.read(|unit| unit.notifications().list(&NotificationFilter::default(), ALL)).unwrap();
    let any = NotificationFilter::default;
    let history = world.store.history().len();
    let of_plan = NotificationFilter { plan: Some(plans[0]), ..any() };
    assert_eq!(world.manager.delete_notifications(&staff(), &of_plan, true), Ok(3));
    assert_eq!((listed().len(), world.store.history().len()), (9, history), "a dry run changes nothing");
    assert_eq!(world.manager.delete_notifications(&staff(), &of_plan, false), Ok(3));
    let ids = listed().into_iter().filter(|(_, sent)| sent.plan == plans[1] && sent.customer_user == 5);
    let named = NotificationFilter { ids: Some(ids.map(|(id, _)| id).collect()), ..any() };
    assert_eq!(world.manager.delete_notifications(&staff(), &named, false), Ok(2));
    assert_eq!(world.manager.delete_notifications(&staff(), &named, false), Ok(0), "they are gone");
    let full = NotificationFilter { kind: Some(full), ..any() };
    assert_eq!(world.manager.delete_notifications(&staff(), &full, false), Ok(1));
    assert_eq!(listed().len(), 3);
    assert_eq!(last(&world), ("notification", '-', Some("a mistake".to_owned())));
    let marked =
        world.store.write(|unit| unit.operations().mark_plans(&plans, "initial_utilization", beginning())).unwrap();
    assert_eq!(marked, [plans[0]], "of whose usual notifications none is left");
}

#[test]
fn many_license_events_are_counted_then_deleted() {
    let world = World::new();
    let licenses: Vec<LicenseId> = world.licenses(world.plan(3)).iter().map(|license| license.id).collect();
    for name in ["unlinked", "old"] {
        world.store.write(|unit| unit.license_events().add(&licenses, name, beginning())).unwrap();
    }
    let old = LicenseEventFilter { event_name: Some("old".to_owned()), ..LicenseEventFilter::default() };
    assert_eq!(world.manager.delete_license_events(&staff(), &old, true), Ok(3));
    assert_eq!(world.manager.delete_license_events(&staff(), &old, false), Ok(3));
    let left = world.store.read(|unit| unit.license_events().list(&LicenseEventFilter::default(), ALL)).unwrap();
    assert!(left.len() == 3 && left.iter().all(|mark| mark.event_name == "unlinked"));
    let named = LicenseEventFilter { ids: Some(vec![left[0].id, left[1].id]), ..LicenseEventFilter::default() };
    assert_eq!(world.manager.delete_license_events(&staff(), &named, false), Ok(2));
}

#[test]
fn a_license_event_is_deleted() {
    let world = World::new();
    let license = world.licenses(world.plan(1))[0].id;
    for name in ["unlinked", "old"] {
        world.store.write(|unit| unit.license_events().add(&[license], name, beginning())).unwrap();
    }
    let listed = || world.store.read(|unit| unit.license_events().list(&LicenseEventFilter::default(), ALL)).unwrap();
    let [marked, other] = <[LicenseMark; 2]>::try_from(listed()).unwrap();
    let id = marked.id;
    world.manager.delete_license_event(&staff(), id).unwrap();
    assert_eq!(last(&world), ("license_event", '-', Some("a mistake".to_owned())));
    assert_eq!(listed(), [other], "the other one stays");
    assert_eq!(world.manager.delete_license_event(&staff(), id), Err(Error::NotFound(Entity::LicenseEvent)));
}
