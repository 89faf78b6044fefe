//! Role assignments, sent notifications, and license events.

use license_manager_domain::model::{Notification, NotificationKind};
use license_manager_domain::ports::{
    AssignedRole, LicenseEventFilter, LimitOffset, NotificationFilter, RoleAssignment, RoleAssignmentFilter, Store,
    StoreExt,
};
use license_manager_domain::{CustomerId, RoleAssignmentId};

use super::Database;
use super::fixtures::*;

const ADMIN: &str = "enterprise_subscriptions_admin";
const LEARNER: &str = "enterprise_subscriptions_learner";

fn role(role: &str, customer: Option<CustomerId>) -> RoleAssignment {
    RoleAssignment { role: role.to_owned(), customer }
}

fn give(store: &dyn Store, username: &str, role: &RoleAssignment) -> (AssignedRole, bool) {
    store
        .write(|unit| {
            unit.users().remember(username, None, false, day(0))?;
            unit.role_assignments().add(username, role, day(1))
        })
        .unwrap()
}

fn roles(store: &dyn Store, filter: &RoleAssignmentFilter) -> Vec<AssignedRole> {
    let (found, count) = store
        .read(|unit| Ok((unit.role_assignments().list(filter, ALL)?, unit.role_assignments().count(filter)?)))
        .unwrap();
    assert_eq!(count, found.len() as i64);
    found
}

/// A role that is given twice is taken away once.
pub fn a_role_is_given_once(db: &dyn Database) {
    let store = db.store();
    for role in [role(ADMIN, Some(customer(1))), role(ADMIN, None)] {
        let (given, new) = give(&*store, "amy", &role);
        assert!(new);
        assert_eq!((given.username.as_str(), &given.role, given.created), ("amy", &role, day(1)));
        assert_eq!(give(&*store, "amy", &role), (given, false));
    }
    let amy = store.read(|unit| unit.users().find("amy")).unwrap().unwrap();
    assert_eq!(amy.roles, [role(ADMIN, Some(customer(1))), role(ADMIN, None)]);
}

/// No right waits for a user name to appear.
pub fn a_role_is_given_to_users_alone(db: &dyn Database) {
    let given = db.store().write(|unit| unit.role_assignments().add("nobody", &role(ADMIN, None), day(1)));
    assert!(given.is_err(), "{given:?}");
}

/// A right that was taken works no more.
pub fn a_role_that_was_taken_is_gone(db: &dyn Database) {
    let store = db.store();
    let (given, _) = give(&*store, "amy", &role(ADMIN, None));
    let remove = |id| store.write(|unit| unit.role_assignments().remove(id)).unwrap();
    assert!(!remove(RoleAssignmentId(given.id.0 + 1)));
    assert!(remove(given.id));
    assert!(!remove(given.id));
    assert_eq!(store.read(|unit| unit.users().find("amy")).unwrap().unwrap().roles, []);
}

/// Pages neither repeat nor miss a role.
pub fn roles_are_filtered_and_listed_part_by_part(db: &dyn Database) {
    let store = db.store();
    let (one, _) = give(&*store, "amy", &role(ADMIN, Some(customer(1))));
    let (two, _) = give(&*store, "amy", &role(LEARNER, None));
    let (three, _) = give(&*store, "bob", &role(LEARNER, Some(customer(1))));
    let any = RoleAssignmentFilter::default;
    assert_eq!(roles(&*store, &any()), [one.clone(), two.clone(), three.clone()]);
    let amy = RoleAssignmentFilter { username: Some("amy".to_owned()), ..any() };
    assert_eq!(roles(&*store, &amy), [one.clone(), two.clone()]);
    let learners = RoleAssignmentFilter { role: Some(LEARNER.to_owned()), ..any() };
    assert_eq!(roles(&*store, &learners), [two.clone(), three.clone()]);
    let of_customer = RoleAssignmentFilter { customer: Some(customer(1)), ..any() };
    assert_eq!(roles(&*store, &of_customer), [one, three]);
    let part = LimitOffset { offset: 1, limit: 1 };
    assert_eq!(store.read(|unit| unit.role_assignments().list(&any(), part)), Ok(vec![two]));
}

fn notification(user: i64, plan: u128, kind: NotificationKind, on: i64) -> Notification {
    Notification {
        customer: customer(if plan == 3 { 2 } else { 1 }),
        customer_user: user,
        plan: plan_id(plan),
        kind,
        last_sent: day(on),
    }
}

fn notifications(store: &dyn Store, filter: &NotificationFilter) -> Vec<Notification> {
    let (found, count) =
        store.read(|unit| Ok((unit.notifications().list(filter, ALL)?, unit.notifications().count(filter)?))).unwrap();
    assert_eq!(count, found.len() as i64);
    found.into_iter().map(|(_, notification)| notification).collect()
}

