//! Leases of tasks, completed tasks, and due work.

use std::collections::HashMap;

use license_manager_domain::history::Change;
use license_manager_domain::model::{Notification, NotificationKind, RenewalTerms};
use license_manager_domain::ports::{
    DueRenewal, ExpirationProgress, ExpirationStep, LicenseEventFilter, PlanEnd, Store, StoreExt, Task, TaskClaim,
    UnitOfWork, Unlinking,
};
use license_manager_domain::queue::{Claim, Lease, Settlement};
use license_manager_domain::{
    ActivationKey, AgreementId, AutoScaling, Error, License, LicenseId, LmsUserId, PlanId, PlanTypeId, ProductId,
    SubscriptionPlan,
};
use uuid::Uuid;

use super::Database;
use super::fixtures::*;

const TASK: Task = Task { operation: "expire-subscriptions", key: Uuid::from_u128(1) };
const ALICE: Uuid = Uuid::from_u128(0xA);
const BOB: Uuid = Uuid::from_u128(0xB);
const EVENT: &str = "something.was.done";

fn lease(owner: Uuid) -> Lease {
    Lease { id: owner, queue: TASK.queue() }
}

fn take(store: &dyn Store, task: Task, owner: Uuid, now: i64, until: i64) -> TaskClaim {
    let lease = Lease { id: owner, queue: task.queue() };
    let claim = Claim { lease, now: day(now), until: day(until), limit: 1 };
    store.write(|unit| unit.queue().claim_task(task, &claim)).unwrap()
}

fn keep(store: &dyn Store, owner: Uuid, until: i64, progress: Option<ExpirationProgress>) -> bool {
    let work = |unit: &mut dyn UnitOfWork| {
        if let Some(progress) = progress {
            unit.operations().note_progress(TASK, owner, progress)?;
        }
        unit.queue().prolong(lease(owner), &[TASK.key], day(until))
    };
    store.write(work).unwrap() > 0
}

fn give_back(store: &dyn Store, owner: Uuid, now: i64) {
    store.write(|unit| unit.queue().prolong(lease(owner), &[TASK.key], day(now))).unwrap();
}

fn finish(store: &dyn Store, owner: Uuid) {
    store.write(|unit| unit.queue().settle(lease(owner), &[Settlement::completed(TASK.key, day(1))])).unwrap();
}

fn halfway() -> ExpirationProgress {
    ExpirationProgress { plan: plan_id(1), expiration_date: day(1), step: ExpirationStep::Events, after: license_id(1) }
}

fn edit(store: &dyn Store, number: u128, edit: impl Fn(&mut SubscriptionPlan)) {
    store
        .write(|unit| {
            let mut plan = unit.plans().find(plan_id(number))?.expect("a plan").plan;
            edit(&mut plan);
            unit.plans().save(&plan, &change(5))
        })
        .unwrap();
}

fn plans(ids: &[PlanId]) -> Vec<u128> {
    ids.iter().map(|id| id.0.as_u128() - 0xB0_0000).collect()
}

fn ids(licenses: &[LicenseId]) -> Vec<u128> {
    licenses.iter().map(|id| id.0.as_u128() - 0xD0_0000).collect()
}

/// Two runs never work on one plan at once, and a dead one holds nothing for long.
pub fn a_task_is_one_owner_s_until_its_time_passes(db: &dyn Database) {
    let store = db.store();
    assert_eq!(take(&*store, TASK, ALICE, 1, 5), TaskClaim::Taken(None));
    assert_eq!(take(&*store, TASK, BOB, 4, 9), TaskClaim::HeldUntil(day(5)));
    assert_eq!(take(&*store, TASK, ALICE, 4, 6), TaskClaim::Taken(None), "it is hers");
    assert_eq!(take(&*store, TASK, BOB, 5, 9), TaskClaim::HeldUntil(day(6)));
    let others = [Task { operation: "another", ..TASK }, Task { key: Uuid::from_u128(2), ..TASK }];
    assert!(others.iter().all(|&other| take(&*store, other, BOB, 5, 9) == TaskClaim::Taken(None)));
    assert_eq!(take(&*store, TASK, BOB, 6, 9), TaskClaim::Taken(None), "her time has passed");
    assert!(!keep(&*store, ALICE, 20, Some(halfway())));
    assert_eq!(take(&*store, TASK, ALICE, 8, 10), TaskClaim::HeldUntil(day(9)));
}

