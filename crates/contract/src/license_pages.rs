//! Pages of licenses in every order.

use std::cmp::Ordering;

use license_manager_domain::ports::{
    CustomerScope, LicenseField, LicenseFilter, LicenseOrder, LicensePosition, LicenseSearch, LimitOffset, StoreExt,
};
use license_manager_domain::{License, LicenseState, LicenseStatus};

use super::Database;
use super::fixtures::*;

const FIELDS: [LicenseField; 4] =
    [LicenseField::Status, LicenseField::UserEmail, LicenseField::ActivationDate, LicenseField::LastRemindDate];

/// How many licenses a page has.
const PAGE: usize = 11;

/// Each field, ascending and descending.
fn keys() -> Vec<LicenseOrder> {
    let both = |field| [false, true].map(|descending| LicenseOrder { field, descending });
    FIELDS.into_iter().flat_map(both).collect()
}

/// Licenses of all kinds in three plans of two customers, many of which are equal in a field, or lack one. Their ids are
/// not in the order of any field.
fn licenses() -> Vec<License> {
    let mut licenses = Vec::new();
    for round in 0..4_u128 {
        for (place, plan) in [1, 2, 3].into_iter().enumerate() {
            let number = |kind: u128| 1 + kind + 11 * ((kind * 31 + round * 7 + place as u128 * 13) % 101);
            let address = |kind: &str| format!("{kind}{}@example.com", 9 - round);
            let day_of = round as i64 % 2;
            let mut reminded = assigned(number(1), plan, &address("b"));
            if let LicenseState::Assigned(seat) = &mut reminded.state {
                seat.last_remind_date = Some(day(7 + day_of));
            }
            let mut active = activated(number(2), plan, &address("c"), 100 + round as i64);
            if let LicenseState::Activated { activation_date, .. } = &mut active.state {
                *activation_date = day(20 - day_of);
            }
            let never_reminded = |number: u128, kind: &str| {
                let mut license = assigned(number, plan, &address(kind));
                if let LicenseState::Assigned(seat) = &mut license.state {
                    seat.last_remind_date = None;
                }
                license
            };
            licenses.extend([
                unassigned(number(0), plan),
                reminded,
                active,
                assigned(number(3), plan, &address("a")),
                retired(number(4), plan),
                revoked(number(5), plan, "same@example.com", 300),
                assigned(number(6), plan, &address("d")).revoke(day(4)).unwrap(),
                never_reminded(number(7), "e"),
                never_reminded(number(8), "f").activate(None, day(20 - day_of)).unwrap(),
                never_reminded(number(9), "g").revoke(day(4)).unwrap(),
                purged(number(10), plan, 400),
            ]);
        }
    }
    licenses
}

/// Numbers without a pattern, the same in each run.
struct Numbers(u64);

impl Numbers {
    /// The next one, of 0 to `bound` - 1.
    fn below(&mut self, bound: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as i64 % bound
    }
}

/// Licenses of all kinds in three plans of two customers, in no pattern. They share few addresses and few moments, and
/// have each of them independently of the others.
fn any_licenses(numbers: &mut Numbers) -> Vec<License> {
    let any = |index: u128| {
        let (number, plan, kind) = (1 + index * 37 % 101, 1 + index % 3, numbers.below(7));
        let address = match kind {
            0..3 => format!("live{}@example.com", index / 3),
            _ => format!("gone{}@example.com", numbers.below(2)),
        };
        let mut license = assigned(number, plan, &address);
        if let LicenseState::Assigned(seat) = &mut license.state {
            seat.last_remind_date = (numbers.below(3) > 0).then(|| day(7 + numbers.below(2)));
        }
        let activation = day(10 + numbers.below(2));
        match kind {
            0 => license,
            1 | 2 => license.activate(None, activation).unwrap(),
            3 => unassigned(number, plan),
            4 => retired(number, plan),
            _ => {
                let was_activated = numbers.below(2) == 0;
                let former = if was_activated { license.activate(None, activation).unwrap() } else { license };
                let revoked = former.revoke(day(20)).unwrap();
                if kind == 5 { revoked } else { revoked.purge(day(21)) }
            }
        }
    };
    (0..100).map(any).collect()
}

