//! validate-num-catalog-queries.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use license_manager_domain::operations::{OperationSettings, OperationSummary};
use license_manager_domain::ports::ContentCatalog;
use license_manager_domain::*;
use uuid::Uuid;

use super::world::*;
use crate::support::*;

/// Catalogs below a thousand have the query of their hundreds.
struct Queries;

#[async_trait]
impl ContentCatalog for Queries {
    async fn contains(&self, _: CatalogId, _: &[String]) -> Result<bool, Error> {
        panic!("no course is looked up here")
    }

    async fn owner(&self, _: CatalogId) -> Result<Option<CustomerId>, Error> {
        panic!("nobody asks whose a catalog is")
    }

    async fn distinct_queries(&self, catalogs: &[CatalogId]) -> Result<BTreeMap<String, Vec<CatalogId>>, Error> {
        assert!(catalogs.len() <= 100, "at most 100 a call");
        let mut queries: BTreeMap<String, Vec<CatalogId>> = BTreeMap::new();
        for &catalog in catalogs {
            queries.entry((catalog.0.as_u128() / 1000).to_string()).or_default().push(catalog);
        }
        Ok(queries)
    }
}

fn catalog(number: u128) -> CatalogId {
    CatalogId(Uuid::from_u128(number))
}

fn plan_of(world: &World, number: u128, product: i32, internal: bool) -> PlanId {
    let mut new = world.new_plan(&format!("Plan of {number}"), 1);
    new.changes.catalog = Some(catalog(number));
    new.changes.product = Some(ProductId(product));
    new.changes.for_internal_use_only = Some(internal);
    new.changes.salesforce_opportunity_line_item = Edit::Set("00k000000000000001".to_owned());
    world.create(new).unwrap()
}

fn validate(world: &World, allowed: &[CatalogId]) -> OperationSummary {
    let operations = OperationSettings { catalog_allow_list: allowed.to_vec(), ..OperationSettings::default() };
    let settings = Settings { operations, ..Settings::default() };
    let ids = Arc::new(ports::SequentialIds::default());
    let manager = LicenseManager::new(world.store.clone(), world.clock.clone(), ids, settings);
    now(manager.with_catalog(Arc::new(Queries)).validate_num_catalog_queries(false, &Watch::patient(world)))
}

#[test]
fn as_many_queries_as_plan_types_are_fine() {
    let world = World::new();
    for number in 0..150 {
        plan_of(&world, 1_000 + number, 1, false);
    }
    plan_of(&world, 2_001, 3, false);
    let summary = complete(validate(&world, &[]));
    assert_eq!(["catalogs", "queries", "plan_types"].map(|name| count(&summary, name)), [151, 2, 2]);
}

#[test]
fn one_query_more_is_named_unless_its_catalogs_are_allowed() {
    let world = World::new();
    for number in [1_001, 1_002, 3_001] {
        plan_of(&world, number, 1, false);
    }
    let summary = validate(&world, &[]);
    assert_eq!(summary.errors.len(), 1, "{summary:?}");
    assert_eq!(summary.errors[0].about, "catalog query 3");
    assert!(summary.errors[0].message.contains(&catalog(3_001).to_string()));
    assert_eq!(summary.uuids, [catalog(3_001).0]);
    complete(validate(&world, &[catalog(3_001)]));
}

#[test]
fn plans_that_ended_and_internal_ones_do_not_count() {
    let world = World::new();
    plan_of(&world, 1_001, 1, false);
    plan_of(&world, 2_001, 1, true);
    let over = plan_of(&world, 3_001, 1, false);
    world.rewrite_plan(over, |plan| plan.expiration_date = beginning());
    let summary = complete(validate(&world, &[]));
    assert_eq!(count(&summary, "catalogs"), 1);
}

#[test]
fn without_a_catalog_service_it_says_so() {
    let world = World::new();
    plan_of(&world, 1_001, 1, false);
    let summary = now(world.manager.validate_num_catalog_queries(false, &Watch::patient(&world)));
    assert_eq!(summary.errors.len(), 1);
}
