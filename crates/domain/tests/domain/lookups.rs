//! Licenses are looked up across plans.

use crate::support::*;
use chrono::Duration;
use license_manager_domain::ports::{CustomerScope, LicenseFilter, LicensePosition, LicenseSearch, PlanFilter};
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

/// A search for all licenses of the customer.
fn of_customer() -> LicenseSearch {
    let scope = CustomerScope::Only(vec![customer()]);
    LicenseSearch { scope, customer: None, plan: None, filter: LicenseFilter::default() }
}

#[test]
fn licenses_of_many_plans_are_paged() {
    let world = World::new();
    for seats in [3, 4] {
        world.plan(seats);
    }
    let search = of_customer();
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

#[test]
fn licenses_of_many_plans_are_read_on_from_a_position() {
    let world = World::new();
    for seats in [3, 4] {
        world.plan(seats);
    }
    let search = of_customer();
    let (first, more) = world.manager.licenses_after(&search, &[], None, 4).unwrap();
    assert_eq!((first.total, first.items.len(), more), (7, 4, true));
    let position = LicensePosition::from(&first.items[3]);
    let (rest, more) = world.manager.licenses_after(&search, &[], Some(&position), 3).unwrap();
    assert_eq!((rest.total, rest.items.len(), more), (7, 3, false), "as many as there are left");
    let mut ids: Vec<LicenseId> = first.items.iter().chain(&rest.items).map(|license| license.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 7, "each once");
}

#[test]
fn a_plan_tells_how_many_of_its_licenses_match_by_status() {
    let world = World::new();
    let plan = world.plan(5);
    world.activate(plan, "amy@example.com", 7);
    world.assign(plan, &learners(["amy@example.org", "bob@example.com"])).unwrap();
    let counted = |filter: LicenseFilter| world.manager.license_overview(plan, &filter).unwrap();
    let all = LicenseCounts { activated: 1, assigned: 2, unassigned: 2, revoked: 0 };
    assert_eq!(counted(LicenseFilter::default()), all);
    let assigned = LicenseFilter { statuses: Some(vec![LicenseStatus::Assigned]), ..LicenseFilter::default() };
    assert_eq!(counted(assigned), LicenseCounts { assigned: 2, ..LicenseCounts::default() });
    let amy = LicenseFilter { email_words: vec!["amy".to_owned()], ..LicenseFilter::default() };
    assert_eq!(counted(amy), LicenseCounts { activated: 1, assigned: 1, ..LicenseCounts::default() });
}

#[test]
fn whose_something_is_can_be_asked_to_check_permissions() {
    let world = World::new();
    world.rewrite_agreement(|agreement| agreement.customer_slug = Some("acme".to_owned()));
    let plan = world.plan(2);
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    let license = world.license_of(plan, "amy@example.com");
    let (manager, owner) = (&world.manager, Ok(Some(customer())));
    assert_eq!(manager.customer_of_plan(plan), owner);
    assert_eq!(manager.customer_of_license(license.id), owner);
    assert_eq!(manager.customer_of_recorded_license(license.id), owner);
    assert_eq!(manager.customer_of_activation_key(license.activation_key().unwrap()), owner);
    assert_eq!(manager.customer_slug_of_plan(plan), Ok(Some("acme".to_owned())));
    assert_eq!(manager.has_agreement(customer()), Ok(true));

    let unknown = Uuid::from_u128(99);
    assert_eq!(manager.customer_of_plan(PlanId(unknown)), Ok(None));
    assert_eq!(manager.customer_of_recorded_license(LicenseId(unknown)), Ok(None));
    assert_eq!(manager.customer_of_activation_key(ActivationKey(unknown)), Ok(None));
    assert_eq!(manager.customer_slug_of_plan(PlanId(unknown)), Err(Error::NotFound(Entity::Plan)));
    assert_eq!(manager.has_agreement(CustomerId(unknown)), Ok(false));

    world.revoke(plan, &["amy@example.com"]).unwrap();
    manager.delete_revoked(&admin(), plan).unwrap();
    assert_eq!(manager.customer_of_license(license.id), Ok(None), "it is deleted");
    assert_eq!(manager.customer_of_recorded_license(license.id), owner, "its history stays");
}

#[test]
fn the_licenses_that_a_plan_handed_out_are_read_on_from_an_id() {
    let world = World::new();
    let plan = world.plan(4);
    world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    world.revoke(plan, &["bob@example.com"]).unwrap();
    let read = |after, limit| world.manager.handed_out_licenses(plan, after, limit).unwrap();
    let all = read(None, 10);
    let mut statuses: Vec<LicenseStatus> = all.iter().map(License::status).collect();
    statuses.sort();
    assert_eq!(statuses, [LicenseStatus::Assigned, LicenseStatus::Revoked]);
    assert_eq!((read(None, 1), read(Some(all[0].id), 10)), (all[..1].to_vec(), all[1..].to_vec()));
}

#[test]
fn few_and_many_plans_of_a_customer_are_paged_like_those_of_all() {
    let world = World::new();
    let listed = |customer, offset, limit| {
        let filter = PlanFilter { customer, ..PlanFilter::new(CustomerScope::All) };
        let page = world.manager.plans(&filter, |_| Ok::<_, Error>(ports::LimitOffset { offset, limit })).unwrap();
        (page.total, page.items.iter().map(|plan| plan.details.plan.id).collect::<Vec<_>>())
    };
    for plans in [3, 100, 101, 102] {
        for number in listed(None, 0, 1).0..plans {
            world.create(world.new_plan(&format!("Plan {number}"), 1)).unwrap();
        }
        for (offset, limit) in [(0, 2), (2, 2), (plans - 1, 2), (0, 200), (200, 2)] {
            let page = listed(Some(customer()), offset, limit);
            assert_eq!(page, listed(None, offset, limit), "{limit} after {offset} of {plans}");
            assert_eq!(page.0, plans);
        }
        let another = Some(CustomerId(Uuid::from_u128(99)));
        assert_eq!(listed(another, 0, 2), (0, Vec::new()));
        let filter = PlanFilter { customer: Some(customer()), ..PlanFilter::new(CustomerScope::All) };
        let refused = world.manager.plans(&filter, |_| Err(Error::NotFound(Entity::Plan)));
        assert_eq!(refused.map(|page| page.total), Err(Error::NotFound(Entity::Plan)));
    }
}

#[test]
fn plans_are_listed_with_their_licenses() {
    let world = World::new();
    let plans = [1, 2].map(|seats| world.plan(seats));
    let all = PlanFilter::new(CustomerScope::All);
    let page = world.manager.plans(&all, |_| Ok::<_, Error>(ALL)).unwrap();
    let mut told: Vec<_> = page.items.iter().map(|plan| (plan.details.plan.id, plan.counts.total())).collect();
    told.sort();
    assert_eq!((page.total, told), (2, vec![(plans[0], 1), (plans[1], 2)]));
}
