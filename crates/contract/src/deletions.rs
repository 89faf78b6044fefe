//! What staff delete, with the reason.

use license_manager_domain::history::Change;
use license_manager_domain::model::{Notification, NotificationKind, RenewalTerms, TransferredLicenses};
use license_manager_domain::ports::{LicenseEventFilter, NotificationFilter, Store, StoreExt, UnitOfWork};
use license_manager_domain::{Actor, Error, ExpirationMessage, License, LicenseStatus};

use super::fixtures::*;
use super::transfers::order;
use super::{Database, HistoryEntry};

/// A deletion on a day, and what the history has of it.
fn because(on: i64) -> (Change, HistoryEntry) {
    let change = Actor::user("staff").because(Some("A mistake, \"again\"".to_owned())).change(day(on));
    let entry = HistoryEntry {
        kind: '-',
        user: Some("staff".to_owned()),
        reason: change.reason.clone().map(Into::into),
        at: day(on),
    };
    (change, entry)
}

/// A deletion leaves no row behind, and is recorded.
pub fn an_agreement_is_deleted_with_its_message(db: &dyn Database) {
    let store = db.store();
    let mut told = agreement(1);
    told.expiration_message = Some(ExpirationMessage {
        modal_header_text: "Over".to_owned(),
        modal_messaging: "<p>It is over.</p>".to_owned(),
        button_label: "Go on".to_owned(),
        button_url: "https://example.com/".to_owned(),
    });
    let delete = |reason: &Change| store.write(|unit| unit.agreements().delete(agreement_id(1), reason));
    store
        .write(|unit| {
            unit.agreements().add(&told, &change(1))?;
            unit.agreements().add(&agreement(2), &change(1))
        })
        .unwrap();
    let (reason, entry) = because(2);
    delete(&reason).unwrap();
    let found =
        store.read(|unit| Ok((unit.agreements().find(agreement_id(1))?, unit.agreements().find(agreement_id(2))?)));
    assert_eq!(found, Ok((None, Some(agreement(2)))));
    let id = agreement_id(1).to_string();
    assert_eq!(db.history("customer_agreement", &id).last(), Some(&entry));
    assert!(matches!(delete(&reason), Err(Error::Internal(_))), "it is gone");
    store.write(|unit| unit.agreements().add(&agreement(1), &reason)).unwrap();
    assert_eq!(store.read(|unit| unit.agreements().find(agreement_id(1))), Ok(Some(agreement(1))), "without a message");
}

fn was_handed_out(store: &dyn Store, plan: u128) -> bool {
    store.read(|unit| unit.plans().was_handed_out(plan_id(plan))).unwrap()
}

/// A plan that was used is not deleted.
pub fn a_plan_tells_whether_a_license_was_ever_handed_out(db: &dyn Database) {
    type Story = fn(&mut dyn UnitOfWork) -> Result<(), Error>;
    let store = db.store();
    with_plans(&*store);
    assert!(!was_handed_out(&*store, 1), "it has no licenses");
    put_unassigned(&*store, 1, 1..4);
    put(&*store, &[assigned(9, 2, "zoe@example.com")]);
    assert!(!was_handed_out(&*store, 1));
    store.write(|unit| unit.licenses().delete(plan_id(1), LicenseStatus::Unassigned, &change(2)).map(drop)).unwrap();
    assert!(!was_handed_out(&*store, 1), "deleted ones were nobody's either");

    let live = assigned(1, 1, "amy@example.com");
    let stories: [(License, Story); 3] = [
        (live.clone(), |_| Ok(())),
        (live.clone().revoke(day(4)).unwrap(), |unit| {
            unit.licenses().delete(plan_id(1), LicenseStatus::Revoked, &change(5)).map(drop)
        }),
        (live.reset(day(4)).unwrap(), |unit| {
            unit.licenses().delete(plan_id(1), LicenseStatus::Unassigned, &change(5)).map(drop)
        }),
    ];
    for (number, (license, work)) in stories.into_iter().enumerate() {
        let outcome: Result<(), Error> = store.write(|unit| {
            unit.licenses().add_unassigned(plan_id(1), &[license.id], &change(1))?;
            unit.licenses().save(std::slice::from_ref(&license), &change(4))?;
            assert!(unit.plans().was_handed_out(plan_id(1))?, "{number}");
            work(unit)?;
            assert!(unit.plans().was_handed_out(plan_id(1))?, "{number}");
            assert!(!unit.plans().was_handed_out(plan_id(3))?, "{number}");
            Err(Error::Unavailable)
        });
        assert_eq!(outcome, Err(Error::Unavailable), "rolled back");
    }
}

