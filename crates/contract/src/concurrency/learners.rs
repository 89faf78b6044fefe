//! Learners who are assigned, apply or activate at the same time.

use license_manager_domain::ports::{LicenseFilter, Person, StoreExt};
use license_manager_domain::{
    Actor, Assignees, AssignmentMail, Entity, Error, LicenseId, LicenseManager, LmsUserId, Refusal, SubscriptionPlan,
};

use super::{at_once, manager};
use crate::Database;
use crate::fixtures::*;

/// Assignments at once give a person one seat.
pub fn a_learner_assigned_by_many_at_once_gets_one_license(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 0..20);
    let manager = manager(&store);
    // Sixteen admins assign two learners each: one of their own, and one that all share.
    let outcomes = at_once(16, |thread| {
        let learners: Assignees = [format!("learner{thread}@example.com"), "amy@example.com".to_owned()]
            .iter()
            .map(|text| (email(text), None))
            .collect();
        manager.assign(&Actor::user("admin"), plan_id(1), &learners, &AssignmentMail::default())
    });
    let outcomes: Vec<_> = outcomes.into_iter().map(|outcome| outcome.expect("nobody is refused")).collect();
    assert_eq!(outcomes.iter().map(|outcome| outcome.assigned.len()).sum::<usize>(), 17);
    assert_eq!(outcomes.iter().map(|outcome| outcome.already_associated).sum::<usize>(), 15);
    let live = store.write(|unit| unit.licenses().lock_live(plan_id(1), &LicenseFilter::default(), 100)).unwrap();
    assert_eq!(live.len(), 17);
    let mut emails: Vec<_> = live.iter().filter_map(|license| license.holder_email().cloned()).collect();
    emails.sort();
    emails.dedup();
    assert_eq!(emails.len(), 17);
    assert_eq!(db.outbox().len(), 34, "an event and a mail for each");
    let four: Assignees = (100..104).map(|number| email(&format!("late{number}@example.com"))).collect();
    let refused = manager.assign(&Actor::user("admin"), plan_id(1), &four, &AssignmentMail::default());
    assert_eq!(refused, Err(Refusal::NotEnoughLicenses { requested: 4, available: 3 }.into()));
}

/// One statement looks for a learner who is assigned alone, and claims a license. Two assignments of the same learner
/// wait for each other. An assignment that finds all licenses claimed waits until the other transactions have ended.
pub fn learners_who_are_assigned_alone_at_once_get_one_license_each(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    // As many as learners: a refusal would be due to concurrency only.
    put_unassigned(&*store, 1, 0..8);
    let manager = manager(&store);
    let outcomes = at_once(16, |thread| {
        let learners: Assignees = [email(&format!("learner{}@example.com", thread % 8))].into_iter().collect();
        manager.assign(&Actor::user("admin"), plan_id(1), &learners, &AssignmentMail::default())
    });
    let outcomes: Vec<_> = outcomes.into_iter().map(|outcome| outcome.expect("nobody is refused")).collect();
    assert_eq!(outcomes.iter().map(|outcome| outcome.assigned.len()).sum::<usize>(), 8);
    assert_eq!(outcomes.iter().map(|outcome| outcome.already_associated).sum::<usize>(), 8);
    let counts = store.read(|unit| unit.licenses().counts(&[plan_id(1)])).unwrap()[&plan_id(1)];
    assert_eq!((counts.assigned, counts.unassigned), (8, 0));
    let late: Assignees = [email("late@example.com")].into_iter().collect();
    let refused = manager.assign(&Actor::user("admin"), plan_id(1), &late, &AssignmentMail::default());
    assert_eq!(refused, Err(Refusal::NotEnoughLicenses { requested: 1, available: 0 }.into()));
}

/// Plan 1, with this many auto-applied licenses.
fn handing_out(db: &dyn Database, seats: u128) -> LicenseManager {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 0..seats);
    let hands_out = SubscriptionPlan { should_auto_apply_licenses: Some(true), ..plan(1, 1) };
    store.write(|unit| unit.plans().save(&hands_out, &change(1))).unwrap();
    manager(&store)
}

