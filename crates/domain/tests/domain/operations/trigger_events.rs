//! trigger-event-for-licenses.

use license_manager_domain::operations::OperationSummary;
use license_manager_domain::outbox::Topic;

use super::world::*;
use crate::support::upstreams::Town;
use crate::support::*;

const EVENT: &str = "edx.server.license-manager.license.activated.180.days.ago";

fn trigger(world: &World, dry_run: bool) -> OperationSummary {
    complete(world.manager.trigger_event_for_licenses(None, dry_run, &Watch::patient(world)))
}

fn told(world: &World) -> Vec<String> {
    let events = world.owed(Topic::LicenseEvent);
    let mut emails: Vec<String> = events
        .iter()
        .filter(|event| event["event"] == EVENT)
        .map(|event| event["properties"]["assigned_email"].as_str().unwrap().to_owned())
        .collect();
    emails.sort_unstable();
    emails
}

#[test]
fn licenses_are_told_of_180_days_after_their_activation_and_once() {
    let (world, _, _) = world_with_lms();
    let [plan, inactive] = [20, 3].map(|seats| world.plan(seats));
    for number in 0..7 {
        world.activate(plan, &format!("learner{number}@example.com"), number + 1);
    }
    world.activate(inactive, "eve@example.com", 20);
    world.rewrite_plan(inactive, |plan| plan.is_active = false);
    world.assign(plan, &learners(["zoe@example.com"])).unwrap();
    world.clock.advance(days(1));
    world.activate(plan, "late@example.com", 30);
    world.clock.advance(days(179));
    assert_eq!(count(&trigger(&world, false), "licenses"), 0, "180 days are not over yet");
    world.clock.advance(chrono::Duration::seconds(1));
    let preview = trigger(&world, true);
    assert_eq!(told(&world).len(), 0, "a dry run adds no message");
    let summary = trigger(&world, false);
    assert_eq!(told(&world), (0..7).map(|number| format!("learner{number}@example.com")).collect::<Vec<_>>());
    assert_eq!((preview.counts, preview.uuids), (summary.counts, summary.uuids));
    assert_eq!(count(&trigger(&world, false), "licenses"), 0);
    world.clock.advance(days(1));
    assert_eq!(count(&trigger(&world, false), "licenses"), 1);
    assert!(told(&world).contains(&"late@example.com".to_owned()));
}

#[test]
fn event_tracking_is_told_the_address_alone() {
    let town = Town::new();
    let plan = town.world.plan(1);
    town.world.activate(plan, "amy@example.com", 7);
    town.world.clock.advance(days(181));
    town.world.manager.trigger_event_for_licenses(Some(&[customer()]), false, &Watch::patient(&town.world));
    town.deliver();
    let event = town.upstreams.told(|told| told.events.pop().unwrap());
    assert_eq!((event.name.as_str(), event.lms_user_id), (EVENT, Some(license_manager_domain::LmsUserId(7))));
    assert_eq!(serde_json::Value::from(event.properties), serde_json::json!({ "user_email": "amy@example.com" }));
}

#[test]
fn only_configured_customers_are_told_of() {
    let world = World::new();
    let plan = world.plan(3);
    world.activate(plan, "amy@example.com", 7);
    world.clock.advance(days(200));
    assert_eq!(count(&trigger(&world, false), "licenses"), 0);
    let named = world.manager.trigger_event_for_licenses(Some(&[customer()]), false, &Watch::patient(&world));
    assert_eq!(count(&complete(named), "licenses"), 1);
}

#[test]
fn a_run_that_is_ended_is_followed_by_one_that_does_the_rest() {
    let (world, _, _) = world_with_lms();
    let plan = world.plan(10);
    for number in 0..8 {
        world.activate(plan, &format!("learner{number}@example.com"), number + 1);
    }
    world.clock.advance(days(181));
    let first = world.manager.trigger_event_for_licenses(None, false, &Watch::for_looks(&world, 2));
    assert!(first.interrupted);
    assert_eq!(told(&world).len(), 6);
    assert_eq!(count(&trigger(&world, false), "licenses"), 2);
    assert_eq!(told(&world).len(), 8);
}