/// No row points to a plan that is gone.
pub fn a_plan_is_deleted_unless_something_refers_to_it(db: &dyn Database) {
    type Story = fn(&mut dyn UnitOfWork) -> Result<(), Error>;
    let store = db.store();
    with_plans(&*store);
    let (reason, entry) = because(2);
    let stories: [(&str, Story); 5] = [
        ("a license", |unit| unit.licenses().add_unassigned(plan_id(1), &[license_id(1)], &change(1))),
        ("its renewal", |unit| unit.renewals().add(&terms(1), &change(1)).map(drop)),
        ("a renewal to it", |unit| {
            let terms = RenewalTerms { renewed_plan: Some(plan_id(1)), ..terms(2) };
            unit.renewals().add(&terms, &change(1)).map(drop)
        }),
        ("a transfer job", |unit| unit.transfers().add(&order(TransferredLicenses::All), &change(1)).map(drop)),
        ("a notification", |unit| {
            unit.notifications().save(&[told(1, NotificationKind::NoAllocationsRemaining)], &change(1))
        }),
    ];
    for (what, work) in stories {
        let outcome = store.write(|unit| {
            work(unit)?;
            unit.plans().delete(plan_id(1), &reason)
        });
        assert!(matches!(outcome, Err(Error::Internal(_))), "{what}: {outcome:?}");
    }
    store
        .write(|unit| {
            unit.operations().mark_plans(&[plan_id(1)], "mailed", day(1))?;
            unit.plans().delete(plan_id(1), &reason)
        })
        .unwrap();
    assert_eq!(store.read(|unit| unit.plans().find(plan_id(1))), Ok(None));
    assert_eq!(db.history("subscription_plan", &plan_id(1).to_string()).last(), Some(&entry));
    let again = store.write(|unit| unit.plans().delete(plan_id(1), &reason));
    assert!(matches!(again, Err(Error::Internal(_))), "{again:?}");
}

/// A mail about a plan is sent again after its record was deleted.
pub fn a_mark_of_a_plan_is_removed(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let mark = |name: &str| store.write(|unit| unit.operations().mark_plans(&[plan_id(1), plan_id(2)], name, day(1)));
    let both = Ok(vec![plan_id(1), plan_id(2)]);
    assert_eq!((mark("one"), mark("two")), (both.clone(), both));
    store.write(|unit| unit.operations().unmark_plans(&[plan_id(1), plan_id(3)], "one")).unwrap();
    store.write(|unit| unit.operations().unmark_plans(&[plan_id(1)], "three")).unwrap();
    store.write(|unit| unit.operations().unmark_plans(&[], "two")).unwrap();
    assert_eq!((mark("one"), mark("two")), (Ok(vec![plan_id(1)]), Ok(vec![])));
}

/// A job that was a mistake can go, and its history stays.
pub fn a_transfer_job_is_deleted(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let add = || store.write(|unit| unit.transfers().add(&order(TransferredLicenses::All), &change(1))).unwrap();
    let (first, second) = (add(), add());
    let (reason, entry) = because(2);
    store.write(|unit| unit.transfers().delete(second, &reason)).unwrap();
    let found = store.read(|unit| Ok((unit.transfers().find(first)?.is_some(), unit.transfers().find(second)?)));
    assert_eq!(found, Ok((true, None)));
    assert_eq!(db.history("license_transfer_job", &second.to_string()).last(), Some(&entry));
    let again = store.write(|unit| unit.transfers().delete(second, &reason));
    assert!(matches!(again, Err(Error::Internal(_))), "{again:?}");
    assert!(add() > second, "no id is used twice");
}

