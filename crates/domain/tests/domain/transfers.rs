//! Licenses move from one plan of an agreement to another.

use std::collections::HashMap;

use crate::following::{BOB, followed, wait_until};
use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::{HeldTwice, TransferOrder, TransferRun, TransferredLicenses};
use license_manager_domain::ports::{StoreExt, TransferFilter};
use license_manager_domain::use_cases::TransferChanges;
use license_manager_domain::*;

/// Two plans: the old one of five seats with amy's in use, bob's assigned and zoe's taken back, the new one of two free
/// seats.
fn two_plans(world: &World) -> [PlanId; 2] {
    let (old, new) = (world.plan(5), world.plan(2));
    world.activate(old, "amy@example.com", 7);
    world.assign(old, &learners(["bob@example.com", "zoe@example.com"])).unwrap();
    world.revoke(old, &["zoe@example.com"]).unwrap();
    world.clock.advance(Duration::days(1));
    [old, new]
}

fn order(world: &World, [old_plan, new_plan]: [PlanId; 2], licenses: TransferredLicenses) -> TransferOrder {
    TransferOrder::new(world.agreement, old_plan, new_plan, licenses)
}

fn create(world: &World, order: &TransferOrder) -> TransferJobId {
    world.manager.create_transfer_job(&admin(), order).unwrap().id
}

fn run(world: &World, job: TransferJobId) -> Result<LicenseTransferJob, Error> {
    world.manager.process_transfer_job(&admin(), job, None)
}

fn live(world: &World, plan: PlanId) -> TransferredLicenses {
    let licenses = world.licenses(plan);
    TransferredLicenses::Named(licenses.iter().filter(|license| license.is_live()).map(|license| license.id).collect())
}

fn invalid(result: Result<LicenseTransferJob, Error>) -> Vec<String> {
    match result {
        Err(Error::Invalid(errors)) => errors.iter().map(|(field, _)| field.to_owned()).collect(),
        other => panic!("not refused for its values: {other:?}"),
    }
}

#[test]
fn named_licenses_move_with_who_holds_them() {
    let world = World::new();
    let plans = two_plans(&world);
    let [old, new] = plans;
    let before = ["amy@example.com", "bob@example.com"].map(|address| world.license_of(old, address));
    let owed = world.store.outbox().len();
    let job = run(&world, create(&world, &order(&world, plans, live(&world, old)))).unwrap();
    let now = world.manager.now();
    for license in before {
        let address = license.holder_email().cloned().unwrap();
        let expected = License { plan: new, modified: now, ..license };
        assert_eq!(world.license_of(new, address.as_str()), expected);
    }
    let TransferredLicenses::Named(mut ids) = job.order.licenses else { panic!("licenses were named") };
    ids.sort_unstable();
    assert_eq!(job.runs, [TransferRun { is_dry_run: false, modified_licenses: ids, completed_at: now }]);
    assert_eq!(job.completed_at, Some(now));
    assert_eq!(world.counts(old), LicenseCounts { unassigned: 3, revoked: 1, ..LicenseCounts::default() });
    assert_eq!(world.store.outbox().len(), owed, "nobody's state changed, so nothing is owed");
}

#[test]
fn what_is_named_and_not_live_in_the_old_plan_stays() {
    let world = World::new();
    let plans = two_plans(&world);
    let [_, new] = plans;
    let every = plans.into_iter().flat_map(|plan| world.licenses(plan)).map(|license| license.id);
    let unknown = LicenseId(uuid::Uuid::nil());
    let named = TransferredLicenses::Named(every.chain([unknown]).collect());
    let job = run(&world, create(&world, &order(&world, plans, named))).unwrap();
    assert_eq!(job.runs[0].modified_licenses.len(), 2);
    let counts = world.counts(new);
    assert_eq!((counts.activated, counts.assigned, counts.unassigned, counts.revoked), (1, 1, 2, 0));
}

