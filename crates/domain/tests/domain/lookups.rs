//! Licenses are looked up across plans.

use crate::support::*;
use chrono::Duration;
use license_manager_domain::ports::{CustomerScope, LicenseFilter, LicenseSearch};
use license_manager_domain::*;
use uuid::Uuid;

#[test]
fn a_person_s_licenses_come_the_one_handed_out_last_first() {
    let world = World::new();
    world.rewrite_agreement(|agreement| agreement.customer_slug = Some("acme".to_owned()));
    let [first, second, third] = [1, 2, 3].map(|seats| world.plan(seats));
    for plan in [second, first, third] {
        world.assign(plan, &learners(["amy@example.com"])).unwrap();
        world.clock.advance(Duration::days(1));
    }
    world.revoke(first, &["amy@example.com"]).unwrap();
    let found = world.manager.licenses_of_email(&email("amy@example.com"), None).unwrap();
    let plans: Vec<PlanId> = found.licenses.iter().map(|found| found.plan.plan.id).collect();
    assert_eq!(plans, [third, first, second]);
    assert_eq!(found.licenses[1].license.status(), LicenseStatus::Revoked);
    assert!(found.licenses.iter().all(|found| found.customer_slug.as_deref() == Some("acme")));
}

#[test]
fn a_person_s_licenses_of_one_customer_can_be_looked_up() {
    let world = World::new();
    world.assign(world.plan(1), &learners(["amy@example.com"])).unwrap();
    let count =
        |customer| world.manager.licenses_of_email(&email("amy@example.com"), Some(customer)).unwrap().licenses.len();
    assert_eq!((count(customer()), count(CustomerId(Uuid::from_u128(99)))), (1, 0));
    let nobody = world.manager.licenses_of_email(&email("eve@example.com"), None).unwrap();
    assert_eq!(nobody.licenses, []);
}

#[test]
fn licenses_of_many_plans_are_paged() {
    let world = World::new();
    for seats in [3, 4] {
        world.plan(seats);
    }
    let scope = CustomerScope::Only(vec![customer()]);
    let search = LicenseSearch { scope, customer: None, plan: None, filter: LicenseFilter::default() };
    let part = |total: i64| Ok::<_, Error>(ports::LimitOffset { offset: 5, limit: total });
    let page = world.manager.search_licenses(&search, &[], part).unwrap();
    assert_eq!((page.total, page.items.len()), (7, 2));
    let license = &page.items[0];
    assert_eq!(world.manager.license(license.id).as_ref(), Ok(license));
    assert_eq!(world.manager.customer_of_license(license.id), Ok(Some(customer())));
    let unknown = LicenseId(Uuid::from_u128(99));
    assert_eq!(world.manager.license(unknown), Err(Error::NotFound(Entity::License)));
    assert_eq!(world.manager.customer_of_license(unknown), Ok(None));
}
