//! Renewals.

use license_manager_domain::history::Change;
use license_manager_domain::model::{RenewalDetails, RenewalLink, RenewalTerms};
use license_manager_domain::ports::{LimitOffset, RenewalFilter, Store, StoreExt};
use license_manager_domain::{
    Conflict, Error, LicenseTypesToCopy, RenewalId, SubscriptionPlan, SubscriptionPlanRenewal,
};

use super::fixtures::*;
use super::{Database, HistoryEntry};

fn of(db: &dyn Database, agreements: &[u128]) -> Vec<RenewalLink> {
    let ids: Vec<_> = agreements.iter().copied().map(agreement_id).collect();
    let mut links = db.store().read(|unit| unit.renewals().find_by_agreements(&ids)).unwrap();
    links.sort_by_key(|link| link.prior_plan);
    links
}

fn add(store: &dyn Store, terms: &RenewalTerms) -> Result<RenewalId, Error> {
    store.write(|unit| unit.renewals().add(terms, &change(1)))
}

fn save(store: &dyn Store, renewal: &SubscriptionPlanRenewal) -> Result<(), Error> {
    store.write(|unit| unit.renewals().save(renewal, &change(2)))
}

fn found(store: &dyn Store, id: RenewalId) -> RenewalDetails {
    store.read(|unit| unit.renewals().find(id)).unwrap().unwrap()
}

fn listed(store: &dyn Store, filter: &RenewalFilter, limit_offset: LimitOffset) -> Vec<RenewalId> {
    let renewals = store.read(|unit| unit.renewals().list(filter, limit_offset)).unwrap();
    renewals.iter().map(|details| details.renewal.id).collect()
}

/// Renewals of plans 1, 2 and 3. The first created plan 4 and is processed.
fn with_renewals(db: &dyn Database) -> [RenewalId; 3] {
    let store = db.store();
    with_plans(&*store);
    let renewed = SubscriptionPlan { start_date: day(365), expiration_date: day(800), ..plan(4, 1) };
    store.write(|unit| unit.plans().add(&renewed, &change(0))).unwrap();
    let processed = add(&*store, &RenewalTerms { renewed_plan: Some(plan_id(4)), ..terms(1) }).unwrap();
    let renewal = SubscriptionPlanRenewal { processed: true, ..found(&*store, processed).renewal };
    save(&*store, &renewal).unwrap();
    [processed, add(&*store, &terms(2)).unwrap(), add(&*store, &terms(3)).unwrap()]
}

pub fn a_renewal_without_a_plan_ends_as_agreed(db: &dyn Database) {
    with_renewals(db);
    let links = of(db, &[2]);
    let expected = RenewalLink {
        id: links[0].id,
        agreement: agreement_id(2),
        prior_plan: plan_id(3),
        prior_plan_start: day(0),
        renewed_plan: None,
        renewed_plan_start: None,
        renewed_expiration: day(730),
        effective_date: day(365),
        processed: false,
    };
    assert_eq!(links, [expected]);
}

pub fn a_renewal_with_a_plan_ends_with_that_plan(db: &dyn Database) {
    with_renewals(db);
    let links = of(db, &[1]);
    let expected = RenewalLink {
        id: links[0].id,
        agreement: agreement_id(1),
        prior_plan: plan_id(1),
        prior_plan_start: day(0),
        renewed_plan: Some(plan_id(4)),
        renewed_plan_start: Some(day(365)),
        renewed_expiration: day(800),
        effective_date: day(365),
        processed: true,
    };
    assert_eq!(links[0], expected);
}

pub fn renewals_are_found_by_agreement(db: &dyn Database) {
    with_renewals(db);
    let priors = |agreements: &[u128]| of(db, agreements).iter().map(|link| link.prior_plan).collect::<Vec<_>>();
    assert_eq!(priors(&[1]), [plan_id(1), plan_id(2)]);
    assert_eq!(priors(&[1, 2]), [plan_id(1), plan_id(2), plan_id(3)]);
    assert_eq!(priors(&[9]), []);
    assert_eq!(priors(&[]), []);
}

pub fn a_renewal_comes_back_with_its_surroundings(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let agreed = RenewalTerms { renewed_plan: Some(plan_id(2)), ..full_terms(1) };
    let id = add(&*store, &agreed).unwrap();
    let expected = RenewalDetails {
        renewal: SubscriptionPlanRenewal {
            id,
            terms: agreed,
            processed: false,
            processed_datetime: None,
            created: day(1),
            modified: day(1),
        },
        prior_plan_title: "Plan 1".to_owned(),
        renewed_plan_title: Some("Plan 2".to_owned()),
        customer: customer(1),
    };
    assert_eq!(found(&*store, id), expected);
    assert_eq!(store.write(|unit| unit.renewals().lock(id)), Ok(Some(expected)));
    let bare = add(&*store, &terms(3)).unwrap();
    let bare = found(&*store, bare);
    assert_eq!((bare.renewed_plan_title, bare.renewal.terms, bare.customer), (None, terms(3), customer(2)));
    let unknown = RenewalId(4711);
    assert_eq!(store.read(|unit| unit.renewals().find(unknown)), Ok(None));
    assert_eq!(store.write(|unit| unit.renewals().lock(unknown)), Ok(None));
}