#[test]
fn all_licenses_move_whatever_their_state() {
    let world = World::new();
    let plans = two_plans(&world);
    let [old, new] = plans;
    run(&world, create(&world, &order(&world, plans, TransferredLicenses::All))).unwrap();
    assert_eq!(world.counts(old), LicenseCounts::default());
    assert_eq!(world.counts(new), LicenseCounts { activated: 1, assigned: 1, unassigned: 5, revoked: 1 });
}

#[test]
fn a_dry_run_tells_what_would_move_and_the_real_run_can_follow() {
    let world = World::new();
    let plans = two_plans(&world);
    let [old, new] = plans;
    let dry = TransferOrder { is_dry_run: true, ..order(&world, plans, live(&world, old)) };
    let id = create(&world, &dry);
    let before = (world.licenses(old), world.licenses(new));
    let told = run(&world, id).unwrap();
    assert_eq!((told.runs.len(), told.runs[0].modified_licenses.len(), told.completed_at), (1, 2, None));
    assert_eq!((world.licenses(old), world.licenses(new)), before);

    let moved = world.manager.process_transfer_job(&admin(), id, Some(false)).unwrap();
    assert_eq!(moved.runs.iter().map(|run| run.is_dry_run).collect::<Vec<_>>(), [true, false]);
    assert_eq!(moved.runs[0].modified_licenses, moved.runs[1].modified_licenses);
    assert_eq!((moved.completed_at, moved.order.is_dry_run), (Some(world.manager.now()), false));
    assert_eq!(world.counts(new).allocated(), 2);
}

#[test]
fn a_job_that_is_done_changes_nothing_any_more() {
    let world = World::new();
    let plans = two_plans(&world);
    let id = create(&world, &order(&world, plans, TransferredLicenses::All));
    let done = run(&world, id).unwrap();
    // What comes into the old plan later is none of the job's business.
    world.change(plans[0], PlanChanges { desired_num_licenses: Edit::Set(3), ..PlanChanges::default() }).unwrap();
    world.clock.advance(Duration::days(1));
    let before = plans.map(|plan| world.footprint(plan));
    assert_eq!(run(&world, id), Ok(done.clone()));
    assert_eq!(world.manager.process_transfer_job(&admin(), id, Some(true)), Ok(done));
    assert_eq!(plans.map(|plan| world.footprint(plan)), before);
}

#[test]
fn a_job_in_the_other_direction_undoes_it() {
    let world = World::new();
    let plans = two_plans(&world);
    let [old, new] = plans;
    let strip = |mut licenses: Vec<License>| {
        licenses.iter_mut().for_each(|license| license.modified = beginning());
        licenses
    };
    let before = plans.map(|plan| strip(world.licenses(plan)));
    let there = run(&world, create(&world, &order(&world, plans, live(&world, old)))).unwrap();
    let moved = TransferredLicenses::Named(there.runs[0].modified_licenses.clone());
    run(&world, create(&world, &order(&world, [new, old], moved))).unwrap();
    assert_eq!(plans.map(|plan| strip(world.licenses(plan))), before);
}

#[test]
fn a_transfer_that_would_give_somebody_two_licenses_is_refused_as_a_whole() {
    let world = World::new();
    let plans = two_plans(&world);
    let [old, new] = plans;
    world.assign(new, &learners(["BOB@example.com"])).unwrap();
    let bob = HeldTwice { license: world.license_of(old, "bob@example.com").id, email: email("bob@example.com") };
    for is_dry_run in [true, false] {
        for licenses in [TransferredLicenses::All, live(&world, old)] {
            let id = create(&world, &TransferOrder { is_dry_run, ..order(&world, plans, licenses) });
            let before = plans.map(|plan| world.footprint(plan));
            let refused = run(&world, id);
            assert_eq!(refused, Err(Conflict::LiveLicense(vec![bob.clone()]).into()));
            let message = format!("{refused:?} {}", refused.clone().unwrap_err());
            assert!(!message.contains("bob"), "{message}");
            assert_eq!(plans.map(|plan| world.footprint(plan)), before);
            assert_eq!(world.manager.transfer_job(id).unwrap().runs, []);
        }
    }
    world.revoke(new, &["bob@example.com"]).unwrap();
    run(&world, create(&world, &order(&world, plans, live(&world, old)))).unwrap();
}

