//! What staff decides on for an agreement, and what the LMS says of its customer.

use std::sync::Arc;

use crate::support::upstreams::at_once;
use crate::support::*;
use async_trait::async_trait;
use chrono::Duration;
use license_manager_domain::model::ExpirationMessageChanges;
use license_manager_domain::ports::{EnterpriseCustomer, EnterpriseDirectory, StoreExt};
use license_manager_domain::use_cases::{AgreementSettings, AgreementSettingsChanges};
use license_manager_domain::*;
use uuid::Uuid;

fn change(world: &World, changes: AgreementSettingsChanges) -> Result<AgreementSettings, Error> {
    world.manager.update_agreement_settings(&admin(), world.agreement, &changes)
}

fn choosing(plan: Option<PlanId>) -> AgreementSettingsChanges {
    AgreementSettingsChanges { auto_applied_plan: plan.into(), ..Default::default() }
}

#[track_caller]
fn fields_at_fault(outcome: Result<AgreementSettings, Error>) -> Vec<String> {
    match outcome {
        Err(Error::Invalid(errors)) => errors.iter().map(|(field, _)| field.to_owned()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_leaves_what_it_does_not_name() {
    let world = World::new();
    let before = world.manager.agreement_settings(world.agreement).unwrap();
    world.clock.advance(Duration::hours(1));
    let changes =
        AgreementSettingsChanges { license_duration_before_purge: Some(Duration::days(7)), ..Default::default() };
    let after = change(&world, changes).unwrap();
    let agreement = CustomerAgreement {
        license_duration_before_purge: Duration::days(7),
        modified: world.manager.now(),
        ..before.agreement.clone()
    };
    assert_eq!(after, AgreementSettings { agreement, ..before });
    assert_eq!(world.manager.agreement_settings(world.agreement), Ok(after));
}

#[test]
fn personal_data_is_kept_for_whole_days_up_to_a_hundred_years() {
    let world = World::new();
    let keeping = |kept| {
        change(&world, AgreementSettingsChanges { license_duration_before_purge: Some(kept), ..Default::default() })
    };
    for kept in [
        Duration::MIN,
        Duration::zero(),
        Duration::seconds(1),
        Duration::days(1) + Duration::nanoseconds(1),
        Duration::days(36_501),
        Duration::MAX,
    ] {
        let message = "This must be a whole number from 1 to 36500.";
        let refused = FieldErrors::one("license_duration_before_purge_days", message);
        assert_eq!(keeping(kept), Err(Error::Invalid(refused)), "{kept}");
    }
    for kept in [1, 36_500].map(Duration::days) {
        assert_eq!(keeping(kept).unwrap().agreement.license_duration_before_purge, kept);
    }
}

#[test]
fn the_message_to_learners_is_stored_without_anything_dangerous() {
    let world = World::new();
    let expiration_message = ExpirationMessageChanges {
        enabled: Some(true),
        modal_header_text: Some("It is over".to_owned()),
        modal_messaging: Some("<script>alert(1)</script>Ask <b>us</b>".to_owned()),
        button_label: Some("Ask".to_owned()),
        button_url: Some("https://example.com".to_owned()),
    };
    change(&world, AgreementSettingsChanges { expiration_message, ..Default::default() }).unwrap();
    let stored = world.manager.agreement_settings(world.agreement).unwrap().agreement.expiration_message;
    assert_eq!(stored.map(|message| message.modal_messaging), Some("Ask <b>us</b>".to_owned()));
}

#[test]
fn auto_scaling_that_is_on_needs_all_its_numbers() {
    let world = World::new();
    let on = AgreementSettingsChanges {
        auto_scaling_enabled: Some(true),
        auto_scaling_max_licenses: Edit::Set(100),
        auto_scaling_threshold_percentage: Edit::Set(0),
        ..Default::default()
    };
    let at_fault = fields_at_fault(change(&world, on.clone()));
    assert_eq!(at_fault, ["auto_scaling_increment_percentage", "auto_scaling_threshold_percentage"]);
    let too_much = AgreementSettingsChanges {
        auto_scaling_threshold_percentage: Edit::Set(101),
        auto_scaling_increment_percentage: Edit::Set(101),
        ..on.clone()
    };
    assert_eq!(fields_at_fault(change(&world, too_much)), at_fault, "more than a whole");
    let complete = AgreementSettingsChanges {
        auto_scaling_threshold_percentage: Edit::Set(100),
        auto_scaling_increment_percentage: Edit::Set(1),
        ..on
    };
    change(&world, complete).unwrap();
    let emptied = AgreementSettingsChanges { auto_scaling_max_licenses: Edit::Clear, ..Default::default() };
    assert_eq!(fields_at_fault(change(&world, emptied.clone())), ["auto_scaling_max_licenses"]);
    change(&world, AgreementSettingsChanges { auto_scaling_enabled: Some(false), ..emptied }).unwrap();
}

#[test]
fn one_plan_of_the_agreement_auto_applies_and_only_what_changes_is_written() {
    let world = World::new();
    let silent = world.plan(1);
    let (one, two) = (world.plan(2), world.plan(3));
    let auto_applies = || [silent, one, two].map(|plan| world.details(plan).should_auto_apply_licenses);
    assert_eq!(change(&world, choosing(Some(one))).unwrap().auto_applied_plan, Some(one));
    assert_eq!(auto_applies(), [None, Some(true), None]);
    change(&world, choosing(Some(two))).unwrap();
    assert_eq!(auto_applies(), [None, Some(false), Some(true)]);

    let written = || world.store.history().iter().filter(|entry| entry.table == "subscription_plan").count();
    let before = written();
    change(&world, choosing(Some(two))).unwrap();
    assert_eq!(written(), before);
    assert_eq!(change(&world, choosing(None)).unwrap().auto_applied_plan, None);
    assert_eq!((auto_applies(), written()), ([None, Some(false), Some(false)], before + 1));
}

#[test]
fn a_plan_of_another_agreement_cannot_be_chosen() {
    let world = World::new();
    let new = NewAgreement { customer: CustomerId(Uuid::from_u128(9)), changes: AgreementChanges::default() };
    let other = world.manager.create_agreement(&admin(), new).unwrap().details.agreement.id;
    let mut new = world.new_plan("Theirs", 1);
    (new.agreement, new.changes.catalog) = (other, Some(catalog()));
    let theirs = world.create(new).unwrap();
    let before = world.footprint(theirs);
    for plan in [theirs, PlanId(Uuid::from_u128(77))] {
        let refused = change(&world, choosing(Some(plan)));
        assert_eq!(refused, Err(Error::UnknownReference { field: "auto_applied_subscription", entity: Entity::Plan }));
    }
    assert_eq!(world.footprint(theirs), before);
}

/// An LMS that knows one customer.
struct Directory;

#[async_trait]
impl EnterpriseDirectory for Directory {
    async fn customer(&self, id: CustomerId) -> Result<EnterpriseCustomer, Error> {
        Ok(EnterpriseCustomer::new(id, "from-the-lms", "From the LMS"))
    }
}

/// An LMS that nobody may ask.
struct Unasked;

#[async_trait]
impl EnterpriseDirectory for Unasked {
    async fn customer(&self, id: CustomerId) -> Result<EnterpriseCustomer, Error> {
        panic!("{id} has a name")
    }
}

#[test]
fn the_lms_is_not_asked_for_a_customer_with_slug_and_name() {
    let world = World::new();
    assert!(!world.manager.knows_customers(), "there is no LMS");
    let manager = world.manager.with_directory(Arc::new(Unasked));
    assert!(manager.knows_customers());
    let changes = AgreementChanges {
        customer_slug: Edit::Set("named".to_owned()),
        customer_name: Edit::Set("Named".to_owned()),
        ..AgreementChanges::default()
    };
    let new = NewAgreement { customer: customer(), changes };
    assert_eq!(at_once(manager.name_customer(new.clone())), new);
}

#[test]
fn the_lms_names_a_customer_only_where_nobody_did() {
    let manager = World::new().manager.with_directory(Arc::new(Directory));
    let text = |text: &str| Edit::Set(text.to_owned());
    let [slug, name] = [text("named"), text("Named")];
    let named = |customer_slug: &Edit<String>, customer_name: &Edit<String>| {
        let (customer_slug, customer_name) = (customer_slug.clone(), customer_name.clone());
        let changes = AgreementChanges { customer_slug, customer_name, ..AgreementChanges::default() };
        let changes = at_once(manager.name_customer(NewAgreement { customer: customer(), changes })).changes;
        (changes.customer_slug, changes.customer_name)
    };
    assert_eq!(named(&slug, &Edit::Keep), (slug.clone(), text("From the LMS")));
    assert_eq!(named(&Edit::Keep, &name), (text("from-the-lms"), name.clone()));
    assert_eq!(named(&slug, &name), (slug.clone(), name));
    assert_eq!(named(&Edit::Clear, &Edit::Keep), (text("from-the-lms"), text("From the LMS")), "emptied is not named");
}

#[test]
fn an_agreement_takes_over_slug_and_name_of_its_customer() {
    let world = World::new();
    let known = EnterpriseCustomer::new(customer(), "acme", "Acme, Inc.");
    world.clock.advance(Duration::hours(1));
    let agreement = world.manager.adopt_customer(&admin(), &known).unwrap().agreement;
    assert_eq!(agreement.customer_slug.as_deref(), Some("acme"));
    assert_eq!(agreement.customer_name.as_deref(), Some("Acme, Inc."));
    assert_eq!(agreement.modified, world.manager.now());
    let written = world.store.history().len();
    world.manager.adopt_customer(&admin(), &known).unwrap();
    assert_eq!(world.store.history().len(), written, "nothing is written where nothing changed");

    let long = EnterpriseCustomer { slug: "a".repeat(129), ..known.clone() };
    assert_eq!(fields_at_fault(world.manager.adopt_customer(&admin(), &long)), ["enterprise_customer_slug"]);
    let stranger = EnterpriseCustomer { id: CustomerId(Uuid::from_u128(9)), ..known };
    assert_eq!(world.manager.adopt_customer(&admin(), &stranger), Err(Error::NotFound(Entity::Agreement)));
}

#[test]
fn the_names_of_several_customers_are_taken_over_at_once() {
    let world = World::new();
    for number in [71, 72, 73] {
        let changes = AgreementChanges { customer_slug: Edit::Set(format!("old-{number}")), ..Default::default() };
        let new = NewAgreement { customer: CustomerId(Uuid::from_u128(number)), changes };
        world.manager.create_agreement(&admin(), new).unwrap();
    }
    let known = |number: u128, slug: &str| EnterpriseCustomer::new(CustomerId(Uuid::from_u128(number)), slug, "Books");
    let all = [known(71, "new-71"), known(72, "old-73"), known(73, "new-71"), known(9, "new-9")];
    let adopted = world.manager.adopt_customers(&admin(), &all).unwrap();
    let taken: Result<bool, Error> = Err(Conflict::AgreementSlug.into());
    let expected = [Ok(true), taken.clone(), taken, Err(Error::NotFound(Entity::Agreement))];
    assert_eq!(adopted, expected, "who has the slug, or takes it first, keeps it");
    let slug = |number| {
        let customer = CustomerId(Uuid::from_u128(number));
        let found = world.store.read(|unit| unit.agreements().find_by_customer(customer)).unwrap().unwrap();
        found.customer_slug.unwrap()
    };
    assert_eq!([71, 72, 73].map(slug), ["new-71", "old-72", "old-73"]);
    let written = world.store.history().len();
    assert_eq!(world.manager.adopt_customers(&admin(), &all[..1]), Ok(vec![Ok(false)]));
    assert_eq!(world.store.history().len(), written, "nothing is written where nothing changed");
}
