//! Concurrent transactions.

use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use license_manager_domain::model::{
    AnswerQuota, Claimed, DEFAULT_PRODUCT, FirstRequest, HeldTwice, IdempotencyKey, REQUEST_BYTES, RenewalTerms,
    TransferredLicenses, seeded_products,
};
use license_manager_domain::ports::{
    FixedClock, LicenseFilter, Person, RenewalFilter, SequentialIds, Store, StoreExt, UnitOfWork,
};
use license_manager_domain::use_cases::{LearnerLicenseFilter, RenewalOutcome, RenewedBy};
use license_manager_domain::{
    Actor, Assignees, AssignmentMail, Conflict, Entity, Error, License, LicenseId, LicenseManager, LicenseSelection,
    LmsUserId, Refusal, Settings, SubscriptionPlan,
};

use super::Database;
use super::fixtures::*;
use super::transfers::order;

/// Runs `work` in many threads at the same time, and returns their results.
pub(crate) fn at_once<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(threads);
    let (start, work) = (&start, &work);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    start.wait();
                    work(thread)
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn manager(store: &Arc<dyn Store>) -> LicenseManager {
    let (clock, ids) = (FixedClock::new(day(2)), SequentialIds::default());
    LicenseManager::new(store.clone(), Arc::new(clock), Arc::new(ids), Settings::default())
}

/// Assignments at once never give one seat to two people.
pub fn no_license_is_claimed_twice(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 0..40);
    let claimed = at_once(8, |thread| {
        store.write(|unit| {
            let licenses = unit.licenses().claim_unassigned(plan_id(1), 5)?;
            let assigned = licenses.into_iter().enumerate().map(|(number, license)| {
                let address = format!("learner{number}.of{thread}@example.com");
                license.assign(email(&address), key((thread * 5 + number) as u128), day(2))
            });
            let assigned = assigned.collect::<Result<Vec<_>, _>>()?;
            unit.licenses().save(&assigned, &change(2))?;
            Ok(numbers(&assigned))
        })
    });
    let mut claimed: Vec<u128> = claimed.into_iter().flat_map(Result::unwrap).collect();
    claimed.sort_unstable();
    assert_eq!(claimed, (0..40).collect::<Vec<_>>(), "eight times five of forty");
}

/// No assignment is refused because of one that failed.
pub fn claiming_gets_what_another_transaction_gives_back(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 0..5);
    let (holds, held) = channel();
    let claimed = thread::scope(|scope| {
        let holder_store = store.clone();
        scope.spawn(move || {
            let failed: Result<(), Error> = holder_store.write(|unit| {
                unit.licenses().claim_unassigned(plan_id(1), 3)?;
                holds.send(()).unwrap();
                // Long enough for the other transaction to meet the locks. If it comes later, it gets the same
                // licenses.
                thread::sleep(Duration::from_millis(100));
                Err(Error::NotFound(Entity::Plan))
            });
            assert_eq!(failed, Err(Error::NotFound(Entity::Plan)));
        });
        held.recv().unwrap();
        store.write(|unit| unit.licenses().claim_unassigned(plan_id(1), 4)).unwrap()
    });
    assert_eq!(claimed.len(), 4, "the plan has five");
}

/// No change of a plan is lost.
pub fn a_locked_plan_is_changed_by_one_after_another(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    at_once(4, |_| {
        for _ in 0..10 {
            store
                .write(|unit| {
                    let plan = unit.plans().lock(plan_id(1))?.ok_or(Error::NotFound(Entity::Plan))?.plan;
                    let num_revocations_applied = plan.num_revocations_applied + 1;
                    unit.plans().save(&SubscriptionPlan { num_revocations_applied, ..plan }, &change(2))
                })
                .unwrap();
        }
    });
    let plan = store.read(|unit| unit.plans().find(plan_id(1))).unwrap().unwrap().plan;
    assert_eq!(plan.num_revocations_applied, 40, "no change was lost");
}

