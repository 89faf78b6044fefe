//! Writing licenses.

use license_manager_domain::history::Change;
use license_manager_domain::ports::{Store, StoreExt};
use license_manager_domain::{
    Actor, ChangeReason, Conflict, Email, Error, License, LicenseCounts, LicenseId, LicenseState, LicenseStatus,
};

use super::fixtures::*;
use super::{Database, HistoryEntry};

fn save(store: &dyn Store, licenses: &[License]) -> Result<(), Error> {
    store.write(|unit| unit.licenses().save(licenses, &change(5)))
}

fn kinds(db: &dyn Database, license: u128) -> Vec<char> {
    db.history("license", &license_id(license).to_string()).iter().map(|entry| entry.kind).collect()
}

/// A new seat is free, and its history begins with it.
pub fn new_licenses_are_unassigned_and_recorded(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..4);
    assert_eq!(all(&*store, 1), [unassigned(1, 1), unassigned(2, 1), unassigned(3, 1)]);
    assert_eq!(all(&*store, 2), []);
    let entry = HistoryEntry { kind: '+', user: Some("admin".to_owned()), reason: None, at: day(1) };
    assert_eq!(db.history("license", &license_id(2).to_string()), [entry]);
}

/// No field of a license in any state is lost or rounded.
pub fn licenses_come_back_as_they_were_written(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let mut reminded = assigned(2, 1, "bob@example.com");
    if let LicenseState::Assigned(seat) = &mut reminded.state {
        seat.last_remind_date = None;
    }
    let licenses = [
        unassigned(1, 1),
        reminded,
        License { auto_applied: Some(true), ..activated(3, 1, "amy@example.com", 3_000_000_000) },
        License { auto_applied: Some(false), renewed_to: Some(license_id(3)), ..revoked(4, 1, "zoe@example.com", 4) },
        assigned(5, 1, "eve@example.com").revoke(day(4)).unwrap(),
        retired(6, 1),
        License { renewed_from: Some(license_id(99)), ..assigned(7, 1, "fay@example.com") },
    ];
    put(&*store, &licenses);
    assert_eq!(all(&*store, 1), licenses);
    let freed = licenses[2].clone().reset(day(6)).unwrap();
    save(&*store, std::slice::from_ref(&freed)).unwrap();
    assert_eq!(all(&*store, 1)[2], freed);
}

/// A license keeps its holder and its history when it moves.
pub fn a_license_can_move_to_another_plan(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[assigned(1, 1, "amy@example.com")]);
    let moved = License { plan: plan_id(2), ..assigned(1, 1, "amy@example.com") };
    save(&*store, std::slice::from_ref(&moved)).unwrap();
    assert_eq!((all(&*store, 1), all(&*store, 2)), (vec![], vec![moved]));
}

/// Licenses can be created with their holders.
pub fn licenses_are_added_as_they_stand(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let licenses = [
        License { auto_applied: Some(true), ..activated(3, 1, "amy@example.com", 3_000_000_000) },
        License { renewed_to: Some(license_id(3)), ..assigned(4, 1, "bob@example.com") },
        License { renewed_from: Some(license_id(99)), ..revoked(5, 1, "zoe@example.com", 4) },
        unassigned(6, 1),
    ];
    store.write(|unit| unit.licenses().add(&licenses, &change(5))).unwrap();
    assert_eq!(all(&*store, 1), licenses);
    let entry = HistoryEntry { kind: '+', user: Some("admin".to_owned()), reason: None, at: day(5) };
    for number in 3..=6 {
        assert_eq!(db.history("license", &license_id(number).to_string()), std::slice::from_ref(&entry));
    }
    const NUMBER: u128 = 6_000; // with every column of each bound, more than any database takes parameters
    let many: Vec<License> =
        (100..100 + NUMBER).map(|number| assigned(number, 2, &format!("learner{number}@example.com"))).collect();
    store.write(|unit| unit.licenses().add(&many, &change(6))).unwrap();
    assert_eq!(all(&*store, 2), many);
}

/// A person never occupies two seats of a plan.
pub fn a_license_that_gives_a_person_two_is_not_added(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[activated(1, 1, "amy@example.com", 1)]);
    let added =
        store.write(|unit| unit.licenses().add(&[unassigned(2, 1), assigned(3, 1, "amy@example.com")], &change(5)));
    assert_eq!(added, Err(Conflict::LiveLicense(Vec::new()).into()));
    assert_eq!((numbers(&all(&*store, 1)), kinds(db, 2)), (vec![1], vec![]));
}

