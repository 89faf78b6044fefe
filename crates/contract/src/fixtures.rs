//! Entities for tests, with numbers as ids. They sort like the ids.

use chrono::{DateTime, Duration, Utc};
use license_manager_domain::history::Change;
use license_manager_domain::model::{FormerSeat, RenewalTerms, seeded_products};
use license_manager_domain::ports::{LicenseFilter, LicenseOrder, LimitOffset, Store, StoreExt};
use license_manager_domain::{
    ActivationKey, Actor, AgreementId, CatalogId, CustomerAgreement, CustomerId, Email, Error, License, LicenseId,
    LicenseState, LicenseTypesToCopy, LmsUserId, PlanId, SubscriptionPlan,
};
use uuid::Uuid;

/// Everything in one page.
pub const ALL: LimitOffset = LimitOffset { offset: 0, limit: 1_000_000 };

/// The first item, as a part that begins before it.
pub const FROM_BELOW_ZERO: LimitOffset = LimitOffset { offset: -1, limit: 1 };

/// No item.
pub const LESS_THAN_NONE: LimitOffset = LimitOffset { offset: 0, limit: -1 };

/// A time on this day, with microseconds.
pub fn day(number: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(20_000 + number) + Duration::microseconds(123_456)
}

pub fn customer(number: u128) -> CustomerId {
    CustomerId(Uuid::from_u128(0xC0_0000 + number))
}

pub fn agreement_id(number: u128) -> AgreementId {
    AgreementId(Uuid::from_u128(0xA0_0000 + number))
}

pub fn plan_id(number: u128) -> PlanId {
    PlanId(Uuid::from_u128(0xB0_0000 + number))
}

pub fn license_id(number: u128) -> LicenseId {
    LicenseId(Uuid::from_u128(0xD0_0000 + number))
}

pub fn key(number: u128) -> ActivationKey {
    ActivationKey(Uuid::from_u128(0xE0_0000 + number))
}

pub fn catalog(number: u128) -> CatalogId {
    CatalogId(Uuid::from_u128(0xF0_0000 + number))
}

pub fn email(text: &str) -> Email {
    text.parse().unwrap()
}

/// A change on a day by a user.
pub fn change(number: i64) -> Change {
    Actor::user("admin").change(day(number))
}

/// The agreement of the customer with the same number.
pub fn agreement(number: u128) -> CustomerAgreement {
    CustomerAgreement::new(agreement_id(number), customer(number), day(0))
}

/// A plan of an agreement that runs from day 0 to day 365.
pub fn plan(number: u128, agreement: u128) -> SubscriptionPlan {
    let (id, agreement, title) = (plan_id(number), agreement_id(agreement), format!("Plan {number}"));
    let plan = SubscriptionPlan::new(id, agreement, catalog(1), title, day(0)..day(365), day(0));
    SubscriptionPlan { is_active: true, ..plan }
}

/// The renewal of a plan from day 365 to day 730, with optional fields empty.
pub fn terms(prior: u128) -> RenewalTerms {
    RenewalTerms {
        prior_plan: plan_id(prior),
        renewed_plan: None,
        salesforce_opportunity_id: None,
        number_of_licenses: 10,
        effective_date: day(365),
        renewed_expiration_date: day(730),
        renewed_plan_title: None,
        license_types_to_copy: LicenseTypesToCopy::AssignedAndActivated,
        disable_auto_apply_licenses: false,
        exempt_from_batch_processing: false,
    }
}

/// The renewal of a plan with all fields set but the renewed plan.
pub fn full_terms(prior: u128) -> RenewalTerms {
    RenewalTerms {
        salesforce_opportunity_id: Some("00k000000000000002".to_owned()),
        number_of_licenses: 1_000_000,
        effective_date: day(366),
        renewed_expiration_date: day(731),
        renewed_plan_title: Some("Another year".to_owned()),
        license_types_to_copy: LicenseTypesToCopy::Nothing,
        disable_auto_apply_licenses: true,
        exempt_from_batch_processing: true,
        ..terms(prior)
    }
}

/// Adds the initial products, unless the store has no table for them.
pub fn with_products(store: &dyn Store) {
    match store.write(|unit| unit.products().seed(&seeded_products(), &change(0))) {
        Ok(()) | Err(Error::NotProvided(_)) => {}
        Err(error) => panic!("the products cannot be added: {error}"),
    }
}

/// Adds agreement 1 with plans 1 and 2, and agreement 2 with plan 3.
pub fn with_plans(store: &dyn Store) {
    with_products(store);
    store
        .write(|unit| {
            unit.agreements().add(&agreement(1), &change(0))?;
            unit.agreements().add(&agreement(2), &change(0))?;
            unit.plans().add(&plan(1, 1), &change(0))?;
            unit.plans().add(&plan(2, 1), &change(0))?;
            unit.plans().add(&plan(3, 2), &change(0))
        })
        .unwrap();
}

/// A new license of a plan.
pub fn unassigned(number: u128, plan: u128) -> License {
    License::unassigned(license_id(number), plan_id(plan), day(1))
}

/// A license assigned on day 2, with the activation key of the same number.
pub fn assigned(number: u128, plan: u128, address: &str) -> License {
    unassigned(number, plan).assign(email(address), key(number), day(2)).unwrap()
}

/// A license activated on day 3 by a person with an LMS id.
pub fn activated(number: u128, plan: u128, address: &str, user: i64) -> License {
    assigned(number, plan, address).activate(Some(LmsUserId(user)), day(3)).unwrap()
}

/// A license that was activated, then revoked on day 4.
pub fn revoked(number: u128, plan: u128, address: &str, user: i64) -> License {
    activated(number, plan, address, user).revoke(day(4)).unwrap()
}

/// A revoked license whose holder was retired.
pub fn retired(number: u128, plan: u128) -> License {
    let state = LicenseState::Revoked { former: FormerSeat::default(), revoked_date: day(4) };
    License { state, ..unassigned(number, plan) }
}

/// A revoked license whose time is over: it has lost its address alone.
pub fn purged(number: u128, plan: u128, user: i64) -> License {
    revoked(number, plan, "gone@example.com", user).purge(day(4))
}

/// Adds licenses and brings each to its status.
pub fn put(store: &dyn Store, licenses: &[License]) {
    store
        .write(|unit| {
            for license in licenses {
                unit.licenses().add_unassigned(license.plan, &[license.id], &change(1))?;
            }
            unit.licenses().save(licenses, &change(2))
        })
        .unwrap();
}

/// Adds unassigned licenses to a plan.
pub fn put_unassigned(store: &dyn Store, plan: u128, numbers: std::ops::Range<u128>) {
    let ids: Vec<LicenseId> = numbers.map(license_id).collect();
    store.write(|unit| unit.licenses().add_unassigned(plan_id(plan), &ids, &change(1))).unwrap();
}

/// A plan's licenses that match, in order.
pub fn listed(store: &dyn Store, plan: u128, filter: &LicenseFilter, order: &[LicenseOrder]) -> Vec<License> {
    store.read(|unit| unit.licenses().list(plan_id(plan), filter, order, ALL)).unwrap()
}

/// All licenses of a plan, by id.
pub fn all(store: &dyn Store, plan: u128) -> Vec<License> {
    listed(store, plan, &LicenseFilter::default(), &[])
}

/// The numbers of licenses.
pub fn numbers(licenses: &[License]) -> Vec<u128> {
    licenses.iter().map(|license| license.id.0.as_u128() - 0xD0_0000).collect()
}