/// No change of an agreement or a product is lost.
pub fn locked_agreements_and_products_are_changed_by_one_after_another(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    at_once(4, |_| {
        for _ in 0..10 {
            let count_up = |unit: &mut dyn UnitOfWork| {
                unit.agreements().lock(agreement_id(1))?;
                unit.products().lock()?;
                let mut agreement =
                    unit.agreements().find(agreement_id(1))?.ok_or(Error::NotFound(Entity::Agreement))?;
                agreement.auto_scaling.max_licenses = Some(agreement.auto_scaling.max_licenses.unwrap_or(0) + 1);
                unit.agreements().save(&agreement, &change(2))?;
                let mut product = unit.products().find(DEFAULT_PRODUCT)?.ok_or(Error::NotFound(Entity::Product))?;
                product.name.push('+');
                unit.products().save(&product, &change(2))
            };
            store.write(count_up).unwrap();
        }
    });
    let agreement = store.read(|unit| unit.agreements().find(agreement_id(1))).unwrap().unwrap();
    assert_eq!(agreement.auto_scaling.max_licenses, Some(40), "no change was lost");
    let product = store.read(|unit| unit.products().find(DEFAULT_PRODUCT)).unwrap().unwrap();
    assert_eq!(product.name, format!("{}{}", seeded_products()[0].name, "+".repeat(40)), "no change was lost");
}

/// A revocation counts once against the cap.
pub fn a_license_is_taken_back_by_one_of_many(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[activated(1, 1, "amy@example.com", 1)]);
    let revoked = at_once(8, |_| {
        store
            .write(|unit| {
                let live = unit.licenses().lock_live_by_emails(plan_id(1), &[email("amy@example.com")])?;
                let revoked = live.into_iter().map(|license| license.revoke(day(5))).collect::<Result<Vec<_>, _>>()?;
                unit.licenses().save(&revoked, &change(5))?;
                Ok(revoked.len())
            })
            .unwrap()
    });
    assert_eq!(revoked.iter().sum::<usize>(), 1);
    assert_eq!(db.history("license", &license_id(1).to_string()).len(), 3, "made, handed out, taken back");
}

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

/// Plan 1, with this many auto-applied licenses.
fn handing_out(db: &dyn Database, seats: u128) -> LicenseManager {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 0..seats);
    let hands_out = SubscriptionPlan { should_auto_apply_licenses: Some(true), ..plan(1, 1) };
    store.write(|unit| unit.plans().save(&hands_out, &change(1))).unwrap();
    let (clock, ids) = (FixedClock::new(day(2)), SequentialIds::default());
    LicenseManager::new(store, Arc::new(clock), Arc::new(ids), Settings::default())
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

/// A repeated request is carried out once, also at the same time.
pub fn a_key_is_claimed_by_one_of_many(db: &dyn Database) {
    let store = db.store();
    let key = IdempotencyKey { username: "amy".to_owned(), key: "k".to_owned(), operation: "POST /a/".to_owned() };
    let claims = at_once(16, |thread| {
        let request = FirstRequest {
            fingerprint: [7; 32],
            owner: key_owner(thread),
            created: day(1),
            lease_until: day(2),
            reserved: 1_000,
            answer: None,
        };
        store.write(|unit| unit.idempotency().claim(&key, &request, day(0), &AnswerQuota::default())).unwrap()
    });
    let winners: Vec<usize> = (0..16).filter(|&thread| claims[thread] == Claimed::First).collect();
    let [winner] = winners.as_slice() else { panic!("{winners:?} claimed it") };
    for (thread, claim) in claims.iter().enumerate().filter(|(thread, _)| thread != winner) {
        assert!(
            matches!(claim, Claimed::Existing(standing) if standing.owner == key_owner(*winner)),
            "{thread}: {claim:?}"
        );
    }
}

/// Quotas hold at the same time too.
pub fn a_user_who_comes_many_times_at_once_keeps_within_their_room(db: &dyn Database) {
    let store = db.store();
    let quota = AnswerQuota { answer: 1_000, user: 5 * (REQUEST_BYTES + 1_000), total: i64::MAX };
    let claims = at_once(16, |thread| {
        let key =
            IdempotencyKey { username: "amy".to_owned(), key: thread.to_string(), operation: "POST /a/".to_owned() };
        let request = FirstRequest {
            fingerprint: [7; 32],
            owner: key_owner(thread),
            created: day(1),
            lease_until: day(2),
            reserved: quota.answer,
            answer: None,
        };
        store.write(|unit| unit.idempotency().claim(&key, &request, day(0), &quota)).unwrap()
    });
    assert_eq!(claims.iter().filter(|claim| **claim == Claimed::First).count(), 5);
    assert_eq!(claims.iter().filter(|claim| **claim == Claimed::NoRoom).count(), 11);
}

