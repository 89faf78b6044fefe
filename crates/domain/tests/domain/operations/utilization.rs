//! send-license-utilization-emails.

use license_manager_domain::model::{Notification, NotificationKind};
use license_manager_domain::operations::OperationSummary;
use license_manager_domain::outbox::Topic;
use license_manager_domain::ports::StoreExt;
use license_manager_domain::*;

use super::world::*;
use crate::support::*;

fn send(world: &World, dry_run: bool) -> OperationSummary {
    complete(world.manager.send_license_utilization_emails(dry_run, &Watch::patient(world)))
}

fn turn(world: &World, plan: PlanId, applies: bool) {
    let change = admin().change(world.manager.now());
    let mut plan = world.details(plan);
    plan.should_auto_apply_licenses = Some(applies);
    world.store.write(|unit| unit.plans().save(&plan, &change)).unwrap();
}

fn promised(world: &World) -> usize {
    world.owed(Topic::InitialUtilization).len()
}

#[test]
fn admins_are_told_a_week_after_a_plan_began_to_auto_apply_and_once() {
    let world = World::new();
    let plan = world.plan(3);
    world.clock.advance(days(30));
    turn(&world, plan, true);
    world.clock.advance(days(6));
    // A change of something else does not begin it anew.
    world.change(plan, PlanChanges { desired_num_licenses: Edit::Set(4), ..PlanChanges::default() }).unwrap();
    assert_eq!(count(&send(&world, false), "plans"), 0);
    world.clock.advance(days(1));
    let preview = send(&world, true);
    assert_eq!(promised(&world), 0, "a dry run adds no message");
    let summary = send(&world, false);
    assert_eq!((summary.uuids, promised(&world)), (vec![plan.0], 1));
    assert_eq!((preview.counts, preview.uuids), (summary.counts, vec![plan.0]));
    assert_eq!(world.owed(Topic::InitialUtilization), [serde_json::json!({})]);
    world.clock.advance(days(1));
    assert_eq!((count(&send(&world, false), "plans"), promised(&world)), (0, 1));
}

#[test]
fn the_week_counts_from_the_last_time_it_was_turned_on_and_a_second_time_tells_nobody() {
    let world = World::new();
    let plan = world.plan(3);
    turn(&world, plan, true);
    world.clock.advance(days(5));
    turn(&world, plan, false);
    world.clock.advance(days(1));
    turn(&world, plan, true);
    world.clock.advance(days(6));
    assert_eq!(count(&send(&world, false), "plans"), 0);
    world.clock.advance(days(1));
    assert_eq!(count(&send(&world, false), "plans"), 1);
    turn(&world, plan, false);
    turn(&world, plan, true);
    world.clock.advance(days(8));
    assert_eq!(count(&send(&world, false), "plans"), 0);
}

#[test]
fn plans_that_are_not_in_use_or_were_told_of_before_are_left_out() {
    let world = World::new();
    let [inactive, over, told, off] = [1, 2, 3, 4].map(|seats| world.plan(seats));
    for plan in [inactive, over, told] {
        turn(&world, plan, true);
    }
    turn(&world, off, false);
    world.rewrite_plan(inactive, |plan| plan.is_active = false);
    world.rewrite_plan(over, |plan| plan.expiration_date = beginning() + days(3));
    let notification = Notification {
        customer: customer(),
        customer_user: 5,
        plan: told,
        kind: NotificationKind::PeriodicInformational,
        last_sent: beginning(),
    };
    world
        .store
        .write(|unit| unit.notifications().save(std::slice::from_ref(&notification), &admin().change(beginning())))
        .unwrap();
    world.clock.advance(days(8));
    assert_eq!(count(&send(&world, false), "plans"), 0);
}
