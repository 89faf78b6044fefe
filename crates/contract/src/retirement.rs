//! Retiring people.

use license_manager_domain::history::EntityRef;
use license_manager_domain::model::EnrollmentJob;
use license_manager_domain::outbox::{ClaimedMessage, EventName, Message, Payload, Topic};
use license_manager_domain::ports::{DeletedLicense, OutboxFilter, Retiree, Store, StoreExt};
use license_manager_domain::queue::{Claim, Lease, Queue, Settlement};
use license_manager_domain::{LicenseId, LicenseStatus, LmsUserId, MessageId};
use uuid::Uuid;

use super::enrollment_jobs::job;
use super::fixtures::*;
use super::history::clean;
use super::webhooks::named_event;
use super::{Database, Told};

/// Eve, who has no account.
fn eve() -> Retiree {
    Retiree { lms_user_id: None, emails: vec![email("eve@example.com")], username: None }
}

/// Amy, whose LMS id is 7.
fn amy() -> Retiree {
    Retiree {
        lms_user_id: Some(LmsUserId(7)),
        emails: vec![email("amy@example.com")],
        username: Some("amy".to_owned()),
    }
}

fn locked(store: &dyn Store, person: &Retiree) -> Vec<u128> {
    numbers(&store.write(|unit| unit.retirement().lock_licenses(person)).unwrap())
}

fn message(number: u128, topic: Topic, license: Option<u128>, payload: &str) -> Message {
    Message {
        id: MessageId(Uuid::from_u128(number)),
        license: license.map(license_id),
        plan: Some(plan_id(1)),
        customer: customer(1),
        payload: Payload::read(topic, payload.to_owned()),
        created: day(1),
    }
}

/// For each history entry of a license, whether it holds personal data.
fn personal(told: &[Told]) -> Vec<bool> {
    told.iter().map(|told| told.email.is_some() || told.lms_user_id.is_some() || told.has_key).collect()
}

/// Nobody's license is forgotten because it knows only one of their names.
pub fn a_retiree_s_licenses_are_found_by_id_and_by_address(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(
        &*store,
        &[
            activated(4, 3, "old@example.com", 7),
            assigned(1, 1, "amy@example.com"),
            revoked(2, 2, "amy@example.com", 9),
            activated(3, 1, "bob@example.com", 8),
            unassigned(5, 1),
            retired(6, 1),
        ],
    );
    assert_eq!(locked(&*store, &amy()), [1, 2, 4], "in the order of the ids, of every plan");
    let unknown = Retiree { emails: Vec::new(), ..amy() };
    assert_eq!(locked(&*store, &unknown), [4], "no address matches no license without one");
    let stranger = Retiree { lms_user_id: Some(LmsUserId(1)), emails: Vec::new(), username: Some("eve".to_owned()) };
    assert_eq!(locked(&*store, &stranger), [0; 0]);
    let pending = Retiree { emails: vec![email("amy@example.com")], ..eve() };
    assert_eq!(locked(&*store, &pending), [1, 2], "no id matches no license, with an id or without");
    assert_eq!(locked(&*store, &Retiree { emails: Vec::new(), ..eve() }), [0; 0]);
}

/// History of deleted licenses names a person too.
pub fn licenses_deleted_while_they_were_a_retiree_s_are_found_by_id_and_by_address(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(
        &*store,
        &[
            revoked(1, 1, "amy@example.com", 9),
            revoked(2, 1, "old@example.com", 7),
            revoked(3, 1, "bob@example.com", 8),
            retired(4, 1),
            revoked(5, 2, "amy@example.com", 7),
        ],
    );
    store.write(|unit| unit.licenses().delete(plan_id(1), LicenseStatus::Revoked, &change(5))).unwrap();
    let deleted = |person: &Retiree| {
        let mut found = store.write(|unit| unit.retirement().deleted_licenses(person)).unwrap();
        found.sort_unstable_by_key(|deleted| deleted.id);
        found
    };
    let told = |number, address| DeletedLicense { id: license_id(number), email: Some(email(address)) };
    assert_eq!(deleted(&amy()), [told(1, "amy@example.com"), told(2, "old@example.com")]);
    let unknown = Retiree { emails: Vec::new(), ..amy() };
    assert_eq!(deleted(&unknown), [told(2, "old@example.com")], "no address matches no license without one");
    let pending = Retiree { emails: vec![email("bob@example.com")], ..eve() };
    assert_eq!(deleted(&pending), [told(3, "bob@example.com")], "no id matches no license, with an id or without");
    // Even without the ids of the licenses.
    store.write(|unit| unit.retirement().erase_history(&[], &amy(), &[email("amy@example.com")])).unwrap();
    assert_eq!(deleted(&amy()), []);
    for number in [1, 2] {
        assert!(!personal(&db.told_of(license_id(number))).contains(&true), "{number}");
    }
    assert_eq!(personal(&db.told_of(license_id(3))), [false, true, true], "nobody else is forgotten");
}