fn key_owner(thread: usize) -> uuid::Uuid {
    uuid::Uuid::from_u128(thread as u128 + 1)
}

/// Two requests at once cannot renew a plan twice.
pub fn a_plan_renewed_by_many_at_once_has_one_renewal(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let manager = manager(&store);
    let outcomes = at_once(16, |thread| {
        // Half of them name the renewed plan, so that they conflict.
        let renewed_plan = (thread % 2 == 0).then(|| plan_id(2));
        manager.create_renewal(&Actor::user("admin"), &RenewalTerms { renewed_plan, ..terms(1) }).unwrap()
    });
    let written = outcomes.iter().filter(|outcome| matches!(outcome, RenewalOutcome::Written(_)));
    assert_eq!(written.count(), 1);
    let in_the_way = outcomes.iter().filter(|outcome| matches!(outcome, RenewalOutcome::InTheWay(_)));
    assert_eq!(in_the_way.count(), 8);
    assert_eq!(store.read(|unit| unit.renewals().count(&RenewalFilter::default())), Ok(1));
}

/// A renewal gives each holder one seat.
pub fn a_renewal_processed_by_many_at_once_carries_over_once(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[activated(1, 1, "amy@example.com", 1), assigned(2, 1, "bob@example.com"), unassigned(3, 1)]);
    let id = store.write(|unit| unit.renewals().add(&terms(1), &change(1))).unwrap();
    let manager = manager(&store);
    let processed = at_once(16, |_| {
        manager.process_renewal(&Actor::user("admin"), id, RenewedBy::Manual).expect("nobody is refused")
    });
    assert_eq!(processed.iter().filter(|processed| processed.newly).count(), 1);
    let future = processed[0].details.renewal.terms.renewed_plan.unwrap();
    assert!(processed.iter().all(|processed| processed.details.renewal.terms.renewed_plan == Some(future)));
    let counts = store.read(|unit| unit.licenses().counts(&[future])).unwrap()[&future];
    assert_eq!((counts.activated, counts.assigned, counts.unassigned), (1, 1, 8));
    assert_eq!(db.outbox().len(), 2, "an event for each");
}

/// Nobody is left behind by a renewal.
pub fn a_renewal_waits_for_an_assignment_that_has_begun(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 0..5);
    let id = store.write(|unit| unit.renewals().add(&terms(1), &change(1))).unwrap();
    let (claims, claimed) = channel();
    thread::scope(|scope| {
        let assigning = store.clone();
        scope.spawn(move || {
            let assign = |unit: &mut dyn UnitOfWork| {
                let free = unit.licenses().claim_unassigned(plan_id(1), 1)?.remove(0);
                claims.send(()).unwrap();
                // Long enough for the renewal to meet the lock. If it comes later, it finds the license.
                thread::sleep(Duration::from_millis(200));
                let license = free.assign(email("amy@example.com"), key(1), day(2))?;
                unit.licenses().save(&[license], &change(2))
            };
            assigning.write(assign).unwrap();
        });
        claimed.recv().unwrap();
        let processed = manager(&store).process_renewal(&Actor::user("admin"), id, RenewedBy::Manual).unwrap();
        let following = processed.details.renewal.terms.renewed_plan.unwrap();
        let carried = store.read(|unit| unit.licenses().find_by_email(following, &email("amy@example.com"))).unwrap();
        assert_eq!(carried.len(), 1);
    });
}