fn compared(order: &[LicenseOrder], one: &License, other: &License) -> Ordering {
    let (left, right) = (LicensePosition::from(one), LicensePosition::from(other));
    let by_key = |key: &LicenseOrder| {
        let ordering = match key.field {
            LicenseField::Status => left.status.as_str().cmp(right.status.as_str()),
            LicenseField::UserEmail => left.user_email.cmp(&right.user_email),
            LicenseField::ActivationDate => left.activation_date.cmp(&right.activation_date),
            LicenseField::LastRemindDate => left.last_remind_date.cmp(&right.last_remind_date),
        };
        if key.descending { ordering.reverse() } else { ordering }
    };
    order.iter().map(by_key).fold(Ordering::Equal, Ordering::then).then(one.id.cmp(&other.id))
}

fn searches() -> Vec<LicenseSearch> {
    let all = LicenseSearch { scope: CustomerScope::All, customer: None, plan: None, filter: LicenseFilter::default() };
    let filtered = |filter: LicenseFilter| LicenseSearch { filter, ..all.clone() };
    let in_states =
        |statuses: &[LicenseStatus]| LicenseFilter { statuses: Some(statuses.to_vec()), ..Default::default() };
    vec![
        LicenseSearch { plan: Some(plan_id(1)), ..all.clone() },
        all.clone(),
        LicenseSearch { scope: CustomerScope::Only(vec![customer(1)]), ..all.clone() },
        LicenseSearch {
            plan: Some(plan_id(2)),
            ..filtered(LicenseFilter {
                hide_retired: true,
                ..in_states(&[LicenseStatus::Revoked, LicenseStatus::Assigned])
            })
        },
        LicenseSearch {
            scope: CustomerScope::Only(vec![customer(2), customer(1)]),
            ..filtered(LicenseFilter { hide_retired: true, ..LicenseFilter::default() })
        },
        filtered(in_states(&[LicenseStatus::Activated])),
        filtered(in_states(&[])),
        filtered(LicenseFilter { email_words: vec!["example.com".to_owned()], ..LicenseFilter::default() }),
        filtered(LicenseFilter { assigned_until: Some(day(2)), ..LicenseFilter::default() }),
    ]
}

fn matches(search: &LicenseSearch, license: &License) -> bool {
    let of = if license.plan == plan_id(3) { customer(2) } else { customer(1) };
    search.plan.is_none_or(|plan| plan == license.plan)
        && search.customers().is_none_or(|customers| customers.contains(&of))
        && search.filter.matches(license)
}

/// Checks every page of a size, by number and after a position.
fn check(db: &dyn Database, licenses: &[License], search: &LicenseSearch, order: &[LicenseOrder], size: usize) {
    let store = db.store();
    let mut expected: Vec<&License> = licenses.iter().filter(|license| matches(search, license)).collect();
    expected.sort_by(|one, other| compared(order, one, other));
    let count = store.read(|unit| unit.lookups().count(search)).unwrap();
    assert_eq!(count as usize, expected.len(), "{search:?}");
    let all_ids: Vec<_> = expected.iter().map(|license| license.id).collect();
    // So many are read in another way than a page.
    let whole = store.read(|unit| unit.lookups().list_after(search, order, None, 20_000)).unwrap();
    let ids_of_whole: Vec<_> = whole.iter().map(|license| license.id).collect();
    assert_eq!(ids_of_whole, all_ids, "all of {search:?} by {order:?}");
    assert_eq!(store.read(|unit| unit.lookups().first_ids(search, order, 1_000)), Ok(all_ids), "{search:?} {order:?}");
    let mut after = None;
    for offset in (0..=expected.len()).step_by(size) {
        let limit_offset = LimitOffset { offset: offset as i64, limit: size as i64 };
        let page: Vec<License> = expected.iter().skip(offset).take(size).copied().cloned().collect();
        let listed = store.read(|unit| unit.lookups().list(search, order, limit_offset)).unwrap();
        assert_eq!(numbers(&listed), numbers(&page), "{offset} of {search:?} by {order:?}");
        assert_eq!(listed, page);
        let next = store.read(|unit| unit.lookups().list_after(search, order, after.as_ref(), size as i64)).unwrap();
        assert_eq!(numbers(&next), numbers(&page), "after {after:?} of {search:?} by {order:?}");
        after = page.last().map(LicensePosition::from);
    }
}