/// Personal data goes, and the numbers stay right.
pub fn the_history_forgets_a_person_and_keeps_what_happened(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(
        &*store,
        &[
            activated(1, 1, "amy@example.com", 7),
            assigned(2, 2, "amy@example.com"),
            activated(3, 2, "old@example.com", 7),
            activated(4, 1, "bob@example.com", 8),
        ],
    );
    // Licenses 2 and 3 were once Amy's: one under her address, the other under her id.
    let freed = [2, 3].map(|number| unassigned(number, 2));
    store.write(|unit| unit.licenses().save(&freed, &change(5))).unwrap();

    let gone = activated(1, 1, "amy@example.com", 7).retire(day(6));
    store.write(|unit| unit.licenses().save(std::slice::from_ref(&gone), &change(6))).unwrap();
    store.write(|unit| unit.retirement().erase_history(&[license_id(1)], &amy(), &[email("amy@example.com")])).unwrap();
    for number in [1, 2, 3] {
        let told = db.told_of(license_id(number));
        assert!(!personal(&told).contains(&true), "{number}: {told:?}");
    }
    let told: Vec<_> = db.told_of(license_id(1)).iter().map(|told| told.status).collect();
    assert_eq!(told, [LicenseStatus::Unassigned, LicenseStatus::Activated, LicenseStatus::Unassigned]);
    let history = db.history("license", &license_id(1).to_string());
    let entries = history.iter().map(|entry| (entry.kind, entry.at)).collect::<Vec<_>>();
    assert_eq!(entries, [('+', day(1)), ('~', day(2)), ('~', day(6))]);
    assert_eq!(personal(&db.told_of(license_id(4))), [false, true], "nobody else is forgotten");
    let row = store.read(|unit| unit.history().as_of(EntityRef::License(license_id(1)), day(5))).unwrap().unwrap().row;
    assert_eq!(
        (row.text("status"), row.text("user_email"), row.number("lms_user_id")),
        (Some("activated"), None, None)
    );
}

/// A license and its history never contradict each other.
pub fn the_history_keeps_the_key_that_a_revoked_license_keeps(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    // Each was Bob's, then Amy's under another key, and was revoked. License 2 is deleted, license 1 retired.
    for number in [1, 2] {
        put(&*store, &[activated(number, number, "bob@example.com", 8)]);
        let free = unassigned(number, number);
        let amy = free.clone().assign(email("amy@example.com"), key(10 + number), day(6)).unwrap();
        let lost = amy.clone().activate(Some(LmsUserId(7)), day(7)).unwrap().revoke(day(8)).unwrap();
        for (license, on) in [(free, 5), (amy, 6), (lost, 8)] {
            store.write(|unit| unit.licenses().save(std::slice::from_ref(&license), &change(on))).unwrap();
        }
    }
    store.write(|unit| unit.licenses().delete(plan_id(2), LicenseStatus::Revoked, &change(9))).unwrap();
    let retired = all(&*store, 1).remove(0).retire(day(9));
    store.write(|unit| unit.licenses().save(std::slice::from_ref(&retired), &change(9))).unwrap();

    let ids = [1, 2].map(license_id);
    store.write(|unit| unit.retirement().erase_history(&ids, &amy(), &[email("amy@example.com")])).unwrap();
    for number in [1, 2] {
        let told = db.told_of(license_id(number));
        assert!(told.iter().all(|told| told.email.is_none() && told.lms_user_id.is_none()), "{number}: {told:?}");
        let keys: Vec<bool> = told.iter().map(|told| told.has_key).collect();
        assert_eq!(keys, [false, false, false, true, true, true], "{number}: not Bob's");
    }
}

