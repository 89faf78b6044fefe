//! What became of a license, and how it was.

use crate::support::*;
use chrono::Duration;
use license_manager_domain::history::{ChangeKind, EntityRef, Value};
use license_manager_domain::model::{RenewalTerms, TransferOrder, TransferredLicenses};
use license_manager_domain::ports::LimitOffset;
use license_manager_domain::use_cases::HistoricChange;
use license_manager_domain::*;

pub(crate) fn history(world: &World, of: EntityRef) -> Vec<HistoricChange> {
    world.manager.history::<Error>(of, |_| Ok(ALL)).unwrap().items
}

fn changed(change: &HistoricChange) -> Vec<&'static str> {
    change.changes.iter().map(|change| change.field).collect()
}

/// Makes an hour pass and returns the moment it ended.
pub(crate) fn later(world: &World) -> chrono::DateTime<chrono::Utc> {
    world.clock.advance(Duration::hours(1));
    world.manager.now()
}

#[test]
fn a_license_tells_who_did_what_to_it() {
    let world = World::new();
    let plan = world.plan(1);
    later(&world);
    world.activate(plan, "amy@example.com", 7);
    later(&world);
    world.revoke(plan, &["amy@example.com"]).unwrap();
    let told = history(&world, EntityRef::License(world.license_of(plan, "amy@example.com").id));
    let people: Vec<_> = told.iter().map(|change| change.version.by.as_deref()).collect();
    assert_eq!(people, [Some("admin"), Some("amy@example.com"), Some("admin"), Some("admin")]);
    assert_eq!(changed(&told[0]), ["status", "revoked_date"]);
    assert_eq!(changed(&told[1]), ["status", "lms_user_id", "activation_date"]);
    let status = &told[1].changes[0];
    assert_eq!((&status.from, &status.to), (&Value::from("assigned"), &Value::from("activated")));
    assert_eq!(told[3].version.kind, ChangeKind::Added);
}

#[test]
fn a_page_compares_its_last_change_with_the_one_on_the_next_page() {
    let world = World::new();
    let plan = world.plan(1);
    world.activate(plan, "amy@example.com", 7);
    let license = EntityRef::License(world.license_of(plan, "amy@example.com").id);
    let first = |total| {
        assert_eq!(total, 3);
        Ok(LimitOffset { offset: 0, limit: 1 })
    };
    let page = world.manager.history::<Error>(license, first).unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(changed(&page.items[0]), ["status", "lms_user_id", "activation_date"]);
}

#[test]
fn a_plan_tells_why_it_changed() {
    let world = World::new();
    let plan = world.plan(1);
    world.change(plan, PlanChanges { title: Some("Another title".to_owned()), ..PlanChanges::default() }).unwrap();
    let told = history(&world, EntityRef::Plan(plan));
    let reasons: Vec<_> = told.iter().map(|change| change.version.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("other"), Some("new")]);
    assert_eq!(changed(&told[0]), ["title"]);
}

#[test]
fn how_it_was_is_known_for_every_moment_since_it_exists() {
    let world = World::new();
    let before = world.manager.now();
    later(&world);
    let plan = world.plan(1);
    let made = world.manager.now();
    later(&world);
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    let license = EntityRef::License(world.license_of(plan, "amy@example.com").id);
    let status = |at| world.manager.as_of(license, at).map(|version| version.row.get("status").clone());
    assert_eq!(status(before), Err(Error::NotFound(Entity::License)));
    assert_eq!(status(made), Ok(Value::from("unassigned")));
    assert_eq!(status(world.manager.now()), Ok(Value::from("assigned")));
    assert_eq!(world.manager.as_of(EntityRef::Plan(plan), before), Err(Error::NotFound(Entity::Plan)));
}

#[test]
fn renewals_and_transfer_jobs_have_a_history_of_their_own() {
    let world = World::new();
    let (old, new) = (world.plan(1), world.plan(2));
    let renewal = world.schedule(&world.terms(old, 1));
    let order = TransferOrder::new(world.agreement, old, new, TransferredLicenses::All);
    let job = world.manager.create_transfer_job(&admin(), &order).unwrap().id;
    let row = |of| world.manager.as_of(of, world.manager.now()).unwrap().row;
    let (renewal, job) = (row(EntityRef::Renewal(renewal)), row(EntityRef::TransferJob(job)));
    assert_eq!(renewal.uuid("prior_subscription_plan_uuid"), Some(old.0));
    assert_eq!((renewal.number("number_of_licenses"), renewal.flag("processed")), (Some(1), Some(false)));
    let plans = ["old", "new"].map(|which| job.uuid(&format!("{which}_subscription_plan_uuid")));
    assert_eq!(plans, [Some(old.0), Some(new.0)]);
    assert_eq!(job.flag("is_dry_run"), Some(false));
}

#[test]
fn a_plan_that_a_renewal_makes_is_written_once_and_tells_why() {
    for disable_auto_apply_licenses in [false, true] {
        let world = World::new();
        let prior = world.plan(1);
        world.rewrite_plan(prior, |plan| plan.should_auto_apply_licenses = Some(true));
        let terms = RenewalTerms { disable_auto_apply_licenses, ..world.terms(prior, 1) };
        let renewed = world.renew(world.schedule(&terms)).unwrap();
        let told = history(&world, EntityRef::Plan(renewed));
        let reasons: Vec<_> = told.iter().map(|change| change.version.reason.as_deref()).collect();
        assert_eq!(reasons, [Some("new")]);
    }
}
