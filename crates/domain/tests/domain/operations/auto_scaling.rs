//! process-auto-scalable-plans.

use chrono::Duration;
use license_manager_domain::operations::OperationSummary;
use license_manager_domain::*;

use super::world::*;
use crate::support::*;

fn scale(world: &World, dry_run: bool) -> OperationSummary {
    complete(world.manager.process_auto_scalable_plans(dry_run, &Watch::patient(world)))
}

/// Grows from this share of allocated licenses by this share, up to so many.
fn agree(world: &World, threshold: i32, increment: i32, most: i32) {
    world.rewrite_agreement(|agreement| {
        agreement.auto_scaling = AutoScaling {
            enabled: true,
            max_licenses: Some(most),
            threshold_percentage: Some(threshold),
            increment_percentage: Some(increment),
        };
    });
}

fn plan_with(world: &World, seats: i32, taken: usize) -> PlanId {
    let plan = world.plan(seats);
    world.assign(plan, &crowd(taken)).unwrap();
    plan
}

#[test]
fn a_plan_grows_by_at_least_one_from_the_threshold_on() {
    for (seats, taken, threshold, increment, most, grown) in [
        (10, 6, 70, 50, 100, 0),   // below
        (10, 7, 70, 50, 100, 5),   // at the threshold
        (10, 8, 70, 25, 100, 2),   // rounded down
        (10, 10, 100, 50, 100, 5), // all are allocated
        (10, 9, 100, 50, 100, 0),
        (5, 4, 80, 10, 100, 1), // at least one
        (3, 3, 50, 10, 100, 1),
        (5, 4, 80, 10, 5, 0),    // but not beyond the most
        (10, 10, 70, 50, 12, 2), // up to the most
        (10, 10, 70, 50, 5, 0),  // never fewer
        (0, 0, 1, 100, 100, 0),  // an empty plan has no share
    ] {
        let world = World::new();
        let plan = plan_with(&world, seats, taken);
        agree(&world, threshold, increment, most);
        let before = world.footprint(plan);
        let preview = scale(&world, true);
        assert_eq!(world.footprint(plan), before, "a dry run changes nothing");
        let summary = scale(&world, false);
        assert_eq!(count(&summary, "licenses"), grown, "{seats} {taken} {threshold} {increment} {most}");
        assert_eq!((preview.counts, preview.uuids), (summary.counts, summary.uuids));
        assert_eq!(world.counts(plan).total(), i64::from(seats) + grown);
        if grown > 0 {
            assert_eq!(world.details(plan).desired_num_licenses, Some(seats + grown as i32));
        }
    }
}

#[test]
fn growth_stops_at_a_million_unless_the_plan_is_for_our_own_use() {
    let world = World::new();
    let plan = world.details(world.plan(0));
    let scaling = AutoScaling {
        enabled: true,
        max_licenses: Some(2_000_000),
        threshold_percentage: Some(50),
        increment_percentage: Some(10),
    };
    let plan =
        |internal| SubscriptionPlan { for_internal_use_only: internal, desired_num_licenses: None, ..plan.clone() };
    for (total, limited, unlimited) in [(900_000, 90_000, 90_000), (950_000, 50_000, 95_000), (1_000_000, 0, 100_000)] {
        let counts = LicenseCounts { activated: total, ..LicenseCounts::default() };
        let growth = [false, true].map(|internal| scaling.growth(&plan(internal), &counts));
        assert_eq!(growth, [limited, unlimited], "from {total}");
    }
}

#[test]
fn runs_that_start_together_grow_a_plan_once() {
    let world = World::new();
    let plan = plan_with(&world, 10, 10);
    agree(&world, 50, 10, 100);
    for _ in 0..3 {
        scale(&world, false);
    }
    assert_eq!(world.counts(plan).total(), 11);
    world.clock.advance(Duration::days(1));
    scale(&world, false);
    assert_eq!(world.counts(plan).total(), 12, "the next day it still is too small");
}

#[test]
fn only_the_current_plan_that_started_last_grows() {
    let world = World::new();
    let older = plan_with(&world, 10, 10);
    world.clock.advance(days(1));
    let newer = plan_with(&world, 20, 20);
    world.clock.advance(days(1));
    let [inactive, future] = [30, 40].map(|seats| plan_with(&world, seats, seats as usize));
    world.rewrite_plan(inactive, |plan| plan.is_active = false);
    world.rewrite_plan(future, |plan| plan.start_date += days(10));
    agree(&world, 50, 10, 100);
    assert_eq!(scale(&world, false).uuids, [newer.0]);
    let totals = [older, newer, inactive, future].map(|plan| world.counts(plan).total());
    assert_eq!(totals, [10, 22, 30, 40]);
}

#[test]
fn nothing_grows_that_is_off_or_frozen_or_still_being_filled() {
    let world = World::new();
    let plan = plan_with(&world, 10, 10);
    assert_eq!(count(&scale(&world, false), "agreements"), 0);
    agree(&world, 50, 10, 100);
    world.rewrite_plan(plan, |plan| plan.last_freeze_timestamp = Some(beginning()));
    assert_eq!(count(&scale(&world, false), "plans"), 0);
    world.clock.advance(days(1));
    world.rewrite_plan(plan, |plan| (plan.last_freeze_timestamp, plan.desired_num_licenses) = (None, Some(15)));
    assert_eq!(count(&scale(&world, false), "plans"), 0, "five are on their way");
}
