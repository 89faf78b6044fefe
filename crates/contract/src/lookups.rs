//! Finding licenses in all plans.

use license_manager_domain::ports::{
    CustomerScope, LicenseField, LicenseFilter, LicenseOrder, LicensePosition, LicenseSearch, LimitOffset, StoreExt,
};
use license_manager_domain::{LicenseStatus, LmsUserId};

use super::Database;
use super::fixtures::*;

const EVERYTHING: LicenseSearch = LicenseSearch {
    scope: CustomerScope::All,
    customer: None,
    plan: None,
    filter: LicenseFilter {
        statuses: None,
        email_words: Vec::new(),
        assigned_until: None,
        hide_retired: false,
        modified_since: None,
    },
};

/// Two licenses in each of the first customer's plans, 1 and 2, and one in plan 3 of another customer.
fn with_licenses(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(
        &*store,
        &[
            assigned(1, 1, "amy@example.com"),
            revoked(2, 1, "bob@example.com", 8),
            activated(3, 2, "amy@example.com", 7),
            unassigned(4, 2),
            assigned(5, 3, "amy@example.com"),
        ],
    );
}

fn found(db: &dyn Database, search: &LicenseSearch) -> Vec<u128> {
    let store = db.store();
    let licenses = store.read(|unit| unit.lookups().list(search, &[], ALL)).unwrap();
    let count = store.read(|unit| unit.lookups().count(search)).unwrap();
    assert_eq!(count as usize, licenses.len(), "{search:?}");
    numbers(&licenses)
}

/// A license can be shown with what it is worth.
pub fn a_license_is_found_with_its_plan(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let (license, details) = store.read(|unit| unit.lookups().find(license_id(3))).unwrap().unwrap();
    assert_eq!(license, activated(3, 2, "amy@example.com", 7));
    assert_eq!((details.plan, details.customer), (plan(2, 1), customer(1)));
    assert_eq!(store.read(|unit| unit.lookups().find(license_id(9))), Ok(None));
}

/// Looking something up never makes a writer wait.
pub fn licenses_are_found_with_their_plans_and_nothing_is_locked(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let ids = [5, 9, 2].map(license_id);
    let find = || {
        let found = store.write(|unit| unit.lookups().find_by_ids(&ids)).unwrap();
        found.into_iter().map(|(license, details)| (license.id, details.plan.id, details.customer)).collect::<Vec<_>>()
    };
    let expected = [(2, 1, 1), (5, 3, 2)].map(|(license, plan, of)| (license_id(license), plan_id(plan), customer(of)));
    assert_eq!(find(), expected);
    assert_eq!(store.read(|unit| unit.lookups().find_by_ids(&[])), Ok(vec![]));
}

/// Whether somebody may take a course is asked per customer.
pub fn activated_licenses_of_people_are_found_by_customer(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let without_account = assigned(6, 1, "cleo@example.com").activate(None, day(3)).unwrap();
    put(&*store, &[activated(7, 1, "dan@example.com", 9), activated(8, 3, "fay@example.com", 7), without_account]);
    let find = |customers: &[u128], users: &[i64], addresses: &[&str]| {
        let customers: Vec<_> = customers.iter().copied().map(customer).collect();
        let users: Vec<_> = users.iter().copied().map(LmsUserId).collect();
        let emails: Vec<_> = addresses.iter().copied().map(email).collect();
        let found = store.read(|unit| unit.lookups().find_activated(&customers, &users, &emails)).unwrap();
        found.into_iter().map(|(license, details)| (license.id, details.customer)).collect::<Vec<_>>()
    };
    let of = |license, of| (license_id(license), customer(of));
    assert_eq!(find(&[1], &[7], &[]), [of(3, 1)]);
    assert_eq!(find(&[1, 2], &[7, 9], &[]), [of(3, 1), of(7, 1), of(8, 2)]);
    assert_eq!(find(&[1], &[], &["cleo@example.com", "dan@example.com"]), [of(6, 1)], "whose account is known has it");
    assert_eq!(find(&[1], &[70], &["eve@example.com"]), []);
    assert_eq!(find(&[], &[7], &["amy@example.com"]), []);
}