/// Who changed a license, when and why, is known.
pub fn writing_licenses_is_recorded(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..4);
    let written = [assigned(1, 1, "amy@example.com"), assigned(3, 1, "bob@example.com")];
    let changed = Change { reason: Some(ChangeReason::Other.into()), ..Actor::service().change(day(7)) };
    store.write(|unit| unit.licenses().save(&written, &changed)).unwrap();
    let entry =
        HistoryEntry { kind: '~', user: None, reason: Some(ChangeReason::Other.as_str().to_owned()), at: day(7) };
    for number in [1, 3] {
        assert_eq!(kinds(db, number), ['+', '~']);
        assert_eq!(db.history("license", &license_id(number).to_string()).last(), Some(&entry));
    }
    assert_eq!(kinds(db, 2), ['+'], "what was not written is not recorded");
}

/// A change of a deleted license is not reported as done, nor are those beside it.
pub fn writing_a_license_that_does_not_exist_fails_and_changes_nothing(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..2);
    let saved = save(&*store, &[assigned(1, 1, "amy@example.com"), assigned(9, 1, "bob@example.com")]);
    assert!(matches!(saved, Err(Error::Internal(_))), "{saved:?}");
    assert_eq!(all(&*store, 1), [unassigned(1, 1)]);
    assert_eq!(kinds(db, 1), ['+']);
    assert_eq!(kinds(db, 9), Vec::<char>::new());
}

/// Two assignments at once cannot give a person two seats.
pub fn a_person_has_one_live_license_of_a_plan(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[activated(1, 1, "amy@example.com", 1), unassigned(2, 1), unassigned(3, 1), unassigned(4, 2)]);
    let conflict = Err(Conflict::LiveLicense(Vec::new()).into());
    assert_eq!(save(&*store, &[assigned(2, 1, "amy@example.com")]), conflict);
    assert_eq!(save(&*store, &[assigned(2, 1, "bob@example.com"), assigned(3, 1, "bob@example.com")]), conflict);
    assert_eq!(all(&*store, 1)[1..], [unassigned(2, 1), unassigned(3, 1)], "nothing was changed");
    save(&*store, &[assigned(4, 2, "amy@example.com")]).unwrap();
}

/// A revoked license does not keep its holder out.
pub fn a_person_who_lost_a_license_can_get_another(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[revoked(1, 1, "amy@example.com", 1), unassigned(2, 1), unassigned(3, 1)]);
    save(&*store, &[assigned(2, 1, "amy@example.com")]).unwrap();
    save(&*store, &[assigned(2, 1, "amy@example.com").revoke(day(6)).unwrap()]).unwrap();
    save(&*store, &[assigned(3, 1, "amy@example.com")]).unwrap();
}

/// Two writers lock rows in the same order and cannot block each other forever.
pub fn unassigned_licenses_are_claimed_in_the_order_of_their_ids(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[unassigned(5, 1), assigned(1, 1, "amy@example.com"), unassigned(2, 1), unassigned(4, 1)]);
    put(&*store, &[unassigned(3, 2), retired(6, 1)]);
    let claim = |number| store.write(|unit| unit.licenses().claim_unassigned(plan_id(1), number)).unwrap();
    assert_eq!(claim(2), [unassigned(2, 1), unassigned(4, 1)]);
    assert_eq!(claim(0), []);
}

/// No assignment is refused while seats are free.
pub fn fewer_are_claimed_only_where_the_plan_has_fewer(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..4);
    put_unassigned(&*store, 2, 11..14);
    let claim = |number| store.write(|unit| unit.licenses().claim_unassigned(plan_id(1), number)).unwrap();
    assert_eq!(numbers(&claim(3)), [1, 2, 3]);
    assert_eq!(numbers(&claim(100)), [1, 2, 3]);
}

