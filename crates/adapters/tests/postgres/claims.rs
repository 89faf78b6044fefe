//! Claiming licenses and locks concurrently.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, mpsc};

use diesel::connection::SimpleConnection;
use license_manager_adapters::postgres::PostgresStore;
use license_manager_domain::model::{Job, JobKind};
use license_manager_domain::ports::{Person, StoreExt, UnitOfWork};
use license_manager_domain::queue::{Claim, Lease, Queue};
use license_manager_domain::*;
use uuid::Uuid;

use crate::support::{PostgresDatabase, postgres_store};
use crate::{
    PLAN, change, email, hand_out, license_ids, manager, now, number, plan, provision, wait_for_a_blocked_session,
};

#[test]
fn sixteen_claims_at_once_take_every_license_once() {
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|options| options.pool_size = 16);
    provision(&store, 16 * 20);
    let start = Barrier::new(16);
    let claimed: Vec<LicenseId> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|thread| {
                let (store, start) = (&store, &start);
                scope.spawn(move || {
                    start.wait();
                    let mut ids = Vec::new();
                    for round in 0..4 {
                        let first = (thread * 4 + round) * 5;
                        let licenses = store.write(|unit| hand_out(unit, first..first + 5)).unwrap();
                        assert_eq!(licenses.len(), 5, "there are enough for everybody");
                        ids.extend(licenses.into_iter().map(|license| license.id));
                    }
                    ids
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(claimed.len(), 320);
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>().len(), 320, "no license was taken twice");
}

#[test]
fn a_claim_skips_licenses_locked_by_others() {
    let (store, _database) = postgres_store();
    provision(&store, 10);
    let outcome = store.write(|holder| {
        let held = hand_out(holder, 0..3)?;
        // All claims stay open until this one is done: waiting would time out.
        let taken = store.write(|unit| hand_out(unit, 10..15))?;
        assert_eq!(taken.len(), 5);
        assert!(taken.iter().all(|license| held.iter().all(|other| other.id != license.id)));
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
}

#[test]
fn sixteen_claims_share_too_few_licenses_to_the_last_one() {
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|options| options.pool_size = 16);
    provision(&store, 100);
    let start = Barrier::new(16);
    let taken: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|thread| {
                let (store, start) = (&store, &start);
                scope.spawn(move || {
                    start.wait();
                    store.write(|unit| hand_out(unit, thread * 10..thread * 10 + 10)).unwrap().len()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(taken.iter().sum::<usize>(), 100, "{taken:?}");
    assert_eq!(number(&database, "SELECT count(*) AS number FROM license WHERE status = 'unassigned'"), 0);
}

/// Claims seven of ten licenses while another transaction asks for five, ends as `end` says, and returns the other's
/// result.
fn claim_beside_a_holder(end: impl Fn(&mut dyn UnitOfWork) -> Result<(), Error> + Send + Sync) -> usize {
    let (store, database) = postgres_store();
    provision(&store, 10);
    let (holds, held) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _: Result<(), Error> = store.write(|unit| {
                hand_out(unit, 0..7)?;
                holds.send(()).unwrap();
                wait_for_a_blocked_session(&database);
                end(unit)
            });
        });
        held.recv().unwrap();
        store.write(|unit| hand_out(unit, 10..15)).unwrap().len()
    })
}

/// Runs SQL, and commits it once `work` waits for it. Returns the result of `work`.
fn beside<T: Send>(database: &PostgresDatabase, sql: &str, work: impl FnOnce() -> T + Send) -> T {
    let mut connection = database.connection();
    connection.batch_execute(&format!("BEGIN; {sql}")).unwrap();
    std::thread::scope(|scope| {
        let working = scope.spawn(work);
        wait_for_a_blocked_session(database);
        connection.batch_execute("COMMIT").unwrap();
        working.join().unwrap()
    })
}

#[test]
fn work_that_claims_in_parts_has_all_that_it_announced_locked_for_its_next_attempt() {
    let (store, database) = postgres_store();
    provision(&store, 10);
    let attempts = AtomicUsize::new(0);
    let work = || {
        store.write(|unit| {
            unit.licenses().announce_claims(PLAN, 8);
            if attempts.fetch_add(1, Ordering::Relaxed) == 1 {
                let of_others = store.write(|other| other.licenses().claim_unassigned(PLAN, 2))?;
                let ids: Vec<LicenseId> = of_others.iter().map(|license| license.id).collect();
                assert_eq!(ids, license_ids(8..10), "the others are locked");
            }
            let mut claimed = 0;
            for first in [0, 2, 4, 6] {
                claimed += hand_out(unit, first..first + 2)?.len();
            }
            Ok(claimed)
        })
    };
    let claimed = beside(&database, "SELECT uuid FROM license ORDER BY uuid LIMIT 7 FOR UPDATE", work);
    assert_eq!((claimed, attempts.into_inner()), (Ok(8), 2));
}

/// The id of a second plan.
fn another_plan(store: &PostgresStore) -> PlanId {
    let other = SubscriptionPlan { id: PlanId(Uuid::from_u128(0xAA)), title: "Languages".to_owned(), ..plan() };
    store.write(|unit| unit.plans().add(&other, &change())).unwrap();
    other.id
}

#[test]
fn waiting_for_a_license_finds_it_in_the_plan_it_was_moved_to() {
    let (store, database) = postgres_store();
    provision(&store, 1);
    let license = store.write(|unit| hand_out(unit, 0..1)).unwrap().remove(0);
    let (key, other) = (license.columns().activation_key.unwrap(), another_plan(&store));
    let holder = Person { email: license.holder_email().cloned(), lms_user_id: None };
    let moved = format!("UPDATE license SET subscription_plan_uuid = '{other}' WHERE uuid = '{}'", license.id);
    let manager = manager(store.clone());
    let activate = || manager.activate(&Actor::user("learner"), key, &holder).unwrap();
    let found = beside(&database, &moved, activate);
    assert_eq!((found.license.id, found.license.plan, found.plan.plan.id), (license.id, other, other));
}

#[test]
fn an_activation_that_waited_for_a_renewal_finds_the_renewed_license() {
    let (store, database) = postgres_store();
    provision(&store, 1);
    let license = store.write(|unit| hand_out(unit, 0..1)).unwrap().remove(0);
    let (key, other) = (license.columns().activation_key.unwrap(), another_plan(&store));
    let holder = Person { email: license.holder_email().cloned(), lms_user_id: None };
    let (copy, later) = (LicenseId(Uuid::from_u128(0xBB)), now() + chrono::Duration::seconds(1));
    let manager = manager(store.clone());
    let (holds, held) = mpsc::channel();
    let activated = std::thread::scope(|scope| {
        scope.spawn(|| {
            let renewed: Result<(), Error> = store.write(|unit| {
                let original = unit.licenses().find_by_ids(&[license.id])?.remove(0);
                let (original, copy) = original.renew(License::unassigned(copy, other, later), later, later)?;
                unit.licenses().add(&[copy], &change())?;
                unit.licenses().save(&[original], &change())?;
                holds.send(()).unwrap();
                wait_for_a_blocked_session(&database);
                Ok(())
            });
            renewed.unwrap();
        });
        held.recv().unwrap();
        manager.activate(&Actor::user("learner"), key, &holder)
    });
    let activated = activated.map(|found| (found.license.id, found.license.status()));
    assert_eq!(activated, Ok((copy, LicenseStatus::Activated)), "the one that was assigned last");
}

#[test]
fn waiting_for_a_plan_finds_it_with_its_new_product() {
    let (store, database) = postgres_store();
    provision(&store, 1);
    let given = format!("UPDATE subscription_plan SET product_id = 2 WHERE uuid = '{PLAN}'");
    let found = beside(&database, &given, || store.write(|unit| unit.plans().lock(PLAN)).unwrap());
    assert_eq!(found.map(|details| details.plan.product), Some(ProductId(2)));
}

#[test]
fn a_job_is_not_claimed_while_its_plan_is_locked() {
    let (store, _database) = postgres_store();
    provision(&store, 1);
    let job = Job::new(PLAN, JobKind::Provision, now());
    store.write(|unit| unit.jobs().add(&job)).unwrap();
    let lease = Lease { id: uuid::Uuid::nil(), queue: Queue::PlanJobs(JobKind::Provision) };
    let claim = Claim { lease, now: now(), until: now(), limit: 1 };
    let claim = || store.write(|unit| Ok(unit.queue().claim_job(&claim)?.map(|claimed| claimed.plan)));
    let beside = store.write(|unit| {
        unit.plans().lock(PLAN)?;
        let beside = claim()?;
        // Claiming it would wait for the plan, and this transaction for the job.
        unit.jobs().add(&job)?;
        Ok(beside)
    });
    assert_eq!((beside, claim()), (Ok(None), Ok(Some(job.plan))));
}

#[test]
fn a_claim_waits_for_licenses_whose_lock_is_rolled_back() {
    assert_eq!(claim_beside_a_holder(|_| Err(Error::NotFound(Entity::Plan))), 5);
}

#[test]
fn a_claim_that_waited_gets_what_is_left() {
    assert_eq!(claim_beside_a_holder(|_| Ok(())), 3);
}

#[test]
fn a_claim_that_waited_gets_licenses_added_meanwhile() {
    let add = |unit: &mut dyn UnitOfWork| unit.licenses().add_unassigned(PLAN, &license_ids(10..20), &change());
    assert_eq!(claim_beside_a_holder(add), 5);
}

#[test]
fn a_unit_that_never_gets_its_licenses_fails_for_now() {
    let (store, _database) = postgres_store();
    // Each attempt asks for a license of a plan that was not reserved for it.
    let mut plans = (1..).map(|number| PlanId(Uuid::from_u128(number)));
    let mut claim = |unit: &mut dyn UnitOfWork| unit.licenses().claim_unassigned(plans.next().unwrap(), 1).map(drop);
    assert_eq!(store.write(&mut claim), Err(Error::Unavailable));
    assert_eq!(plans.next(), Some(PlanId(Uuid::from_u128(11))), "ten attempts");
}

#[test]
fn sixteen_assignments_of_overlapping_groups_are_all_served() {
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|options| options.pool_size = 16);
    // Exactly as many as learners: a refusal would be due to concurrency only.
    provision(&store, 100);
    let manager = manager(store);
    let start = Barrier::new(16);
    let assigned: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|thread| {
                let (manager, start) = (&manager, &start);
                scope.spawn(move || {
                    // Thirty learners in a row of a ring of one hundred.
                    let learners: Assignees = (0..30).map(|step| email((thread * 7 + step) % 100)).collect();
                    start.wait();
                    let outcome =
                        manager.assign(&Actor::user("admin"), PLAN, &learners, &AssignmentMail::default()).unwrap();
                    assert_eq!(outcome.assigned.len() + outcome.already_associated, 30);
                    outcome.assigned.len()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(assigned, 100, "every learner got one license");
    let counts = manager.plan(PLAN).unwrap().counts;
    assert_eq!(counts, LicenseCounts { assigned: 100, ..LicenseCounts::default() });
    assert_eq!(number(&database, "SELECT count(DISTINCT user_email) AS number FROM license"), 100);
}

#[test]
fn a_second_live_license_is_a_conflict_when_repeating_does_not_help() {
    let (store, database) = postgres_store();
    provision(&store, 2);
    store.write(|unit| hand_out(unit, 0..1)).unwrap();
    let outcome = store.write(|unit| hand_out(unit, 0..1));
    assert_eq!(outcome, Err(Conflict::LiveLicense(Vec::new()).into()));
    assert_eq!(number(&database, "SELECT count(*) AS number FROM license WHERE status = 'unassigned'"), 1);
}

#[test]
fn deadlocked_transactions_both_succeed() {
    let (store, _database) = postgres_store();
    provision(&store, 2);
    store.write(|unit| hand_out(unit, 0..2)).unwrap();
    let attempts = AtomicUsize::new(0);
    let both_hold_one = Barrier::new(2);
    std::thread::scope(|scope| {
        for [first, second] in [[0, 1], [1, 0]] {
            let (store, attempts, both_hold_one) = (&store, &attempts, &both_hold_one);
            scope.spawn(move || {
                let mut is_first_attempt = true;
                store
                    .write(|unit| {
                        attempts.fetch_add(1, Ordering::Relaxed);
                        unit.licenses().lock_live_by_emails(PLAN, &[email(first)])?;
                        if std::mem::take(&mut is_first_attempt) {
                            both_hold_one.wait();
                        }
                        unit.licenses().lock_live_by_emails(PLAN, &[email(second)])?;
                        Ok(())
                    })
                    .unwrap();
            });
        }
    });
    assert!(attempts.into_inner() > 2, "one of the two was run again");
}
