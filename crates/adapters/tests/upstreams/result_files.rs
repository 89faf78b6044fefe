//! Results of bulk enrollments in a bucket.

use std::collections::BTreeMap;
use std::sync::Arc;

use license_manager_adapters::http::{
    Authorization, BucketOptions, BucketProblem, CredentialSource, S3ResultFiles, Timeouts, client,
};
use license_manager_domain::model::{BulkEnrollment, Enrollees, EnrollmentJob, EnrollmentNumbers, EnrollmentStage};
use license_manager_domain::ports::{FixedClock, ResultFiles, Undelivered};
use license_manager_domain::{CustomerId, EnrollmentJobId};
use url::Url;
use uuid::Uuid;
use wiremock::matchers::{body_string_contains, header, method, path as path_is};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::{always, clock, failures_for_now_are_tried_again, now, patient};

const JOB: EnrollmentJobId = EnrollmentJobId(Uuid::from_u128(5));
const PATH: &str = "/results/bulk-enrollments/00000000-0000-0000-0000-000000000005.csv";

fn options(url: String) -> BucketOptions {
    BucketOptions {
        url,
        bucket: "results".to_owned(),
        region: "eu-west-1".to_owned(),
        credentials: CredentialSource::Fixed {
            access_key_id: "AKIAEXAMPLE".to_owned(),
            secret_access_key: "hunter2".to_owned(),
            session_token: None,
        },
        path_style: true,
    }
}

fn files(url: String, timeouts: Timeouts) -> S3ResultFiles {
    S3ResultFiles::new(options(url), client(timeouts).unwrap(), clock()).unwrap()
}

/// The job, whose results are in this file.
fn done(file: Option<&str>) -> EnrollmentJob {
    EnrollmentJob {
        id: JOB,
        customer: CustomerId(Uuid::nil()),
        lms_user_id: None,
        enrollment: BulkEnrollment {
            learners: Enrollees::Holders,
            plan: None,
            course_run_keys: Vec::new(),
            notify: false,
        },
        stage: EnrollmentStage::Filed,
        numbers: EnrollmentNumbers::default(),
        file: file.map(str::to_owned),
        created: now(),
        modified: now(),
    }
}

fn parameters(url: &Url) -> BTreeMap<String, String> {
    url.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn a_file_is_uploaded_with_a_valid_signature() {
    let server = always(ResponseTemplate::new(200)).await;
    files(server.uri(), patient()).put(JOB, "email\namy@example.com\n".to_owned()).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((request.method.as_str(), request.url.path()), ("PUT", PATH));
    assert_eq!(request.body, b"email\namy@example.com\n");
    assert_eq!(request.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(request.headers["content-length"], "22");
    let disposition = format!("attachment; filename=\"bulk-enrollment-{JOB}.csv\"");
    assert_eq!(request.headers["content-disposition"], disposition.as_str());
    assert!(!request.headers.contains_key("authorization"), "the address carries the signature");
    let mut signed = parameters(&request.url);
    let signature = signed.remove("X-Amz-Signature").unwrap();
    assert!(signature.len() == 64 && signature.bytes().all(|byte| byte.is_ascii_hexdigit()), "{signature}");
    let expected = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", "AKIAEXAMPLE/20270115/eu-west-1/s3/aws4_request"),
        ("X-Amz-Date", "20270115T080000Z"),
        ("X-Amz-Expires", "300"),
        ("X-Amz-SignedHeaders", "content-disposition;content-type;host"),
    ];
    assert_eq!(signed, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

/// The signature of a URL as Signature Version 4 specifies, computed independently.
fn expected_signature(method: &str, url: &Url, secret: &str) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let hmac = |key: &[u8], text: &str| {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key);
        aws_lc_rs::hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
    };
    let query: Vec<&str> =
        url.query().unwrap().split('&').filter(|pair| !pair.starts_with("X-Amz-Signature=")).collect();
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let canonical = format!("{method}\n{}\n{}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", url.path(), query.join("&"));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, canonical.as_bytes());
    let scope = "20270115/eu-west-1/s3/aws4_request";
    let to_sign = format!("AWS4-HMAC-SHA256\n20270115T080000Z\n{scope}\n{}", hex(digest.as_ref()));
    let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part));
    hex(&hmac(&key, &to_sign))
}

#[tokio::test]
async fn a_download_link_is_valid_for_an_hour() {
    let server = MockServer::start().await;
    let address = Url::parse(&files(server.uri(), patient()).address(&done(None)).await.unwrap()).unwrap();
    assert!(address.as_str().starts_with(&format!("{}{PATH}?", server.uri())), "{address}");
    let signed = parameters(&address);
    assert_eq!((signed["X-Amz-Expires"].as_str(), signed["X-Amz-SignedHeaders"].as_str()), ("3600", "host"));
    assert_eq!(signed["X-Amz-Signature"], expected_signature("GET", &address, "hunter2"));
    assert!(!address.as_str().contains("hunter2"));
    assert_eq!(server.received_requests().await.unwrap().len(), 0, "nobody is asked");
}

