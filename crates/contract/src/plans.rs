//! Subscription plans.

use chrono::Duration;
use license_manager_domain::history::Change;
use license_manager_domain::ports::{CustomerScope, LimitOffset, PlanFilter, Store, StoreExt};
use license_manager_domain::{ChangeReason, Conflict, Error, PlanDetails, ProductId, SubscriptionPlan};

use super::Database;
use super::fixtures::*;

const EVERY: PlanFilter = PlanFilter::new(CustomerScope::All);

/// Plan 1 of agreement 1, with every field changed that can be.
fn elaborate() -> SubscriptionPlan {
    SubscriptionPlan {
        title: "Größe “M”".to_owned(),
        start_date: day(10),
        expiration_date: day(20),
        expiration_processed: true,
        catalog: catalog(2),
        is_active: false,
        is_revocation_cap_enabled: true,
        revoke_max_percentage: 100,
        num_revocations_applied: 7,
        salesforce_opportunity_line_item: Some("00k000000000000001".to_owned()),
        product: ProductId(3),
        for_internal_use_only: true,
        can_freeze_unused_licenses: true,
        last_freeze_timestamp: Some(day(5)),
        should_auto_apply_licenses: Some(false),
        desired_num_licenses: Some(1_000_000),
        modified: day(1),
        ..plan(1, 1)
    }
}

fn add(store: &dyn Store, plan: &SubscriptionPlan) -> Result<(), Error> {
    store.write(|unit| unit.plans().add(plan, &change(0)))
}

fn save(store: &dyn Store, plan: &SubscriptionPlan) -> Result<(), Error> {
    store.write(|unit| unit.plans().save(plan, &change(1)))
}

fn find(store: &dyn Store, number: u128) -> Option<PlanDetails> {
    store.read(|unit| unit.plans().find(plan_id(number))).unwrap()
}

fn numbers(plans: &[PlanDetails]) -> Vec<u128> {
    plans.iter().map(|details| details.plan.id.0.as_u128() - plan_id(0).0.as_u128()).collect()
}

/// No term of a plan is lost, and its customer, type and renewals come with it.
pub fn a_plan_comes_back_with_its_surroundings(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let plan_type = "Standard Paid".to_owned();
    assert_eq!(
        find(&*store, 1),
        Some(PlanDetails { plan: plan(1, 1), customer: customer(1), plan_type, following: None, prior: None })
    );
    let locked = store.write(|unit| unit.plans().lock(plan_id(3))).unwrap().unwrap();
    assert_eq!((locked.plan, locked.customer), (plan(3, 2), customer(2)));
}

/// A change reaches every column.
pub fn every_field_of_a_plan_can_be_changed_and_emptied(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    save(&*store, &elaborate()).unwrap();
    let found = find(&*store, 1).unwrap();
    assert_eq!((found.plan, found.plan_type.as_str()), (elaborate(), "Trial"));
    save(&*store, &plan(1, 1)).unwrap();
    assert_eq!(find(&*store, 1).unwrap().plan, plan(1, 1));
}

/// Who changed a plan, when and why, is known.
pub fn writing_a_plan_is_recorded_with_its_reason(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let changed = Change { reason: Some(ChangeReason::DelayedPayment.into()), by: None, ..change(1) };
    store.write(|unit| unit.plans().save(&elaborate(), &changed)).unwrap();
    let history = db.history("subscription_plan", &plan_id(1).to_string());
    let entries: Vec<_> =
        history.iter().map(|entry| (entry.kind, entry.user.as_deref(), entry.reason.as_deref(), entry.at)).collect();
    assert_eq!(
        entries,
        [('+', Some("admin"), None, day(0)), ('~', None, Some(ChangeReason::DelayedPayment.as_str()), day(1))]
    );
}

/// A change of a deleted plan is not reported as done.
pub fn writing_a_plan_that_does_not_exist_fails(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    assert!(matches!(save(&*store, &plan(9, 1)), Err(Error::Internal(_))));
    assert_eq!(find(&*store, 9), None);
}

