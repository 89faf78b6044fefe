//! Reading licenses.

use chrono::Duration;
use license_manager_domain::ports::{LicenseField, LicenseFilter, LicenseOrder, LimitOffset, Person, StoreExt};
use license_manager_domain::{Email, License, LicenseCounts, LicenseStatus, LmsUserId};

use super::Database;
use super::fixtures::*;

const EVERY: LicenseFilter = LicenseFilter {
    statuses: None,
    email_words: Vec::new(),
    assigned_until: None,
    hide_retired: false,
    modified_since: None,
};

fn by(field: LicenseField) -> LicenseOrder {
    LicenseOrder { field, descending: false }
}

fn by_last(field: LicenseField) -> LicenseOrder {
    LicenseOrder { field, descending: true }
}

fn words(words: &[&str]) -> LicenseFilter {
    LicenseFilter { email_words: words.iter().map(|&word| word.to_owned()).collect(), ..EVERY }
}

fn statuses(statuses: &[LicenseStatus]) -> LicenseFilter {
    LicenseFilter { statuses: Some(statuses.to_vec()), ..EVERY }
}

/// Plan 1 with licenses of every status, and plan 2 with one.
fn with_licenses(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(
        &*store,
        &[
            unassigned(1, 1),
            retired(2, 1),
            revoked(3, 1, "zoe@example.com", 3),
            assigned(4, 1, "bob@example.com"),
            activated(5, 1, "amy@example.com", 5),
            assigned(6, 1, "amy.lee@example.org"),
            unassigned(7, 1),
            assigned(8, 2, "bob@example.com"),
        ],
    );
}

/// The default order of a list is the same in every store.
pub fn licenses_are_sorted_by_status_then_email_then_id(db: &dyn Database) {
    with_licenses(db);
    let order = [by(LicenseField::Status), by(LicenseField::UserEmail)];
    assert_eq!(numbers(&listed(&*db.store(), 1, &EVERY, &order)), [5, 6, 4, 2, 3, 1, 7]);
}

/// A list has the same order in every store, also where values are missing.
pub fn absent_values_come_first_ascending_and_last_descending(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[assigned(1, 1, "zoe@example.com"), unassigned(2, 1), activated(3, 1, "amy@example.com", 3)]);
    let mut reminded = assigned(4, 1, "bob@example.com");
    if let license_manager_domain::LicenseState::Assigned(seat) = &mut reminded.state {
        seat.last_remind_date = Some(day(9));
    }
    put(&*store, &[reminded]);
    for (field, ascending, descending) in [
        (LicenseField::UserEmail, [2, 3, 4, 1], [1, 4, 3, 2]),
        (LicenseField::ActivationDate, [1, 2, 4, 3], [3, 1, 2, 4]),
        (LicenseField::LastRemindDate, [2, 1, 3, 4], [4, 1, 3, 2]),
        (LicenseField::Status, [3, 1, 4, 2], [2, 1, 4, 3]),
    ] {
        assert_eq!(numbers(&listed(&*store, 1, &EVERY, &[by(field)])), ascending, "{field:?}");
        assert_eq!(numbers(&listed(&*store, 1, &EVERY, &[by_last(field)])), descending, "-{field:?}");
    }
}

/// Pages neither repeat nor miss a license whose keys are equal.
pub fn what_the_keys_leave_equal_is_sorted_by_id_upwards(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let order = [by_last(LicenseField::Status)];
    assert_eq!(numbers(&listed(&*store, 1, &EVERY, &order)), [1, 7, 2, 3, 4, 6, 5]);
    let order = [by_last(LicenseField::Status), by(LicenseField::UserEmail)];
    assert_eq!(numbers(&listed(&*store, 1, &EVERY, &order)), [1, 7, 2, 3, 6, 4, 5]);
}

/// Unordered lists can be read in parts.
pub fn licenses_without_an_order_come_by_id(db: &dyn Database) {
    with_licenses(db);
    assert_eq!(numbers(&listed(&*db.store(), 1, &EVERY, &[])), [1, 2, 3, 4, 5, 6, 7]);
}

