//! Chains of plans, each of which follows the one before.

use crate::following::{AMY, BOB, CID, assert_in_line, edit, followed, names, transfer};
use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::RenewalTerms;
use license_manager_domain::use_cases::LicenseEdit;
use license_manager_domain::*;

/// The plan of this many seats that follows a plan that follows one.
fn renewed_next(world: &World, following: PlanId, seats: i32) -> PlanId {
    let later = RenewalTerms {
        effective_date: beginning() + Duration::days(465),
        renewed_expiration_date: beginning() + Duration::days(800),
        ..world.terms(following, seats)
    };
    world.renew(world.schedule(&later)).unwrap()
}

#[test]
fn every_plan_of_a_chain_follows() {
    let world = World::new();
    let (prior, following) = followed(&world, 5);
    let last = renewed_next(&world, following, 4);
    assert_eq!(names(&world, last), [AMY, BOB]);
    world.revoke(prior, &[AMY]).unwrap();
    world.activate(prior, CID, 9);
    let key = world.license_of(prior, BOB).activation_key().unwrap();
    world.manager.activate(&Actor::user(BOB), key, &person(BOB, 8)).unwrap();
    assert_in_line(&world, (prior, following), 5);
    assert_in_line(&world, (following, last), 4);
    edit(&world, prior, BOB, LicenseEdit { status: Some(LicenseStatus::Unassigned), ..LicenseEdit::default() });
    assert_eq!([following, last].map(|plan| names(&world, plan)), [[CID], [CID]]);
}

#[test]
fn a_chain_can_be_processed_from_its_end() {
    let world = World::new();
    let prior = world.plan(3);
    let [following, last] = [1, 2].map(|year| {
        let mut new = world.new_plan(&format!("Year {year}"), 3);
        new.start_date += Duration::days(100 * year);
        new.expiration_date += Duration::days(100 * year);
        world.create(new).unwrap()
    });
    let terms = |prior, plan| RenewalTerms { renewed_plan: Some(plan), ..world.terms(prior, 3) };
    world.assign(prior, &learners([BOB])).unwrap();
    let effective_date = beginning() + Duration::days(200);
    world.renew(world.schedule(&RenewalTerms { effective_date, ..terms(following, last) })).unwrap();
    world.renew(world.schedule(&terms(prior, following))).unwrap();
    assert_eq!([following, last].map(|plan| names(&world, plan)), [[BOB], [BOB]]);
}

#[test]
fn a_license_that_goes_back_to_the_prior_plan_is_carried_over_to_all_that_follow() {
    let world = World::new();
    let (prior, following) = followed(&world, 5);
    let last = renewed_next(&world, following, 5);
    world.assign(following, &learners([CID])).unwrap();
    let moved = world.license_of(following, CID).id;
    assert_eq!(names(&world, last), [AMY, BOB, CID]);

    transfer(&world, [following, prior], CID);
    assert_eq!(world.license_of(prior, CID).id, moved);
    for plan in [prior, following, last] {
        assert_eq!(names(&world, plan), [AMY, BOB, CID]);
    }
    let carried_over = world.license_of(following, CID);
    assert_eq!(carried_over.renewed_from, Some(moved));
    let in_last = world.licenses(last).into_iter().find(|license| license.renewed_from == Some(carried_over.id));
    assert_eq!(in_last.map(|license| license.is_live()), Some(true));
}