#[tokio::test]
async fn a_file_of_another_service_is_found_by_its_own_name() {
    let server = MockServer::start().await;
    let address = files(server.uri(), patient()).address(&done(Some("old results/1.csv"))).await.unwrap();
    assert!(address.starts_with(&format!("{}/results/old%20results/1.csv?", server.uri())), "{address}");
}

#[tokio::test]
async fn the_bucket_is_part_of_the_host_or_of_the_path() {
    let address = async |url: &str, bucket: &str, path_style| {
        let options = BucketOptions { bucket: bucket.to_owned(), path_style, ..options(url.to_owned()) };
        let files = S3ResultFiles::new(options, client(patient()).unwrap(), clock())?;
        Ok::<_, BucketProblem>(files.address(&done(None)).await.unwrap().split_once('?').unwrap().0.to_owned())
    };
    let key = PATH.trim_start_matches("/results");
    let service = "https://s3.eu-west-1.amazonaws.com";
    assert_eq!(address(service, "results", true).await, Ok(format!("{service}/results{key}")));
    assert_eq!(
        address(service, "results", false).await,
        Ok(format!("https://results.s3.eu-west-1.amazonaws.com{key}"))
    );
    assert_eq!(
        address("https://files.example.com/s3", "results", true).await,
        Ok(format!("https://files.example.com/s3/results{key}"))
    );
    assert_eq!(address("http://127.0.0.1:9000", "results", false).await, Err(BucketProblem::Host));
    assert_eq!(address("https://example.com", "not a host", false).await, Err(BucketProblem::Host));
    assert_eq!(address("ftp://example.com", "results", true).await, Err(BucketProblem::Url));
    assert_eq!(address("example", "results", true).await, Err(BucketProblem::Url));
}

#[tokio::test]
async fn every_refusal_of_the_bucket_is_retried() {
    let put = async |url, timeouts| files(url, timeouts).put(JOB, "email\n".to_owned()).await;
    failures_for_now_are_tried_again("the bucket ", put).await;
    for (status, body, said) in [
        (
            403,
            "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code></Error>",
            "answered 403 Forbidden (SignatureDoesNotMatch)",
        ),
        (
            404,
            "<Error><Code>NoSuchBucket</Code><Key>amy@example.com</Key></Error>",
            "answered 404 Not Found (NoSuchBucket)",
        ),
        (400, "<Error><Code>amy@example.com</Code></Error>", "answered 400 Bad Request"),
        (301, "", "answered 301 Moved Permanently"),
    ] {
        let server = always(ResponseTemplate::new(status).set_body_string(body)).await;
        let expected = Err(Undelivered::Unavailable(format!("the bucket {said}")));
        assert_eq!(put(server.uri(), patient()).await, expected);
    }
    let busy = always(ResponseTemplate::new(429).insert_header("Retry-After", "7")).await;
    let moment = now() + chrono::TimeDelta::seconds(7);
    assert_eq!(put(busy.uri(), patient()).await, Err(Undelivered::Busy(moment)));
}

#[test]
fn debug_output_holds_no_secrets() {
    let files: Arc<S3ResultFiles> = Arc::new(files("https://s3.example.com".to_owned(), patient()));
    assert!(!format!("{files:?}").contains("hunter2"));
}

/// A bucket whose credentials come from elsewhere.
fn with_credentials(url: String, credentials: CredentialSource) -> S3ResultFiles {
    S3ResultFiles::new(BucketOptions { credentials, ..options(url) }, client(patient()).unwrap(), clock()).unwrap()
}

/// Credentials as the endpoints of containers and instances give them.
fn given(key: &str, expiration: &str) -> ResponseTemplate {
    let body = format!(
        r#"{{"Code":"Success","AccessKeyId":"{key}","SecretAccessKey":"s","Token":"t/+=","Expiration":"{expiration}"}}"#
    );
    ResponseTemplate::new(200).set_body_string(body)
}

/// The access key and the session's token that a link is signed with.
async fn signed_with(files: &S3ResultFiles) -> Option<(String, Option<String>)> {
    let signed = parameters(&Url::parse(&files.address(&done(None)).await?).unwrap());
    Some((
        signed["X-Amz-Credential"].split('/').next().unwrap().to_owned(),
        signed.get("X-Amz-Security-Token").cloned(),
    ))
}

fn key_and_token(key: &str) -> Option<(String, Option<String>)> {
    Some((key.to_owned(), Some("t/+=".to_owned())))
}