/// Pages neither repeat nor miss a license.
pub fn licenses_are_listed_part_by_part(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let order = [by(LicenseField::Status), by(LicenseField::UserEmail)];
    let part = |offset, limit| {
        let limit_offset = LimitOffset { offset, limit };
        numbers(&store.read(|unit| unit.licenses().list(plan_id(1), &EVERY, &order, limit_offset)).unwrap())
    };
    assert_eq!(part(0, 3), [5, 6, 4]);
    assert_eq!(part(3, 3), [2, 3, 1]);
    assert_eq!(part(6, 3), [7]);
    assert_eq!(part(7, 3), [0; 0]);
    assert_eq!(part(0, 0), [0; 0]);
}

/// A list of assigned licenses has no other ones.
pub fn licenses_are_filtered_by_status(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let found = |wanted: &[LicenseStatus]| numbers(&listed(&*store, 1, &statuses(wanted), &[]));
    assert_eq!(found(&[LicenseStatus::Assigned]), [4, 6]);
    assert_eq!(found(&[LicenseStatus::Unassigned, LicenseStatus::Activated]), [1, 5, 7]);
    assert_eq!(found(&LicenseStatus::ALL), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(found(&[]), [0; 0], "no status is no license");
}

/// A search narrows with every word.
pub fn every_word_must_be_in_the_email_whatever_the_case(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let found = |wanted: &[&str]| numbers(&listed(&*store, 1, &words(wanted), &[]));
    assert_eq!(found(&["amy"]), [5, 6]);
    assert_eq!(found(&["AMY", "Example.ORG"]), [6]);
    assert_eq!(found(&["amy", "bob"]), [0; 0]);
    let many = ["a", "m", "y", "e", "lee", "@", "ex", "am", "ple", "org"];
    assert_eq!(found(&many), [6]);
    assert_eq!(found(&[&many[..], &["bob"][..]].concat()), [0; 0]);
    assert_eq!(found(&["@"]), [3, 4, 5, 6], "a license without an email has no word");
}

/// `%` and `_` in a search are letters: a search for one person does not show others.
pub fn a_word_is_taken_letter_by_letter(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(
        &*store,
        &[
            assigned(1, 1, "a_b@example.com"),
            assigned(2, 1, "a%b@example.com"),
            assigned(3, 1, "axb@example.com"),
            assigned(4, 1, "o'hara@example.com"),
        ],
    );
    let found = |word: &str| numbers(&listed(&*store, 1, &words(&[word]), &[]));
    assert_eq!(found("a_b"), [1]);
    assert_eq!(found("a%b"), [2]);
    assert_eq!(found("%"), [2]);
    assert_eq!(found("_"), [1]);
    assert_eq!(found("o'hara"), [4]);
    assert_eq!(found("\\"), [0; 0]);
    assert_eq!(found("a.b"), [0; 0]);
}

/// Lists can leave out licenses that name nobody any more.
pub fn retired_licenses_can_be_hidden(db: &dyn Database) {
    with_licenses(db);
    let shown = LicenseFilter { hide_retired: true, ..EVERY };
    assert_eq!(numbers(&listed(&*db.store(), 1, &shown, &[])), [1, 3, 4, 5, 6, 7]);
}

/// Clients can ask for what changed since their last visit.
pub fn licenses_are_filtered_by_their_last_change(db: &dyn Database) {
    with_licenses(db);
    let since = |moment| {
        let filter = LicenseFilter { modified_since: Some(moment), ..EVERY };
        let listed = listed(&*db.store(), 1, &filter, &[]);
        assert!(listed.iter().all(|license| filter.matches(license)));
        numbers(&listed)
    };
    assert_eq!(since(day(2)), [3, 4, 5, 6], "the others were written on day 1");
    assert_eq!(since(day(3)), [3, 5]);
    assert_eq!(since(day(3) + Duration::microseconds(1)), [3]);
    assert_eq!(since(day(5)), [0; 0]);
}

/// The number of a list is that of its items.
pub fn licenses_are_counted_as_they_are_listed(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let cases = [
        (EVERY, LicenseCounts { activated: 1, assigned: 2, unassigned: 2, revoked: 2 }),
        (words(&["amy"]), LicenseCounts { activated: 1, assigned: 1, ..Default::default() }),
        (
            LicenseFilter { hide_retired: true, ..EVERY },
            LicenseCounts { activated: 1, assigned: 2, unassigned: 2, revoked: 1 },
        ),
        (statuses(&[LicenseStatus::Revoked]), LicenseCounts { revoked: 2, ..Default::default() }),
        (statuses(&[]), LicenseCounts::default()),
    ];
    for (filter, expected) in cases {
        let counts = store.read(|unit| unit.licenses().count_by_status(plan_id(1), &filter)).unwrap();
        assert_eq!(counts, expected, "{filter:?}");
        let count = store.read(|unit| unit.licenses().count(plan_id(1), &filter)).unwrap();
        assert_eq!(count, expected.total() + expected.revoked, "{filter:?}");
        assert_eq!(count as usize, listed(&*store, 1, &filter, &[]).len(), "{filter:?}");
    }
}

/// Seats are sold and revoked by exact numbers.
pub fn plans_are_counted_exactly(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let counts = store.read(|unit| unit.licenses().counts(&[plan_id(1), plan_id(2), plan_id(3)])).unwrap();
    let of = |number| counts.get(&plan_id(number)).copied().unwrap_or_default();
    assert_eq!(of(1), LicenseCounts { activated: 1, assigned: 2, unassigned: 2, revoked: 2 });
    assert_eq!(of(2), LicenseCounts { assigned: 1, ..Default::default() });
    assert_eq!(of(3), LicenseCounts::default());
    let one = store.read(|unit| unit.licenses().counts(&[plan_id(2)])).unwrap();
    assert_eq!(one.get(&plan_id(1)), None, "only the plans that were asked for are counted");
    assert!(store.read(|unit| unit.licenses().counts(&[])).unwrap().is_empty());
}

/// A download reads every license once, in bounded memory.
pub fn handed_out_licenses_are_paged_by_id(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let next = |after: Option<u128>, limit| {
        let after = after.map(license_id);
        numbers(&store.read(|unit| unit.licenses().handed_out_after(plan_id(1), after, limit)).unwrap())
    };
    assert_eq!(next(None, 3), [2, 3, 4]);
    assert_eq!(next(Some(4), 3), [5, 6]);
    assert_eq!(next(Some(6), 3), [0; 0]);
    assert_eq!(next(Some(1), 1), [2]);
}

/// A learner finds their licenses by either, and those of no other customer.
pub fn a_person_is_found_by_email_and_by_lms_id_within_the_agreement(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(
        &*store,
        &[
            assigned(1, 1, "amy@example.com"),
            activated(2, 2, "old@example.com", 7),
            revoked(3, 1, "amy@example.com", 7),
            activated(4, 3, "amy@example.com", 7), // another customer's
            activated(5, 2, "bob@example.com", 8),
        ],
    );
    let found =
        |person: &Person| numbers(&store.read(|unit| unit.licenses().find_by_person(agreement_id(1), person)).unwrap());
    let mut both = found(&Person { email: Some(email("amy@example.com")), lms_user_id: Some(LmsUserId(7)) });
    both.sort_unstable();
    assert_eq!(both, [1, 2, 3]);
    assert_eq!(found(&Person { email: Some(email("new@example.com")), lms_user_id: Some(LmsUserId(8)) }), [5]);
}

/// Learners keep their licenses when normal forms of addresses change.
pub fn a_person_is_found_by_an_address_as_an_older_version_stored_it(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let as_sent = assigned(1, 1, "amy@example.com");
    let modified = as_sent.modified;
    let as_sent = as_sent.with_email(Email::from_storage("amy@xn--mnchen-3ya.de".to_owned()), modified);
    put(&*store, &[as_sent, revoked(2, 1, "amy@m\u{fc}nchen.de", 7), assigned(3, 1, "amy@muenchen.de")]);
    let amy = Person { email: Some(email("amy@m\u{fc}nchen.de")), lms_user_id: None };
    let mut found = numbers(&store.read(|unit| unit.licenses().find_by_person(agreement_id(1), &amy)).unwrap());
    found.sort_unstable();
    assert_eq!(found, [1, 2]);
    assert_eq!(numbers(&store.write(|unit| unit.licenses().lock_all_by_person(&amy)).unwrap()), [1, 2]);
}

/// A caller without an account never gets the licenses that name no account.
pub fn an_unknown_lms_id_matches_nothing(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[assigned(1, 1, "amy@example.com"), unassigned(2, 1), retired(3, 1)]);
    let stranger = Person { email: Some(email("bob@example.com")), lms_user_id: None };
    assert_eq!(store.read(|unit| unit.licenses().find_by_person(agreement_id(1), &stranger)), Ok(Vec::new()));
    assert_eq!(store.write(|unit| unit.licenses().lock_all_by_person(&stranger)), Ok(Vec::new()));
    let amy = Person { email: Some(email("amy@example.com")), lms_user_id: None };
    assert_eq!(numbers(&store.read(|unit| unit.licenses().find_by_person(agreement_id(1), &amy)).unwrap()), [1]);
}

