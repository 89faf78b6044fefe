//! Agreements are made, edited and looked at.

use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::RenewalTerms;
use license_manager_domain::ports::{AgreementFilter, CustomerScope};
use license_manager_domain::use_cases::AgreementDetails;
use license_manager_domain::*;
use uuid::Uuid;

fn new_agreement(number: u128, slug: Option<&str>) -> NewAgreement {
    let changes = AgreementChanges { customer_slug: slug.map(str::to_owned).into(), ..Default::default() };
    NewAgreement { customer: CustomerId(Uuid::from_u128(number)), changes }
}

fn details(world: &World) -> AgreementDetails {
    world.manager.agreement(world.agreement).unwrap().details
}

#[test]
fn an_agreement_starts_with_the_usual_values() {
    let world = World::new();
    let agreement = details(&world).agreement;
    let expected = CustomerAgreement {
        default_catalog: Some(catalog()),
        ..CustomerAgreement::new(world.agreement, customer(), beginning())
    };
    assert_eq!(agreement, expected);
    assert_eq!(agreement.license_duration_before_purge, Duration::days(90));
}

#[test]
fn a_customer_has_one_agreement_and_a_slug_one_customer() {
    let world = World::new();
    let create = |new| world.manager.create_agreement(&admin(), new).map(drop);
    assert_eq!(create(new_agreement(1, None)), Err(Conflict::AgreementOfCustomer.into()));
    create(new_agreement(5, Some("acme"))).unwrap();
    assert_eq!(create(new_agreement(6, Some("acme"))), Err(Conflict::AgreementSlug.into()));
    let taken = AgreementChanges { customer_slug: Edit::Set("acme".to_owned()), ..Default::default() };
    let updated = world.manager.update_agreement(&admin(), world.agreement, taken).map(drop);
    assert_eq!(updated, Err(Conflict::AgreementSlug.into()));
}

#[test]
fn an_agreement_stays_with_its_customer() {
    let world = World::new();
    let naming = |customer| AgreementChanges { customer: Some(customer), ..Default::default() };
    let other = naming(CustomerId(Uuid::nil()));
    let moved = world.manager.update_agreement(&admin(), world.agreement, other).map(drop);
    assert_eq!(moved, Err(Refusal::CustomerIsFixed.into()));
    world.manager.update_agreement(&admin(), world.agreement, naming(customer())).unwrap();
}

#[test]
fn an_edit_changes_what_it_names() {
    let world = World::new();
    world.clock.advance(Duration::hours(1));
    let changes = AgreementChanges {
        customer_name: Edit::Set("Acme".to_owned()),
        default_catalog: Edit::Clear,
        disable_expiration_notifications: Some(true),
        ..Default::default()
    };
    let before = details(&world).agreement;
    world.manager.update_agreement(&admin(), world.agreement, changes).unwrap();
    let expected = CustomerAgreement {
        customer_name: Some("Acme".to_owned()),
        default_catalog: None,
        disable_expiration_notifications: true,
        modified: beginning() + Duration::hours(1),
        ..before
    };
    assert_eq!(details(&world).agreement, expected);
}

#[test]
fn names_that_are_too_long_are_refused_each_by_its_field() {
    let world = World::new();
    let named = |slug: usize, name: usize| AgreementChanges {
        customer_slug: Edit::Set("s".repeat(slug)),
        customer_name: Edit::Set("é".repeat(name)),
        ..Default::default()
    };
    world.manager.update_agreement(&admin(), world.agreement, named(128, 255)).unwrap();
    let Err(Error::Invalid(errors)) = world.manager.update_agreement(&admin(), world.agreement, named(129, 256)) else {
        panic!("too long names were accepted");
    };
    let fields: Vec<_> = errors.iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["enterprise_customer_name", "enterprise_customer_slug"]);
}

#[test]
fn a_slug_is_made_for_links() {
    let world = World::new();
    let named = |slug: &str| {
        let changes = AgreementChanges { customer_slug: Edit::Set(slug.to_owned()), ..Default::default() };
        world.manager.update_agreement(&admin(), world.agreement, changes)
    };
    for slug in ["", " ", "acme inc", "acme/inc", "acmé"] {
        let Err(Error::Invalid(errors)) = named(slug) else { panic!("{slug:?} was accepted") };
        assert_eq!(errors.iter().map(|(field, _)| field).collect::<Vec<_>>(), ["enterprise_customer_slug"], "{slug:?}");
    }
    named("Acme-inc_2").unwrap();
}