#[tokio::test]
async fn a_container_gives_credentials_until_shortly_before_they_expire() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "let-me-in\n").unwrap();
    let authorization = || Some(Authorization::File(file.to_str().unwrap().to_owned()));
    for (expiration, asked) in [("2027-01-15T09:00:00Z", 1), ("2027-01-15T08:10:00Z", 2)] {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(header("Authorization", "let-me-in"))
            .respond_with(given("ASIA1", expiration))
            .expect(asked)
            .mount(&server)
            .await;
        let url = format!("{}/v1/credentials", server.uri());
        let source = CredentialSource::Container { url, authorization: authorization() };
        let files = with_credentials("https://s3.example.com".to_owned(), source);
        assert_eq!(signed_with(&files).await, key_and_token("ASIA1"));
        assert_eq!(signed_with(&files).await, key_and_token("ASIA1"));
    }
}

#[tokio::test]
async fn credentials_that_cannot_be_replaced_are_used_to_the_end() {
    let server = MockServer::start().await;
    let once = given("ASIA1", "2027-01-15T08:10:00Z");
    Mock::given(method("GET")).respond_with(once).up_to_n_times(1).mount(&server).await;
    let source = CredentialSource::Container { url: server.uri(), authorization: None };
    let files = with_credentials("https://s3.example.com".to_owned(), source);
    for _ in 0..2 {
        assert_eq!(signed_with(&files).await, key_and_token("ASIA1"));
    }
}

#[tokio::test]
async fn an_instance_gives_the_credentials_of_its_role() {
    let server = MockServer::start().await;
    let path = "/latest/meta-data/iam/security-credentials/";
    Mock::given(method("PUT"))
        .and(path_is("/latest/api/token"))
        .respond_with(ResponseTemplate::new(200).set_body_string("session"))
        .mount(&server)
        .await;
    let with_session = || Mock::given(method("GET")).and(header("X-aws-ec2-metadata-token", "session"));
    let roles = ResponseTemplate::new(200).set_body_string("uploader\n");
    with_session().and(path_is(path)).respond_with(roles).mount(&server).await;
    let role = given("ASIA2", "2027-01-15T09:00:00Z");
    with_session().and(path_is(format!("{path}uploader"))).respond_with(role).mount(&server).await;
    let files = with_credentials("https://s3.example.com".to_owned(), CredentialSource::Instance { url: server.uri() });
    assert_eq!(signed_with(&files).await, key_and_token("ASIA2"));
}

#[tokio::test]
async fn a_web_identity_gets_the_credentials_of_its_role() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "identity\n").unwrap();
    let answer = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
        <SessionToken>t/+=</SessionToken><SecretAccessKey>s</SecretAccessKey>\
        <Expiration>2027-01-15T09:00:00Z</Expiration><AccessKeyId>ASIA3</AccessKeyId>\
        </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(body_string_contains("Action=AssumeRoleWithWebIdentity"))
        .and(body_string_contains("WebIdentityToken=identity"))
        .and(body_string_contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx"))
        .respond_with(ResponseTemplate::new(200).set_body_string(answer))
        .mount(&server)
        .await;
    let source = CredentialSource::WebIdentity {
        url: server.uri(),
        role: "arn:aws:iam::1:role/x".to_owned(),
        session: "license-manager".to_owned(),
        token_file: file.to_str().unwrap().to_owned(),
    };
    assert_eq!(
        signed_with(&with_credentials("https://s3.example.com".to_owned(), source)).await,
        key_and_token("ASIA3")
    );
}

#[tokio::test]
async fn without_credentials_an_upload_is_retried_and_no_link_is_given() {
    let server = always(ResponseTemplate::new(500)).await;
    let source = CredentialSource::Container { url: server.uri(), authorization: None };
    let files = with_credentials(server.uri(), source);
    let problem = "the bucket was not called: the container's endpoint answered 500 Internal Server Error".to_owned();
    assert_eq!(files.put(JOB, "email\n".to_owned()).await, Err(Undelivered::Unavailable(problem)));
    assert_eq!(signed_with(&files).await, None);
}

#[tokio::test]
async fn a_failure_to_get_credentials_is_shared_for_a_while() {
    let server = always(ResponseTemplate::new(500)).await;
    let source = CredentialSource::Container { url: server.uri(), authorization: None };
    let clock = Arc::new(FixedClock::new(now()));
    let options = BucketOptions { credentials: source, ..options(server.uri()) };
    let files = S3ResultFiles::new(options, client(patient()).unwrap(), clock.clone()).unwrap();
    let job = done(None);
    for asked in 1..=2 {
        let (one, another) = tokio::join!(files.address(&job), files.address(&job));
        assert_eq!((one, another, files.address(&job).await), (None, None, None));
        assert_eq!(server.received_requests().await.unwrap().len(), asked);
        clock.advance(chrono::TimeDelta::seconds(10));
    }
}

#[tokio::test]
async fn without_any_source_nobody_is_asked() {
    let files = with_credentials("https://s3.example.com".to_owned(), CredentialSource::Nowhere);
    let problem = "the bucket was not called: no credentials are set".to_owned();
    assert_eq!(files.put(JOB, "email\n".to_owned()).await, Err(Undelivered::Unavailable(problem)));
}