/// A unit of work that claims licenses in parts gets all that the plan has.
pub fn what_is_left_is_claimed_after_other_licenses(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..6);
    let last = store.write(|unit| {
        unit.licenses().announce_claims(plan_id(1), 6);
        let first = unit.licenses().claim_unassigned(plan_id(1), 3)?;
        assert_eq!(numbers(&first), [1, 2, 3]);
        let holders = first.into_iter().zip(["amy@example.com", "bob@example.com", "cat@example.com"]);
        let assign = |(license, address): (License, &str)| license.assign(email(address), key(1), day(2));
        unit.licenses().save(&holders.map(assign).collect::<Result<Vec<License>, _>>()?, &change(2))?;
        unit.licenses().claim_unassigned(plan_id(1), 3)
    });
    assert_eq!(numbers(&last.unwrap()), [4, 5]);
}

/// A person who has a license of the plan gets no second one, and each of the others gets one.
pub fn licenses_are_claimed_for_those_who_have_none(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[assigned(1, 1, "amy@example.com"), assigned(5, 2, "bob@example.com")]);
    put_unassigned(&*store, 1, 2..4);
    let [amy, bob, cat, eve] = ["amy", "bob", "cat", "eve"].map(|name| email(&format!("{name}@example.com")));
    let claim = |plan: u128, people: &[&Email]| {
        let people: Vec<Email> = people.iter().map(|&email| email.clone()).collect();
        let (holders, free) = store.write(|unit| unit.licenses().claim_for(plan_id(plan), &people)).unwrap();
        (holders, numbers(&free))
    };
    assert_eq!(claim(1, &[&amy]), (vec![amy.clone()], vec![]));
    assert_eq!(claim(1, &[&bob]), (vec![], vec![2]), "a license of another plan does not count");
    assert_eq!(claim(1, &[&amy, &bob, &cat]), (vec![amy.clone()], vec![2, 3]));
    assert_eq!(claim(1, &[&bob, &cat, &eve]), (vec![], vec![2, 3]), "there are no more");
    assert_eq!(claim(2, &[&amy]), (vec![], vec![]), "there is none");
    assert_eq!(claim(1, &[]), (vec![], vec![]));
}

/// A person who has a license under an address as an older version stored it gets no second one.
pub fn holders_are_found_by_every_stored_form_before_licenses_are_claimed(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let as_sent = Email::from_storage("amy@xn--mnchen-3ya.de".to_owned());
    let license = assigned(1, 1, "amy@example.com");
    let modified = license.modified;
    put(&*store, &[license.with_email(as_sent.clone(), modified), assigned(2, 1, "bob@m\u{fc}nchen.de")]);
    put_unassigned(&*store, 1, 3..5);
    let [amy, bob, cat] = ["amy", "bob", "cat"].map(|name| email(&format!("{name}@m\u{fc}nchen.de")));
    let claim = |people: &[Email]| {
        let (holders, free) = store.write(|unit| unit.licenses().claim_for(plan_id(1), people)).unwrap();
        (holders, numbers(&free))
    };
    assert_eq!(claim(std::slice::from_ref(&amy)), (vec![as_sent], vec![]));
    assert_eq!(claim(std::slice::from_ref(&bob)), (vec![bob], vec![]));
    assert_eq!(claim(std::slice::from_ref(&cat)), (vec![], vec![3]));
    let (holders, free) = claim(&[amy, cat]);
    assert_eq!((holders.len(), free), (1, vec![3]));
}

/// It is known from which sale a license was assigned.
pub fn sources_are_noted_and_replaced(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..4);
    let [first, second] = ["006000000000000001", "006000000000000002"].map(str::to_owned);
    let note = |sources: &[(LicenseId, String)], on| {
        store.write(|unit| unit.licenses().set_sources(sources, &change(on))).unwrap();
    };
    note(&[(license_id(1), first.clone()), (license_id(2), first.clone())], 5);
    note(&[(license_id(2), second.clone()), (license_id(3), second.clone())], 6);
    let noted = [1, 2, 3].map(|number| db.source(license_id(number)));
    assert_eq!(noted, [Some(first), Some(second.clone()), Some(second)]);
    let history = |number: u128| {
        let entries = db.history("license_source", &license_id(number).to_string());
        entries.iter().map(|entry| (entry.kind, entry.at)).collect::<Vec<_>>()
    };
    assert_eq!(history(1), [('+', day(5))]);
    assert_eq!(history(2), [('+', day(5)), ('~', day(6))]);
    assert_eq!(history(3), [('+', day(6))]);
}

