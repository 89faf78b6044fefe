//! Renewals, and what happens to the plan meanwhile.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use license_manager_domain::model::RenewalTerms;
use license_manager_domain::ports::{Person, RenewalFilter, StoreExt, UnitOfWork};
use license_manager_domain::use_cases::{LearnerLicenseFilter, RenewalOutcome, RenewedBy};
use license_manager_domain::{
    Actor, AssignmentMail, Error, License, LicenseId, LicenseSelection, LmsUserId, SubscriptionPlan,
};

use super::{at_once, manager};
use crate::Database;
use crate::fixtures::*;

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

/// A person who is assigned a seat during a renewal is carried over.
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
