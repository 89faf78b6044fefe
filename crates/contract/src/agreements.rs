//! Customer agreements.

use chrono::Duration;
use license_manager_domain::ports::{AgreementFilter, CustomerScope, LimitOffset, Store, StoreExt};
use license_manager_domain::{AutoScaling, Conflict, CustomerAgreement, Error, ExpirationMessage};

use super::Database;
use super::fixtures::*;

const EVERY: AgreementFilter = AgreementFilter { scope: CustomerScope::All, customer: None, agreement: None };

/// An agreement without default values.
fn elaborate(number: u128) -> CustomerAgreement {
    CustomerAgreement {
        customer_slug: Some(format!("slug-{number}")),
        customer_name: Some("Ärzte & Söhne \"GmbH\"".to_owned()),
        default_catalog: Some(catalog(7)),
        disable_expiration_notifications: true,
        disable_onboarding_notifications: true,
        license_duration_before_purge: Duration::days(30),
        enable_auto_applied_subscriptions_with_universal_link: true,
        auto_scaling: AutoScaling {
            enabled: true,
            max_licenses: Some(500),
            threshold_percentage: Some(80),
            increment_percentage: Some(25),
        },
        expiration_message: Some(ExpirationMessage {
            modal_header_text: "Over".to_owned(),
            modal_messaging: "<p>Your plan is over.</p>".to_owned(),
            button_label: "Renew".to_owned(),
            button_url: "https://example.com/renew".to_owned(),
        }),
        modified: day(1),
        ..agreement(number)
    }
}

fn add(store: &dyn Store, agreement: &CustomerAgreement) -> Result<(), Error> {
    store.write(|unit| unit.agreements().add(agreement, &change(0)))
}

fn save(store: &dyn Store, agreement: &CustomerAgreement) -> Result<(), Error> {
    store.write(|unit| unit.agreements().save(agreement, &change(1)))
}

fn find(store: &dyn Store, number: u128) -> Option<CustomerAgreement> {
    store.read(|unit| unit.agreements().find(agreement_id(number))).unwrap()
}

/// No term of an agreement is lost or rounded.
pub fn an_agreement_comes_back_as_it_was_written(db: &dyn Database) {
    let store = db.store();
    add(&*store, &elaborate(1)).unwrap();
    assert_eq!(find(&*store, 1), Some(elaborate(1)));
    assert_eq!(find(&*store, 2), None);
}

/// Absent terms stay absent, not empty or zero.
pub fn an_agreement_without_anything_agreed_comes_back_so(db: &dyn Database) {
    let store = db.store();
    add(&*store, &agreement(1)).unwrap();
    assert_eq!(find(&*store, 1), Some(agreement(1)));
}

/// A customer's portal finds its agreement by either name.
pub fn an_agreement_is_found_by_its_customer_and_by_their_slug(db: &dyn Database) {
    let store = db.store();
    add(&*store, &elaborate(1)).unwrap();
    add(&*store, &agreement(2)).unwrap();
    let find = |number| store.read(|unit| unit.agreements().find_by_customer(customer(number))).unwrap();
    assert_eq!(find(1), Some(elaborate(1)));
    assert_eq!(find(2), Some(agreement(2)));
    assert_eq!(find(3), None);
    let of_slug = |slug: &str| store.read(|unit| unit.agreements().find_by_slug(slug)).unwrap();
    let slug = elaborate(1).customer_slug.unwrap();
    assert_eq!(of_slug(&slug), Some(elaborate(1)));
    assert_eq!(of_slug(&slug.to_uppercase()), None, "slugs differ by their case");
    assert_eq!(of_slug("nobody"), None);
}

/// A change reaches every column.
pub fn every_field_of_an_agreement_can_be_changed_and_emptied(db: &dyn Database) {
    let store = db.store();
    add(&*store, &agreement(1)).unwrap();
    save(&*store, &elaborate(1)).unwrap();
    assert_eq!(find(&*store, 1), Some(elaborate(1)));
    save(&*store, &agreement(1)).unwrap();
    assert_eq!(find(&*store, 1), Some(agreement(1)));
}