/// Former addresses of a person are erased too.
pub fn the_history_of_a_license_forgets_whoever_held_it_under_another_address(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[assigned(1, 1, "old@example.com")]);
    let renamed = activated(1, 1, "amy@example.com", 7);
    for (license, on) in [(renamed.clone(), 5), (renamed.retire(day(6)), 6)] {
        store.write(|unit| unit.licenses().save(std::slice::from_ref(&license), &change(on))).unwrap();
    }
    store.write(|unit| unit.retirement().erase_history(&[license_id(1)], &amy(), &[email("amy@example.com")])).unwrap();
    assert_eq!(personal(&db.told_of(license_id(1))), [false; 4]);
}

/// A learner's user name is personal data.
pub fn the_history_forgets_the_user_name_of_whoever_acted_on_their_own_license(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[assigned(1, 1, "amy@example.com"), assigned(2, 1, "bob@example.com")]);
    let by_amy = license_manager_domain::Actor::user("amy").change(day(6));
    let used = [activated(1, 1, "amy@example.com", 7), activated(2, 1, "bob@example.com", 8)];
    store.write(|unit| unit.licenses().save(&used, &by_amy)).unwrap();
    store.write(|unit| unit.retirement().erase_history(&[license_id(1)], &amy(), &[email("amy@example.com")])).unwrap();
    let users = |number: u128| {
        let history = db.history("license", &license_id(number).to_string());
        history.into_iter().map(|entry| entry.user).collect::<Vec<_>>()
    };
    let [admin, amy] = ["admin", "amy"].map(|name| Some(name.to_owned()));
    assert_eq!(users(1), [admin.clone(), admin.clone(), None]);
    assert_eq!(users(2), [admin.clone(), admin.clone(), amy.clone()], "what somebody did for others stays on record");

    // Who has no user name did nothing.
    put(&*store, &[assigned(3, 1, "eve@example.com")]);
    let revoked = all(&*store, 1).into_iter().find(|license| license.id == license_id(3)).unwrap();
    let revoked = revoked.revoke(day(6)).unwrap();
    store.write(|unit| unit.licenses().save(std::slice::from_ref(&revoked), &by_amy)).unwrap();
    store.write(|unit| unit.retirement().erase_history(&[license_id(3)], &eve(), &[email("eve@example.com")])).unwrap();
    assert_eq!(users(3), [admin.clone(), admin, amy]);
    assert!(db.told_of(license_id(3)).iter().all(|told| told.email.is_none()), "their address is forgotten");
}

/// A retirement touches nobody else.
pub fn nothing_is_erased_for_a_person_nobody_knows(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[activated(1, 1, "bob@example.com", 8), assigned(2, 1, "eve@example.com"), unassigned(3, 1)]);
    let before = [1, 2, 3].map(|number| db.told_of(license_id(number)));
    let nobody = Retiree { lms_user_id: Some(LmsUserId(7)), emails: Vec::new(), username: Some("amy".to_owned()) };
    store
        .write(|unit| {
            unit.retirement().erase_history(&[], &nobody, &[])?;
            unit.retirement().erase_sources(&[])?;
            unit.retirement().erase_messages(&[], &[])
        })
        .unwrap();
    assert_eq!([1, 2, 3].map(|number| db.told_of(license_id(number))), before);
    assert_eq!(store.write(|unit| unit.retirement().erase_user("amy")), Ok(false));
}