/// A run goes on where a dead one stopped.
pub fn how_far_a_task_is_outlives_its_owner(db: &dyn Database) {
    let store = db.store();
    take(&*store, TASK, ALICE, 1, 2);
    assert!(keep(&*store, ALICE, 5, Some(halfway())));
    assert_eq!(take(&*store, TASK, BOB, 4, 9), TaskClaim::HeldUntil(day(5)));
    assert_eq!(take(&*store, TASK, BOB, 5, 9), TaskClaim::Taken(Some(halfway())));
    give_back(&*store, ALICE, 6);
    assert_eq!(take(&*store, TASK, ALICE, 6, 9), TaskClaim::HeldUntil(day(9)), "it was not hers to give back");
    give_back(&*store, BOB, 6);
    assert_eq!(take(&*store, TASK, ALICE, 6, 9), TaskClaim::Taken(Some(halfway())));
    finish(&*store, BOB);
    assert!(
        keep(&*store, ALICE, 10, Some(ExpirationProgress { step: ExpirationStep::Enrollments, ..halfway() })),
        "it was not his to finish"
    );
    finish(&*store, ALICE);
    assert!(!keep(&*store, ALICE, 10, None));
    assert_eq!(take(&*store, TASK, BOB, 6, 9), TaskClaim::Taken(None), "nothing is left of it");
}

/// An operation is done once for a plan or a license.
pub fn plans_and_licenses_are_marked_once(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..4);
    let mark = |numbers: &[u128], name: &str| {
        let marked: Vec<PlanId> = numbers.iter().map(|&number| plan_id(number)).collect();
        plans(&store.write(|unit| unit.operations().mark_plans(&marked, name, day(1))).unwrap())
    };
    assert_eq!(mark(&[2, 1], "told"), [1, 2]);
    assert_eq!(mark(&[1, 3, 2], "told"), [3]);
    assert_eq!(mark(&[1], "otherwise"), [1]);
    let mark = |numbers: &[u128], name: &str| {
        let marked: Vec<LicenseId> = numbers.iter().map(|&number| license_id(number)).collect();
        ids(&store.write(|unit| unit.operations().mark_licenses(&marked, name, day(1))).unwrap())
    };
    assert_eq!(mark(&[3, 1], EVENT), [1, 3]);
    assert_eq!(mark(&[1, 2, 3], EVENT), [2]);
    assert_eq!(mark(&[1], "otherwise"), [1]);
    assert_eq!(mark(&[], EVENT), [0; 0]);
    let filter = LicenseEventFilter { event_name: Some(EVENT.to_owned()), ..LicenseEventFilter::default() };
    assert_eq!(store.read(|unit| unit.license_events().count(&filter)), Ok(3));
}

/// Concurrent runs share the work.
pub fn a_task_goes_to_one_of_many_and_so_does_a_mark(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..200);
    let all: Vec<LicenseId> = (1..200).map(license_id).collect();
    let outcomes: Vec<(bool, usize)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|number| {
                let (store, all) = (&store, &all);
                scope.spawn(move || {
                    let taken = take(&**store, TASK, Uuid::from_u128(100 + number), 1, 5);
                    let marked = store.write(|unit| unit.operations().mark_licenses(all, EVENT, day(1))).unwrap();
                    (matches!(taken, TaskClaim::Taken(_)), marked.len())
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|(taken, _)| *taken).count(), 1);
    assert_eq!(outcomes.iter().map(|(_, marked)| marked).sum::<usize>(), 199);
}

