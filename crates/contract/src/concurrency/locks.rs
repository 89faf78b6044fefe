//! Licenses and records that several transactions want.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use license_manager_domain::model::{DEFAULT_PRODUCT, seeded_products};
use license_manager_domain::ports::{StoreExt, UnitOfWork};
use license_manager_domain::{Entity, Error, SubscriptionPlan};

use super::at_once;
use crate::Database;
use crate::fixtures::*;

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
