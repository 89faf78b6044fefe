//! Licenses pay for courses, where their plan's catalog holds them.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::support::*;
use async_trait::async_trait;
use chrono::Duration;
use license_manager_domain::ports::{ContentCatalog, Person};
use license_manager_domain::use_cases::LearnerLicense;
use license_manager_domain::*;
use uuid::Uuid;

/// A catalog service that knows which catalogs hold every course, and remembers what it was asked.
#[derive(Default)]
struct Catalogs {
    full: Vec<CatalogId>,
    asked: Mutex<Vec<CatalogId>>,
}

#[async_trait]
impl ContentCatalog for Catalogs {
    async fn contains(&self, catalog: CatalogId, course_keys: &[String]) -> Result<bool, Error> {
        assert_eq!(course_keys, ["course"]);
        self.asked.lock().unwrap().push(catalog);
        Ok(self.full.contains(&catalog))
    }

    async fn owner(&self, _: CatalogId) -> Result<Option<CustomerId>, Error> {
        panic!("subsidies depend on no owner")
    }

    async fn distinct_queries(&self, _: &[CatalogId]) -> Result<BTreeMap<String, Vec<CatalogId>>, Error> {
        panic!("subsidies depend on no query")
    }
}

/// The outcome of work that waits for nothing.
fn now<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the work waits"),
    }
}

fn numbered(number: u128) -> CatalogId {
    CatalogId(Uuid::from_u128(number))
}

/// A plan of a catalog of its own that ends after so many days, with a license that amy has activated.
fn plan_of(world: &World, catalog: u128, days: i64, active: bool) -> PlanId {
    let mut new = world.new_plan(&format!("Plan {catalog} of {days}"), 1);
    new.expiration_date = beginning() + Duration::days(days);
    new.changes.catalog = Some(numbered(catalog));
    let plan = world.create(new).unwrap();
    world.activate(plan, "amy@example.com", 7);
    world.change(plan, PlanChanges { is_active: Some(active), ..PlanChanges::default() }).unwrap();
    plan
}

fn candidates(world: &World) -> Vec<LearnerLicense> {
    world.manager.subsidizing_licenses(customer(), &person("amy@example.com", 7)).unwrap()
}

fn plans(licenses: &[LearnerLicense]) -> Vec<PlanId> {
    licenses.iter().map(|found| found.plan.plan.id).collect()
}

#[test]
fn only_activated_licenses_of_active_and_current_plans_can_pay_the_last_to_expire_first() {
    let world = World::new();
    let short = plan_of(&world, 10, 20, true);
    plan_of(&world, 11, 300, false);
    plan_of(&world, 12, 5, true);
    let long = plan_of(&world, 13, 200, true);
    let merely_assigned = world.plan(1);
    world.assign(merely_assigned, &learners(["amy@example.com"])).unwrap();
    world.clock.advance(Duration::days(10));
    assert_eq!(plans(&candidates(&world)), [long, short]);
    world.revoke(long, &["amy@example.com"]).unwrap();
    assert_eq!(plans(&candidates(&world)), [short]);
}

#[test]
fn a_license_pays_for_its_lms_user_and_by_address_only_if_it_has_none() {
    let world = World::new();
    let known = plan_of(&world, 10, 300, true);
    let without_id = world.plan(1);
    world.assign(without_id, &learners(["amy@example.com"])).unwrap();
    let key = world.license_of(without_id, "amy@example.com").activation_key().unwrap();
    let amy = |lms_user_id| Person { email: Some(email("amy@example.com")), lms_user_id };
    world.manager.activate(&Actor::user("amy"), key, &amy(None)).unwrap();
    let paying = |person: &Person| {
        let mut found = plans(&world.manager.subsidizing_licenses(customer(), person).unwrap());
        found.sort();
        found
    };
    let mut both = vec![known, without_id];
    both.sort();
    assert_eq!(paying(&amy(Some(LmsUserId(7)))), both);
    assert_eq!(paying(&person("new@example.com", 7)), [known], "the address has changed");
    assert_eq!(paying(&amy(Some(LmsUserId(8)))), [without_id], "another user with the same address");
    assert_eq!(paying(&amy(None)), [without_id]);
}

#[test]
fn the_first_plan_whose_catalog_holds_the_course_pays_and_no_catalog_is_asked_twice() {
    let world = World::new();
    plan_of(&world, 10, 300, true);
    plan_of(&world, 10, 200, true);
    let holding = plan_of(&world, 11, 100, true);
    plan_of(&world, 12, 50, true);
    let catalogs = Arc::new(Catalogs { full: vec![numbered(11), numbered(12)], ..Catalogs::default() });
    let manager = world.manager.clone().with_catalog(catalogs.clone());
    let found = now(manager.first_covering(candidates(&world), "course")).unwrap();
    assert_eq!(found.map(|found| found.plan.plan.id), Some(holding));
    assert_eq!(*catalogs.asked.lock().unwrap(), [numbered(10), numbered(11)]);

    let manager = world.manager.clone().with_catalog(Arc::new(Catalogs::default()));
    assert_eq!(now(manager.first_covering(candidates(&world), "course")), Ok(None));
}

#[test]
fn without_a_catalog_service_nobody_knows() {
    let world = World::new();
    plan_of(&world, 10, 20, true);
    let unknown = now(world.manager.first_covering(candidates(&world), "course"));
    assert!(matches!(unknown, Err(Error::Upstream { upstream: Upstream::Catalog, .. })), "{unknown:?}");
    assert_eq!(now(world.manager.first_covering(Vec::new(), "course")), Ok(None), "nothing to ask about");
}

#[test]
fn a_customer_without_an_agreement_has_no_licenses() {
    let world = World::new();
    let stranger = CustomerId(Uuid::from_u128(99));
    let found = world.manager.subsidizing_licenses(stranger, &person("amy@example.com", 7));
    assert_eq!(found, Err(Error::NotFound(Entity::Agreement)));
}