/// Staff see what an admin was sent last.
pub fn notifications_are_filtered_the_last_sent_first(db: &dyn Database) {
    use NotificationKind::{NoAllocationsRemaining as Full, PeriodicInformational as Usual};
    let store = db.store();
    with_plans(&*store);
    let sent = [notification(1, 1, Usual, 5), notification(2, 1, Full, 6), notification(1, 3, Usual, 4)];
    store.write(|unit| unit.notifications().save(&sent, &change(6))).unwrap();
    let [first, second, third] = sent;
    let any = NotificationFilter::default;
    assert_eq!(notifications(&*store, &any()), [second.clone(), first.clone(), third.clone()]);
    let of = |filter: NotificationFilter| notifications(&*store, &filter);
    assert_eq!(of(NotificationFilter { customer: Some(customer(2)), ..any() }), std::slice::from_ref(&third));
    assert_eq!(of(NotificationFilter { plan: Some(plan_id(1)), ..any() }), [second.clone(), first.clone()]);
    assert_eq!(of(NotificationFilter { kind: Some(Usual), ..any() }), [first, third]);
    let part = LimitOffset { offset: 0, limit: 1 };
    let page = store.read(|unit| unit.notifications().list(&any(), part)).unwrap();
    assert_eq!(page.into_iter().map(|(_, notification)| notification).collect::<Vec<_>>(), [second]);
}

/// It is known when an admin was told, each time.
pub fn a_notification_that_is_sent_again_keeps_its_place_and_its_history(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let kind = NotificationKind::LimitedAllocationsRemaining;
    let save = |sent: &[Notification], on| {
        store.write(|unit| unit.notifications().save(sent, &change(on))).unwrap();
    };
    save(&[notification(1, 1, kind, 5)], 5);
    save(&[notification(2, 1, kind, 7), notification(1, 1, kind, 7)], 7);
    save(&[], 8);
    let found = notifications(&*store, &NotificationFilter::default());
    assert_eq!(found, [notification(2, 1, kind, 7), notification(1, 1, kind, 7)]);
    let kinds = |id: &str| db.history("notification", id).iter().map(|entry| entry.kind).collect::<String>();
    let mut histories: Vec<String> =
        (1..=4).map(|id| kinds(&id.to_string())).filter(|kinds| !kinds.is_empty()).collect();
    histories.sort();
    assert_eq!(histories, ["+", "+~"]);
}

/// An operation is done once for a license.
pub fn what_was_done_for_licenses_is_noted_once(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..3);
    let note = |numbers: &[u128], name: &str, on| {
        let ids: Vec<_> = numbers.iter().copied().map(license_id).collect();
        store.write(|unit| unit.license_events().add(&ids, name, day(on))).unwrap();
    };
    note(&[1], "unlinked", 2);
    note(&[1, 2], "unlinked", 3);
    note(&[1], "old", 4);
    note(&[], "old", 4);
    let of = |filter: LicenseEventFilter| {
        let (found, count) = store
            .read(|unit| Ok((unit.license_events().list(&filter, ALL)?, unit.license_events().count(&filter)?)))
            .unwrap();
        assert_eq!(count, found.len() as i64);
        let told = found.into_iter().map(|mark| (mark.license, mark.event_name, mark.created));
        told.collect::<Vec<_>>()
    };
    let [old, second, first] = [(1, "old", 4), (2, "unlinked", 3), (1, "unlinked", 2)]
        .map(|(number, name, on)| (license_id(number), name.to_owned(), day(on)));
    let any = LicenseEventFilter::default;
    assert_eq!(of(any()), [old.clone(), second.clone(), first.clone()]);
    assert_eq!(of(LicenseEventFilter { license: Some(license_id(1)), ..any() }), [old, first.clone()]);
    assert_eq!(of(LicenseEventFilter { event_name: Some("unlinked".to_owned()), ..any() }), [second, first]);
}

/// An admin is told of a threshold once.
pub fn notifications_of_many_plans_are_found(db: &dyn Database) {
    use NotificationKind::{LimitedAllocationsRemaining as Few, NoAllocationsRemaining as Full};
    let store = db.store();
    with_plans(&*store);
    let sent = [
        notification(1, 1, Few, 5),
        notification(2, 1, Full, 6),
        notification(1, 2, Few, 4),
        notification(3, 3, Few, 4),
    ];
    store.write(|unit| unit.notifications().save(&sent, &change(6))).unwrap();
    let of = |plans: &[u128]| {
        let plans: Vec<_> = plans.iter().copied().map(plan_id).collect();
        let mut found = store.read(|unit| unit.notifications().find_by_plans(&plans)).unwrap();
        found.sort_by_key(|notification| (notification.plan, notification.kind));
        found
    };
    assert_eq!(of(&[1, 2]), sent[..3]);
    assert_eq!(of(&[3]), sent[3..]);
    assert_eq!(of(&[]), []);
}
