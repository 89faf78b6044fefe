//! process-renewals.

use chrono::Duration;
use license_manager_domain::model::RenewalTerms;
use license_manager_domain::operations::{OperationSettings, OperationSummary};
use license_manager_domain::outbox::Topic;
use license_manager_domain::*;

use super::world::*;
use crate::support::*;

fn process(world: &World, dry_run: bool) -> OperationSummary {
    now(world.manager.process_renewals(Duration::hours(12), dry_run, &Watch::patient(world)))
}

/// A plan with a learner, and its renewal in so many hours.
fn due_in(world: &World, seats: i32, hours: i64) -> (PlanId, RenewalId) {
    let plan = world.plan(seats);
    world.assign(plan, &crowd(2)).unwrap();
    let terms = RenewalTerms {
        effective_date: world.manager.now() + Duration::hours(hours),
        renewed_expiration_date: world.manager.now() + Duration::days(500),
        ..world.terms(plan, seats)
    };
    (plan, world.schedule(&terms))
}

fn is_processed(world: &World, renewal: RenewalId) -> bool {
    world.manager.renewal(renewal).unwrap().renewal.processed
}

#[test]
fn renewals_of_the_next_twelve_hours_are_processed_and_no_others() {
    let world = World::new();
    let (soon, first) = due_in(&world, 3, 12);
    let (_, later) = due_in(&world, 4, 13);
    let exempt = world.plan(5);
    let terms = RenewalTerms {
        exempt_from_batch_processing: true,
        effective_date: world.manager.now() + Duration::hours(1),
        ..world.terms(exempt, 5)
    };
    let exempt = world.schedule(&terms);
    let before = world.store.history().len();
    let preview = complete(process(&world, true));
    assert_eq!(
        (world.store.history().len(), is_processed(&world, first)),
        (before, false),
        "a dry run changes nothing"
    );

    let summary = complete(process(&world, false));
    assert_eq!(summary.uuids, [soon.0]);
    assert_eq!((count(&summary, "renewals"), count(&summary, "licenses")), (1, 2));
    assert_eq!((&preview.counts, &preview.uuids), (&summary.counts, &summary.uuids), "as the dry run had told");
    assert_eq!([first, later, exempt].map(|renewal| is_processed(&world, renewal)), [true, false, false]);
    let automatic = |event: &serde_json::Value| event["properties"]["is_auto_renewed"] == true;
    assert_eq!(world.owed(Topic::LicenseEvent).iter().filter(|event| automatic(event)).count(), 2);

    let again = complete(process(&world, false));
    assert_eq!((count(&again, "renewals"), again.uuids.len()), (0, 0));
}

#[test]
fn a_window_and_a_lease_of_any_length_can_be_set() {
    for (span, processed) in [(Duration::MAX, 1), (Duration::MIN, 0)] {
        let operations = OperationSettings { lease: span, ..OperationSettings::default() };
        let world = World::with(Settings { operations, ..Settings::default() });
        due_in(&world, 3, 12);
        let summary = now(world.manager.process_renewals(span, false, &Watch::patient(&world)));
        assert_eq!(count(&complete(summary), "renewals"), processed, "{span}");
    }
}

#[test]
fn a_renewal_that_fails_does_not_stop_the_others() {
    let world = World::new();
    let crowded = world.plan(6);
    world.assign(crowded, &crowd(4)).unwrap();
    let soon = world.manager.now() + Duration::hours(1);
    let too_small = world.schedule(&RenewalTerms { effective_date: soon, ..world.terms(crowded, 3) });
    let (_, fine) = due_in(&world, 3, 2);
    for dry_run in [true, false] {
        let summary = process(&world, dry_run);
        assert_eq!(summary.errors.len(), 1);
        assert!(summary.errors[0].about.contains(&crowded.to_string()), "{summary:?}");
        assert_eq!(count(&summary, "renewals"), 1);
    }
    assert_eq!([too_small, fine].map(|renewal| is_processed(&world, renewal)), [false, true]);
}

#[test]
fn a_renewal_that_was_missed_is_left_to_hands_and_counted() {
    let world = World::new();
    let (_, renewal) = due_in(&world, 3, 2);
    world.clock.advance(Duration::hours(3));
    let summary = complete(process(&world, false));
    assert_eq!((count(&summary, "renewals"), count(&summary, "overdue")), (0, 1));
    assert!(!is_processed(&world, renewal));
}

#[test]
fn a_title_that_is_taken_is_told_by_the_dry_run_too() {
    let world = World::new();
    let (plan, renewal) = due_in(&world, 3, 2);
    let title = world.manager.renewal(renewal).unwrap().renewal.terms.title(&world.details(plan));
    world.create(world.new_plan(&title, 1)).unwrap();
    for dry_run in [true, false] {
        assert_eq!(process(&world, dry_run).errors.len(), 1);
    }
}

#[test]
fn a_frozen_plan_is_told_by_the_dry_run_too() {
    let world = World::new();
    let (prior, following) = (world.plan(3), world.plan(0));
    world.assign(prior, &crowd(2)).unwrap();
    let soon = world.manager.now() + Duration::hours(1);
    let terms = RenewalTerms { renewed_plan: Some(following), effective_date: soon, ..world.terms(prior, 3) };
    world.schedule(&terms);
    let freezable = PlanChanges { can_freeze_unused_licenses: Some(true), ..PlanChanges::default() };
    world.change(following, freezable).unwrap();
    world.manager.freeze(&admin(), following).unwrap();
    for dry_run in [true, false] {
        assert_eq!(process(&world, dry_run).errors.len(), 1);
    }
}

#[test]
fn a_run_ends_after_the_renewal_under_way() {
    let world = World::new();
    let renewals = [3, 4].map(|seats| due_in(&world, seats, 1).1);
    let summary = now(world.manager.process_renewals(Duration::hours(12), false, &Watch::for_looks(&world, 1)));
    assert!(summary.interrupted && !summary.is_complete());
    assert_eq!(renewals.map(|renewal| is_processed(&world, renewal)), [true, false]);
    assert_eq!(count(&complete(process(&world, false)), "renewals"), 1);
    assert!(renewals.iter().all(|&renewal| is_processed(&world, renewal)));
}