#[test]
fn an_order_that_makes_no_sense_is_refused_with_its_fields() {
    let world = World::new();
    let plans = two_plans(&world);
    let new = NewAgreement {
        customer: CustomerId(uuid::Uuid::from_u128(77)),
        changes: AgreementChanges { default_catalog: Edit::Set(catalog()), ..AgreementChanges::default() },
    };
    let elsewhere = world.manager.create_agreement(&admin(), new).unwrap().details.agreement.id;
    let foreign = world.create(NewPlan { agreement: elsewhere, ..world.new_plan("Elsewhere", 0) }).unwrap();
    let good = order(&world, plans, TransferredLicenses::All);
    let create = |order: TransferOrder| world.manager.create_transfer_job(&admin(), &order);
    let (old_field, new_field) = ("old_subscription_plan", "new_subscription_plan");
    assert_eq!(invalid(create(TransferOrder { old_plan: foreign, ..good.clone() })), [old_field]);
    assert_eq!(invalid(create(TransferOrder { new_plan: foreign, ..good.clone() })), [new_field]);
    assert_eq!(invalid(create(TransferOrder { agreement: elsewhere, ..good.clone() })), [new_field, old_field]);
    assert_eq!(invalid(create(TransferOrder { new_plan: plans[0], ..good.clone() })), [new_field]);
    let nobody = TransferredLicenses::Named(Vec::new());
    assert_eq!(invalid(create(TransferOrder { licenses: nobody, ..good.clone() })), ["license_uuids"]);
    let nil = uuid::Uuid::nil();
    let unknown = |field, entity| Err(Error::UnknownReference { field, entity });
    let order = TransferOrder { agreement: AgreementId(nil), ..good.clone() };
    assert_eq!(create(order), unknown("customer_agreement", Entity::Agreement));
    assert_eq!(create(TransferOrder { old_plan: PlanId(nil), ..good.clone() }), unknown(old_field, Entity::Plan));
    assert_eq!(create(TransferOrder { new_plan: PlanId(nil), ..good }), unknown(new_field, Entity::Plan));
    let jobs = world.manager.transfer_jobs(&TransferFilter::default(), |_| Ok::<_, Error>(ALL)).unwrap();
    assert_eq!(jobs.total, 0);
    assert_eq!(run(&world, TransferJobId(1)), Err(Error::NotFound(Entity::TransferJob)));
}

