//! Calls that somebody waits for: the catalog service, and the LMS's customers and accounts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use license_manager_adapters::http::{
    AccessTokens, Credentials, HttpAccounts, HttpCatalog, HttpDirectory, HttpUpstream, Timeouts, client,
};
use license_manager_domain::ports::{AccountLookup, ContentCatalog, EnterpriseCustomer, EnterpriseDirectory};
use license_manager_domain::{CatalogId, CustomerId, Error, LmsUserId, Upstream};
use serde_json::{Value, json};
use uuid::Uuid;
use wiremock::matchers::{body_string, header, header_exists, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::{CUSTOMER, email, nobody_s_address, patient, short};

const CATALOG: CatalogId = CatalogId(Uuid::from_u128(5));

fn catalog_at(url: String, timeouts: Timeouts) -> HttpCatalog {
    HttpCatalog::new(HttpUpstream::new(Upstream::Catalog, url, client(timeouts).unwrap(), None))
}

/// A catalog service with access tokens from the same server.
fn catalog_with_tokens(server: &MockServer) -> HttpCatalog {
    let client = client(patient()).unwrap();
    let credentials = Credentials { client_id: "license-manager".to_owned(), client_secret: "s&cret".to_owned() };
    let tokens = Arc::new(AccessTokens::new(&server.uri(), credentials, client.clone()));
    HttpCatalog::new(HttpUpstream::new(Upstream::Catalog, server.uri(), client, Some(tokens)))
}

fn contains(answer: bool) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "contains_content_items": answer }))
}

fn token(text: &str, expires_in: u64) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({ "access_token": text, "expires_in": expires_in, "token_type": "JWT", "scope": "read" }))
}

async fn ask(catalog: &HttpCatalog) -> Result<bool, Error> {
    catalog.contains(CATALOG, &["course-v1:edX+DemoX+T1".to_owned()]).await
}

