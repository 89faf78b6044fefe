//! The catalog service.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use license_manager_domain::ports::ContentCatalog;
use license_manager_domain::{CatalogId, CustomerId, Error};
use moka::future::Cache;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::service::Call;
use super::upstream::HttpUpstream;

/// The catalog service over HTTP.
#[derive(Debug, Clone)]
pub struct HttpCatalog(HttpUpstream);

impl HttpCatalog {
    /// Uses this catalog service.
    pub fn new(upstream: HttpUpstream) -> Self {
        Self(upstream)
    }
}

#[derive(Deserialize)]
struct Content {
    contains_content_items: bool,
}

#[derive(Deserialize)]
struct Catalog {
    enterprise_customer: CustomerId,
}

#[derive(Deserialize)]
struct Queries {
    catalog_uuids_by_catalog_query_id: BTreeMap<String, Vec<CatalogId>>,
}

#[async_trait]
impl ContentCatalog for HttpCatalog {
    async fn contains(&self, catalog: CatalogId, course_keys: &[String]) -> Result<bool, Error> {
        let path = format!("/api/v1/enterprise-catalogs/{catalog}/contains_content_items/");
        // One parameter per key: a comma-separated list would break keys with a comma.
        let query: Vec<_> = course_keys.iter().map(|key| ("course_run_ids", key.as_str())).collect();
        Ok(self.0.ask::<Content>(Call::get(&path, &query)).await?.contains_content_items)
    }

    async fn owner(&self, catalog: CatalogId) -> Result<Option<CustomerId>, Error> {
        let path = format!("/api/v1/enterprise-catalogs/{catalog}");
        let found = match self.0.service.json(Call::get(&path, &[]).allow_missing()).await {
            // Some catalog services serve the path only with a trailing slash.
            Err(failure) if failure.status.is_some_and(|status| status.is_redirection()) => {
                self.0.service.json(Call::get(&format!("{path}/"), &[]).allow_missing()).await
            }
            found => found,
        };
        match found {
            Ok(Catalog { enterprise_customer }) => Ok(Some(enterprise_customer)),
            Err(failure) if failure.status == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(failure) => Err(self.0.error(failure)),
        }
    }

    async fn distinct_queries(&self, catalogs: &[CatalogId]) -> Result<BTreeMap<String, Vec<CatalogId>>, Error> {
        let body = json!({ "enterprise_catalog_uuids": catalogs });
        let answer: Queries = self.0.ask(Call::post("/api/v1/distinct-catalog-queries/", &body)).await?;
        Ok(answer.catalog_uuids_by_catalog_query_id)
    }
}

/// How long an answer is cached.
const KEPT_FOR: Duration = Duration::from_secs(60 * 60);
/// How many answers are cached.
const MOST_KEPT: u64 = 10_000;

/// A catalog service whose answers about content are cached for an hour. Concurrent callers with the same question
/// share one call. Errors are not cached.
#[derive(Clone)]
pub struct CachedCatalog {
    catalog: Arc<dyn ContentCatalog>,
    answers: Cache<(CatalogId, Vec<String>), bool>,
}

impl std::fmt::Debug for CachedCatalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CachedCatalog").field("answers", &self.answers.entry_count()).finish_non_exhaustive()
    }
}

impl CachedCatalog {
    /// Caches up to 10,000 answers.
    pub fn new(catalog: Arc<dyn ContentCatalog>) -> Self {
        Self::with_limits(catalog, MOST_KEPT, KEPT_FOR)
    }

    /// Caches up to `most` answers for `kept_for`.
    pub fn with_limits(catalog: Arc<dyn ContentCatalog>, most: u64, kept_for: Duration) -> Self {
        Self { catalog, answers: Cache::builder().max_capacity(most).time_to_live(kept_for).build() }
    }
}

#[async_trait]
impl ContentCatalog for CachedCatalog {
    async fn contains(&self, catalog: CatalogId, course_keys: &[String]) -> Result<bool, Error> {
        // The answer does not depend on the order of the keys.
        let mut sorted = course_keys.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let question = self.catalog.contains(catalog, course_keys);
        let answer = self.answers.try_get_with((catalog, sorted), question).await;
        answer.map_err(|error: Arc<Error>| Arc::unwrap_or_clone(error))
    }

    async fn owner(&self, catalog: CatalogId) -> Result<Option<CustomerId>, Error> {
        self.catalog.owner(catalog).await
    }

    async fn distinct_queries(&self, catalogs: &[CatalogId]) -> Result<BTreeMap<String, Vec<CatalogId>>, Error> {
        self.catalog.distinct_queries(catalogs).await
    }
}
