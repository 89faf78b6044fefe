//! Renewals.

use license_manager_domain::ports::StoreExt;
use license_manager_domain::{RenewalLink, SubscriptionPlan};

use super::fixtures::*;
use super::{Database, NewRenewal};

fn of(db: &dyn Database, agreements: &[u128]) -> Vec<RenewalLink> {
    let ids: Vec<_> = agreements.iter().copied().map(agreement_id).collect();
    let mut links = db.store().read(|unit| unit.renewals().of_agreements(&ids)).unwrap();
    links.sort_by_key(|link| link.prior_plan);
    links
}

fn with_renewals(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let renewed = SubscriptionPlan { start_date: day(365), expiration_date: day(800), ..plan(4, 1) };
    store.write(|unit| unit.plans().add(&renewed, &change(0))).unwrap();
    let renewal = NewRenewal {
        prior_plan: plan_id(1),
        renewed_plan: Some(plan_id(4)),
        effective_date: day(365),
        expiration_date: day(730),
        processed: true,
    };
    db.add_renewal(&renewal);
    for prior in [2, 3] {
        db.add_renewal(&NewRenewal {
            prior_plan: plan_id(prior),
            renewed_plan: None,
            processed: false,
            ..renewal.clone()
        });
    }
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