/// The schedule renews what it should and nothing else.
pub fn renewals_of_a_span_of_time_are_due_unless_exempt_or_processed(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let renewals: Vec<_> = [(1, 10, false), (2, 12, false), (3, 11, true)]
        .into_iter()
        .map(|(prior, effective, exempt)| {
            let terms =
                RenewalTerms { effective_date: day(effective), exempt_from_batch_processing: exempt, ..terms(prior) };
            store.write(|unit| unit.renewals().add(&terms, &change(1))).unwrap()
        })
        .collect();
    let due = |from, to| store.read(|unit| unit.due_work().renewals(day(from), day(to))).unwrap();
    let [first, second] = [(0, 1), (1, 2)]
        .map(|(index, plan): (usize, u128)| DueRenewal { renewal: renewals[index], prior_plan: plan_id(plan) });
    assert_eq!(due(10, 12), [first, second], "both ends are included, the earliest comes first");
    assert_eq!(due(11, 12), [second]);
    let before = |moment| store.read(|unit| unit.due_work().count_renewals_before(day(moment))).unwrap();
    assert_eq!((before(10), before(12), before(13)), (0, 1, 2));
    store
        .write(|unit| {
            let mut renewal = unit.renewals().find(renewals[0])?.expect("a renewal").renewal;
            renewal.processed = true;
            unit.renewals().save(&renewal, &change(2))
        })
        .unwrap();
    assert_eq!((due(0, 20), before(20)), (vec![second], 1));
}

/// Every plan that ended is processed.
pub fn plans_that_ended_without_a_renewal_are_found(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    for (number, end, processed) in [(1, 30, false), (2, 20, true), (3, 40, false)] {
        edit(&*store, number, |plan| (plan.expiration_date, plan.expiration_processed) = (day(end), processed));
    }
    let ended =
        |from, to, too| plans(&store.read(|unit| unit.due_work().expired_plans(day(from), day(to), too)).unwrap());
    assert_eq!(ended(20, 40, false), [1, 3]);
    assert_eq!(ended(20, 40, true), [2, 1, 3], "the earliest end comes first");
    assert_eq!(ended(31, 39, true), [0; 0]);
    store.write(|unit| unit.renewals().add(&terms(1), &change(1))).unwrap();
    assert_eq!(ended(20, 40, false), [3]);
    let named = [plan_id(2), plan_id(1), plan_id(77)];
    let end = |number, processed, has_renewal, expires| PlanEnd {
        plan: plan_id(number),
        customer: customer(1),
        expiration_date: day(expires),
        expiration_processed: processed,
        has_renewal,
    };
    let mut ends = store.read(|unit| unit.due_work().plan_ends(&named)).unwrap();
    ends.sort_by_key(|end| end.plan);
    assert_eq!(ends, [end(1, false, true, 30), end(2, true, false, 20)]);
}

/// A plan of any size is processed in bounded memory.
pub fn live_licenses_are_read_one_part_after_another(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let mut carried_on = assigned(2, 1, "bob@example.com");
    put(&*store, &[assigned(4, 2, "bob@example.com")]);
    carried_on.renewed_to = Some(license_id(4));
    put(
        &*store,
        &[
            activated(1, 1, "amy@example.com", 7),
            carried_on,
            revoked(3, 1, "eve@example.com", 8),
            unassigned(5, 1),
            assigned(6, 1, "zoe@example.com"),
        ],
    );
    let live = |unrenewed, after: Option<u128>, limit| {
        let after = after.map(license_id);
        numbers(&store.read(|unit| unit.due_work().live_licenses_after(plan_id(1), unrenewed, after, limit)).unwrap())
    };
    assert_eq!(live(false, None, 10), [1, 2, 6]);
    assert_eq!(live(true, None, 10), [1, 6]);
    assert_eq!((live(false, None, 2), live(false, Some(2), 2)), (vec![1, 2], vec![6]));
}

