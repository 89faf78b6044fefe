//! The cache of the catalog service's answers.

use std::sync::Arc;
use std::time::Duration;

use license_manager_adapters::http::{CachedCatalog, HttpCatalog, HttpUpstream, client};
use license_manager_domain::ports::ContentCatalog;
use license_manager_domain::{CatalogId, Error, Upstream};
use serde_json::json;
use uuid::Uuid;
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::{CUSTOMER, always, patient, received};

const CATALOG: CatalogId = CatalogId(Uuid::from_u128(5));
const OTHER: CatalogId = CatalogId(Uuid::from_u128(7));

fn http(server: &MockServer) -> HttpCatalog {
    HttpCatalog::new(HttpUpstream::new(Upstream::Catalog, server.uri(), client(patient()).unwrap(), None))
}

fn cached(server: &MockServer) -> CachedCatalog {
    CachedCatalog::new(Arc::new(http(server)))
}

fn contains(answer: bool) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "contains_content_items": answer }))
}

fn courses(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

async fn asked(server: &MockServer) -> usize {
    received(server).await.len()
}

#[tokio::test]
async fn an_answer_is_cached_whether_true_or_false() {
    for answer in [true, false] {
        let server = always(contains(answer)).await;
        let catalog = cached(&server);
        for keys in [["a", "b"], ["a", "b"], ["b", "a"]] {
            assert_eq!(catalog.contains(CATALOG, &courses(&keys)).await, Ok(answer));
        }
        assert_eq!(asked(&server).await, 1);
        catalog.contains(OTHER, &courses(&["a", "b"])).await.unwrap();
        catalog.contains(CATALOG, &courses(&["a"])).await.unwrap();
        assert_eq!(asked(&server).await, 3, "other catalogs and other courses are other questions");
    }
}

#[tokio::test]
async fn concurrent_callers_share_one_call() {
    let server = always(contains(true).set_delay(Duration::from_millis(100))).await;
    let catalog = cached(&server);
    let keys = courses(&["a"]);
    let ask = || catalog.contains(CATALOG, &keys);
    assert_eq!(tokio::join!(ask(), ask(), ask()), (Ok(true), Ok(true), Ok(true)));
    assert_eq!(asked(&server).await, 1);
}

#[tokio::test]
async fn errors_are_not_cached() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(502)).up_to_n_times(1).mount(&server).await;
    Mock::given(any()).respond_with(contains(true)).mount(&server).await;
    let catalog = cached(&server);
    let problem = "answered 502 Bad Gateway".to_owned();
    let away = Err(Error::Upstream { upstream: Upstream::Catalog, problem });
    assert_eq!(catalog.contains(CATALOG, &courses(&["a"])).await, away);
    assert_eq!(catalog.contains(CATALOG, &courses(&["a"])).await, Ok(true));
}

#[tokio::test]
async fn a_cached_answer_expires() {
    let server = always(contains(true)).await;
    let catalog = CachedCatalog::with_limits(Arc::new(http(&server)), 10, Duration::from_millis(50));
    catalog.contains(CATALOG, &courses(&["a"])).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    catalog.contains(CATALOG, &courses(&["a"])).await.unwrap();
    assert_eq!(asked(&server).await, 2);
}

#[tokio::test]
async fn the_owner_of_a_catalog_is_not_cached() {
    let server = MockServer::start().await;
    let at = |place: &'static str| Mock::given(method("GET")).and(path(place));
    let owned =
        || ResponseTemplate::new(200).set_body_json(json!({ "uuid": CATALOG, "enterprise_customer": CUSTOMER }));
    let place = "/api/v1/enterprise-catalogs/00000000-0000-0000-0000-000000000005";
    at(place).respond_with(owned()).expect(2).mount(&server).await;
    let catalog = cached(&server);
    assert_eq!(catalog.owner(CATALOG).await, Ok(Some(CUSTOMER)));
    assert_eq!(catalog.owner(CATALOG).await, Ok(Some(CUSTOMER)));
    assert_eq!(catalog.owner(OTHER).await, Ok(None));
}

#[tokio::test]
async fn the_owner_is_found_with_a_trailing_slash_and_an_invalid_answer_is_an_error() {
    let server = MockServer::start().await;
    let place = "/api/v1/enterprise-catalogs/00000000-0000-0000-0000-000000000005";
    let moved = ResponseTemplate::new(301).insert_header("Location", format!("{place}/"));
    Mock::given(path(place)).respond_with(moved).mount(&server).await;
    let owned = ResponseTemplate::new(200).set_body_json(json!({ "enterprise_customer": CUSTOMER }));
    Mock::given(path(format!("{place}/"))).respond_with(owned).mount(&server).await;
    assert_eq!(http(&server).owner(CATALOG).await, Ok(Some(CUSTOMER)));
    for nonsense in [
        ResponseTemplate::new(500),
        ResponseTemplate::new(302),
        ResponseTemplate::new(200).set_body_json(json!({ "enterprise_customer": null })),
    ] {
        let server = always(nonsense).await;
        assert!(matches!(http(&server).owner(CATALOG).await, Err(Error::Upstream { .. })));
    }
}

#[tokio::test]
async fn the_queries_of_catalogs_are_distinguished() {
    let answer =
        json!({ "num_distinct_query_ids": 2, "catalog_uuids_by_catalog_query_id": { "1": [CATALOG], "9": [OTHER] } });
    let server = always(ResponseTemplate::new(200).set_body_json(answer)).await;
    let queries = cached(&server).distinct_queries(&[CATALOG, OTHER]).await.unwrap();
    assert_eq!(queries, [("1".to_owned(), vec![CATALOG]), ("9".to_owned(), vec![OTHER])].into());
    let body = json!({ "enterprise_catalog_uuids": [CATALOG, OTHER] });
    assert_eq!(received(&server).await, [("/api/v1/distinct-catalog-queries/".to_owned(), body)]);
    let server = always(ResponseTemplate::new(200).set_body_json(json!([]))).await;
    assert!(http(&server).distinct_queries(&[CATALOG]).await.is_err());
}
