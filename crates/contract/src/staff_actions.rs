//! What people did to the service.

use license_manager_domain::model::{StaffAction, StaffActionKind};
use license_manager_domain::ports::{LimitOffset, StaffActionFilter, Store, StoreExt};
use uuid::Uuid;

use super::Database;
use super::fixtures::*;

fn action(number: u128, kind: StaffActionKind, by: &str) -> StaffAction {
    StaffAction {
        id: Uuid::from_u128(number),
        at: day(i64::try_from(number).unwrap()),
        by: Some(by.to_owned()),
        reason: Some("Ümlaut \"quoted\"".to_owned()),
        kind,
        subject: Some("reminder".to_owned()),
        user: Some("bob".to_owned()),
        number: 4_000_000_000,
    }
}

fn found(store: &dyn Store, filter: &StaffActionFilter) -> Vec<StaffAction> {
    let (found, count) =
        store.read(|unit| Ok((unit.staff_actions().list(filter, ALL)?, unit.staff_actions().count(filter)?))).unwrap();
    assert_eq!(count, found.len() as i64);
    found
}

/// Operators see who did what, and page through it.
pub fn what_people_did_is_found_latest_first(db: &dyn Database) {
    let store = db.store();
    let retried = action(1, StaffActionKind::MessagesRetried, "amy");
    let dropped = action(2, StaffActionKind::MessagesDropped, "zoe");
    let by_the_service = StaffAction {
        by: None,
        reason: None,
        subject: None,
        user: None,
        ..action(3, StaffActionKind::MessagesRetried, "")
    };
    for added in [&retried, &dropped, &by_the_service] {
        store.write(|unit| unit.staff_actions().add(added)).unwrap();
    }
    let all = StaffActionFilter::default();
    assert_eq!(found(&*store, &all), [by_the_service.clone(), dropped.clone(), retried.clone()]);
    let by_amy = StaffActionFilter { by: Some("amy".to_owned()), ..all.clone() };
    assert_eq!(found(&*store, &by_amy), std::slice::from_ref(&retried));
    let of_kind = StaffActionFilter { kind: Some(StaffActionKind::MessagesRetried), ..all.clone() };
    assert_eq!(found(&*store, &of_kind), [by_the_service, retried]);
    let second = LimitOffset { offset: 1, limit: 1 };
    assert_eq!(store.read(|unit| unit.staff_actions().list(&all, second)).unwrap(), [dropped]);
}

/// A retired person's name stays nowhere.
pub fn a_retired_user_is_named_in_no_action(db: &dyn Database) {
    let store = db.store();
    let by_bob = action(1, StaffActionKind::RunRequested, "bob");
    let about_bob = action(2, StaffActionKind::RoleGiven, "amy");
    for added in [&by_bob, &about_bob] {
        store.write(|unit| unit.staff_actions().add(added)).unwrap();
    }
    store.write(|unit| unit.retirement().erase_user("bob")).unwrap();
    let left = found(&*store, &StaffActionFilter::default());
    assert_eq!(left, [StaffAction { user: None, ..about_bob }, StaffAction { by: None, user: None, ..by_bob }]);
}

/// Records of what people did are kept as long as the operator wants.
pub fn old_actions_are_removed_oldest_first(db: &dyn Database) {
    let store = db.store();
    for number in [3, 1, 2, 4] {
        store.write(|unit| unit.staff_actions().add(&action(number, StaffActionKind::RunRequested, "amy"))).unwrap();
    }
    let remove = |until, limit| store.write(|unit| unit.staff_actions().remove_old(day(until), limit)).unwrap();
    let left =
        || found(&*store, &StaffActionFilter::default()).iter().map(|action| action.id.as_u128()).collect::<Vec<_>>();
    assert_eq!((remove(0, 9), left()), (0, vec![4, 3, 2, 1]));
    assert_eq!((remove(3, 2), left()), (2, vec![4, 3]));
    assert_eq!((remove(3, 2), left()), (1, vec![4]));
    assert_eq!((remove(3, 2), left()), (0, vec![4]));
}
