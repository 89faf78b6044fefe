//! Plans that follow plans.

use crate::support::*;
use chrono::{DateTime, Duration, Utc};
use license_manager_domain::model::{RenewalChains, RenewalLink, RenewalTerms};
use license_manager_domain::*;

fn in_days(days: i64) -> DateTime<Utc> {
    beginning() + Duration::days(days)
}

/// A plan that runs between two days.
fn plan(world: &World, title: &str, from: i64, to: i64) -> SubscriptionPlan {
    let mut new = world.new_plan(title, 0);
    new.start_date = in_days(from);
    new.expiration_date = in_days(to);
    let id = world.create(new).unwrap();
    world.details(id)
}

fn link(prior: &SubscriptionPlan, renewed: Option<&SubscriptionPlan>, agreed_end: i64) -> RenewalLink {
    RenewalLink {
        id: RenewalId(1),
        agreement: prior.agreement,
        prior_plan: prior.id,
        prior_plan_start: prior.start_date,
        renewed_plan: renewed.map(|plan| plan.id),
        renewed_plan_start: renewed.map(|plan| plan.start_date),
        renewed_expiration: renewed.map_or(in_days(agreed_end), |plan| plan.expiration_date),
        effective_date: prior.expiration_date,
        processed: false,
    }
}

#[test]
fn a_plan_lasts_to_the_end_of_its_renewals() {
    let world = World::new();
    let [first, second, third] =
        [(0, 100), (100, 200), (200, 300)].map(|(from, to)| plan(&world, &format!("From {from}"), from, to));
    let chains = RenewalChains::new(vec![
        link(&second, Some(&third), 0),
        link(&first, Some(&second), 0),
        link(&third, None, 400),
    ]);
    for plan in [&first, &second, &third] {
        assert_eq!(chains.days_until_expiration(plan, beginning()), 400);
    }
    assert_eq!(first.days_until_expiration(beginning()), 100);
    let earlier: Vec<_> = chains.earlier(third.id).iter().map(|link| link.prior_plan).collect();
    assert_eq!(earlier, [first.id, second.id]);
    assert_eq!(chains.earlier(first.id).len(), 0);
}

#[test]
fn the_renewal_of_a_plan_is_the_one_that_leads_from_it() {
    let world = World::new();
    let [first, second] = [(0, 100), (100, 200)].map(|(from, to)| plan(&world, &format!("From {from}"), from, to));
    let leads_on = link(&first, Some(&second), 0);
    let chains = RenewalChains::new(vec![leads_on.clone()]);
    assert_eq!((chains.is_renewed(first.id), chains.renewal_of(first.id)), (true, Some(&leads_on)));
    assert_eq!((chains.is_renewed(second.id), chains.renewal_of(second.id)), (false, None));
}

#[test]
fn a_plan_without_renewals_lasts_to_its_own_end() {
    let world = World::new();
    let plan = plan(&world, "Alone", 0, 10);
    let chains = RenewalChains::default();
    for (now, days) in [
        (in_days(0), 10),
        (in_days(9), 1),
        (in_days(9) + Duration::seconds(1), 0),
        (in_days(10), 0),
        (in_days(10) + Duration::microseconds(1), -1),
        (in_days(11), -1),
        (in_days(11) + Duration::microseconds(1), -2),
        (in_days(12), -2),
    ] {
        assert_eq!(chains.days_until_expiration(&plan, now), days, "{now}");
    }
}

#[test]
fn a_plan_stands_still_before_its_renewal_takes_effect() {
    let world = World::new();
    let prior = plan(&world, "Prior", 0, 100);
    let open = link(&prior, None, 200);
    let chains = RenewalChains::new(vec![open.clone()]);
    let lock = Duration::hours(12);
    let effective = in_days(100);
    let instant = Duration::microseconds(1);
    let locked = |now| chains.is_locked(prior.id, lock, now);
    assert!(!locked(effective - lock - instant));
    assert!(locked(effective - lock));
    assert!(locked(effective - instant));
    assert!(!locked(effective));
    for (lock, locked) in [(Duration::MAX, true), (Duration::zero(), false), (Duration::MIN, false)] {
        assert_eq!(chains.is_locked(prior.id, lock, effective - instant), locked, "{lock}");
    }
    let done = RenewalChains::new(vec![RenewalLink { processed: true, ..open }]);
    assert!(!done.is_locked(prior.id, lock, effective - instant), "a renewal that was processed locks nothing");
    assert!(!chains.is_locked(PlanId(uuid::Uuid::nil()), lock, effective - instant));
}

#[test]
fn plans_that_renew_each_other_do_not_hold_the_reader() {
    let world = World::new();
    let [first, second] = [(0, 100), (100, 200)].map(|(from, to)| plan(&world, &format!("From {from}"), from, to));
    let chains = RenewalChains::new(vec![link(&first, Some(&second), 0), link(&second, Some(&first), 0)]);
    assert_eq!(chains.days_until_expiration(&first, beginning()), 100);
    assert_eq!(chains.earlier(first.id).len(), 2);
    let itself = RenewalChains::new(vec![link(&first, Some(&first), 0)]);
    assert_eq!(itself.days_until_expiration(&first, beginning()), 100);
    assert_eq!(itself.earlier(first.id).len(), 1);
}

#[test]
fn the_overview_of_a_plan_knows_its_renewals() {
    let world = World::new();
    let [prior, renewed] = [(0, 100), (100, 200)].map(|(from, to)| plan(&world, &format!("From {from}"), from, to));
    let terms = RenewalTerms { renewed_plan: Some(renewed.id), ..world.terms(prior.id, 1) };
    world.manager.create_renewal(&admin(), &terms).unwrap();
    let overview = world.manager.plan(prior.id).unwrap();
    assert_eq!(overview.chains.days_until_expiration(&overview.details.plan, overview.now), 200);
}
