//! Plans and agreements get catalogs of their own customer, where that is checked.

mod support;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use license_manager_domain::ports::ContentCatalog;
use license_manager_domain::*;
use support::*;
use uuid::Uuid;

const OTHER: CatalogId = CatalogId(Uuid::from_u128(20));
const SOMEBODY_S: CatalogId = CatalogId(Uuid::from_u128(21));
const NOBODY_S: CatalogId = CatalogId(Uuid::from_u128(22));
const SILENT: CatalogId = CatalogId(Uuid::from_u128(23));

struct Owners;

#[async_trait]
impl ContentCatalog for Owners {
    async fn contains(&self, _: CatalogId, _: &[String]) -> Result<bool, Error> {
        panic!("owners depend on no content")
    }

    async fn owner(&self, asked: CatalogId) -> Result<Option<CustomerId>, Error> {
        match asked {
            OTHER => Ok(Some(customer())),
            SOMEBODY_S => Ok(Some(CustomerId(Uuid::from_u128(99)))),
            NOBODY_S => Ok(None),
            SILENT => Err(Error::Upstream { upstream: Upstream::Catalog, problem: "is silent".to_owned() }),
            asked => Ok((asked == catalog()).then(customer)),
        }
    }

    async fn distinct_queries(&self, _: &[CatalogId]) -> Result<BTreeMap<String, Vec<CatalogId>>, Error> {
        panic!("owners depend on no query")
    }
}

/// The outcome of work that waits for nothing.
fn now<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the work waits"),
    }
}

fn world(validate_catalogs: bool) -> World {
    let mut world = World::with(Settings { validate_catalogs, ..Settings::default() });
    world.manager = world.manager.with_catalog(Arc::new(Owners));
    world
}

fn of_plan(catalog: CatalogId) -> PlanChanges {
    PlanChanges { catalog: Some(catalog), ..PlanChanges::default() }
}

fn of_agreement(catalog: Option<CatalogId>) -> AgreementChanges {
    AgreementChanges { default_catalog: Some(catalog), ..AgreementChanges::default() }
}

/// What is said of these catalogs in turn: our own, somebody else's, nobody's, and one of which nothing is known now.
fn judged(field: &str, check: impl Fn(CatalogId) -> Result<(), Error>) {
    assert_eq!(check(OTHER), Ok(()));
    for (catalog, said) in
        [(SOMEBODY_S, "names a catalog of another customer."), (NOBODY_S, "names no catalog there is.")]
    {
        assert_eq!(check(catalog), Err(Error::Invalid(FieldErrors::one(field, format!("{field} {said}")))));
    }
    assert!(matches!(check(SILENT), Err(Error::Upstream { upstream: Upstream::Catalog, .. })));
}

#[test]
fn a_catalog_must_be_the_customer_s_whatever_gets_it() {
    let world = world(true);
    let manager = &world.manager;
    let plan = world.create(world.new_plan("Plan", 1)).unwrap();
    judged("enterprise_catalog_uuid", |catalog| {
        let mut new = world.new_plan("Another", 1);
        new.changes.catalog = Some(catalog);
        now(manager.check_owner(manager.catalog_of_new_plan(&new).unwrap()))
    });
    judged("enterprise_catalog_uuid", |catalog| {
        now(manager.check_owner(manager.catalog_of_changed_plan(plan, &of_plan(catalog)).unwrap()))
    });
    judged("default_enterprise_catalog_uuid", |catalog| {
        let new = NewAgreement { customer: customer(), changes: of_agreement(Some(catalog)) };
        now(manager.check_owner(manager.catalog_of_new_agreement(&new)))
    });
    judged("default_enterprise_catalog_uuid", |catalog| {
        let chosen = manager.catalog_of_changed_agreement(world.agreement, &of_agreement(Some(catalog))).unwrap();
        now(manager.check_owner(chosen))
    });
}

#[test]
fn a_plan_without_a_catalog_of_its_own_gets_the_agreement_s() {
    let world = world(true);
    let update = |catalog| world.manager.update_agreement(&admin(), world.agreement, of_agreement(Some(catalog)));
    update(SOMEBODY_S).unwrap();
    let chosen = world.manager.catalog_of_new_plan(&world.new_plan("Plan", 1)).unwrap();
    assert!(matches!(now(world.manager.check_owner(chosen)), Err(Error::Invalid(_))));
}

#[test]
fn nobody_is_asked_about_a_catalog_that_stays() {
    let world = world(true);
    let manager = &world.manager;
    let plan = world.create(world.new_plan("Plan", 1)).unwrap();
    for changes in [PlanChanges::default(), of_plan(catalog())] {
        assert_eq!(manager.catalog_of_changed_plan(plan, &changes), Ok(None));
    }
    for changes in [AgreementChanges::default(), of_agreement(Some(catalog())), of_agreement(None)] {
        assert_eq!(manager.catalog_of_changed_agreement(world.agreement, &changes), Ok(None));
    }
    assert_eq!(now(manager.check_owner(None)), Ok(()));
}

#[test]
fn nobody_is_asked_where_owners_are_not_checked() {
    let world = world(false);
    let manager = &world.manager;
    let plan = world.create(world.new_plan("Plan", 1)).unwrap();
    let mut new = world.new_plan("Another", 1);
    new.changes.catalog = Some(SILENT);
    assert_eq!(manager.catalog_of_new_plan(&new), Ok(None));
    assert_eq!(manager.catalog_of_changed_plan(plan, &of_plan(SILENT)), Ok(None));
    let changes = of_agreement(Some(SILENT));
    assert_eq!(manager.catalog_of_changed_agreement(world.agreement, &changes), Ok(None));
    assert_eq!(manager.catalog_of_new_agreement(&NewAgreement { customer: customer(), changes }), None);
}