/// Empty work leaves no trace in the history.
pub fn nothing_to_write_is_nothing_written(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    store
        .write(|unit| {
            unit.licenses().add_unassigned(plan_id(1), &[], &change(1))?;
            unit.licenses().add(&[], &change(1))?;
            unit.licenses().save(&[], &change(1))?;
            unit.licenses().set_sources(&[], &change(1))?;
            unit.licenses().delete_unassigned(&[], &change(1))?;
            unit.outbox().add(&[])
        })
        .unwrap();
    assert_eq!((all(&*store, 1), db.outbox()), (vec![], vec![]));
}

/// The number of rows is bounded by no limit of the database.
pub fn thousands_are_written_at_once(db: &dyn Database) {
    const NUMBER: u128 = 6_000; // with every column of each bound, more than any database takes parameters
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 0..NUMBER);
    let mut licenses: Vec<License> =
        (0..NUMBER).map(|number| assigned(number, 1, &format!("learner{number}@example.com"))).collect();
    save(&*store, &licenses).unwrap();
    assert_eq!(all(&*store, 1), licenses);
    let counts = store.read(|unit| unit.licenses().counts(&[plan_id(1)])).unwrap();
    assert_eq!(counts[&plan_id(1)], LicenseCounts { assigned: NUMBER as i64, ..Default::default() });
    let emails: Vec<_> = licenses.iter().filter_map(|license| license.holder_email().cloned()).collect();
    let live = store.read(|unit| unit.licenses().live_emails(plan_id(1), &emails)).unwrap();
    assert_eq!(live.len(), emails.len());
    for license in &mut licenses {
        *license = license.clone().revoke(day(6)).unwrap();
    }
    save(&*store, &licenses).unwrap();
    assert_eq!(all(&*store, 1), licenses);
    assert_eq!(kinds(db, NUMBER - 1), ['+', '~', '~']);
}

/// A deletion leaves no row behind, and is recorded.
pub fn licenses_of_a_status_are_deleted_with_their_sources(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(
        &*store,
        &[
            unassigned(1, 1),
            assigned(2, 1, "amy@example.com"),
            revoked(3, 1, "bob@example.com", 8),
            revoked(4, 1, "cid@example.com", 9),
            revoked(5, 2, "bob@example.com", 8),
        ],
    );
    let sources = [(license_id(3), "0".repeat(18)), (license_id(5), "1".repeat(18))];
    store.write(|unit| unit.licenses().set_sources(&sources, &change(3))).unwrap();
    let delete = |status| store.write(|unit| unit.licenses().delete(plan_id(1), status, &change(9))).unwrap();
    assert_eq!(delete(LicenseStatus::Revoked), 2);
    assert_eq!(numbers(&all(&*store, 1)), [1, 2]);
    assert_eq!(numbers(&all(&*store, 2)), [5], "another plan's");
    assert_eq!((db.source(license_id(3)), db.source(license_id(5))), (None, Some("1".repeat(18))));
    for (table, number) in [("license", 3), ("license", 4), ("license_source", 3)] {
        let history = db.history(table, &license_id(number).to_string());
        let expected = HistoryEntry { kind: '-', user: Some("admin".to_owned()), reason: None, at: day(9) };
        assert_eq!(history.last(), Some(&expected), "{table} {number}");
    }
    assert_eq!(delete(LicenseStatus::Unassigned), 1);
    assert_eq!(delete(LicenseStatus::Unassigned), 0, "none is left");
    assert_eq!(numbers(&all(&*store, 1)), [2]);
}

/// A plan can shrink, and never by a seat that somebody holds.
pub fn unassigned_licenses_are_deleted_by_their_ids(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let pointing = License { renewed_to: Some(license_id(2)), ..assigned(5, 2, "amy@example.com") };
    put(
        &*store,
        &[unassigned(1, 1), unassigned(2, 1), unassigned(3, 1), assigned(4, 1, "bob@example.com"), pointing.clone()],
    );
    let sources = [2, 3].map(|number| (license_id(number), "0".repeat(18)));
    store.write(|unit| unit.licenses().set_sources(&sources, &change(3))).unwrap();
    let delete = |ids: &[u128]| {
        let ids: Vec<LicenseId> = ids.iter().copied().map(license_id).collect();
        store.write(|unit| unit.licenses().delete_unassigned(&ids, &change(9)))
    };
    for ids in [&[1, 4][..], &[1, 99]] {
        assert!(delete(ids).is_err(), "{ids:?}");
    }
    assert_eq!(numbers(&all(&*store, 1)), [1, 2, 3, 4], "all or nothing");
    delete(&[2, 1]).unwrap();
    assert_eq!(numbers(&all(&*store, 1)), [3, 4]);
    assert_eq!((db.source(license_id(2)), db.source(license_id(3))), (None, Some("0".repeat(18))));
    for (table, number) in [("license", 1), ("license", 2), ("license_source", 2)] {
        let history = db.history(table, &license_id(number).to_string());
        let expected = HistoryEntry { kind: '-', user: Some("admin".to_owned()), reason: None, at: day(9) };
        assert_eq!(history.last(), Some(&expected), "{table} {number}");
    }
    assert_eq!(all(&*store, 2), [License { renewed_to: None, modified: day(9), ..pointing }]);
    assert_eq!(kinds(db, 5), ['+', '~', '~']);
}

