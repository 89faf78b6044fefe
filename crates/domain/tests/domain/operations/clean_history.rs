//! Old history is removed.

use chrono::Duration;
use license_manager_domain::history::{ChangeKind, EntityRef};
use license_manager_domain::operations::{OperationSummary, Unsupervised};
use license_manager_domain::*;

use super::world::days;
use crate::support::*;

fn clean(world: &World, retention: i64, dry_run: bool) -> OperationSummary {
    let summary = world.manager.clean_old_history(days(retention), dry_run, &Unsupervised);
    assert!(summary.is_complete(), "{summary:?}");
    summary
}

fn versions(world: &World, of: EntityRef) -> Vec<ChangeKind> {
    let page = world.manager.history::<Error>(of, |_| Ok(ALL)).unwrap();
    page.items.into_iter().map(|change| change.version.kind).collect()
}

/// A license that was assigned 30 days after it was made, activated 30 days later, and revoked another 30 days later.
fn with_a_life(world: &World) -> (PlanId, LicenseId) {
    let plan = world.plan(1);
    world.clock.advance(days(30));
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    let license = world.license_of(plan, "amy@example.com").id;
    world.clock.advance(days(30));
    world.activate(plan, "amy@example.com", 7);
    world.clock.advance(days(30));
    world.revoke(plan, &["amy@example.com"]).unwrap();
    (plan, license)
}

#[test]
fn the_newest_version_and_the_last_before_the_retention_stay() {
    let world = World::with(Settings { batch_size: batches_of(2), ..Settings::default() });
    let (_, license) = with_a_life(&world);
    let of = EntityRef::License(license);
    let before = versions(&world, of).len();
    let (preview, kept) = (clean(&world, 10, true), world.manager.now() - days(10));
    let as_of = world.manager.as_of(of, kept).unwrap();
    assert_eq!(versions(&world, of).len(), before, "a dry run removes nothing");
    assert_eq!(as_of.row.text("status"), Some("activated"));

    let summary = clean(&world, 10, false);
    assert_eq!((&summary.counts, summary.counts["license"]), (&preview.counts, 2));
    assert_eq!(versions(&world, of), [ChangeKind::Changed, ChangeKind::Changed]);
    assert_eq!(world.manager.as_of(of, kept), Ok(as_of));
    assert_eq!(clean(&world, 10, false).counts["license"], 0, "nothing is left to remove");

    let oldest = world.manager.history::<Error>(of, |_| Ok(ALL)).unwrap().items.pop().unwrap();
    assert!(oldest.changes.is_empty(), "what it changed is not known any more");
    world.clock.advance(days(400));
    clean(&world, 10, false);
    assert_eq!(versions(&world, of).len(), 1, "the newest stays, however old");
}

#[test]
fn earlier_moments_are_refused_and_the_refusal_says_since_when_there_is_history() {
    let world = World::new();
    let (plan, license) = with_a_life(&world);
    let since = world.manager.now() - days(10);
    let too_early = since - Duration::microseconds(1);
    let revert = |as_of| {
        let request = RevertRequest { plan, licenses: None, as_of, dry_run: true };
        world.manager.revert(&admin(), &request).map(|reverted| reverted.changed.len())
    };
    assert!(world.manager.as_of(EntityRef::License(license), too_early).is_ok());
    clean(&world, 10, true);
    assert!(revert(too_early).is_ok(), "a dry run removes nothing");
    clean(&world, 10, false);
    let removed: Error = Refusal::HistoryRemoved { since }.into();
    assert_eq!(world.manager.as_of(EntityRef::License(license), too_early), Err(removed.clone()));
    assert_eq!(world.manager.as_of(EntityRef::Plan(plan), too_early), Err(removed.clone()));
    assert_eq!(revert(too_early), Err(removed.clone()));
    assert!(removed.to_string().contains(&since.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)), "{removed}");
    assert_eq!(revert(since), Ok(1));
    clean(&world, 60, false);
    assert_eq!(revert(too_early), Err(removed), "a longer retention brings nothing back");
}

#[test]
fn a_week_of_history_is_kept_in_any_case() {
    let world = World::new();
    let (plan, license) = with_a_life(&world);
    clean(&world, 0, false);
    let week_ago = world.manager.now() - LicenseManager::LEAST_HISTORY;
    assert_eq!(
        world.manager.as_of(EntityRef::License(license), week_ago).unwrap().row.text("status"),
        Some("activated")
    );
    assert!(world.manager.as_of(EntityRef::Plan(plan), week_ago).is_ok());
}