fn told(plan: u128, kind: NotificationKind) -> Notification {
    Notification { customer: customer(1), customer_user: 1, plan: plan_id(plan), kind, last_sent: day(1) }
}

/// Staff can have a mail sent again.
pub fn notifications_that_match_are_deleted(db: &dyn Database) {
    use NotificationKind::{NoAllocationsRemaining as Full, PeriodicInformational as Usual};
    let store = db.store();
    with_plans(&*store);
    let sent = [told(1, Usual), told(1, Full), told(2, Full)];
    store.write(|unit| unit.notifications().save(&sent, &change(1))).unwrap();
    let any = NotificationFilter::default;
    let list = |filter| store.read(|unit| unit.notifications().list(&filter, ALL)).unwrap();
    let (reason, entry) = because(2);
    let delete =
        |filter: &NotificationFilter| store.write(|unit| unit.notifications().delete(filter, &reason)).unwrap();
    let (usual, found) = list(NotificationFilter { kind: Some(Usual), ..any() }).remove(0);
    assert_eq!(found, sent[0]);
    let this = NotificationFilter { ids: Some(vec![usual]), ..any() };
    assert_eq!(list(this.clone()), [(usual, found)]);
    assert_eq!((delete(&this), delete(&this)), (1, 0));
    assert_eq!(delete(&NotificationFilter { plan: Some(plan_id(1)), ..any() }), 1);
    assert_eq!(list(any()).into_iter().map(|(_, notification)| notification).collect::<Vec<_>>(), [sent[2].clone()]);
    assert_eq!(db.history("notification", &usual.to_string()).last(), Some(&entry));
    store.write(|unit| unit.notifications().save(&sent[..1], &change(3))).unwrap();
    assert!(list(any()).iter().all(|(id, _)| *id != usual), "no id is used twice");
}

/// Staff can have an event sent again.
pub fn license_events_that_match_are_deleted(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..3);
    let ids = [license_id(1), license_id(2)];
    store
        .write(|unit| {
            unit.license_events().add(&ids, "old", day(1))?;
            unit.license_events().add(&ids[..1], "unlinked", day(1))
        })
        .unwrap();
    let any = LicenseEventFilter::default;
    let list = |filter| store.read(|unit| unit.license_events().list(&filter, ALL)).unwrap();
    let (reason, entry) = because(2);
    let delete =
        |filter: &LicenseEventFilter| store.write(|unit| unit.license_events().delete(filter, &reason)).unwrap();
    let unlinked = list(LicenseEventFilter { event_name: Some("unlinked".to_owned()), ..any() }).remove(0);
    let this = LicenseEventFilter { ids: Some(vec![unlinked.id]), ..any() };
    assert_eq!(list(this.clone()), std::slice::from_ref(&unlinked));
    assert_eq!((delete(&this), delete(&this)), (1, 0));
    assert_eq!(delete(&LicenseEventFilter { license: Some(license_id(2)), ..any() }), 1);
    let left: Vec<_> = list(any()).into_iter().map(|mark| (mark.license, mark.event_name)).collect();
    assert_eq!(left, [(license_id(1), "old".to_owned())]);
    assert_eq!(db.history("license_event", &unlinked.id.to_string()), [entry]);
}

/// A wrong sale can be taken off a license, and that is recorded.
pub fn sources_are_read_and_removed(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..4);
    let sources = [1, 2].map(|number| (license_id(number), format!("00600000000000000{number}")));
    store.write(|unit| unit.licenses().set_sources(&sources, &change(1))).unwrap();
    let all: Vec<_> = (1..4).map(license_id).collect();
    let read = || store.read(|unit| unit.licenses().sources(&all)).unwrap();
    assert_eq!(read(), sources.iter().cloned().collect());
    let (reason, entry) = because(2);
    store.write(|unit| unit.licenses().remove_sources(&all[1..], &reason)).unwrap();
    assert_eq!(read(), sources[..1].iter().cloned().collect());
    let history = |number| db.history("license_source", &license_id(number).to_string());
    assert_eq!((history(2).last(), history(3).len()), (Some(&entry), 0));
    assert_eq!(store.read(|unit| unit.licenses().sources(&[])).unwrap().len(), 0);
}