/// A caller without an address never gets the licenses that have none.
pub fn an_unknown_address_matches_nothing(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[activated(1, 1, "amy@example.com", 7), unassigned(2, 1), retired(3, 1)]);
    let by_id = |id| Person { email: None, lms_user_id: Some(LmsUserId(id)) };
    let found = |person| numbers(&store.read(|unit| unit.licenses().find_by_person(agreement_id(1), person)).unwrap());
    assert_eq!((found(&by_id(7)), found(&by_id(8))), (vec![1], vec![]));
    assert_eq!(store.write(|unit| unit.licenses().lock_all_by_person(&by_id(8))), Ok(Vec::new()));
}

/// Somebody without an account or without an address never activates the license of somebody else who has none.
pub fn licenses_that_name_nobody_are_not_locked_for_anybody(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(
        &*store,
        &[assigned(1, 1, "amy@example.com"), activated(2, 1, "bob@example.com", 7), unassigned(3, 1), retired(4, 1)],
    );
    let locked = |address: Option<&str>, id: Option<i64>| {
        let person = Person { email: address.map(email), lms_user_id: id.map(LmsUserId) };
        numbers(&store.write(|unit| unit.licenses().lock_all_by_person(&person)).unwrap())
    };
    assert_eq!(locked(Some("zoe@example.com"), None), [0; 0]);
    assert_eq!(locked(None, Some(8)), [0; 0]);
    assert_eq!(locked(None, None), [0; 0]);
    assert_eq!((locked(Some("amy@example.com"), None), locked(None, Some(7))), (vec![1], vec![2]));
}