#[track_caller]
fn problem(answer: Result<bool, Error>) -> String {
    match answer {
        Err(Error::Upstream { upstream: Upstream::Catalog, problem }) => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_busy_service_is_not_called_before_its_retry_after() {
    let server = MockServer::start().await;
    let busy = ResponseTemplate::new(429).insert_header("Retry-After", "600");
    Mock::given(method("GET")).respond_with(busy).expect(2).mount(&server).await;
    let catalog = catalog_at(server.uri(), patient());
    assert_eq!(problem(ask(&catalog).await), "answered 429 Too Many Requests");
    assert_eq!(problem(ask(&catalog).await), "wants not to be asked for now");
    // Another process has its own state.
    assert_eq!(problem(ask(&catalog_at(server.uri(), patient())).await), "answered 429 Too Many Requests");
}

#[tokio::test]
async fn a_catalog_tells_whether_it_contains_a_course() {
    let server = MockServer::start().await;
    let asked = || {
        Mock::given(method("GET"))
            .and(path("/api/v1/enterprise-catalogs/00000000-0000-0000-0000-000000000005/contains_content_items/"))
    };
    asked()
        .and(query_param("course_run_ids", "course-v1:edX+DemoX+T1"))
        .respond_with(contains(true))
        .expect(1)
        .mount(&server)
        .await;
    asked().respond_with(contains(false)).mount(&server).await;
    let catalog = catalog_at(server.uri(), patient());
    assert_eq!(ask(&catalog).await, Ok(true));
    assert_eq!(catalog.contains(CATALOG, &["another".to_owned()]).await, Ok(false));
    let calls = server.received_requests().await.unwrap();
    assert!(calls.iter().all(|call| !call.headers.contains_key("authorization")), "no token is configured");
}

#[tokio::test]
async fn an_unusable_answer_is_an_error_and_never_false() {
    for (answer, said) in [
        (ResponseTemplate::new(500), "answered 500 Internal Server Error"),
        (ResponseTemplate::new(404), "answered 404 Not Found"),
        (ResponseTemplate::new(401), "answered 401 Unauthorized"),
        (ResponseTemplate::new(302).insert_header("Location", "/elsewhere"), "answered 302 Found"),
        (ResponseTemplate::new(200).set_body_string("<html>"), "answered something unexpected"),
        (ResponseTemplate::new(200).set_body_json(json!({})), "answered something unexpected"),
        (ResponseTemplate::new(200).set_body_json(json!({ "contains_content_items": "no" })), "unexpected"),
        (ResponseTemplate::new(200).set_body_bytes(vec![b' '; 1024 * 1024 + 1]), "answered more than"),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(answer).mount(&server).await;
        let problem = problem(ask(&catalog_at(server.uri(), patient())).await);
        assert!(problem.contains(said), "{problem}");
    }
}

#[tokio::test]
async fn silence_ends_with_the_timeout() {
    let server = MockServer::start().await;
    let late = contains(true).set_delay(Duration::from_secs(30));
    Mock::given(method("GET")).respond_with(late).mount(&server).await;
    assert_eq!(problem(ask(&catalog_at(server.uri(), short())).await), "did not answer in time");
}

#[tokio::test]
async fn an_unreachable_service_is_reported_as_such() {
    assert_eq!(problem(ask(&catalog_at(nobody_s_address(), patient())).await), "cannot be reached");
}

#[tokio::test]
async fn the_lms_knows_a_customer() {
    let server = MockServer::start().await;
    let known = json!({ "uuid": CUSTOMER, "slug": "acme", "name": "Acme, Inc.", "contact_email": null });
    Mock::given(path("/enterprise/api/v1/enterprise-customer/00000000-0000-0000-0000-000000000006/"))
        .respond_with(ResponseTemplate::new(200).set_body_json(known))
        .mount(&server)
        .await;
    let lms = HttpDirectory::new(HttpUpstream::new(Upstream::Lms, server.uri(), client(patient()).unwrap(), None));
    let expected = EnterpriseCustomer::new(CUSTOMER, "acme", "Acme, Inc.");
    assert_eq!(lms.customer(CUSTOMER).await, Ok(expected));
    let unknown = lms.customer(CustomerId(Uuid::from_u128(7))).await.unwrap_err();
    assert_eq!(unknown.to_string(), "The LMS answered 404 Not Found.");
}

#[tokio::test]
async fn the_lms_knows_the_account_of_an_address() {
    let server = MockServer::start().await;
    let asked = |email| Mock::given(method("GET")).and(path("/api/user/v1/accounts")).and(query_param("email", email));
    let answer = |body| ResponseTemplate::new(200).set_body_json(body);
    asked("amy+1@example.com").respond_with(answer(json!([{ "id": 7, "username": "amy" }]))).mount(&server).await;
    asked("bob@example.com").respond_with(ResponseTemplate::new(404)).mount(&server).await;
    asked("cleo@example.com").respond_with(answer(json!([]))).mount(&server).await;
    asked("info@müller.example").respond_with(answer(json!([{ "id": 0 }]))).mount(&server).await;
    asked("dan@example.com").respond_with(answer(json!([{ "username": "dan" }]))).mount(&server).await;
    asked("eve@example.com").respond_with(ResponseTemplate::new(403)).mount(&server).await;
    let lms = HttpAccounts::new(HttpUpstream::new(Upstream::Lms, server.uri(), client(patient()).unwrap(), None));
    assert_eq!(lms.account(&email("amy+1@example.com")).await, Ok(Some(LmsUserId(7))));
    assert_eq!(lms.account(&email("bob@example.com")).await, Ok(None));
    assert_eq!(lms.account(&email("cleo@example.com")).await, Ok(None));
    assert_eq!(lms.account(&email("info@xn--mller-kva.example")).await, Ok(None), "0 is nobody");
    for (person, said) in [("dan@example.com", "something unexpected"), ("eve@example.com", "answered 403 Forbidden")] {
        let error = lms.account(&email(person)).await.unwrap_err();
        assert!(matches!(&error, Error::Upstream { upstream: Upstream::Lms, problem } if problem.contains(said)));
    }
}

#[tokio::test]
async fn a_token_is_used_until_shortly_before_it_expires() {
    let server = MockServer::start().await;
    let form = "grant_type=client_credentials&client_id=license-manager&client_secret=s%26cret&token_type=jwt";
    Mock::given(method("POST"))
        .and(path("/oauth2/access_token"))
        .and(body_string(form))
        .respond_with(token("first", 3600))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(header("Authorization", "JWT first")).respond_with(contains(true)).expect(4).mount(&server).await;
    let catalog = catalog_with_tokens(&server);
    let answers = tokio::join!(ask(&catalog), ask(&catalog), ask(&catalog));
    assert_eq!(answers, (Ok(true), Ok(true), Ok(true)), "who comes at once shares one token");
    assert_eq!(ask(&catalog).await, Ok(true));
}

#[tokio::test]
async fn a_token_about_to_expire_is_replaced() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(token("short", 5)).expect(2).mount(&server).await;
    Mock::given(method("GET")).respond_with(contains(true)).mount(&server).await;
    let catalog = catalog_with_tokens(&server);
    assert_eq!((ask(&catalog).await, ask(&catalog).await), (Ok(true), Ok(true)));
}

#[tokio::test]
async fn a_revoked_token_is_replaced_once() {
    let server = MockServer::start().await;
    let withdrawn = |_: &Request| ResponseTemplate::new(401);
    Mock::given(method("POST")).respond_with(token("first", 3600)).up_to_n_times(1).mount(&server).await;
    Mock::given(method("POST")).respond_with(token("second", 3600)).expect(1).mount(&server).await;
    Mock::given(header("Authorization", "JWT second")).respond_with(contains(true)).mount(&server).await;
    Mock::given(header_exists("Authorization")).respond_with(withdrawn).expect(1).mount(&server).await;
    let catalog = catalog_with_tokens(&server);
    assert_eq!(ask(&catalog).await, Ok(true));
}

#[tokio::test]
async fn without_a_token_no_call_is_made() {
    for answer in [
        ResponseTemplate::new(400),
        ResponseTemplate::new(200).set_body_json(json!({ "access_token": "endless" })),
        ResponseTemplate::new(200).set_body_json(Value::Null),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        Mock::given(method("GET")).respond_with(contains(true)).expect(0).mount(&server).await;
        let problem = problem(ask(&catalog_with_tokens(&server)).await);
        assert!(problem.starts_with("cannot be asked, because the access token service answered "), "{problem}");
    }
}

#[tokio::test]
async fn every_call_is_reported_to_the_listener() {
    let server = MockServer::start().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    let client = client(short()).unwrap().with_listener(Arc::new(move |upstream, outcome, took| {
        assert!(took < Duration::from_secs(60));
        log.lock().unwrap().push((upstream, outcome.as_str()));
    }));
    let credentials = Credentials { client_id: "license-manager".to_owned(), client_secret: "s&cret".to_owned() };
    let tokens = Arc::new(AccessTokens::new(&server.uri(), credentials, client.clone()));
    let upstream = |url: String| HttpUpstream::new(Upstream::Catalog, url, client.clone(), None);
    let catalog = HttpCatalog::new(upstream(server.uri()));
    for status in [500, 400, 429] {
        let answer = Mock::given(method("GET")).respond_with(ResponseTemplate::new(status)).up_to_n_times(1);
        answer.mount(&server).await;
        ask(&catalog).await.unwrap_err();
    }
    ask(&HttpCatalog::new(upstream(nobody_s_address()))).await.unwrap_err();
    Mock::given(method("GET")).respond_with(contains(true)).mount(&server).await;
    Mock::given(method("POST")).respond_with(token("one", 3600)).mount(&server).await;
    let with_tokens = HttpUpstream::new(Upstream::Catalog, server.uri(), client.clone(), Some(tokens));
    ask(&HttpCatalog::new(with_tokens)).await.unwrap();
    let catalog = |outcome| ("catalog", outcome);
    let expected = ["failed", "refused", "busy", "no_answer"].map(catalog);
    let told = told.lock().unwrap();
    assert_eq!(told[..4], expected);
    assert_eq!(told[4..], [("oauth", "answered"), catalog("answered")]);
}