/// The sale behind a person's seat is forgotten with them.
pub fn sources_are_deleted_with_their_history(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..3);
    let sources = [1, 2].map(|number| (license_id(number), "006000000000000001".to_owned()));
    store.write(|unit| unit.licenses().set_sources(&sources, &change(5))).unwrap();
    store.write(|unit| unit.retirement().erase_sources(&[license_id(1)])).unwrap();
    let history = |license: LicenseId| db.history("license_source", &license.to_string()).len();
    assert_eq!((db.source(license_id(1)), history(license_id(1))), (None, 0));
    assert_eq!((db.source(license_id(2)).is_some(), history(license_id(2))), (true, 1));
}

/// Licenses of plans 1 to 3 that Amy had: license 1 has her address, license 2 is Bob's now, and license 3 is deleted.
/// License 4 is Bob's.
fn with_licenses_of_amy(store: &dyn Store) {
    with_plans(store);
    put(
        store,
        &[
            assigned(1, 1, "amy@example.com"),
            assigned(2, 3, "amy@example.com"),
            revoked(3, 2, "amy@example.com", 9),
            assigned(4, 1, "bob@example.com"),
        ],
    );
    for (license, on) in [(unassigned(2, 3), 5), (assigned(2, 3, "bob@example.com"), 6)] {
        store.write(|unit| unit.licenses().save(std::slice::from_ref(&license), &change(on))).unwrap();
    }
    store.write(|unit| unit.licenses().delete(plan_id(2), LicenseStatus::Revoked, &change(5))).unwrap();
}

