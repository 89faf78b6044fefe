//! Removing personal data from licenses.

use chrono::Duration;
use license_manager_domain::history::EntityRef;
use license_manager_domain::outbox::{EventName, Message, Payload, Topic};
use license_manager_domain::ports::{DeletedLicense, Purge, Store, StoreExt};
use license_manager_domain::{Email, License, LicenseId, LicenseStatus, LmsUserId, MessageId};
use uuid::Uuid;

use super::fixtures::*;
use super::webhooks::{named_event, register, told, webhook};
use super::{Database, Told};

/// The licenses due on a day; reading and locking must find the same.
fn due(store: &dyn Store, purge: Purge, now: i64) -> Vec<u128> {
    let read = numbers(&store.read(|unit| unit.purge().due_after(purge, day(now), None, 100)).unwrap());
    let locked = numbers(&store.write(|unit| unit.purge().lock_due(purge, day(now), 100)).unwrap());
    assert_eq!(read, locked);
    read
}

/// Plans 1 and 2 of an agreement that keeps personal data for 90 days, and plan 3 of one that keeps it for 10.
fn with_keeping(store: &dyn Store) {
    with_plans(store);
    let mut brief = agreement(2);
    brief.license_duration_before_purge = Duration::days(10);
    store.write(|unit| unit.agreements().save(&brief, &change(1))).unwrap();
    store
        .write(|unit| {
            let mut internal = plan(2, 1);
            internal.for_internal_use_only = true;
            unit.plans().save(&internal, &change(1))
        })
        .unwrap();
}

/// Personal data goes when the agreement says so.
pub fn licenses_of_plans_that_ended_long_ago_are_due(db: &dyn Database) {
    let store = db.store();
    with_keeping(&*store);
    put(
        &*store,
        &[
            assigned(1, 1, "amy@example.com"),
            activated(2, 2, "bob@example.com", 8),
            revoked(3, 3, "eve@example.com", 9),
            unassigned(4, 3),
            retired(5, 3),
            purged(6, 3, 10),
        ],
    );
    assert_eq!(due(&*store, Purge::PlanExpired, 375), [0; 0], "10 days are not over yet");
    assert_eq!(due(&*store, Purge::PlanExpired, 376), [3], "nobody is left to be forgotten by the others");
    assert_eq!(due(&*store, Purge::PlanExpired, 456), [1, 2, 3], "internal plans are no exception");
    let part = |after: Option<u128>, limit| {
        let after = after.map(license_id);
        numbers(&store.read(|unit| unit.purge().due_after(Purge::PlanExpired, day(456), after, limit)).unwrap())
    };
    assert_eq!((part(None, 2), part(Some(2), 2)), (vec![1, 2], vec![3]));
    let locked = store.write(|unit| unit.purge().lock_due(Purge::PlanExpired, day(456), 2)).unwrap();
    assert_eq!(locked.len(), 2);
}

/// Personal data goes when the agreement says so, and test plans keep theirs.
pub fn licenses_revoked_or_assigned_long_ago_are_due_but_for_internal_plans(db: &dyn Database) {
    let store = db.store();
    with_keeping(&*store);
    put(
        &*store,
        &[
            revoked(1, 1, "amy@example.com", 7),
            revoked(2, 2, "bob@example.com", 8),
            revoked(3, 3, "eve@example.com", 9),
            assigned(4, 1, "ann@example.com"),
            assigned(5, 2, "kim@example.com"),
            assigned(6, 3, "zoe@example.com"),
            activated(7, 3, "sam@example.com", 10),
            retired(8, 3),
            purged(9, 3, 11),
        ],
    );
    // Revoked on day 4, assigned on day 2.
    assert_eq!(due(&*store, Purge::Revoked, 14), [0; 0]);
    assert_eq!(due(&*store, Purge::Revoked, 15), [3]);
    assert_eq!(due(&*store, Purge::Revoked, 95), [1, 3]);
    assert_eq!(due(&*store, Purge::NeverActivated, 12), [0; 0]);
    assert_eq!(due(&*store, Purge::NeverActivated, 13), [6]);
    assert_eq!(due(&*store, Purge::NeverActivated, 93), [4, 6]);
}