#[test]
fn an_agreement_lasts_as_long_as_its_last_plan_and_never_less_than_nothing() {
    let world = World::new();
    let days = || details(&world).net_days_until_expiration();
    assert_eq!(days(), 0, "no plan");
    for (title, length) in [("Short", 10), ("Long", 20)] {
        let mut new = world.new_plan(title, 0);
        new.expiration_date = beginning() + Duration::days(length);
        world.create(new).unwrap();
    }
    assert_eq!(days(), 20);
    let plans = details(&world).plans;
    let long = plans.iter().find(|details| details.plan.title == "Long").unwrap().plan.id;
    let effective_date = beginning() + Duration::days(20);
    let renewed_expiration_date = beginning() + Duration::days(28);
    world.schedule(&RenewalTerms { effective_date, renewed_expiration_date, ..world.terms(long, 1) });
    assert_eq!(days(), 28, "a renewal that is yet to be processed counts");
    world.clock.advance(Duration::days(30));
    assert_eq!(days(), 0, "all over");
}

#[test]
fn the_auto_applicable_plan_is_the_usable_one_that_started_last() {
    let world = World::new();
    let create = |title: &str, start: i64, auto: Option<bool>, active: bool| {
        let mut new = world.new_plan(title, 0);
        new.start_date = beginning() + Duration::days(start);
        new.changes.should_auto_apply_licenses = auto.into();
        new.changes.is_active = Some(active);
        world.create(new).unwrap()
    };
    create("Nobody said", -1, None, true);
    create("Off", -1, Some(false), true);
    create("Inactive", -1, Some(true), false);
    create("Future", 1, Some(true), true);
    let auto_applicable = || {
        let overview = details(&world);
        overview.auto_applicable_plan().map(|details| details.plan.id)
    };
    assert_eq!(auto_applicable(), None);
    create("Older", -20, Some(true), true);
    let newer = create("Newer", -10, Some(true), true);
    create("Oldest", -30, Some(true), true);
    assert_eq!(auto_applicable(), Some(newer));
}

#[test]
fn the_available_catalogs_are_those_of_active_plans_with_days_left_each_once() {
    let world = World::new();
    let catalog = |number| CatalogId(Uuid::from_u128(number));
    let create = |title: &str, number, start: i64, hours: i64, active| {
        let mut new = world.new_plan(title, 0);
        new.start_date = beginning() + Duration::days(start);
        new.expiration_date = beginning() + Duration::hours(hours);
        new.changes.catalog = Some(catalog(number));
        new.changes.is_active = Some(active);
        world.create(new).unwrap()
    };
    create("B", 20, 0, 240, true);
    create("A", 10, 0, 24, true);
    create("Again", 20, 0, 240, true);
    create("Inactive", 30, 0, 240, false);
    create("Not started", 40, 1, 240, true);
    create("On its last day", 50, -9, 23, true);
    create("Expired", 60, -9, -1, true);
    let renewed = create("Expired and renewed", 70, -200, -1, true);
    world.schedule(&RenewalTerms { effective_date: beginning(), ..world.terms(renewed, 1) });
    assert_eq!(details(&world).available_catalogs(), [10, 20, 40, 70].map(catalog));
}

#[test]
fn agreements_are_listed_with_the_counts_of_their_plans() {
    let world = World::new();
    let plan = world.plan(2);
    world.manager.create_agreement(&admin(), new_agreement(5, None)).unwrap();
    let page = |scope| {
        let filter = AgreementFilter { scope, customer: None, agreement: None };
        world.manager.agreements::<Error>(&filter, |_| Ok(ALL)).unwrap()
    };
    let everything = page(CustomerScope::All);
    assert_eq!((everything.total, everything.items.len()), (2, 2));
    let of_plan = |overview: &AgreementOverview| overview.counts.get(&plan).copied();
    let counts: Vec<LicenseCounts> = everything.items.iter().filter_map(of_plan).collect();
    assert_eq!(counts, [LicenseCounts { unassigned: 2, ..Default::default() }]);
    assert_eq!(page(CustomerScope::Only(vec![])).total, 0);
    assert_eq!(page(CustomerScope::Only(vec![customer()])).items[0].details.agreement.id, world.agreement);
    assert_eq!(world.manager.customer_of_agreement(world.agreement), Ok(Some(customer())));
}

#[test]
fn moments_are_told_as_they_are_stored_whatever_the_clock_shows() {
    let world = World::new();
    world.clock.advance(Duration::microseconds(1) + Duration::nanoseconds(999));
    let stored = beginning() + Duration::microseconds(1);
    let new = NewAgreement { customer: CustomerId(Uuid::from_u128(77)), changes: AgreementChanges::default() };
    let overview = world.manager.create_agreement(&admin(), new).unwrap();
    assert_eq!((overview.details.agreement.created, world.manager.now()), (stored, stored));
}
