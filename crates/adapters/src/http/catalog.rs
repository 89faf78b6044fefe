//! The catalog service.

use std::collections::BTreeMap;

use async_trait::async_trait;
use license_manager_domain::ports::ContentCatalog;
use license_manager_domain::{CatalogId, Error};
use serde::Deserialize;
use serde_json::json;

use super::{Call, HttpNeighbour};

/// The catalog service, over HTTP.
#[derive(Debug, Clone)]
pub struct HttpCatalog(HttpNeighbour);

impl HttpCatalog {
    /// The catalog service at this address.
    pub fn new(neighbour: HttpNeighbour) -> Self {
        Self(neighbour)
    }
}

#[derive(Deserialize)]
struct Answer {
    contains_content_items: bool,
}

#[derive(Deserialize)]
struct Queries {
    catalog_uuids_by_catalog_query_id: BTreeMap<String, Vec<CatalogId>>,
}

#[async_trait]
impl ContentCatalog for HttpCatalog {
    async fn contains(&self, catalog: CatalogId, course_keys: &[String]) -> Result<bool, Error> {
        let path = format!("/api/v1/enterprise-catalogs/{catalog}/contains_content_items/");
        // A key each: a list with commas would break keys that hold one.
        let query: Vec<_> = course_keys.iter().map(|key| ("course_run_ids", key.as_str())).collect();
        Ok(self.0.ask::<Answer>(Call::get(&path, &query)).await?.contains_content_items)
    }

    async fn distinct_queries(&self, catalogs: &[CatalogId]) -> Result<BTreeMap<String, Vec<CatalogId>>, Error> {
        let body = json!({ "enterprise_catalog_uuids": catalogs });
        let answer = self.0.ask::<Queries>(Call::post("/api/v1/distinct-catalog-queries/", &body)).await?;
        Ok(answer.catalog_uuids_by_catalog_query_id)
    }
}