/// Concurrent runs share the work.
pub fn what_is_due_goes_to_one_of_many(db: &dyn Database) {
    let store = db.store();
    with_keeping(&*store);
    let licenses: Vec<_> = (1..=120).map(|number| assigned(number, 3, &format!("l{number}@example.com"))).collect();
    put(&*store, &licenses);
    let purged: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut purged = 0;
                    loop {
                        let batch = store
                            .write(|unit| {
                                let due = unit.purge().lock_due(Purge::NeverActivated, day(50), 7)?;
                                let freed: Vec<_> = due.into_iter().map(|license| license.retire(day(50))).collect();
                                unit.licenses().save(&freed, &change(50))?;
                                Ok(freed.len())
                            })
                            .unwrap();
                        purged += batch;
                        if batch == 0 {
                            return purged;
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(purged, 120, "each once");
}

/// A person who holds another license is not forgotten.
pub fn addresses_are_in_use_while_a_license_carries_them(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[assigned(1, 1, "amy@example.com"), revoked(2, 3, "bob@example.com", 8), retired(3, 1)]);
    let emails = ["bob@example.com", "eve@example.com", "amy@example.com"].map(email);
    let mut in_use = store.read(|unit| unit.purge().addresses_in_use(&emails)).unwrap();
    in_use.sort_unstable();
    assert_eq!(in_use.iter().map(Email::as_str).collect::<Vec<_>>(), ["amy@example.com", "bob@example.com"]);
    assert_eq!(store.read(|unit| unit.purge().addresses_in_use(&[])), Ok(Vec::new()));
}

fn personal(told: &[Told]) -> Vec<bool> {
    told.iter().map(|told| told.email.is_some() || told.lms_user_id.is_some() || told.has_key).collect()
}

/// No history, source or message names somebody who is gone.
pub fn traces_of_licenses_are_erased_and_of_people_who_are_gone(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(
        &*store,
        &[
            activated(1, 1, "amy@example.com", 7),
            activated(2, 2, "amy@example.com", 7),
            assigned(3, 3, "bob@example.com"),
            revoked(4, 2, "bob@example.com", 8),
        ],
    );
    // License 3 is of another holder now, and license 4 is deleted.
    for (license, on) in [(unassigned(3, 3), 5), (assigned(3, 3, "bobby@example.com"), 6)] {
        store.write(|unit| unit.licenses().save(std::slice::from_ref(&license), &change(on))).unwrap();
    }
    delete_revoked(&*store, 2, 5);
    let sources = [1, 2].map(|number| (license_id(number), "006000000000000001".to_owned()));
    store.write(|unit| unit.licenses().set_sources(&sources, &change(5))).unwrap();
    let message = |number: u128, topic, license: Option<u128>, payload: &str| Message {
        id: MessageId(Uuid::from_u128(number)),
        license: license.map(license_id),
        plan: Some(plan_id(1)),
        customer: customer(1),
        payload: Payload::read(topic, payload.to_owned()),
        created: day(1),
    };
    let event = |address: &str| named_event(EventName::Revoked, address).to_text();
    let mail = |address: &str| format!(r#"{{"email":"{address}"}}"#);
    let messages = [
        message(1, Topic::LicenseEvent, Some(1), &event("amy@example.com")),
        message(2, Topic::LicenseEvent, Some(2), &event("amy@example.com")),
        message(3, Topic::LicenseEvent, None, &event("bob@example.com")),
        message(4, Topic::Reminder, Some(3), &mail("bob@example.com")),
        message(5, Topic::Reminder, Some(3), &mail("bobby@example.com")),
        message(6, Topic::RevocationCapMail, None, &mail("bob@example.com")),
        message(7, Topic::LicenseEvent, Some(3), &event("bob@example.com")),
        message(8, Topic::LicenseEvent, Some(3), &event("bobby@example.com")),
        message(9, Topic::LicenseEvent, None, &event("bobby@example.com")),
        message(10, Topic::Reminder, Some(4), &mail("bob@example.com")),
    ];
    register(&*store, &[webhook(1)]);
    store.write(|unit| unit.outbox().add(&messages)).unwrap();

    store.write(|unit| unit.purge().erase_traces(&[license_id(1)], &[email("bob@example.com")])).unwrap();
    assert!(db.told_of(license_id(1)).iter().all(|told| told.email.is_none()));
    assert_eq!(personal(&db.told_of(license_id(2))), [false, true], "what another license tells of her stays");
    let history = |license: LicenseId| db.history("license_source", &license.to_string()).len();
    assert_eq!((db.source(license_id(1)), history(license_id(1))), (None, 0));
    assert_eq!((db.source(license_id(2)).is_some(), history(license_id(2))), (true, 1));
    let left: Vec<String> = db.outbox().into_iter().map(|waiting| waiting.payload).collect();
    let kept: Vec<String> = [1, 4, 5, 7, 8].iter().map(|&index: &usize| messages[index].payload.to_text()).collect();
    assert_eq!(left, kept);
    let mut told_still: Vec<_> = told(&*store, 1, None).iter().map(|told| told.id.0.as_u128()).collect();
    told_still.sort_unstable();
    assert_eq!(told_still, [2, 8, 9], "webhooks are told of whom the outbox still knows");
    store.write(|unit| unit.purge().erase_traces(&[], &[])).unwrap();
    assert_eq!((db.outbox().len(), told(&*store, 1, None).len()), (5, 3));
}

/// The address and the LMS user id in an entry of a license's history, and whether it has a key.
type Entry = (Option<String>, Option<i64>, bool);

fn told_of(db: &dyn Database, number: u128) -> Vec<Entry> {
    let told = db.told_of(license_id(number)).into_iter();
    told.map(|told| (told.email.map(String::from), told.lms_user_id.map(|user| user.0), told.has_key)).collect()
}

/// A license and its history never contradict each other.
pub fn the_history_keeps_what_the_license_keeps(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let save = |license: License, on: i64| {
        store.write(|unit| unit.licenses().save(std::slice::from_ref(&license), &change(on))).unwrap()
    };
    // Licenses 1 and 3 were Bob's before they were Amy's; license 2 is free again; license 3 is deleted.
    for (number, plan) in [(1, 1), (3, 2)] {
        put(&*store, &[activated(number, plan, "bob@example.com", 8)]);
        save(unassigned(number, plan), 5);
        let amy = unassigned(number, plan).assign(email("amy@example.com"), key(10 + number), day(6)).unwrap();
        save(amy.clone(), 6);
        save(amy.activate(Some(LmsUserId(7)), day(7)).unwrap(), 7);
    }
    put(&*store, &[assigned(2, 1, "amy@example.org")]);
    save(all(&*store, 1).remove(0).purge(day(8)), 8);
    save(unassigned(2, 1), 8);
    save(all(&*store, 2).remove(0).revoke(day(8)).unwrap(), 8);
    delete_revoked(&*store, 2, 9);

    store.write(|unit| unit.purge().erase_traces(&[1, 2, 3].map(license_id), &[])).unwrap();
    let (nothing, key, both): (Entry, Entry, Entry) = ((None, None, false), (None, None, true), (None, Some(7), true));
    let of_amy = [nothing.clone(), nothing.clone(), nothing.clone(), key, both.clone(), both.clone()];
    assert_eq!(told_of(db, 1), of_amy);
    assert_eq!(told_of(db, 2), [nothing.clone(), nothing.clone(), nothing]);
    assert_eq!(told_of(db, 3), [&of_amy[..], &[both]].concat(), "as when it was deleted");
    let row = store.read(|unit| unit.history().as_of(EntityRef::License(license_id(3)), day(7))).unwrap().unwrap().row;
    assert_eq!((row.text("user_email"), row.number("lms_user_id")), (None, Some(7)));
}

/// Deletes a plan's revoked licenses on a day.
fn delete_revoked(store: &dyn Store, plan: u128, on: i64) {
    store.write(|unit| unit.licenses().delete(plan_id(plan), LicenseStatus::Revoked, &change(on))).unwrap();
}

fn number(deleted: &DeletedLicense) -> u128 {
    deleted.id.0.as_u128() - license_id(0).0.as_u128()
}

/// The deleted licenses due on a day; reading and locking must find the same.
fn deleted_due(store: &dyn Store, now: i64) -> Vec<u128> {
    let read = store.read(|unit| unit.purge().deleted_after(day(now), None, 100)).unwrap();
    let locked = store.write(|unit| unit.purge().lock_deleted(day(now), None, 100)).unwrap();
    assert_eq!(read, locked);
    read.iter().map(number).collect()
}

/// Deleted licenses are forgotten too.
pub fn licenses_deleted_long_ago_are_due_while_the_history_knows_somebody(db: &dyn Database) {
    let store = db.store();
    with_keeping(&*store);
    put(
        &*store,
        &[
            revoked(1, 1, "amy@example.com", 7),
            revoked(2, 2, "bob@example.com", 8),
            revoked(3, 3, "eve@example.com", 9),
            activated(4, 3, "ann@example.com", 10),
            assigned(5, 3, "kim@example.com"),
            purged(9, 3, 12),
        ],
    );
    put_unassigned(&*store, 3, 6..8);
    // License 8 was never assigned. License 5 is unassigned again, and its history names its former holder.
    store.write(|unit| unit.licenses().add_unassigned(plan_id(3), &[license_id(8)], &change(1))).unwrap();
    store.write(|unit| unit.licenses().save(&[retired(8, 3)], &change(4))).unwrap();
    store
        .write(|unit| {
            let free = assigned(5, 3, "kim@example.com").reset(day(5)).unwrap();
            unit.licenses().save(&[free], &change(5))
        })
        .unwrap();
    for plan in [1, 2, 3] {
        delete_revoked(&*store, plan, 20);
    }
    store.write(|unit| unit.licenses().delete(plan_id(3), LicenseStatus::Unassigned, &change(21))).unwrap();

    assert_eq!(deleted_due(&*store, 30), [0; 0], "10 days are not over yet");
    assert_eq!(deleted_due(&*store, 31), [3]);
    assert_eq!(deleted_due(&*store, 32), [3, 5], "whose was it before it was free");
    assert_eq!(deleted_due(&*store, 111), [1, 3, 5]);
    assert_eq!(deleted_due(&*store, 455), [1, 3, 5], "plans for internal use keep what they know until they are over");
    assert_eq!(deleted_due(&*store, 456), [1, 2, 3, 5]);
    let part = |after: Option<u128>, limit| {
        let found = store.read(|unit| unit.purge().deleted_after(day(456), after.map(license_id), limit)).unwrap();
        found.iter().map(|deleted| (number(deleted), deleted.email.clone())).collect::<Vec<_>>()
    };
    let named = |address: &str| Some(email(address));
    assert_eq!(part(None, 2), [(1, named("amy@example.com")), (2, named("bob@example.com"))]);
    assert_eq!(part(Some(2), 2), [(3, named("eve@example.com")), (5, None)]);
    let locked = |after: Option<u128>, limit| {
        let found = store.write(|unit| unit.purge().lock_deleted(day(456), after.map(license_id), limit)).unwrap();
        found.iter().map(number).collect::<Vec<_>>()
    };
    assert_eq!((locked(None, 3), locked(Some(2), 3)), (vec![1, 2, 3], vec![3, 5]));

    store.write(|unit| unit.purge().erase_traces(&[2, 5].map(license_id), &[])).unwrap();
    assert_eq!(deleted_due(&*store, 456), [1, 3], "once");
    let told = db.told_of(license_id(5));
    assert_eq!(personal(&told), [false; 4], "when it was in which state stays: {told:?}");
}

/// Concurrent runs share the work.
pub fn what_is_due_of_deleted_licenses_goes_to_one_of_many(db: &dyn Database) {
    let store = db.store();
    with_keeping(&*store);
    let mut licenses: Vec<_> =
        (1..=60).map(|number| revoked(number, 3, &format!("l{number}@example.com"), number as i64)).collect();
    licenses.extend((61..=120).map(|number| assigned(number, 3, &format!("l{number}@example.com"))));
    put(&*store, &licenses);
    // The last history entry of each of these has no personal data.
    let free: Vec<_> = licenses.split_off(60).into_iter().map(|license| license.reset(day(5)).unwrap()).collect();
    store.write(|unit| unit.licenses().save(&free, &change(5))).unwrap();
    delete_revoked(&*store, 3, 20);
    store.write(|unit| unit.licenses().delete(plan_id(3), LicenseStatus::Unassigned, &change(20))).unwrap();
    let mut purged: Vec<u128> = std::thread::scope(|scope| {
        let purge = || {
            let mut purged = Vec::new();
            loop {
                let batch = store
                    .write(|unit| {
                        let due = unit.purge().lock_deleted(day(50), None, 7)?;
                        let ids: Vec<_> = due.iter().map(|deleted| deleted.id).collect();
                        unit.purge().erase_traces(&ids, &[])?;
                        Ok(due)
                    })
                    .unwrap();
                purged.extend(batch.iter().map(number));
                if batch.is_empty() {
                    return purged;
                }
            }
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(purge)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    purged.extend(deleted_due(&*store, 50));
    purged.sort_unstable();
    assert_eq!(purged, (1..=120).collect::<Vec<u128>>(), "each once");
}