/// Support finds a person wherever they hold a license.
pub fn an_email_is_found_across_customers_whatever_its_case(db: &dyn Database) {
    with_licenses(db);
    let find = |address: &str| {
        let found = db
            .store()
            .read(|unit| unit.lookups().find_by_emails(&[email(address), email("nobody@example.com")]))
            .unwrap();
        found.into_iter().map(|(license, details)| (license.id, details.plan.id, details.customer)).collect::<Vec<_>>()
    };
    let of_amy = [(1, 1, 1), (3, 2, 1), (5, 3, 2)];
    let of_amy = of_amy.map(|(license, plan, of)| (license_id(license), plan_id(plan), customer(of)));
    assert_eq!(find("AMY@example.com"), of_amy);
    assert_eq!(find("bob@example.com"), [(license_id(2), plan_id(1), customer(1))], "revoked ones too");
    assert_eq!(find("eve@example.com"), []);
}

/// A caller sees the licenses of their customers only.
pub fn licenses_of_many_plans_are_filtered(db: &dyn Database) {
    with_licenses(db);
    let only = |numbers: &[u128]| CustomerScope::Only(numbers.iter().copied().map(customer).collect());
    let filter = |statuses: &[LicenseStatus], words: &[&str]| LicenseFilter {
        statuses: (!statuses.is_empty()).then(|| statuses.to_vec()),
        email_words: words.iter().map(|&word| word.to_owned()).collect(),
        ..LicenseFilter::default()
    };
    let cases = [
        (EVERYTHING, vec![1, 2, 3, 4, 5]),
        (LicenseSearch { scope: only(&[1]), ..EVERYTHING }, vec![1, 2, 3, 4]),
        (LicenseSearch { scope: only(&[2, 1]), ..EVERYTHING }, vec![1, 2, 3, 4, 5]),
        (LicenseSearch { scope: only(&[]), ..EVERYTHING }, vec![]),
        (LicenseSearch { customer: Some(customer(2)), ..EVERYTHING }, vec![5]),
        (LicenseSearch { scope: only(&[1]), customer: Some(customer(2)), ..EVERYTHING }, vec![]),
        (LicenseSearch { scope: only(&[1, 2]), customer: Some(customer(2)), ..EVERYTHING }, vec![5]),
        (LicenseSearch { plan: Some(plan_id(2)), ..EVERYTHING }, vec![3, 4]),
        (LicenseSearch { scope: only(&[2]), plan: Some(plan_id(2)), ..EVERYTHING }, vec![]),
        (LicenseSearch { filter: filter(&[LicenseStatus::Assigned], &[]), ..EVERYTHING }, vec![1, 5]),
        (LicenseSearch { scope: only(&[1]), filter: filter(&[], &["amy"]), ..EVERYTHING }, vec![1, 3]),
    ];
    for (search, expected) in cases {
        assert_eq!(found(db, &search), expected, "{search:?}");
    }
}

/// Pages over several plans neither repeat nor miss a license.
pub fn licenses_of_many_plans_are_sorted_and_listed_part_by_part(db: &dyn Database) {
    with_licenses(db);
    let order = [LicenseField::Status, LicenseField::UserEmail].map(|field| LicenseOrder { field, descending: false });
    let part = |offset, limit| {
        let limit_offset = LimitOffset { offset, limit };
        numbers(&db.store().read(|unit| unit.lookups().list(&EVERYTHING, &order, limit_offset)).unwrap())
    };
    assert_eq!(part(0, 10), [3, 1, 5, 2, 4]);
    assert_eq!(part(1, 2), [1, 5]);
    assert_eq!(part(5, 2), [0; 0]);
}

/// The numbers of the licenses that match, read `size` at a time, each part after the last license of the one before.
fn walked(db: &dyn Database, search: &LicenseSearch, order: &[LicenseOrder], size: i64) -> Vec<u128> {
    let store = db.store();
    let mut all = Vec::new();
    let mut place: Option<LicensePosition> = None;
    loop {
        let part = store.read(|unit| unit.lookups().list_after(search, order, place.as_ref(), size)).unwrap();
        assert!(part.len() as i64 <= size);
        match part.last() {
            Some(last) => place = Some(last.into()),
            None => return all,
        }
        all.extend(numbers(&part));
    }
}