/// Messages about these licenses. The first six are about Amy.
fn messages_about_amy_and_bob() -> Vec<Message> {
    let mail = |address: &str| format!(r#"{{"email":"{address}"}}"#);
    let event = |address: &str| named_event(EventName::Revoked, address).to_text();
    let many = r#"{"emails":["amy@example.com","bob@example.com"]}"#;
    vec![
        message(1, Topic::Assignment, Some(1), "{}"),
        message(2, Topic::LicenseEvent, None, &event("amy@example.com")),
        message(3, Topic::LicenseEvent, Some(2), &event("amy@example.com")),
        message(4, Topic::Reminder, Some(2), &mail("amy@example.com")),
        message(5, Topic::LicenseEvent, Some(3), &event("amy@example.com")),
        message(6, Topic::Custom, Some(4), r#"{"name":"note","body":{"to":"amy@example.com"}}"#),
        message(7, Topic::LicenseEvent, Some(2), &event("bob@example.com")),
        message(8, Topic::Reminder, Some(2), &mail("bob@example.com")),
        message(9, Topic::LicenseEvent, Some(4), &event("amy@example.community")),
        message(10, Topic::LicenseEvent, None, &event("tamy@example.com")),
        message(11, Topic::RevocationCapMail, None, many),
        message(12, Topic::Reminder, Some(4), r#"{"greeting":"Ask \"amy@example.com\"."}"#),
    ]
}

/// The numbers of the messages that are left after Amy's are erased.
fn left_without_amy(db: &dyn Database) -> Vec<u128> {
    let store = db.store();
    store.write(|unit| unit.retirement().erase_messages(&[license_id(1)], &[email("amy@example.com")])).unwrap();
    let left = store.read(|unit| unit.outbox().list(&OutboxFilter::default(), 100)).unwrap();
    left.iter().map(|message| message.id.0.as_u128()).collect()
}

/// Nobody is written to after they left.
pub fn messages_that_wait_for_a_retiree_are_deleted(db: &dyn Database) {
    let store = db.store();
    with_licenses_of_amy(&*store);
    store.write(|unit| unit.outbox().add(&messages_about_amy_and_bob())).unwrap();
    assert_eq!(left_without_amy(db), [7, 8, 9, 10, 11, 12]);
}

/// Whoever left is not written to if an operator tries again.
pub fn dead_letters_about_a_retiree_are_deleted(db: &dyn Database) {
    let store = db.store();
    with_licenses_of_amy(&*store);
    store.write(|unit| unit.outbox().add(&messages_about_amy_and_bob())).unwrap();
    for queue in Queue::MESSAGES {
        dead_letter(&*store, queue);
    }
    let dead = OutboxFilter { dead_lettered_only: true, ..OutboxFilter::default() };
    assert_eq!(store.read(|unit| unit.outbox().list(&dead, 100)).unwrap().len(), 12);
    assert_eq!(left_without_amy(db), [7, 8, 9, 10, 11, 12]);
}

/// Fails the messages of a queue for good.
fn dead_letter(store: &dyn Store, queue: Queue) {
    let lease = Lease { id: Uuid::from_u128(1), queue };
    let claim = Claim { lease, now: day(7), until: day(8), limit: 100 };
    // A message about a license is claimed once those before it are done.
    loop {
        let claimed = store.write(|unit| unit.queue().claim(&claim)).unwrap();
        if claimed.is_empty() {
            return;
        }
        let refused = |claimed: &ClaimedMessage| Settlement {
            steps: claimed.steps,
            error: Some("refused".to_owned()),
            dead_lettered_at: Some(day(7)),
            ..Settlement::due(claimed.message.id.0, day(7))
        };
        let settlements: Vec<_> = claimed.iter().map(refused).collect();
        store.write(|unit| unit.queue().settle(lease, &settlements)).unwrap();
    }
}

/// A message may wait longer than history is kept.
pub fn messages_of_a_retiree_are_deleted_after_old_history_was_removed(db: &dyn Database) {
    let store = db.store();
    with_licenses_of_amy(&*store);
    store.write(|unit| unit.outbox().add(&messages_about_amy_and_bob())).unwrap();
    // The mails still wait.
    for queue in [Queue::Addresses, Queue::Lms, Queue::Events] {
        dead_letter(&*store, queue);
    }
    clean(&*store, 9, 100);
    assert_eq!(left_without_amy(db), [7, 8, 9, 10, 11, 12]);
}

/// Jobs forget their requester.
pub fn who_asked_for_an_enrollment_is_forgotten(db: &dyn Database) {
    let store = db.store();
    let others = EnrollmentJob { lms_user_id: Some(LmsUserId(70)), ..job(2) };
    for asked in [job(1), others.clone()] {
        store.write(|unit| unit.enrollment_jobs().add(&asked)).unwrap();
    }
    let of = |user: i64| {
        let job = job(1).id;
        format!(r#"{{"job_uuid":"{job}","lms_user_id":{user},"successes":0,"pending":0,"failures":0}}"#)
    };
    let messages = [
        message(1, Topic::EnrollmentResultsMail, None, &of(7)),
        message(2, Topic::EnrollmentResultsMail, None, &of(70)),
        message(3, Topic::EndEnrollments, Some(3), &of(7)),
    ];
    store.write(|unit| unit.outbox().add(&messages)).unwrap();
    store.write(|unit| unit.retirement().erase_requester(LmsUserId(7))).unwrap();
    let found = |id| store.read(|unit| unit.enrollment_jobs().find(id)).unwrap().unwrap();
    assert_eq!(found(job(1).id), EnrollmentJob { lms_user_id: None, ..job(1) });
    assert_eq!(found(others.id), others);
    let left: Vec<_> = db.outbox().into_iter().map(|waiting| (waiting.topic, waiting.payload)).collect();
    let kept =
        messages[1..].iter().map(|message| (message.payload.topic().as_str().to_owned(), message.payload.to_text()));
    assert_eq!(left, kept.collect::<Vec<_>>());
}

/// A user name that comes back has no rights.
pub fn a_retired_user_is_gone_with_their_roles(db: &dyn Database) {
    let store = db.store();
    let remember = |name: &str| {
        store.write(|unit| unit.users().remember(name, Some("amy@example.com"), false, day(0))).unwrap();
    };
    remember("amy");
    remember("bob");
    db.add_role("amy", "enterprise_subscriptions_admin", None);
    assert_eq!(store.write(|unit| unit.retirement().erase_user("amy")), Ok(true));
    assert_eq!(store.write(|unit| unit.retirement().erase_user("amy")), Ok(false));
    assert_eq!(store.read(|unit| unit.users().find("amy")), Ok(None));
    remember("amy");
    assert_eq!(store.read(|unit| unit.users().find("amy")).unwrap().unwrap().roles, [], "a new user starts anew");
    assert!(store.read(|unit| unit.users().find("bob")).unwrap().is_some());
}