/// A search finds a domain as it is typed or as it is sent.
pub fn words_are_searched_in_their_normal_form(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let as_sent = Email::from_storage("two@xn--mnchen-3ya.de".to_owned());
    let of_old_version = unassigned(3, 1).assign(as_sent, key(3), day(2)).unwrap();
    put(&*store, &[assigned(1, 1, "same@xn--mnchen-3ya.de"), assigned(2, 1, "mike@example.com"), of_old_version]);
    for word in ["MÜNCHEN", "xn--mnchen-3ya", "Same@XN--MNCHEN-3YA.de", "mu\u{308}nchen", "@m"] {
        assert_eq!(numbers(&listed(&*store, 1, &words(&["same", word]), &[])), [1], "{word}");
    }
    for word in ["MÜNCHEN", "xn--mnchen-3ya", "@münchen.de"] {
        assert_eq!(numbers(&listed(&*store, 1, &words(&[word]), &[])), [1, 3], "{word} in every stored form");
    }
    assert_eq!(numbers(&listed(&*store, 1, &words(&["two", "münchen"]), &[])), [3]);
    assert_eq!(numbers(&listed(&*store, 1, &words(&["mi\u{212a}e"]), &[])), [], "another person's letters");
}

/// One person has one address.
pub fn an_email_is_found_in_its_plan_whatever_its_case(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(
        &*store,
        &[
            revoked(1, 1, "amy@example.com", 7),
            assigned(2, 1, "Amy@Example.com"),
            activated(3, 1, "old@example.com", 7),
            assigned(4, 2, "amy@example.com"),
        ],
    );
    let found = store.read(|unit| unit.licenses().find_by_email(plan_id(1), &email("AMY@example.COM"))).unwrap();
    let mut found = numbers(&found);
    found.sort_unstable();
    assert_eq!(found, [1, 2]);
}

