//! Transfer jobs and moving licenses.

use license_manager_domain::history::Change;
use license_manager_domain::model::{HeldTwice, TransferOrder, TransferRun, TransferredLicenses};
use license_manager_domain::ports::{LimitOffset, Store, StoreExt, TransferFilter};
use license_manager_domain::{Conflict, Error, License, LicenseId, LicenseTransferJob, TransferJobId};

use super::fixtures::*;
use super::{Database, HistoryEntry};

/// A transfer of licenses from plan 1 to plan 2.
pub(crate) fn order(licenses: TransferredLicenses) -> TransferOrder {
    TransferOrder {
        agreement: agreement_id(1),
        old_plan: plan_id(1),
        new_plan: plan_id(2),
        notes: None,
        is_dry_run: false,
        licenses,
    }
}

fn named(licenses: impl IntoIterator<Item = u128>) -> TransferredLicenses {
    TransferredLicenses::Named(licenses.into_iter().map(license_id).collect())
}

fn add(store: &dyn Store, order: &TransferOrder) -> TransferJobId {
    store.write(|unit| unit.transfers().add(order, &change(1))).unwrap()
}

fn found(store: &dyn Store, id: TransferJobId) -> LicenseTransferJob {
    store.read(|unit| unit.transfers().find(id)).unwrap().unwrap()
}

fn save(store: &dyn Store, job: &LicenseTransferJob) -> Result<(), Error> {
    store.write(|unit| unit.transfers().save(job, &change(2)))
}

fn moved(store: &dyn Store, licenses: &[LicenseId], plan: u128) -> Result<(), Error> {
    store.write(|unit| unit.transfers().move_licenses(licenses, plan_id(plan), &change(7)))
}

/// No detail of a job is lost.
pub fn a_transfer_job_comes_back_as_it_was_made(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    for order in [
        order(TransferredLicenses::All),
        TransferOrder { notes: Some("für “M”".to_owned()), is_dry_run: true, ..order(named([3, 1, 2])) },
    ] {
        let id = add(&*store, &order);
        let expected =
            LicenseTransferJob { id, order, runs: Vec::new(), completed_at: None, created: day(1), modified: day(1) };
        assert_eq!(found(&*store, id), expected);
        assert_eq!(store.write(|unit| unit.transfers().lock(id)), Ok(Some(expected)));
    }
    let unknown = TransferJobId(4711);
    assert_eq!(store.read(|unit| unit.transfers().find(unknown)), Ok(None));
    assert_eq!(store.write(|unit| unit.transfers().lock(unknown)), Ok(None));
}

/// Dry runs and the run that moved licenses can be told apart.
pub fn the_runs_of_a_transfer_job_are_kept_in_their_order(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let id = add(&*store, &TransferOrder { is_dry_run: true, ..order(named([1, 2])) });
    let run = |is_dry_run, licenses: &[u128], on| TransferRun {
        is_dry_run,
        modified_licenses: licenses.iter().copied().map(license_id).collect(),
        completed_at: day(on),
    };
    let mut job = found(&*store, id);
    for (is_dry_run, on) in [(true, 2), (true, 3), (false, 4)] {
        job.runs.push(run(is_dry_run, if is_dry_run { &[1, 2] } else { &[] }, on));
        job.order.is_dry_run = is_dry_run;
        job.completed_at = (!is_dry_run).then(|| day(on));
        job.modified = day(on);
        save(&*store, &job).unwrap();
        assert_eq!(found(&*store, id), job);
    }
}

/// Who moved licenses, when and why, is known.
pub fn writing_a_transfer_job_is_recorded(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let id = add(&*store, &order(TransferredLicenses::All));
    let job = found(&*store, id);
    save(&*store, &job).unwrap();
    let entry = |kind, on| HistoryEntry { kind, user: Some("admin".to_owned()), reason: None, at: day(on) };
    assert_eq!(db.history("license_transfer_job", &id.to_string()), [entry('+', 1), entry('~', 2)]);
    let missing = LicenseTransferJob { id: TransferJobId(id.0 + 1), ..job };
    assert!(matches!(save(&*store, &missing), Err(Error::Internal(_))));
    assert_eq!(db.history("license_transfer_job", &missing.id.to_string()), []);
}

