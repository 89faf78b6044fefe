//! Development data, over the in-memory store.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use license_manager_domain::LicenseSelection;
use license_manager_domain::memory::MemoryStore;
use license_manager_domain::ports::{AgreementFilter, CustomerScope, FixedClock, LimitOffset, SequentialIds};
use license_manager_domain::*;

use super::*;

/// A license manager that knows one customer.
struct World {
    store: Arc<MemoryStore>,
    manager: LicenseManager,
}

impl World {
    fn with(settings: Settings) -> Self {
        let store = Arc::new(MemoryStore::with_seeded_products());
        let clock = FixedClock::new(chrono::DateTime::UNIX_EPOCH + Duration::days(20_000));
        let ids = Arc::new(SequentialIds::default());
        let manager = LicenseManager::new(store.clone(), Arc::new(clock), ids, settings);
        Self { store, manager }
    }

    fn counts(&self, plan: PlanId) -> LicenseCounts {
        self.manager.plan(plan).unwrap().counts
    }
}

/// Ends the run after so many looks.
struct Watch(AtomicI64);

impl Watch {
    fn patient() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

#[async_trait]
impl Supervisor for Watch {
    fn is_stopping(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) <= 0
    }

    async fn pause(&self, _: std::time::Duration) {}
}

fn admin() -> Actor {
    Actor::user("admin")
}

fn customer() -> CustomerId {
    CustomerId(Uuid::from_u128(1))
}

fn emails<const N: usize>(addresses: [&str; N]) -> Vec<Email> {
    addresses.map(|address| address.parse().unwrap()).to_vec()
}

fn count(summary: &OperationSummary, name: &str) -> i64 {
    summary.counts[name]
}

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
    World::with(Settings { batch_size: NonZeroU32::new(3).unwrap(), inline_limit: 2, ..Settings::default() })
}

fn seeded(world: &World, seeds: &Seeds, dry_run: bool) -> OperationSummary {
    let summary = seed(&world.manager, "manufacture-data", seeds, dry_run, &Watch::patient()).unwrap();
    assert!(summary.is_complete(), "{summary:?}");
    summary
}

fn counts(summary: &OperationSummary) -> [i64; 6] {
    NAMES.map(|name| count(summary, name))
}

/// The plans of the seeds: id, title, size, and how many of them are assigned.
fn plans(world: &World) -> Vec<(PlanId, String, i64, i64)> {
    let filter = AgreementFilter { scope: CustomerScope::All, customer: None, agreement: None };
    let page =
        world.manager.agreements(&filter, |_| Ok::<_, Error>(LimitOffset { offset: 0, limit: 1_000_000 })).unwrap();
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
    let preview = seeded(&world, &seeds(), true);
    assert!(plans(&world).is_empty() && agreement_of(&world, "customer-0").is_none());
    let summary = seeded(&world, &seeds(), false);
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
        let again = seeded(&world, &seeds(), dry_run);
        assert_eq!((counts(&again), again.uuids), ([0, 0, 0, 0, 2, 4], vec![]));
    }
    assert_eq!((plans(&world), world.store.history().len()), (made, history));
}

#[test]
fn wherever_a_run_ends_the_next_one_does_the_rest() {
    for looks in 0.. {
        let world = small_batches();
        let interrupted =
            seed(&world.manager, "manufacture-data", &seeds(), false, &Watch(AtomicI64::new(looks))).unwrap();
        let rest = seeded(&world, &seeds(), true);
        let finished = seeded(&world, &seeds(), false);
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
    seeded(&world, &seeds(), false);
    let [full, frozen, revoked] = [0, 1, 2].map(|number| plans(&world)[number].0);
    let learners = emails(["amy@example.com", "bob@example.com", "kim@example.com"]);
    let learners: Assignees = learners.into_iter().collect();
    world.manager.assign(&admin(), full, &learners, &AssignmentMail::default()).unwrap();
    let freezable = PlanChanges { can_freeze_unused_licenses: Some(true), ..PlanChanges::default() };
    world.manager.update_plan(&admin(), ChangeReason::Other, frozen, freezable).unwrap();
    world.manager.freeze(&admin(), frozen).unwrap();
    let first = LicenseSelection::Emails(emails(["learner-0@example.com"]));
    world.manager.revoke(&admin(), revoked, &first).unwrap();
    let preview = seeded(&world, &seeds(), true);
    let summary = seeded(&world, &seeds(), false);
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
    let grown = seeded(&world, &more, false);
    assert_eq!(count(&grown, "existing_plans"), 4);
    assert!(plans(&world).iter().all(|(id, title, total, assigned)| {
        *id == frozen || if title == "Plan 0" { (*total, *assigned) == (10, 10) } else { *total == 8 }
    }));
}

#[test]
fn a_customer_is_known_by_their_id_and_a_slug_is_one_customer_s() {
    let world = World::with(Settings::default());
    let new = NewAgreement { customer: customer(), changes: AgreementChanges::default() };
    world.manager.create_agreement(&admin(), new).unwrap();
    let mut of_customer = seeds();
    of_customer.customers.truncate(1);
    of_customer.customers[0].customer = Some(customer());
    let summary = seeded(&world, &of_customer, false);
    assert_eq!(counts(&summary)[4], 1, "the customer has an agreement");
    assert_eq!(agreement_of(&world, "customer-0"), None, "which keeps its slug");

    seeded(&world, &seeds(), false);
    of_customer.customers[0].customer = Some(CustomerId(uuid::Uuid::from_u128(77)));
    for dry_run in [true, false] {
        let refused = seed(&world.manager, "seed", &of_customer, dry_run, &Watch::patient()).unwrap();
        assert!(!refused.is_complete());
        assert_eq!((refused.errors.len(), counts(&refused)), (1, [0; 6]), "{refused:?}");
    }
    of_customer.customers[0].slug = "no slug".to_owned();
    let invalid = seed(&world.manager, "seed", &of_customer, true, &Watch::patient());
    assert!(matches!(invalid, Err(Error::Invalid(_))), "{invalid:?}");
}
