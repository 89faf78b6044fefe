//! Transfers, and what happens to the plans meanwhile.

use license_manager_domain::model::{HeldTwice, TransferredLicenses};
use license_manager_domain::ports::{LicenseFilter, StoreExt};
use license_manager_domain::{Actor, Assignees, AssignmentMail, Conflict};

use super::{at_once, manager};
use crate::Database;
use crate::fixtures::*;
use crate::transfers::order;

/// A job moves licenses once.
pub fn a_transfer_run_by_many_at_once_moves_once(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[activated(1, 1, "amy@example.com", 1), assigned(2, 1, "bob@example.com"), unassigned(3, 1)]);
    let id = store.write(|unit| unit.transfers().add(&order(TransferredLicenses::All), &change(1))).unwrap();
    let manager = manager(&store);
    let jobs = at_once(16, |_| manager.process_transfer_job(&Actor::user("admin"), id, None).unwrap());
    assert!(jobs.iter().all(|job| *job == jobs[0] && job.runs.len() == 1), "{jobs:?}");
    assert_eq!((numbers(&all(&*store, 1)), numbers(&all(&*store, 2))), (vec![], vec![1, 2, 3]));
    assert_eq!(db.history("license", &license_id(1).to_string()).len(), 3, "made, handed out, moved");
}

/// A transfer and an assignment at once give a person one seat.
pub fn a_transfer_never_gives_a_learner_two_licenses(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[assigned(1, 1, "amy@example.com"), assigned(2, 1, "bob@example.com")]);
    put_unassigned(&*store, 2, 11..21);
    let id = store.write(|unit| unit.transfers().add(&order(TransferredLicenses::All), &change(1))).unwrap();
    let manager = manager(&store);
    // While amy's license is moved, others assign her one in the new plan.
    let moved = at_once(8, |thread| match thread {
        0 => Some(manager.process_transfer_job(&Actor::user("admin"), id, None)),
        _ => {
            let amy: Assignees = [(email("amy@example.com"), None)].into_iter().collect();
            manager.assign(&Actor::user("admin"), plan_id(2), &amy, &AssignmentMail::default()).unwrap();
            None
        }
    });
    let live = |plan| {
        let live =
            store.write(|unit| unit.licenses().lock_live(plan_id(plan), &LicenseFilter::default(), 100)).unwrap();
        live.iter().filter_map(|license| license.holder_email().cloned()).collect::<Vec<_>>()
    };
    let both = |mut emails: Vec<license_manager_domain::Email>| {
        emails.sort();
        emails
    };
    let (amy, bob) = (email("amy@example.com"), email("bob@example.com"));
    match moved.into_iter().flatten().next().unwrap() {
        Ok(_) => assert_eq!((live(1), both(live(2))), (vec![], vec![amy, bob])),
        Err(error) => {
            let held = vec![HeldTwice { license: license_id(1), email: amy.clone() }];
            assert_eq!(error, Conflict::LiveLicense(held).into());
            assert_eq!((both(live(1)), live(2)), (vec![amy.clone(), bob], vec![amy]));
        }
    }
}