/// Pages neither repeat nor miss a job.
pub fn transfer_jobs_are_listed_the_latest_first_and_filtered(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    store.write(|unit| unit.plans().add(&plan(4, 2), &change(0))).unwrap();
    let first = add(&*store, &order(TransferredLicenses::All));
    let back = TransferOrder { old_plan: plan_id(2), new_plan: plan_id(1), ..order(named([1])) };
    let back = add(&*store, &back);
    let elsewhere = TransferOrder {
        agreement: agreement_id(2),
        old_plan: plan_id(3),
        new_plan: plan_id(4),
        ..order(TransferredLicenses::All)
    };
    let elsewhere = add(&*store, &elsewhere);
    let done = LicenseTransferJob { completed_at: Some(day(5)), ..found(&*store, first) };
    save(&*store, &done).unwrap();

    let listed =
        |filter: &TransferFilter, limit_offset| store.read(|unit| unit.transfers().list(filter, limit_offset)).unwrap();
    let any = TransferFilter::default();
    assert_eq!(listed(&any, ALL), [elsewhere, back, first].map(|id| (&found(&*store, id)).into()));
    assert_eq!(listed(&any, LimitOffset { offset: 1, limit: 1 })[0].id, back);
    assert_eq!(listed(&any, FROM_BELOW_ZERO)[0].id, elsewhere);
    assert_eq!(listed(&any, LESS_THAN_NONE), []);
    for (filter, expected) in [
        (TransferFilter { customer: Some(customer(1)), ..any }, vec![back, first]),
        (TransferFilter { agreement: Some(agreement_id(2)), ..any }, vec![elsewhere]),
        (TransferFilter { old_plan: Some(plan_id(2)), ..any }, vec![back]),
        (TransferFilter { new_plan: Some(plan_id(2)), ..any }, vec![first]),
        (TransferFilter { completed: Some(true), ..any }, vec![first]),
        (TransferFilter { completed: Some(false), ..any }, vec![elsewhere, back]),
        (TransferFilter { customer: Some(customer(9)), ..any }, vec![]),
    ] {
        let ids: Vec<_> = listed(&filter, ALL).iter().map(|job| job.id).collect();
        assert_eq!(ids, expected, "{filter:?}");
        assert_eq!(store.read(|unit| unit.transfers().count(&filter)), Ok(expected.len() as i64), "{filter:?}");
    }
}

/// Only live licenses of the old plan move.
pub fn the_licenses_of_an_order_are_live_ones_that_are_named_or_all(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let licenses = [
        activated(5, 1, "amy@example.com", 5),
        assigned(1, 1, "bob@example.com"),
        unassigned(2, 1),
        revoked(3, 1, "zoe@example.com", 3),
        assigned(4, 2, "kim@example.com"),
    ];
    put(&*store, &licenses);
    let of = |licenses: &TransferredLicenses| {
        let ids = store.write(|unit| unit.transfers().lock_licenses(plan_id(1), licenses)).unwrap();
        ids.iter().map(|id| id.0.as_u128() - 0xD0_0000).collect::<Vec<_>>()
    };
    assert_eq!(of(&TransferredLicenses::All), [1, 2, 3, 5]);
    assert_eq!(of(&named([5, 4, 3, 2, 1, 5, 99])), [1, 5]);
    assert_eq!(of(&named([])), []);
    let locked = store.read(|unit| unit.transfers().lock_licenses(plan_id(1), &TransferredLicenses::All));
    assert!(locked.is_err(), "locked in a unit that reads");
}