/// A learner with another license stays linked.
pub fn who_holds_nothing_else_of_the_customer_is_to_be_unlinked(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    edit(&*store, 1, |plan| (plan.expiration_date, plan.expiration_processed) = (day(10), true));
    let over = |customer_number, before| {
        plans(&store.read(|unit| unit.due_work().plans_to_unlink(customer(customer_number), day(before))).unwrap())
    };
    assert_eq!((over(1, 10), over(1, 11), over(2, 11)), (vec![], vec![1], vec![]));
    edit(&*store, 2, |plan| plan.expiration_date = day(9));
    assert_eq!(over(1, 11), [1], "the other's end was not carried out");
    edit(&*store, 2, |plan| plan.expiration_date = day(300));

    let mut carried_on = assigned(5, 1, "ann@example.com");
    put(&*store, &[assigned(21, 3, "ann@example.com")]);
    carried_on.renewed_to = Some(license_id(21));
    put(
        &*store,
        &[
            assigned(1, 1, "amy@example.com"),
            activated(2, 1, "bob@example.com", 8),
            activated(3, 1, "eve@example.com", 9),
            assigned(4, 1, "zoe@example.com"),
            carried_on,
            revoked(6, 1, "kim@example.com", 10),
            // Amy by her address, Bob by his id; Eve's license was revoked, and Zoe's belongs to another customer.
            assigned(11, 2, "amy@example.com"),
            activated(12, 2, "robert@example.com", 8),
            revoked(13, 2, "eve@example.com", 9),
            assigned(14, 3, "zoe@example.com"),
        ],
    );
    let due = |after: Option<u128>, limit| {
        let unlinking = Unlinking { customer: customer(1), now: day(100), event_name: EVENT };
        let found = store
            .read(|unit| unit.due_work().licenses_to_unlink(plan_id(1), unlinking, after.map(license_id), limit))
            .unwrap();
        found.into_iter().map(|(id, email)| (id.0.as_u128() - 0xD0_0000, email.as_str().to_owned())).collect::<Vec<_>>()
    };
    let [eve, zoe] = [(3, "eve@example.com".to_owned()), (4, "zoe@example.com".to_owned())];
    assert_eq!(due(None, 10), [eve.clone(), zoe.clone()]);
    assert_eq!((due(None, 1), due(Some(3), 1)), (vec![eve.clone()], vec![zoe.clone()]));
    store.write(|unit| unit.operations().mark_licenses(&[license_id(3)], EVENT, day(1))).unwrap();
    assert_eq!(due(None, 10), [zoe]);
    edit(&*store, 2, |plan| plan.is_active = false);
    assert_eq!(due(None, 10).len(), 3, "who holds licenses of plans out of use does not stay for them");
    edit(&*store, 2, |plan| (plan.is_active, plan.expiration_date) = (true, day(100)));
    assert_eq!(due(None, 10).len(), 1, "a plan is current until its end, which is included");
}

/// Plans that grow by themselves are found.
pub fn agreements_whose_plans_grow_are_found(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let growing = || store.read(|unit| unit.due_work().auto_scaling_agreements()).unwrap();
    assert_eq!(growing(), [] as [AgreementId; 0]);
    let mut scaling = agreement(2);
    scaling.auto_scaling = AutoScaling { enabled: true, max_licenses: Some(9), ..AutoScaling::default() };
    store.write(|unit| unit.agreements().save(&scaling, &change(1))).unwrap();
    assert_eq!(growing(), [agreement_id(2)]);
}

/// The first report of a plan comes a week after it began to hand out licenses.
pub fn plans_that_auto_apply_are_found_since_when_they_last_began(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let turn = |number: u128, at: i64, applies: Option<bool>| {
        let at: Change = change(at);
        store
            .write(|unit| {
                let mut plan = unit.plans().find(plan_id(number))?.expect("a plan").plan;
                plan.should_auto_apply_licenses = applies;
                unit.plans().save(&plan, &at)
            })
            .unwrap();
    };
    for (at, applies) in [(10, Some(true)), (12, Some(false)), (14, Some(true)), (16, Some(true))] {
        turn(1, at, applies);
    }
    turn(2, 11, Some(true));
    turn(3, 11, Some(true));
    let applied = |number: u128, plan: u128, at: i64| {
        let license = unassigned(number, plan);
        let address = email(&format!("learner{number}@example.com"));
        let key = ActivationKey(uuid::Uuid::from_u128(number));
        license.auto_apply(address, Some(LmsUserId(number as i64)), key, day(at)).unwrap()
    };
    let activated_by_key = License { auto_applied: None, ..applied(5, 1, 16) };
    let revoked = applied(6, 1, 14).revoke(day(17)).unwrap();
    put(
        &*store,
        &[applied(1, 1, 10), applied(2, 1, 13), applied(3, 1, 14), applied(4, 1, 15), activated_by_key, revoked],
    );
    put(&*store, &[applied(7, 2, 12), unassigned(8, 3)]);
    let ids = [1, 2, 3, 9].map(plan_id);
    let mut since = store.read(|unit| unit.due_work().auto_applied_since_turned_on(&ids)).unwrap();
    since.retain(|_, number| *number > 0);
    assert_eq!(since, HashMap::from([(plan_id(1), 3), (plan_id(2), 1)]), "the revoked one counts");
    let applying = |now: i64, until: i64| {
        let found = store.read(|unit| unit.due_work().auto_applying_plans(day(now), day(until), "told")).unwrap();
        found.into_iter().map(|(plan, since)| (plan.0.as_u128() - 0xB0_0000, since)).collect::<Vec<_>>()
    };
    assert_eq!(applying(20, 14), [(1, day(14)), (2, day(11)), (3, day(11))]);
    assert_eq!(applying(20, 13), [(2, day(11)), (3, day(11))]);
    assert_eq!(applying(400, 390), [], "none is current");
    store.write(|unit| unit.operations().mark_plans(&[plan_id(2)], "told", day(1))).unwrap();
    let told = Notification {
        customer: customer(2),
        customer_user: 1,
        plan: plan_id(3),
        kind: NotificationKind::PeriodicInformational,
        last_sent: day(12),
    };
    store.write(|unit| unit.notifications().save(std::slice::from_ref(&told), &change(12))).unwrap();
    assert_eq!(applying(20, 14), [(1, day(14))]);
    edit(&*store, 1, |plan| plan.is_active = false);
    assert_eq!(applying(20, 19), []);
}