#[test]
fn a_job_is_edited_until_it_has_moved_its_licenses() {
    let world = World::new();
    let [first, second, third] = [world.plan(3), world.plan(2), world.plan(1)];
    let named = world.licenses(first)[0].id;
    let order = TransferOrder {
        agreement: world.agreement,
        old_plan: first,
        new_plan: second,
        notes: None,
        is_dry_run: true,
        licenses: TransferredLicenses::Named(vec![named]),
    };
    let id = world.manager.create_transfer_job(&admin(), &order).unwrap().id;
    let edit = |changes: TransferChanges| world.manager.update_transfer_job(&admin(), id, &changes);
    world.clock.advance(Duration::hours(1));
    let changes = TransferChanges {
        new_plan: Some(third),
        notes: Edit::Set("Ours".to_owned()),
        is_dry_run: Some(false),
        transfer_all: Some(true),
        ..TransferChanges::default()
    };
    let job = edit(changes).unwrap();
    let edited = TransferOrder {
        new_plan: third,
        notes: Some("Ours".to_owned()),
        is_dry_run: false,
        licenses: TransferredLicenses::All,
        ..order
    };
    assert_eq!((&job.order, job.modified), (&edited, world.manager.now()));
    assert_eq!(world.manager.transfer_job(id).unwrap(), job);
    let history = world.store.history().len();
    assert_eq!(edit(TransferChanges::default()).unwrap(), job);
    assert_eq!(world.store.history().len(), history, "nothing changed");

    let same = TransferChanges { new_plan: Some(first), ..TransferChanges::default() };
    assert_eq!(invalid(edit(same)), ["new_subscription_plan"]);
    let nobody = TransferChanges { transfer_all: Some(false), ..TransferChanges::default() };
    assert_eq!(invalid(edit(nobody)), ["license_uuids"]);
    let some = TransferChanges { transfer_all: Some(false), licenses: Some(vec![named]), ..TransferChanges::default() };
    assert_eq!(edit(some).unwrap().order.licenses, TransferredLicenses::Named(vec![named]));
    assert_eq!(world.manager.transfer_job(id).unwrap().order.licenses, TransferredLicenses::Named(vec![named]));
    let not_all = TransferChanges { transfer_all: Some(false), ..TransferChanges::default() };
    assert_eq!(edit(not_all).unwrap().order.licenses, TransferredLicenses::Named(vec![named]), "they stay named");

    world.manager.process_transfer_job(&admin(), id, None).unwrap();
    let notes = TransferChanges { notes: Edit::Clear, ..TransferChanges::default() };
    assert_eq!(edit(notes.clone()).unwrap().order.notes, None);
    let more = TransferChanges { is_dry_run: Some(true), old_plan: Some(third), ..notes };
    assert_eq!(invalid(edit(more)), ["is_dry_run", "old_subscription_plan"]);
    let unknown = world.manager.update_transfer_job(&admin(), TransferJobId(99), &TransferChanges::default());
    assert_eq!(unknown, Err(Error::NotFound(Entity::TransferJob)));
}

#[test]
fn a_list_tells_of_each_job_whether_all_licenses_move() {
    let world = World::new();
    let plans = two_plans(&world);
    let [all, named] = [TransferredLicenses::All, live(&world, plans[0])].map(|licenses| {
        let order = TransferOrder { notes: Some("Ours".to_owned()), ..order(&world, plans, licenses) };
        create(&world, &order)
    });
    let jobs = world.manager.transfer_jobs(&TransferFilter::default(), |_| Ok::<_, Error>(ALL)).unwrap();
    let told: HashMap<_, _> = jobs.items.into_iter().map(|job| (job.id, job.transfer_all)).collect();
    assert_eq!(told, HashMap::from([(all, true), (named, false)]));
}

/// The holders that stand in the way of moving this person's license to the plan that renews theirs.
fn in_the_way(world: &World, plans: [PlanId; 2], address: &str) -> Vec<String> {
    let named = TransferredLicenses::Named(vec![world.license_of(plans[0], address).id]);
    match run(world, create(world, &order(world, plans, named))) {
        Err(Error::Conflict(Conflict::LiveLicense(held))) => {
            held.into_iter().map(|held| held.email.as_str().to_owned()).collect()
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_copy_is_in_the_way_once_its_plan_has_started() {
    let world = World::new();
    let (prior, renewed) = followed(&world, 5);
    wait_until(&world, world.details(renewed).start_date);
    assert_eq!(in_the_way(&world, [prior, renewed], BOB), [BOB]);
}

#[test]
fn a_copy_that_somebody_else_holds_makes_no_way() {
    let world = World::new();
    let (prior, following) = followed(&world, 5);
    let elses = world.license_of(following, BOB).with_email(email("eve@example.com"), world.manager.now());
    world
        .store
        .write(|unit| unit.licenses().save(std::slice::from_ref(&elses), &admin().change(world.manager.now())))
        .unwrap();
    world.assign(following, &learners([BOB])).unwrap();
    assert_eq!(in_the_way(&world, [prior, following], BOB), [BOB]);
}