/// Who is assigned a seat during a renewal is carried over.
pub fn claiming_waits_for_who_locked_the_licenses_and_sees_the_renewal(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 0..5);
    let agreed = RenewalTerms { renewed_plan: Some(plan_id(2)), ..terms(1) };
    let id = store.write(|unit| unit.renewals().add(&agreed, &change(1))).unwrap();
    let (locks, locked) = channel();
    thread::scope(|scope| {
        let processing = store.clone();
        scope.spawn(move || {
            let process = |unit: &mut dyn UnitOfWork| {
                unit.licenses().lock_against_claims(plan_id(1))?;
                locks.send(()).unwrap();
                thread::sleep(Duration::from_millis(200));
                let mut renewal = unit.renewals().lock(id)?.unwrap().renewal;
                renewal.processed = true;
                unit.renewals().save(&renewal, &change(2))
            };
            processing.write(process).unwrap();
        });
        locked.recv().unwrap();
        let claim = |unit: &mut dyn UnitOfWork| {
            let claimed = unit.licenses().claim_unassigned(plan_id(1), 2)?;
            Ok::<_, Error>((claimed.len(), unit.plans().find(plan_id(1))?.unwrap().following.map(|plan| plan.id)))
        };
        assert_eq!(store.write(claim), Ok((2, Some(plan_id(2)))));
    });
}

/// Learners are assigned, activated, renamed and revoked while the plan is renewed and afterwards.
/// A renewed plan agrees with its prior one, whatever happened meanwhile.
pub fn who_comes_and_goes_while_the_plan_is_renewed_comes_and_goes_in_both_plans(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let held = (0..40).map(|number| {
        let address = format!("learner{number}@example.com");
        if number < 20 { assigned(number, 1, &address) } else { activated(number, 1, &address, number as i64 + 1) }
    });
    put(&*store, &held.collect::<Vec<_>>());
    put_unassigned(&*store, 1, 40..80);
    // The copies have ids before and after those of their originals.
    let id = store
        .write(|unit| {
            let starts = SubscriptionPlan { start_date: day(365), expiration_date: day(800), ..plan(2, 1) };
            unit.plans().save(&starts, &change(1))?;
            let before = (0..40).map(|number| LicenseId(uuid::Uuid::from_u128(number + 1)));
            let ids: Vec<LicenseId> = before.chain((1_000..1_040).map(license_id)).collect();
            unit.licenses().add_unassigned(plan_id(2), &ids, &change(1))?;
            let agreed = RenewalTerms { renewed_plan: Some(plan_id(2)), number_of_licenses: 100, ..terms(1) };
            unit.renewals().add(&agreed, &change(1))
        })
        .unwrap();
    let manager = manager(&store);
    let admin = Actor::user("admin");
    at_once(8, |thread| {
        let name = |number: usize| email(&format!("learner{number}@example.com"));
        for round in 0..5 {
            let number = thread / 2 * 5 + round;
            match thread % 2 {
                0 => {
                    let newcomer = [(email(&format!("late{thread}.{round}@example.com")), None)].into_iter().collect();
                    manager.assign(&admin, plan_id(1), &newcomer, &AssignmentMail::default()).unwrap();
                    let whose = LicenseSelection::Emails(vec![name(number), name(number + 20)]);
                    manager.revoke(&admin, plan_id(1), &whose).unwrap();
                }
                _ => {
                    let user = number as i64 + 21;
                    let renamed = email(&format!("renamed{number}@example.com"));
                    let person = Person { email: Some(renamed), lms_user_id: Some(LmsUserId(user)) };
                    let wanted = LearnerLicenseFilter {
                        include_revoked: true,
                        active_plans_only: false,
                        current_plans_only: false,
                    };
                    manager.learner_licenses(&admin, customer(1), &person, wanted).unwrap();
                    let person =
                        Person { email: Some(name(number)), lms_user_id: Some(LmsUserId(number as i64 + 101)) };
                    // Who was revoked first is refused.
                    let _ = manager.activate(&admin, key(number as u128), &person);
                }
            }
            if thread == 0 && round == 1 {
                manager.process_renewal(&admin, id, RenewedBy::Manual).unwrap();
            }
        }
    });
    let live = |plan| {
        let live = all(&*store, plan).into_iter().filter(License::is_live);
        let mut live: Vec<_> =
            live.map(|license| (license.holder_email().cloned(), license.status(), license.lms_user_id())).collect();
        live.sort();
        live
    };
    assert_eq!(live(2), live(1));
    let counts = store.read(|unit| unit.licenses().counts(&[plan_id(1), plan_id(2)])).unwrap();
    assert_eq!([1, 2].map(|plan| counts[&plan_id(plan)].total()), [80, 100]);
}

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
