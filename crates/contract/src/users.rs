//! Users and their roles.

use license_manager_domain::Error;
use license_manager_domain::ports::{RoleAssignment, Store, StoreExt, User};

use super::Database;
use super::fixtures::*;

const ADMIN: &str = "enterprise_subscriptions_admin";
const LEARNER: &str = "enterprise_subscriptions_learner";

fn remember(store: &dyn Store, username: &str, email: Option<&str>, is_staff: bool) {
    store.write(|unit| unit.users().remember(username, email, is_staff, day(0))).unwrap();
}

fn make_superuser(store: &dyn Store, username: &str, is_superuser: bool) -> Result<(), Error> {
    store.write(|unit| unit.users().set_superuser(username, is_superuser, day(1)))
}

fn find(store: &dyn Store, username: &str) -> Option<User> {
    store.read(|unit| unit.users().find(username)).unwrap()
}

fn amy() -> User {
    User {
        username: "amy".to_owned(),
        email: Some("Amy@example.com".to_owned()),
        is_staff: false,
        is_superuser: false,
        roles: Vec::new(),
    }
}

/// Histories can name who acted.
pub fn a_user_is_remembered(db: &dyn Database) {
    let store = db.store();
    remember(&*store, "amy", Some("Amy@example.com"), false);
    remember(&*store, "robot", None, true);
    assert_eq!(find(&*store, "amy"), Some(amy()));
    let robot = User { username: "robot".to_owned(), email: None, is_staff: true, ..amy() };
    assert_eq!(find(&*store, "robot"), Some(robot));
}

/// Rights of staff follow their latest token.
pub fn a_user_takes_over_what_the_next_token_says(db: &dyn Database) {
    let store = db.store();
    remember(&*store, "amy", Some("old@example.com"), true);
    remember(&*store, "amy", Some("Amy@example.com"), false);
    assert_eq!(find(&*store, "amy"), Some(amy()));
}

/// A service account's token does not empty an address.
pub fn a_token_without_an_email_leaves_the_last_one(db: &dyn Database) {
    let store = db.store();
    remember(&*store, "amy", Some("Amy@example.com"), false);
    remember(&*store, "amy", None, false);
    assert_eq!(find(&*store, "amy"), Some(amy()));
}

/// Rights that the database gives are taken by the database alone.
pub fn roles_and_superusers_outlive_tokens(db: &dyn Database) {
    let store = db.store();
    remember(&*store, "amy", Some("Amy@example.com"), true);
    remember(&*store, "bob", None, false);
    db.add_role("amy", ADMIN, Some(customer(1)));
    db.add_role("amy", LEARNER, None);
    db.add_role("bob", LEARNER, Some(customer(2)));
    make_superuser(&*store, "amy", true).unwrap();
    remember(&*store, "amy", Some("Amy@example.com"), false);
    let mut found = find(&*store, "amy").unwrap();
    found.roles.sort_by(|left, right| left.role.cmp(&right.role));
    let roles = vec![
        RoleAssignment { role: ADMIN.to_owned(), customer: Some(customer(1)) },
        RoleAssignment { role: LEARNER.to_owned(), customer: None },
    ];
    assert_eq!(found, User { is_superuser: true, roles: roles.clone(), ..amy() });
    make_superuser(&*store, "amy", false).unwrap();
    found.is_superuser = find(&*store, "amy").unwrap().is_superuser;
    assert_eq!(found, User { roles, ..amy() });
    assert!(make_superuser(&*store, "cleo", true).is_err(), "a user who does not exist");
}

/// Nobody gets the rights of somebody else.
pub fn an_unknown_user_is_not_found(db: &dyn Database) {
    let store = db.store();
    remember(&*store, "amy", None, false);
    assert_eq!(find(&*store, "Amy"), None, "user names differ in case");
    assert_eq!(find(&*store, "bob"), None);
}