/// A move that would give somebody two seats is refused with reasons.
pub fn who_holds_a_live_license_of_both_plans_is_found(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(
        &*store,
        &[
            activated(6, 1, "amy@example.com", 6),
            assigned(1, 1, "bob@example.com"),
            assigned(2, 1, "cat@example.com"),
            revoked(3, 1, "dan@example.com", 3),
            unassigned(4, 1),
        ],
    );
    put(
        &*store,
        &[
            assigned(11, 2, "amy@example.com"),
            activated(12, 2, "bob@example.com", 7),
            revoked(13, 2, "cat@example.com", 8),
            assigned(14, 2, "dan@example.com"),
            unassigned(15, 2),
        ],
    );
    let held = |numbers: &[u128]| {
        let ids: Vec<_> = numbers.iter().copied().map(license_id).collect();
        store.read(|unit| unit.transfers().held_twice(&ids, plan_id(2))).unwrap()
    };
    let twice = |number, address: &str| HeldTwice { license: license_id(number), email: email(address) };
    assert_eq!(held(&[6, 4, 3, 2, 1]), [twice(1, "bob@example.com"), twice(6, "amy@example.com")]);
    assert_eq!(held(&[2, 3, 4]), []);
    assert_eq!(held(&[]), []);
}

/// Moving changes the plan and nothing else.
pub fn licenses_move_and_stay_as_they_are(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let licenses = [
        License { auto_applied: Some(true), ..activated(1, 1, "amy@example.com", 1) },
        License { renewed_to: Some(license_id(1)), ..assigned(2, 1, "bob@example.com") },
        revoked(3, 1, "zoe@example.com", 3),
        unassigned(4, 1),
        unassigned(5, 1),
    ];
    put(&*store, &licenses);
    moved(&*store, &[1, 2, 3, 4].map(license_id), 2).unwrap();
    let expected: Vec<License> =
        licenses[..4].iter().map(|license| License { plan: plan_id(2), modified: day(7), ..license.clone() }).collect();
    assert_eq!((all(&*store, 1), all(&*store, 2)), (vec![licenses[4].clone()], expected));
    let entry = HistoryEntry { kind: '~', user: Some("admin".to_owned()), reason: None, at: day(7) };
    for number in 1..=4 {
        assert_eq!(db.history("license", &license_id(number).to_string()).last(), Some(&entry));
    }
    assert_eq!(db.history("license", &license_id(5).to_string()).len(), 2, "what stayed is not recorded");
    moved(&*store, &[], 1).unwrap();
}

/// A move is done as a whole or not at all.
pub fn licenses_that_cannot_move_stay_all_of_them(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let [amy, bob] = [assigned(1, 1, "amy@example.com"), assigned(2, 1, "bob@example.com")];
    put(&*store, &[amy.clone(), bob.clone(), assigned(3, 2, "bob@example.com")]);
    assert_eq!(moved(&*store, &[1, 2].map(license_id), 2), Err(Conflict::LiveLicense(Vec::new()).into()));
    let missing = moved(&*store, &[1, 99].map(license_id), 2);
    assert!(matches!(missing, Err(Error::Internal(_))), "{missing:?}");
    assert_eq!(all(&*store, 1), [amy, bob]);
    assert_eq!(db.history("license", &license_id(1).to_string()).len(), 2);
}

/// The number of licenses is bounded by no limit of the database.
pub fn thousands_move_at_once(db: &dyn Database) {
    const NUMBER: u128 = 6_000;
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 0..NUMBER);
    let licenses: Vec<License> =
        (0..NUMBER).map(|number| assigned(number, 1, &format!("learner{number}@example.com"))).collect();
    store.write(|unit| unit.licenses().save(&licenses, &change(2))).unwrap();
    let ids = store
        .write(|unit| {
            let ids = unit.transfers().lock_licenses(plan_id(1), &named(0..NUMBER))?;
            assert_eq!(unit.transfers().held_twice(&ids, plan_id(2))?, []);
            unit.transfers().move_licenses(&ids, plan_id(2), &Change { by: None, ..change(3) })?;
            Ok(ids)
        })
        .unwrap();
    assert_eq!(ids.len(), NUMBER as usize);
    assert_eq!((all(&*store, 1).len(), all(&*store, 2).len()), (0, NUMBER as usize));
    let twice = store.read(|unit| unit.transfers().held_twice(&ids, plan_id(2))).unwrap();
    assert_eq!(twice.len(), NUMBER as usize);
}