/// The link in a mail leads to its customer, also after a renewal.
pub fn an_activation_key_finds_its_customer(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let renewed = unassigned(2, 2).assign(email("amy@example.com"), key(1), day(2)).unwrap();
    put(&*store, &[assigned(1, 1, "amy@example.com"), renewed, assigned(3, 3, "bob@example.com")]);
    let customer_of = |number| store.read(|unit| unit.licenses().customer_of_activation_key(key(number)));
    assert_eq!([1, 3, 9].map(customer_of), [Ok(Some(customer(1))), Ok(Some(customer(2))), Ok(None)]);
}

/// A change of a person applies to all their licenses, and no other transaction changes them at the same time.
pub fn all_licenses_of_a_person_are_locked_across_agreements(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(
        &*store,
        &[
            activated(3, 3, "amy@example.com", 7),
            revoked(1, 1, "old@example.com", 7),
            assigned(2, 2, "amy@example.com"),
            assigned(4, 1, "bob@example.com"),
        ],
    );
    let amy = Person { email: Some(email("amy@example.com")), lms_user_id: Some(LmsUserId(7)) };
    let locked = store.write(|unit| unit.licenses().lock_all_by_person(&amy)).unwrap();
    assert_eq!(numbers(&locked), [1, 2, 3], "in the order of the ids");
}

/// A person whose license was revoked can get another one.
pub fn only_live_licenses_hold_an_email(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let asked = ["amy@example.com", "zoe@example.com", "bob@example.com", "nobody@example.com"].map(email);
    let mut live = store.read(|unit| unit.licenses().live_emails(plan_id(1), &asked)).unwrap();
    live.sort();
    assert_eq!(live, ["amy@example.com", "bob@example.com"].map(email));
    assert_eq!(store.read(|unit| unit.licenses().live_emails(plan_id(3), &asked)), Ok(Vec::new()));
    assert_eq!(store.read(|unit| unit.licenses().live_emails(plan_id(1), &[])), Ok(Vec::new()));
}

/// Nobody changes the licenses that are about to be revoked.
pub fn live_licenses_of_emails_are_locked(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let lock = |emails: &[&str]| {
        let emails: Vec<_> = emails.iter().map(|text| email(text)).collect();
        store.write(|unit| unit.licenses().lock_live_by_emails(plan_id(1), &emails)).unwrap()
    };
    let locked = lock(&["zoe@example.com", "bob@example.com", "amy@example.com"]);
    assert_eq!(locked, [assigned(4, 1, "bob@example.com"), activated(5, 1, "amy@example.com", 5)]);
    assert_eq!(lock(&[]), []);
}