/// Learners of an expired plan see the customer's current words, or none.
pub fn an_expiration_message_comes_changes_and_goes(db: &dyn Database) {
    let store = db.store();
    add(&*store, &agreement(1)).unwrap();
    let mut with_message = CustomerAgreement { expiration_message: elaborate(1).expiration_message, ..agreement(1) };
    save(&*store, &with_message).unwrap();
    assert_eq!(find(&*store, 1).as_ref(), Some(&with_message));
    with_message.expiration_message.as_mut().unwrap().button_label = "Ask".to_owned();
    save(&*store, &with_message).unwrap();
    assert_eq!(find(&*store, 1).as_ref(), Some(&with_message));
    save(&*store, &agreement(1)).unwrap();
    assert_eq!(find(&*store, 1), Some(agreement(1)));
}

/// Who changed an agreement, when and why, is known.
pub fn writing_an_agreement_is_recorded(db: &dyn Database) {
    let store = db.store();
    add(&*store, &agreement(1)).unwrap();
    save(&*store, &elaborate(1)).unwrap();
    let history = db.history("customer_agreement", &agreement_id(1).to_string());
    let entries: Vec<_> = history.iter().map(|entry| (entry.kind, entry.user.as_deref(), entry.at)).collect();
    assert_eq!(entries, [('+', Some("admin"), day(0)), ('~', Some("admin"), day(1))]);
}

/// A change of a deleted agreement is not reported as done.
pub fn writing_an_agreement_that_does_not_exist_fails(db: &dyn Database) {
    let store = db.store();
    assert!(matches!(save(&*store, &agreement(1)), Err(Error::Internal(_))));
    assert_eq!(find(&*store, 1), None);
}

/// Two requests at once cannot give a customer two agreements.
pub fn a_customer_has_one_agreement(db: &dyn Database) {
    let store = db.store();
    add(&*store, &agreement(1)).unwrap();
    let second = CustomerAgreement { customer: customer(1), ..agreement(2) };
    assert_eq!(add(&*store, &second), Err(Conflict::AgreementOfCustomer.into()));
    add(&*store, &agreement(2)).unwrap();
    assert_eq!(save(&*store, &second), Err(Conflict::AgreementOfCustomer.into()));
    assert_eq!(find(&*store, 2), Some(agreement(2)));
}

/// A portal's address leads to one customer.
pub fn a_slug_names_one_customer(db: &dyn Database) {
    let store = db.store();
    let slug = |number| CustomerAgreement { customer_slug: Some("acme".to_owned()), ..agreement(number) };
    add(&*store, &slug(1)).unwrap();
    assert_eq!(add(&*store, &slug(2)), Err(Conflict::AgreementSlug.into()));
    add(&*store, &agreement(2)).unwrap();
    add(&*store, &agreement(3)).unwrap(); // two without a slug are fine
    assert_eq!(save(&*store, &slug(2)), Err(Conflict::AgreementSlug.into()));
    assert_eq!(find(&*store, 2), Some(agreement(2)));
    save(&*store, &slug(1)).unwrap();
}

fn listed(store: &dyn Store, filter: &AgreementFilter, limit_offset: LimitOffset) -> Vec<CustomerAgreement> {
    store.read(|unit| unit.agreements().list(filter, limit_offset)).unwrap()
}