/// Fast pages show what slow ones would.
pub fn every_page_in_every_order_is_a_part_of_the_sorted_whole(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let licenses = licenses();
    put(&*store, &licenses);
    let licenses: Vec<License> = [1, 2, 3].into_iter().flat_map(|plan| all(&*store, plan)).collect();
    let searches = searches();
    let keys = keys();
    check(db, &licenses, &searches[0], &[], PAGE);
    for &key in &keys {
        for search in &searches {
            check(db, &licenses, search, &[key], PAGE);
        }
    }
    for (number, &first) in keys.iter().enumerate() {
        let others: Vec<_> = keys.iter().copied().filter(|key| key.field != first.field).collect();
        for (place, &second) in others.iter().enumerate() {
            check(db, &licenses, &searches[(number + place) % searches.len()], &[first, second], PAGE);
            let third = others.iter().copied().find(|key| key.field != second.field);
            let order: Vec<_> = [first, second].into_iter().chain(third).collect();
            check(db, &licenses, &searches[place % 3], &order, PAGE);
        }
    }
}

/// The same, of licenses without a pattern, by pages of many sizes: they end before, among and after what ties.
pub fn pages_of_any_size_are_parts_of_the_sorted_whole(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let mut numbers = Numbers(957);
    put(&*store, &any_licenses(&mut numbers));
    let licenses: Vec<License> = [1, 2, 3].into_iter().flat_map(|plan| all(&*store, plan)).collect();
    let (searches, keys) = (searches(), keys());
    for &first in &keys {
        for search in &searches {
            let mut order = vec![first];
            for _ in 0..numbers.below(3) {
                let next = keys[numbers.below(keys.len() as i64) as usize];
                if order.iter().all(|key| key.field != next.field) {
                    order.push(next);
                }
            }
            check(db, &licenses, search, &order[..1], 1 + numbers.below(15) as usize);
            check(db, &licenses, search, &order, 1 + numbers.below(15) as usize);
        }
    }
}

/// A search finds what is there now, not what was indexed once.
pub fn what_is_searched_follows_the_licenses(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let found = |word: &str| {
        let filter = LicenseFilter { email_words: vec![word.to_owned()], ..LicenseFilter::default() };
        let search = LicenseSearch { scope: CustomerScope::All, customer: None, plan: None, filter };
        let listed = store.read(|unit| unit.lookups().list(&search, &[], ALL)).unwrap();
        assert_eq!(store.read(|unit| unit.lookups().count(&search)), Ok(listed.len() as i64));
        numbers(&listed)
    };
    put(&*store, &[assigned(1, 1, "amanda@example.com"), assigned(2, 2, "amanda@example.com"), unassigned(3, 1)]);
    store.write(|unit| unit.licenses().add(&[assigned(4, 3, "amadeus@example.com")], &change(3))).unwrap();
    assert_eq!((found("amanda"), found("ama"), found("deus@")), (vec![1, 2], vec![1, 2, 4], vec![4]));
    let written = |license: License| {
        store.write(|unit| unit.licenses().save(std::slice::from_ref(&license), &change(4))).unwrap()
    };
    written(assigned(1, 1, "beatrix@example.com"));
    assert_eq!((found("amanda"), found("trix")), (vec![2], vec![1]));
    written(retired(2, 2));
    assert_eq!((found("amanda"), found("ama"), found("example.com")), (vec![], vec![4], vec![1, 4]));
    let purged = revoked(4, 3, "amadeus@example.com", 7);
    written(purged);
    store.write(|unit| unit.licenses().delete(plan_id(3), LicenseStatus::Revoked, &change(5))).unwrap();
    assert_eq!((found("ama"), found("example.com")), (vec![], vec![1]));
    for nothing in ["\"", "\"trix", "tri*", "trix OR 1", "email:", "-trix", "\0", "b\0eatrix", "^bea", "NEAR(bea trix)"]
    {
        assert_eq!(found(nothing), [0; 0], "{nothing:?}");
    }
}