/// A large revocation has bounded parts.
pub fn live_licenses_are_locked_up_to_a_limit(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let lock = |filter: &LicenseFilter, limit| -> Vec<u128> {
        let locked: Vec<License> = store.write(|unit| unit.licenses().lock_live(plan_id(1), filter, limit)).unwrap();
        numbers(&locked)
    };
    assert_eq!(lock(&EVERY, i64::MAX), [4, 5, 6]);
    assert_eq!(lock(&EVERY, 2), [4, 5]);
    assert_eq!(lock(&EVERY, 0), [0; 0]);
    assert_eq!(lock(&words(&["amy"]), i64::MAX), [5, 6]);
    assert_eq!(lock(&statuses(&[LicenseStatus::Assigned, LicenseStatus::Revoked]), i64::MAX), [4, 6]);
}

/// Known ids find their licenses in one order; unknown ones are left out.
pub fn licenses_are_found_by_their_ids(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[assigned(1, 1, "amy@example.com"), unassigned(2, 1), unassigned(3, 2)]);
    let ids = [3, 9, 1].map(license_id);
    for found in
        [store.read(|unit| unit.licenses().find_by_ids(&ids)), store.write(|unit| unit.licenses().find_by_ids(&ids))]
    {
        assert_eq!(found, Ok(vec![assigned(1, 1, "amy@example.com"), unassigned(3, 2)]));
    }
    assert_eq!(store.read(|unit| unit.licenses().find_by_ids(&[])), Ok(vec![]));
}

/// A renewed plan follows its prior one license by license.
pub fn live_copies_are_found_by_their_originals(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let of = |original: u128, copy: License| License { renewed_from: Some(license_id(original)), ..copy };
    put(
        &*store,
        &[
            of(1, assigned(14, 2, "amy@example.com")),
            of(1, revoked(13, 2, "amy@example.com", 7)),
            of(2, activated(12, 2, "bob@example.com", 8)),
            of(3, assigned(15, 1, "cid@example.com")),
            assigned(16, 2, "dan@example.com"),
        ],
    );
    let copies = |originals: &[u128]| {
        let ids: Vec<_> = originals.iter().copied().map(license_id).collect();
        numbers(&store.write(|unit| unit.licenses().lock_copies(plan_id(2), &ids)).unwrap())
    };
    assert_eq!(copies(&[1, 2, 3, 99]), [12, 14], "live ones of the plan, whether the original exists or not");
    assert_eq!((copies(&[2]), copies(&[3]), copies(&[])), (vec![12], vec![], vec![]));
}

/// A job goes through a plan without missing or repeating a license.
pub fn live_licenses_are_locked_one_part_after_another(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let next = |filter: &LicenseFilter, after: Option<u128>, limit| {
        let after = after.map(license_id);
        numbers(&store.write(|unit| unit.licenses().lock_live_after(plan_id(1), filter, after, limit)).unwrap())
    };
    assert_eq!(next(&EVERY, None, 2), [4, 5]);
    assert_eq!(next(&EVERY, Some(5), 2), [6]);
    assert_eq!(next(&EVERY, Some(6), 2), [0; 0]);
    assert_eq!(next(&statuses(&[LicenseStatus::Assigned]), Some(4), 2), [6]);
}

/// A job goes through licenses with a status without missing or repeating one.
pub fn licenses_with_a_status_are_locked_one_part_after_another(db: &dyn Database) {
    with_licenses(db);
    let store = db.store();
    let next = |status: LicenseStatus, after: Option<u128>, limit| {
        let after = after.map(license_id);
        numbers(&store.write(|unit| unit.licenses().lock_with_status_after(plan_id(1), status, after, limit)).unwrap())
    };
    assert_eq!(next(LicenseStatus::Revoked, None, 1), [2]);
    assert_eq!(next(LicenseStatus::Revoked, Some(2), 1), [3]);
    assert_eq!(next(LicenseStatus::Revoked, Some(3), 1), [0; 0]);
    for status in LicenseStatus::ALL {
        let all = listed(&*store, 1, &statuses(&[status]), &[]);
        assert_eq!(next(status, None, 99), numbers(&all), "{status:?}");
    }
}
