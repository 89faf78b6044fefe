//! Plans and agreements get catalogs of their own customer, where that is checked.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::support::*;
use async_trait::async_trait;
use license_manager_domain::history::EntityRef;
use license_manager_domain::ports::ContentCatalog;
use license_manager_domain::*;
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

/// A world whose one agreement has a catalog of its customer, before owners are checked or not.
fn world(validate_catalogs: bool) -> World {
    let mut world = World::new();
    world.manager = world
        .manager
        .with_catalog(Arc::new(Owners))
        .with_settings(Settings { validate_catalogs, ..Settings::default() });
    world
}

/// Does what a caller does: asks whose the catalog is where the use case has to know, and tries once more.
fn asking<T>(manager: &LicenseManager, work: impl Fn(&LicenseManager) -> Result<T, Error>) -> Result<T, Error> {
    match work(manager) {
        Err(Error::UnknownCatalogOwner(catalog)) => {
            work(&manager.clone().with_catalog_owner(now(manager.catalog_owner(catalog))?))
        }
        done => done,
    }
}

fn of_plan(catalog: CatalogId) -> PlanChanges {
    PlanChanges { catalog: Some(catalog), ..PlanChanges::default() }
}

fn of_agreement(catalog: Option<CatalogId>) -> AgreementChanges {
    AgreementChanges { default_catalog: catalog.into(), ..AgreementChanges::default() }
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
    let plan = asking(manager, |manager| manager.create_plan(&admin(), ChangeReason::New, world.new_plan("Plan", 1)));
    let plan = plan.unwrap().details.plan.id;
    judged("enterprise_catalog_uuid", |catalog| {
        let mut new = world.new_plan(&format!("With {catalog}"), 1);
        new.changes.catalog = Some(catalog);
        asking(manager, |manager| manager.create_plan(&admin(), ChangeReason::New, new.clone())).map(|_| ())
    });
    judged("enterprise_catalog_uuid", |catalog| {
        let update =
            |manager: &LicenseManager| manager.update_plan(&admin(), ChangeReason::Other, plan, of_plan(catalog));
        asking(manager, update).map(|_| ())
    });
    judged("default_enterprise_catalog_uuid", |catalog| {
        let customer = if catalog == OTHER { customer() } else { CustomerId(Uuid::from_u128(5)) };
        let new = NewAgreement { customer, changes: of_agreement(Some(catalog)) };
        match asking(manager, |manager| manager.create_agreement(&admin(), new.clone())) {
            // The owner's own agreement is there already.
            Err(Error::Conflict(Conflict::AgreementOfCustomer)) => Ok(()),
            done => done.map(|_| ()),
        }
    });
    judged("default_enterprise_catalog_uuid", |catalog| {
        let update =
            |manager: &LicenseManager| manager.update_agreement(&admin(), world.agreement, of_agreement(Some(catalog)));
        asking(manager, update).map(|_| ())
    });
}

#[test]
fn nothing_is_written_before_somebody_asked_whose_the_catalog_is() {
    let world = world(true);
    let refused = world.manager.create_plan(&admin(), ChangeReason::New, world.new_plan("Plan", 1));
    assert_eq!(refused, Err(Error::UnknownCatalogOwner(catalog())));
    let other = now(world.manager.catalog_owner(OTHER)).unwrap();
    let told_of_another = world.manager.clone().with_catalog_owner(other);
    let refused = told_of_another.create_plan(&admin(), ChangeReason::New, world.new_plan("Plan", 1));
    assert_eq!(refused, Err(Error::UnknownCatalogOwner(catalog())));
    assert_eq!(world.manager.agreement(world.agreement).unwrap().details.plans, []);
}

#[test]
fn a_plan_without_a_catalog_of_its_own_gets_the_agreement_s() {
    let world = world(true);
    world.rewrite_agreement(|agreement| agreement.default_catalog = Some(SOMEBODY_S));
    let created =
        asking(&world.manager, |manager| manager.create_plan(&admin(), ChangeReason::New, world.new_plan("Plan", 1)));
    assert!(matches!(created, Err(Error::Invalid(_))));
}

#[test]
fn nobody_is_asked_about_a_catalog_that_stays() {
    let world = world(true);
    let manager = &world.manager;
    let plan = asking(manager, |manager| manager.create_plan(&admin(), ChangeReason::New, world.new_plan("Plan", 1)));
    let plan = plan.unwrap().details.plan.id;
    for changes in [PlanChanges::default(), of_plan(catalog())] {
        manager.update_plan(&admin(), ChangeReason::Other, plan, changes).unwrap();
    }
    for changes in [AgreementChanges::default(), of_agreement(Some(catalog())), of_agreement(None)] {
        manager.update_agreement(&admin(), world.agreement, changes).unwrap();
    }
}

#[test]
fn nobody_is_asked_where_owners_are_not_checked() {
    let world = world(false);
    let manager = &world.manager;
    let plan = world.create(world.new_plan("Plan", 1)).unwrap();
    let mut new = world.new_plan("Another", 1);
    new.changes.catalog = Some(SILENT);
    world.create(new).unwrap();
    world.change(plan, of_plan(SILENT)).unwrap();
    let changes = of_agreement(Some(SILENT));
    manager.update_agreement(&admin(), world.agreement, changes.clone()).unwrap();
    let customer = CustomerId(Uuid::from_u128(5));
    manager.create_agreement(&admin(), NewAgreement { customer, changes }).unwrap();
}

#[test]
fn a_restored_agreement_is_asked_about_if_its_catalog_is_another_one() {
    let world = world(true);
    let manager = &world.manager;
    let of = EntityRef::Agreement(world.agreement);
    let first = manager.latest_changes(of, 1).unwrap().remove(0).version.number;
    manager.restore_agreement(&admin(), world.agreement, first).expect("the catalog stays");
    let other = of_agreement(Some(OTHER));
    asking(manager, |manager| manager.update_agreement(&admin(), world.agreement, other.clone())).unwrap();
    let restored = manager.restore_agreement(&admin(), world.agreement, first);
    assert_eq!(restored, Err(Error::UnknownCatalogOwner(catalog())));
    let restored = asking(manager, |manager| manager.restore_agreement(&admin(), world.agreement, first));
    assert_eq!(restored.unwrap().default_catalog, Some(catalog()));
}