/// Admins can tell their plans apart.
pub fn a_title_names_one_plan_of_an_agreement(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let same_title = SubscriptionPlan { title: plan(1, 1).title, ..plan(9, 1) };
    assert_eq!(add(&*store, &same_title), Err(Conflict::PlanTitle.into()));
    assert_eq!(find(&*store, 9), None);
    assert_eq!(
        save(&*store, &SubscriptionPlan { title: plan(1, 1).title, ..plan(2, 1) }),
        Err(Conflict::PlanTitle.into())
    );
    assert_eq!(find(&*store, 2).unwrap().plan, plan(2, 1));
    add(&*store, &SubscriptionPlan { title: plan(1, 1).title, ..plan(9, 2) }).unwrap();
    save(&*store, &plan(1, 1)).unwrap();
}

/// Pages neither repeat nor miss a plan.
pub fn plans_are_listed_the_latest_start_first_part_by_part(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store); // plans 1, 2 and 3 start on day 0
    for (number, start) in [(4, 5), (5, -5), (6, 5)] {
        add(&*store, &SubscriptionPlan { start_date: day(start), ..plan(number, 2) }).unwrap();
    }
    let part =
        |offset, limit| numbers(&store.read(|unit| unit.plans().list(&EVERY, LimitOffset { offset, limit })).unwrap());
    assert_eq!(part(0, 100), [4, 6, 1, 2, 3, 5]);
    assert_eq!(part(1, 3), [6, 1, 2]);
    assert_eq!(part(6, 3), [0; 0]);
    assert_eq!(part(-1, 1), [4]);
    assert_eq!(part(0, -1), [0; 0]);
}

/// A caller sees the plans of their customers only.
pub fn plans_are_filtered(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    add(&*store, &SubscriptionPlan { is_active: false, ..plan(4, 1) }).unwrap();
    add(&*store, &SubscriptionPlan { start_date: day(100), ..plan(5, 1) }).unwrap();
    let only = |numbers: &[u128]| CustomerScope::Only(numbers.iter().copied().map(customer).collect());
    let cases = [
        (EVERY, vec![5, 1, 2, 3, 4]),
        (PlanFilter { scope: only(&[2]), ..EVERY }, vec![3]),
        (PlanFilter { scope: only(&[]), ..EVERY }, vec![]),
        (PlanFilter { scope: only(&[1, 2]), customer: Some(customer(2)), ..EVERY }, vec![3]),
        (PlanFilter { customer: Some(customer(1)), active_only: true, ..EVERY }, vec![5, 1, 2]),
        (PlanFilter { current_at: Some(day(50)), ..EVERY }, vec![1, 2, 3, 4]),
        (
            PlanFilter {
                customer: Some(customer(1)),
                active_only: true,
                current_at: Some(day(50)),
                ..PlanFilter::new(only(&[1]))
            },
            vec![1, 2],
        ),
    ];
    for (filter, expected) in cases {
        let found = store.read(|unit| unit.plans().list(&filter, ALL)).unwrap();
        assert_eq!(numbers(&found), expected, "{filter:?}");
        let counted = store.read(|unit| unit.plans().count(&filter)).unwrap();
        assert_eq!(counted, expected.len() as i64, "{filter:?}");
    }
    let of_customer =
        |number, limit| numbers(&store.read(|unit| unit.plans().find_by_customer(customer(number), limit)).unwrap());
    assert_eq!([of_customer(1, 9), of_customer(2, 9), of_customer(9, 9)], [vec![5, 1, 2, 4], vec![3], vec![]]);
    assert_eq!([of_customer(1, 4), of_customer(1, 2), of_customer(1, 0)], [vec![5, 1, 2, 4], vec![5, 1], vec![]]);
}