fn apply(manager: &LicenseManager, address: &str, user: i64) -> Result<LicenseId, Error> {
    let person = Person { email: Some(email(address)), lms_user_id: Some(LmsUserId(user)) };
    let applied = manager.auto_apply(&Actor::user("learner"), agreement_id(1), &person)?;
    Ok(applied.held.license.id)
}

/// Every seat is handed out, and none twice.
pub fn five_seats_go_to_five_of_twelve_who_come_at_once(db: &dyn Database) {
    let manager = handing_out(db, 5);
    let outcomes = at_once(12, |thread| apply(&manager, &format!("learner{thread}@example.com"), thread as i64 + 1));
    let (given, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    let mut given: Vec<LicenseId> = given.into_iter().map(Result::unwrap).collect();
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 5, "each license went to one person");
    assert_eq!(refused, vec![Err(Refusal::NoLicenseLeft.into()); 7]);
    let counts = db.store().read(|unit| unit.licenses().counts(&[plan_id(1)])).unwrap()[&plan_id(1)];
    assert_eq!((counts.activated, counts.unassigned), (5, 0));
    let waiting = db.outbox();
    let count = |topic: &str| waiting.iter().filter(|message| message.topic == topic).count();
    assert_eq!(count("auto_applied"), 5);
    assert_eq!(count("license_event"), 12, "who got one and who did not");
}

/// A double click takes one seat.
pub fn a_learner_who_comes_twelve_times_at_once_gets_one_license(db: &dyn Database) {
    let manager = handing_out(db, 20);
    let outcomes = at_once(12, |_| apply(&manager, "amy@example.com", 7));
    let mut given: Vec<LicenseId> = outcomes.into_iter().map(Result::unwrap).collect();
    given.dedup();
    assert_eq!(given.len(), 1);
    let counts = db.store().read(|unit| unit.licenses().counts(&[plan_id(1)])).unwrap()[&plan_id(1)];
    assert_eq!((counts.activated, counts.unassigned), (1, 19));
    assert_eq!(db.outbox().iter().filter(|message| message.topic == "auto_applied").count(), 1);
}

/// A person takes one seat, whatever address they come with.
pub fn a_learner_who_comes_under_two_addresses_at_once_gets_one_license(db: &dyn Database) {
    let manager = handing_out(db, 80);
    let addresses = ["old@example.com", "new@example.com"];
    let outcomes = at_once(60, |thread| apply(&manager, addresses[thread % 2], 7));
    let mut given: Vec<LicenseId> = outcomes.into_iter().map(Result::unwrap).collect();
    given.dedup();
    assert_eq!(given.len(), 1);
    let counts = db.store().read(|unit| unit.licenses().counts(&[plan_id(1)])).unwrap()[&plan_id(1)];
    assert_eq!((counts.activated, counts.unassigned), (1, 79));
}

/// A person keeps one seat.
pub fn a_learner_who_activates_two_licenses_at_once_keeps_one(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[assigned(1, 1, "old@example.com"), assigned(2, 1, "new@example.com")]);
    let manager = manager(&store);
    let outcomes = at_once(16, |thread| {
        let (number, address) = [(1, "old@example.com"), (2, "new@example.com")][thread % 2];
        let person = Person { email: Some(email(address)), lms_user_id: Some(LmsUserId(7)) };
        manager.activate(&Actor::user("learner"), key(number), &person).map(|found| found.license.id)
    });
    let counts = store.read(|unit| unit.licenses().counts(&[plan_id(1)])).unwrap()[&plan_id(1)];
    assert_eq!((counts.activated, counts.assigned, counts.unassigned), (1, 0, 1));
    // The key of the license that went back to the pool is nobody's.
    let kept = all(&*store, 1).into_iter().find(|license| license.is_live()).unwrap().id;
    for outcome in outcomes {
        assert!(outcome == Ok(kept) || outcome == Err(Error::NotFound(Entity::License)), "{outcome:?}");
    }
}