pub fn every_term_of_a_renewal_can_be_changed_and_emptied(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let id = add(&*store, &terms(1)).unwrap();
    let full = SubscriptionPlanRenewal {
        id,
        terms: RenewalTerms { renewed_plan: Some(plan_id(2)), ..full_terms(1) },
        processed: true,
        processed_datetime: Some(day(9)),
        created: day(1),
        modified: day(9),
    };
    let empty = SubscriptionPlanRenewal {
        terms: RenewalTerms { license_types_to_copy: LicenseTypesToCopy::Activated, ..terms(1) },
        processed: false,
        processed_datetime: None,
        ..full.clone()
    };
    for renewal in [full, empty] {
        save(&*store, &renewal).unwrap();
        assert_eq!(found(&*store, id).renewal, renewal);
    }
}

pub fn writing_a_renewal_is_recorded(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let id = add(&*store, &terms(1)).unwrap();
    save(&*store, &found(&*store, id).renewal).unwrap();
    store.write(|unit| unit.renewals().delete(id, &Change { by: None, ..change(3) })).unwrap();
    assert_eq!(store.read(|unit| unit.renewals().find(id)), Ok(None));
    let entry =
        |kind, user: Option<&str>, on| HistoryEntry { kind, user: user.map(str::to_owned), reason: None, at: day(on) };
    let history = db.history("subscription_plan_renewal", &id.to_string());
    assert_eq!(history, [entry('+', Some("admin"), 1), entry('~', Some("admin"), 2), entry('-', None, 3)]);
}

pub fn writing_a_renewal_that_does_not_exist_fails(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let id = add(&*store, &terms(1)).unwrap();
    let missing = SubscriptionPlanRenewal { id: RenewalId(id.0 + 1), ..found(&*store, id).renewal };
    let missing = SubscriptionPlanRenewal { terms: terms(2), ..missing };
    assert!(matches!(save(&*store, &missing), Err(Error::Internal(_))));
    let deleted = store.write(|unit| unit.renewals().delete(missing.id, &change(2)));
    assert!(matches!(deleted, Err(Error::Internal(_))), "{deleted:?}");
    assert_eq!(db.history("subscription_plan_renewal", &missing.id.to_string()), []);
}

pub fn a_plan_is_renewed_once_and_follows_one_other(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let leading_to_2 = |prior| RenewalTerms { renewed_plan: Some(plan_id(2)), ..terms(prior) };
    add(&*store, &leading_to_2(1)).unwrap();
    assert_eq!(add(&*store, &terms(1)), Err(Conflict::RenewalOfPlan.into()));
    assert_eq!(add(&*store, &leading_to_2(3)), Err(Conflict::RenewalByPlan.into()));
    let other = add(&*store, &terms(3)).unwrap();
    let other = SubscriptionPlanRenewal { terms: leading_to_2(3), ..found(&*store, other).renewal };
    assert_eq!(save(&*store, &other), Err(Conflict::RenewalByPlan.into()));
    add(&*store, &terms(2)).unwrap();
}

pub fn renewals_are_found_by_either_plan(db: &dyn Database) {
    let [processed, second, third] = with_renewals(db);
    let store = db.store();
    let find_by_plans = |prior, renewed: Option<u128>| {
        let found = store.read(|unit| unit.renewals().find_by_plans(plan_id(prior), renewed.map(plan_id))).unwrap();
        found.iter().map(|details| details.renewal.id).collect::<Vec<_>>()
    };
    assert_eq!(find_by_plans(1, None), [processed]);
    assert_eq!(find_by_plans(1, Some(4)), [processed]);
    assert_eq!(find_by_plans(2, Some(4)), [second, processed], "the prior plan's comes first");
    assert_eq!(find_by_plans(3, Some(2)), [third]);
    assert_eq!(find_by_plans(4, None), []);
}

pub fn renewals_are_listed_the_latest_first_part_by_part(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let on = |prior, effective| RenewalTerms { effective_date: day(effective), ..terms(prior) };
    let [early, first, last] = [on(1, 100), on(2, 300), on(3, 300)].map(|terms| add(&*store, &terms).unwrap());
    assert_eq!(listed(&*store, &RenewalFilter::default(), ALL), [last, first, early]);
    assert_eq!(listed(&*store, &RenewalFilter::default(), LimitOffset { offset: 1, limit: 1 }), [first]);
    assert_eq!(store.read(|unit| unit.renewals().count(&RenewalFilter::default())), Ok(3));
}

pub fn renewals_are_filtered(db: &dyn Database) {
    let [processed, second, third] = with_renewals(db);
    let store = db.store();
    let any = RenewalFilter::default();
    for (filter, expected) in [
        (RenewalFilter { prior_plan: Some(plan_id(2)), ..any }, vec![second]),
        (RenewalFilter { renewed_plan: Some(plan_id(4)), ..any }, vec![processed]),
        (RenewalFilter { customer: Some(customer(1)), ..any }, vec![second, processed]),
        (RenewalFilter { processed: Some(true), ..any }, vec![processed]),
        (RenewalFilter { processed: Some(false), ..any }, vec![third, second]),
        (RenewalFilter { customer: Some(customer(2)), processed: Some(true), ..any }, vec![]),
    ] {
        assert_eq!(listed(&*store, &filter, ALL), expected, "{filter:?}");
        let count = store.read(|unit| unit.renewals().count(&filter)).unwrap();
        assert_eq!(count, expected.len() as i64, "{filter:?}");
    }
}

pub fn an_id_is_not_given_to_another_renewal(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let first = add(&*store, &terms(1)).unwrap();
    store.write(|unit| unit.renewals().delete(first, &change(2))).unwrap();
    assert_ne!(add(&*store, &terms(1)).unwrap(), first);
}
