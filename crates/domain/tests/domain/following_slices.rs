//! A plan that follows is brought in line in slices of two thousand licenses, with the result of doing it at once.

use std::collections::HashMap;

use crate::following::CID;
use crate::support::*;
use chrono::Duration;
use license_manager_domain::ports::{LicenseFilter, StoreExt};
use license_manager_domain::use_cases::LicenseEdit;
use license_manager_domain::*;

/// Enough for two slices.
const SEATS: i32 = 2_002;

/// A plan whose seats are all activated.
fn activated(world: &World) -> PlanId {
    let plan = world.plan(SEATS);
    world.assign(plan, &crowd(2_002)).unwrap();
    let activated = world.store.write(|unit| {
        let now = world.manager.now();
        let live = unit.licenses().lock_live(plan, &LicenseFilter::default(), i64::MAX)?;
        let activated = live.into_iter().map(|license| license.activate(None, now));
        unit.licenses().save(&activated.collect::<Result<Vec<_>, _>>()?, &admin().change(now))
    });
    activated.unwrap();
    plan
}

#[test]
fn people_of_two_slices_swap_their_copies() {
    let world = World::new();
    let prior = activated(&world);
    let following = world.renew(world.schedule(&world.terms(prior, SEATS))).unwrap();
    assert_eq!(world.counts(following).activated, i64::from(SEATS));

    // While the plan does not follow, the first and the last one swap their licenses.
    let start = world.details(following).start_date;
    world.rewrite_plan(following, |plan| plan.start_date = world.manager.now() - Duration::days(1));
    let mut originals = world.licenses(prior);
    originals.sort_by_key(|license| license.id);
    let [first, last] = [&originals[0], &originals[originals.len() - 1]];
    let held = |license: &License| license.holder_email().unwrap().clone();
    for (license, address) in [(first, email(CID)), (last, held(first)), (first, held(last))] {
        let renamed = LicenseEdit { user_email: Some(address), ..LicenseEdit::default() };
        world.manager.edit_license(&admin(), license.id, renamed).unwrap();
    }

    // It follows again, with another start, so that every copy changes.
    let later = start + Duration::days(10);
    let changes = PlanChanges { start_date: Some(later), ..PlanChanges::default() };
    let owed = world.newly_owed(|| drop(world.change(following, changes).unwrap()));
    assert!(owed.is_empty(), "no copy ended, and none is new: {:?}", topics(&owed));
    let copies: HashMap<LicenseId, License> =
        world.licenses(following).into_iter().map(|copy| (copy.renewed_from.unwrap(), copy)).collect();
    assert_eq!(copies.len(), originals.len());
    for original in world.licenses(prior) {
        let copy = &copies[&original.id];
        assert_eq!(copy.holder_email(), original.holder_email());
        assert_eq!((copy.activation_date(), original.renewed_to), (Some(later), Some(copy.id)));
    }
}
