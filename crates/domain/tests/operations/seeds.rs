//! The data for development.

use license_manager_domain::operations::{OperationSummary, SeedCustomer, SeedPlan, Seeds};
use license_manager_domain::ports::{AgreementFilter, CustomerScope, StoreExt};
use license_manager_domain::*;

use crate::support::*;
use crate::world::*;

const NAMES: [&str; 6] = ["agreements", "plans", "licenses", "assigned", "existing_agreements", "existing_plans"];

/// Two customers with two plans each, of eight licenses of which five are assigned.
fn seeds() -> Seeds {
    let customer = |number| SeedCustomer { customer: None, slug: format!("customer-{number}"), catalog: None };
    let plan = |number| SeedPlan {
        title: format!("Plan {number}"),
        licenses: 8,
        assigned: 5,
        learners: "learner",
        started: 1,
        ends: 365,
    };
    Seeds { customers: [0, 1].map(customer).to_vec(), plans: [0, 1].map(plan).to_vec() }
}

fn small_batches() -> World {
    World::with(Settings { batch_size: batches_of(3), inline_limit: 2, ..Settings::default() })
}

fn seed(world: &World, seeds: &Seeds, dry_run: bool) -> OperationSummary {
    complete(world.manager.seed("manufacture-data", seeds, dry_run, &Watch::patient(world)).unwrap())
}

fn counts(summary: &OperationSummary) -> [i64; 6] {
    NAMES.map(|name| count(summary, name))
}

/// The plans of the seeds: id, title, size, and how many of them are assigned.
fn plans(world: &World) -> Vec<(PlanId, String, i64, i64)> {
    let filter = AgreementFilter { scope: CustomerScope::All, customer: None, agreement: None };
    let page = world.manager.agreements(&filter, |_| Ok::<_, Error>(ALL)).unwrap();
    let of_agreement = |overview: AgreementOverview| {
        overview.details.plans.into_iter().map(move |details| (overview.counts.get(&details.plan.id).copied(), details))
    };
    let plans = page.items.into_iter().flat_map(of_agreement).map(|(counts, details)| {
        let counts = counts.unwrap_or_default();
        (details.plan.id, details.plan.title, counts.total(), counts.allocated())
    });
    plans.collect()
}

fn agreement_of(world: &World, slug: &str) -> Option<CustomerAgreement> {
    world.store.read(|unit| unit.agreements().find_by_slug(slug)).unwrap()
}

#[test]
fn what_is_missing_is_made_once_and_a_dry_run_tells_it() {
    let world = small_batches();
    let preview = seed(&world, &seeds(), true);
    assert!(plans(&world).is_empty() && agreement_of(&world, "customer-0").is_none());
    let summary = seed(&world, &seeds(), false);
    assert_eq!(counts(&summary), [2, 4, 32, 20, 0, 0]);
    assert_eq!(counts(&preview), counts(&summary));
    let made = plans(&world);
    assert!(made.iter().all(|&(_, _, total, assigned)| (total, assigned) == (8, 5)), "{made:?}");
    let mut ids: Vec<_> = made.iter().map(|(id, ..)| id.0).collect();
    let mut told = summary.uuids;
    ids.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, ids);
    assert!(world.manager.waiting_jobs().unwrap().values().all(|&jobs| jobs == 0), "nothing is left to others");

    let history = world.store.history().len();
    for dry_run in [true, false] {
        let again = seed(&world, &seeds(), dry_run);
        assert_eq!((counts(&again), again.uuids), ([0, 0, 0, 0, 2, 4], vec![]));
    }
    assert_eq!((plans(&world), world.store.history().len()), (made, history));
}

#[test]
fn wherever_a_run_ends_the_next_one_does_the_rest() {
    for looks in 0.. {
        let world = small_batches();
        let interrupted =
            world.manager.seed("manufacture-data", &seeds(), false, &Watch::for_looks(&world, looks)).unwrap();
        let rest = seed(&world, &seeds(), true);
        let finished = seed(&world, &seeds(), false);
        assert_eq!(counts(&rest), counts(&finished), "after {looks} looks");
        for (name, whole) in [("agreements", 2), ("plans", 4), ("licenses", 32), ("assigned", 20)] {
            assert_eq!(count(&interrupted, name) + count(&finished, name), whole, "{name} after {looks} looks");
        }
        assert!(plans(&world).iter().all(|&(_, _, total, assigned)| (total, assigned) == (8, 5)));
        if !interrupted.interrupted {
            assert!(looks > 10, "there are steps in between");
            return;
        }
    }
}

#[test]
fn what_people_did_to_the_data_stays() {
    let world = small_batches();
    seed(&world, &seeds(), false);
    let [full, frozen, revoked] = [0, 1, 2].map(|number| plans(&world)[number].0);
    world.assign(full, &learners(["amy@example.com", "bob@example.com", "kim@example.com"])).unwrap();
    world.rewrite_plan(frozen, |plan| plan.can_freeze_unused_licenses = true);
    world.manager.freeze(&admin(), frozen).unwrap();
    world.revoke(revoked, &["learner-0@example.com"]).unwrap();
    let preview = seed(&world, &seeds(), true);
    let summary = seed(&world, &seeds(), false);
    assert_eq!(counts(&summary), counts(&preview));
    assert_eq!(
        (count(&summary, "assigned"), summary.uuids),
        (1, vec![revoked.0]),
        "who lost a license gets another one"
    );
    assert_eq!(world.counts(full).allocated(), 8);
    assert_eq!(world.counts(frozen).total(), 5);

    let mut more = seeds();
    more.plans[0].licenses = 10;
    more.plans[0].assigned = 10;
    let grown = seed(&world, &more, false);
    assert_eq!(count(&grown, "existing_plans"), 4);
    assert!(plans(&world).iter().all(|(id, title, total, assigned)| {
        *id == frozen || if title == "Plan 0" { (*total, *assigned) == (10, 10) } else { *total == 8 }
    }));
}

#[test]
fn a_customer_is_known_by_their_id_and_a_slug_is_one_customer_s() {
    let world = World::new();
    let mut of_customer = seeds();
    of_customer.customers.truncate(1);
    of_customer.customers[0].customer = Some(customer());
    let summary = seed(&world, &of_customer, false);
    assert_eq!(counts(&summary)[4], 1, "the customer has an agreement");
    assert_eq!(agreement_of(&world, "customer-0"), None, "which keeps its slug");

    seed(&world, &seeds(), false);
    of_customer.customers[0].customer = Some(CustomerId(uuid::Uuid::from_u128(77)));
    for dry_run in [true, false] {
        let refused = world.manager.seed("seed", &of_customer, dry_run, &Watch::patient(&world)).unwrap();
        assert!(!refused.is_complete());
        assert_eq!((refused.errors.len(), counts(&refused)), (1, [0; 6]), "{refused:?}");
    }
    of_customer.customers[0].slug = "no slug".to_owned();
    let invalid = world.manager.seed("seed", &of_customer, true, &Watch::patient(&world));
    assert!(matches!(invalid, Err(Error::Invalid(_))), "{invalid:?}");
}