/// Revoked licenses of a plan are deleted in parts.
pub fn revoked_licenses_are_deleted_by_their_ids(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let pointing = License { renewed_to: Some(license_id(2)), ..assigned(5, 2, "amy@example.com") };
    put(
        &*store,
        &[
            unassigned(1, 1),
            revoked(2, 1, "amy@example.com", 7),
            revoked(3, 1, "bob@example.com", 8),
            assigned(4, 1, "cid@example.com"),
            pointing.clone(),
        ],
    );
    let delete = |ids: &[u128]| {
        let ids: Vec<LicenseId> = ids.iter().copied().map(license_id).collect();
        store.write(|unit| unit.licenses().delete_revoked(&ids, &change(9)))
    };
    for ids in [&[2, 1][..], &[2, 4], &[2, 99]] {
        assert!(delete(ids).is_err(), "{ids:?}");
    }
    assert_eq!(numbers(&all(&*store, 1)), [1, 2, 3, 4], "all or nothing");
    delete(&[2]).unwrap();
    delete(&[]).unwrap();
    assert_eq!(numbers(&all(&*store, 1)), [1, 3, 4]);
    assert_eq!(kinds(db, 2), ['+', '~', '-']);
    assert_eq!(all(&*store, 2), [License { renewed_to: None, modified: day(9), ..pointing }]);
}

/// No license points to one that is gone.
pub fn a_license_that_was_carried_on_to_a_deleted_one_forgets_it(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let (copy, kept) = (revoked(1, 2, "amy@example.com", 7), assigned(2, 2, "bob@example.com"));
    let to = |to: u128, license: License| License { renewed_to: Some(license_id(to)), ..license };
    let (forgetting, keeping) = (to(1, assigned(3, 1, "amy@example.com")), to(2, assigned(4, 1, "bob@example.com")));
    put(&*store, &[copy, kept, forgetting.clone(), keeping.clone()]);
    store.write(|unit| unit.licenses().delete(plan_id(2), LicenseStatus::Revoked, &change(9))).unwrap();
    let forgotten = License { renewed_to: None, modified: day(9), ..forgetting };
    assert_eq!(all(&*store, 1), [forgotten, keeping]);
    assert_eq!(kinds(db, 1), ['+', '~', '-']);
    assert_eq!(kinds(db, 3), ['+', '~', '~']);
    assert_eq!(kinds(db, 4), ['+', '~']);
}

/// A license that got another original is not named by the former one.
pub fn links_to_licenses_are_cleared_and_recorded(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let to = |to: u128, license: License| License { renewed_to: Some(license_id(to)), ..license };
    let (linked, other) = (to(1, assigned(3, 1, "amy@example.com")), to(2, assigned(4, 1, "bob@example.com")));
    put(
        &*store,
        &[unassigned(1, 2), assigned(2, 2, "bob@example.com"), unassigned(5, 2), linked.clone(), other.clone()],
    );
    let unlink = |copies: &[u128]| {
        let copies: Vec<LicenseId> = copies.iter().copied().map(license_id).collect();
        store.write(|unit| unit.licenses().unlink(&copies, &change(9))).unwrap()
    };
    assert_eq!((unlink(&[]), unlink(&[5, 99]), unlink(&[1, 5])), (0, 0, 1));
    assert_eq!(all(&*store, 1), [License { renewed_to: None, modified: day(9), ..linked }, other]);
    assert_eq!((kinds(db, 3), kinds(db, 4)), (vec!['+', '~', '~'], vec!['+', '~']));
    assert_eq!(unlink(&[1]), 0);
}