/// The last moment of a plan belongs to it, in a filter as in the rules.
pub fn a_plan_is_current_from_its_start_to_its_expiration_both_included(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let instant = Duration::microseconds(1);
    let current = |moment| {
        let filter = PlanFilter { customer: Some(customer(2)), current_at: Some(moment), ..EVERY };
        store.read(|unit| unit.plans().count(&filter)).unwrap() == 1
    };
    assert!(!current(day(0) - instant));
    assert!(current(day(0)));
    assert!(current(day(365)));
    assert!(!current(day(365) + instant));
}

/// What applies to all plans of a customer misses none.
pub fn all_plans_of_agreements_are_found(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    add(&*store, &SubscriptionPlan { start_date: day(9), is_active: false, ..plan(4, 2) }).unwrap();
    let of = |agreements: &[u128]| {
        let ids: Vec<_> = agreements.iter().copied().map(agreement_id).collect();
        numbers(&store.read(|unit| unit.plans().find_by_agreements(&ids)).unwrap())
    };
    assert_eq!(of(&[1]), [1, 2]);
    assert_eq!(of(&[2, 1]), [4, 1, 2, 3]);
    assert_eq!(of(&[9]), [0; 0]);
    assert_eq!(of(&[]), [0; 0]);
    let beside = |plan| numbers(&store.read(|unit| unit.plans().find_by_agreement_of(plan_id(plan))).unwrap());
    assert_eq!((beside(2), beside(3), beside(9)), (vec![1, 2], vec![4, 3], Vec::new()));
}

/// An unknown plan is reported as such, not as a failure.
pub fn an_unknown_plan_is_neither_found_nor_locked(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    assert_eq!(find(&*store, 9), None);
    let customer_of = |number| store.read(|unit| unit.plans().customer_of(plan_id(number)));
    assert_eq!([3, 9].map(customer_of), [Ok(Some(customer(2))), Ok(None)]);
    assert_eq!(store.write(|unit| unit.plans().lock(plan_id(9))), Ok(None));
}

/// Work on many plans begins with all of them.
pub fn several_plans_are_locked_at_once(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let locked = store.write(|unit| unit.plans().lock_all(&[plan_id(3), plan_id(9), plan_id(1)])).unwrap();
    assert_eq!(numbers(&locked), [1, 3], "sorted, without the one that does not exist");
    assert_eq!(locked.first(), find(&*store, 1).as_ref());
    assert_eq!(store.write(|unit| unit.plans().lock_all(&[])), Ok(Vec::new()));
}

/// Learners who log in get licenses of one plan.
pub fn one_plan_of_an_agreement_auto_applies(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let auto_applies = || {
        [1, 2, 3].map(|number| {
            let found = store.read(|unit| unit.plans().find(plan_id(number))).unwrap().unwrap();
            found.plan.should_auto_apply_licenses
        })
    };
    let choose = |chosen: Option<u128>, on| {
        let chosen = chosen.map(plan_id);
        store.write(|unit| unit.plans().auto_apply_only(agreement_id(1), chosen, &change(on))).unwrap();
    };
    let recorded = || [1, 2, 3].map(|number| db.history("subscription_plan", &plan_id(number).to_string()).len());
    choose(None, 1);
    assert_eq!((auto_applies(), recorded()), ([None, None, None], [1, 1, 1]), "nothing to change");
    choose(Some(1), 2);
    assert_eq!((auto_applies(), recorded()), ([Some(true), None, None], [2, 1, 1]));
    choose(Some(2), 3);
    assert_eq!((auto_applies(), recorded()), ([Some(false), Some(true), None], [3, 2, 1]));
    choose(Some(2), 4);
    assert_eq!(recorded(), [3, 2, 1], "nothing to change");
    choose(None, 5);
    assert_eq!((auto_applies(), recorded()), ([Some(false), Some(false), None], [3, 3, 1]));
    let modified = store.read(|unit| unit.plans().find(plan_id(2))).unwrap().unwrap().plan.modified;
    assert_eq!(modified, day(5));
    let last = db.history("subscription_plan", &plan_id(2).to_string()).pop().unwrap();
    assert_eq!((last.kind, last.at), ('~', day(5)));
}