/// Each event is sent once.
pub fn licenses_activated_long_ago_are_found_until_they_are_marked(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(
        &*store,
        &[
            activated(1, 1, "amy@example.com", 7),
            activated(2, 2, "amy@example.com", 7),
            assigned(3, 1, "bob@example.com"),
            activated(4, 3, "eve@example.com", 8),
            revoked(5, 1, "zoe@example.com", 9),
        ],
    );
    let due = |before: i64, after: Option<u128>, limit| {
        let after = after.map(license_id);
        let found = store
            .read(|unit| unit.due_work().licenses_activated_before(agreement_id(1), day(before), EVENT, after, limit));
        numbers(&found.unwrap())
    };
    assert_eq!((due(3, None, 10), due(4, None, 10)), (vec![], vec![1, 2]), "they were activated on day 3");
    assert_eq!((due(4, None, 1), due(4, Some(1), 10)), (vec![1], vec![2]));
    store.write(|unit| unit.operations().mark_licenses(&[license_id(1)], EVENT, day(1))).unwrap();
    assert_eq!(due(4, None, 10), [2]);
    edit(&*store, 2, |plan| plan.is_active = false);
    assert_eq!(due(4, None, 10), [0; 0]);
}

/// Catalogs of every plan that runs are checked.
pub fn catalogs_in_use_are_told_with_the_plan_types_they_are_used_for(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    edit(&*store, 2, |plan| plan.product = ProductId(3));
    edit(&*store, 3, |plan| plan.catalog = catalog(2));
    let in_use = |now: i64| store.read(|unit| unit.due_work().catalogs_in_use(day(now))).unwrap();
    let [paid, trial] = [PlanTypeId(1), PlanTypeId(3)];
    assert_eq!(in_use(1), [(catalog(1), paid), (catalog(1), trial), (catalog(2), paid)]);
    edit(&*store, 3, |plan| plan.for_internal_use_only = true);
    edit(&*store, 2, |plan| plan.expiration_date = day(1));
    assert_eq!(in_use(1), [(catalog(1), paid)]);
}

/// A dry run changes nothing.
pub fn a_unit_that_reads_takes_and_marks_nothing(db: &dyn Database) {
    let store = db.store();
    let refused = |outcome: Result<(), Error>| assert!(matches!(outcome, Err(Error::Internal(_))), "{outcome:?}");
    let claim = Claim { lease: lease(ALICE), now: day(1), until: day(2), limit: 1 };
    refused(store.read(|unit| unit.queue().claim_task(TASK, &claim).map(drop)));
    refused(store.read(|unit| unit.operations().mark_licenses(&[license_id(1)], EVENT, day(1)).map(drop)));
    refused(store.read(|unit| unit.purge().erase_traces(&[license_id(1)], &[])));
}