/// A reader can go on where they stopped, in any order.
pub fn what_follows_a_place_is_listed_in_every_order(db: &dyn Database) {
    use LicenseField::{ActivationDate, LastRemindDate, Status, UserEmail};

    with_licenses(db);
    let more = [unassigned(6, 1), unassigned(7, 3), retired(8, 1), assigned(9, 2, "bob@example.com"), retired(10, 3)];
    put(&*db.store(), &more);
    let key = |(field, descending)| LicenseOrder { field, descending };
    for order in [
        vec![],
        vec![(Status, false)],
        vec![(Status, true)],
        vec![(UserEmail, false)],
        vec![(UserEmail, true)],
        vec![(ActivationDate, false)],
        vec![(LastRemindDate, true)],
        vec![(Status, false), (UserEmail, false)],
        vec![(Status, true), (UserEmail, true)],
        vec![(UserEmail, true), (Status, false), (ActivationDate, true)],
        vec![(ActivationDate, true), (LastRemindDate, false), (Status, false), (UserEmail, true)],
    ] {
        let order: Vec<LicenseOrder> = order.into_iter().map(key).collect();
        let listed = db.store().read(|unit| unit.lookups().list(&EVERYTHING, &order, ALL)).unwrap();
        for size in [1, 2, 3, 100] {
            assert_eq!(walked(db, &EVERYTHING, &order, size), numbers(&listed), "{size} by {order:?}");
        }
    }
    let amys = LicenseSearch {
        scope: CustomerScope::Only(vec![customer(1)]),
        filter: LicenseFilter { email_words: vec!["amy".to_owned()], ..LicenseFilter::default() },
        ..EVERYTHING
    };
    assert_eq!(walked(db, &amys, &[key((UserEmail, false))], 1), [1, 3]);
    let of_plan = LicenseSearch { plan: Some(plan_id(2)), ..EVERYTHING };
    assert_eq!(walked(db, &of_plan, &[key((UserEmail, false))], 2), [4, 3, 9]);
}

/// A page is not lost when the license that ended it changes.
pub fn a_place_stays_when_its_license_moves(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let order = [LicenseField::Status, LicenseField::UserEmail].map(|field| LicenseOrder { field, descending: false });
    let next = |place: Option<&LicensePosition>, limit| {
        store.read(|unit| unit.lookups().list_after(&EVERYTHING, &order, place, limit)).unwrap()
    };
    let first = next(None, 2);
    assert_eq!(numbers(&first), [3, 1]);
    let place = LicensePosition::from(&first[1]);
    let moved = assigned(1, 1, "amy@example.com").revoke(day(5)).unwrap();
    store.write(|unit| unit.licenses().save(std::slice::from_ref(&moved), &change(5))).unwrap();
    assert_eq!(
        numbers(&next(Some(&place), 10)),
        [5, 1, 2, 4],
        "none is left out, and what moved comes in its new place"
    );
}

/// It is known who would get a second license.
pub fn live_licenses_of_addresses_are_found_in_many_plans(db: &dyn Database) {
    with_licenses(db);
    let of = |plans: &[u128], addresses: &[&str]| {
        let plans: Vec<_> = plans.iter().copied().map(plan_id).collect();
        let emails: Vec<_> = addresses.iter().map(|address| email(address)).collect();
        numbers(&db.store().read(|unit| unit.lookups().find_live_by_emails(&plans, &emails)).unwrap())
    };
    assert_eq!(of(&[1, 2], &["AMY@example.com", "bob@example.com", "eve@example.com"]), [1, 3], "not the revoked one");
    assert_eq!(of(&[3], &["amy@example.com"]), [5]);
    assert_eq!(of(&[], &["amy@example.com"]), []);
    assert_eq!(of(&[1], &[]), []);
}