/// The names of many customers are taken over at once.
pub fn agreements_of_several_customers_are_renamed_at_once(db: &dyn Database) {
    let store = db.store();
    for number in [3, 1, 2] {
        add(&*store, &elaborate(number)).unwrap();
    }
    let customers = [customer(2), customer(1), customer(9)];
    let locked = store.write(|unit| unit.agreements().lock_by_customers(&customers)).unwrap();
    assert_eq!(locked, [elaborate(1), elaborate(2)], "by id, without the one that does not exist");
    let slugs = ["slug-3".to_owned(), "slug-9".to_owned()];
    let holders = store.read(|unit| unit.agreements().holders_of_slugs(&slugs)).unwrap();
    assert_eq!(holders.into_iter().collect::<Vec<_>>(), [("slug-3".to_owned(), agreement_id(3))]);
    let rename = |names: &[(u128, &str)]| {
        let names: Vec<_> =
            names.iter().map(|(number, slug)| (agreement_id(*number), (*slug).to_owned(), "“Új”".to_owned())).collect();
        store.write(|unit| unit.agreements().rename(&names, &change(8)))
    };
    rename(&[(1, "one"), (2, "two")]).unwrap();
    let find = |number| store.read(|unit| unit.agreements().find(agreement_id(number))).unwrap();
    let renamed = |number, slug: &str| CustomerAgreement {
        customer_slug: Some(slug.to_owned()),
        customer_name: Some("“Új”".to_owned()),
        modified: change(8).at,
        ..elaborate(number)
    };
    assert_eq!([1, 2, 3].map(find), [Some(renamed(1, "one")), Some(renamed(2, "two")), Some(elaborate(3))]);
    assert_eq!(db.history("customer_agreement", &agreement_id(2).to_string()).len(), 2);
    assert_eq!(rename(&[(1, "slug-3")]), Err(Conflict::AgreementSlug.into()));
    assert!(rename(&[(1, "new"), (9, "nobody")]).is_err());
    assert_eq!(find(1), Some(renamed(1, "one")), "all or none");
}

/// A plan may be read together with its agreement. What is written of the agreement after that is not hidden by it.
pub fn an_agreement_is_found_as_it_was_written_last_after_its_plan_was_read(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    save(&*store, &elaborate(1)).unwrap();
    let renamed = CustomerAgreement { customer_name: Some("New".to_owned()), ..elaborate(1) };
    let found = store.write(|unit| {
        unit.plans().find(plan_id(1))?;
        let before = unit.agreements().find(agreement_id(1))?;
        unit.plans().find(plan_id(1))?;
        let other = unit.agreements().find(agreement_id(2))?;
        unit.plans().find(plan_id(1))?;
        unit.agreements().save(&renamed, &change(1))?;
        Ok([before, other, unit.agreements().find(agreement_id(1))?])
    });
    assert_eq!(found, Ok([Some(elaborate(1)), Some(agreement(2)), Some(renamed)]));
}

/// Pages neither repeat nor miss an agreement.
pub fn agreements_are_listed_in_the_order_of_their_ids_part_by_part(db: &dyn Database) {
    let store = db.store();
    for number in [3, 1, 5, 2, 4] {
        add(&*store, &agreement(number)).unwrap();
    }
    let part = |offset, limit| {
        let found = listed(&*store, &EVERY, LimitOffset { offset, limit });
        found.iter().map(|agreement| agreement.id).collect::<Vec<_>>()
    };
    assert_eq!(part(0, 2), [agreement_id(1), agreement_id(2)]);
    assert_eq!(part(2, 2), [agreement_id(3), agreement_id(4)]);
    assert_eq!(part(4, 2), [agreement_id(5)]);
    assert_eq!(part(6, 2), []);
    assert_eq!(part(0, 0), []);
}

/// A caller sees the agreements of their customers only.
pub fn agreements_are_filtered(db: &dyn Database) {
    let store = db.store();
    for number in 1..=3 {
        add(&*store, &elaborate(number)).unwrap();
    }
    let only = |numbers: &[u128]| CustomerScope::Only(numbers.iter().copied().map(customer).collect());
    let cases = [
        (EVERY, vec![1, 2, 3]),
        (AgreementFilter { scope: only(&[1, 3, 9]), ..EVERY }, vec![1, 3]),
        (AgreementFilter { scope: only(&[]), ..EVERY }, vec![]),
        (AgreementFilter { customer: Some(customer(2)), ..EVERY }, vec![2]),
        (AgreementFilter { agreement: Some(agreement_id(3)), ..EVERY }, vec![3]),
        (AgreementFilter { scope: only(&[1]), customer: Some(customer(2)), agreement: None }, vec![]),
        (AgreementFilter { customer: Some(customer(2)), agreement: Some(agreement_id(3)), ..EVERY }, vec![]),
    ];
    for (filter, expected) in cases {
        let found = listed(&*store, &filter, ALL);
        assert_eq!(found, expected.iter().copied().map(elaborate).collect::<Vec<_>>(), "{filter:?}");
        let counted = store.read(|unit| unit.agreements().count(&filter)).unwrap();
        assert_eq!(counted, expected.len() as i64, "{filter:?}");
    }
}
