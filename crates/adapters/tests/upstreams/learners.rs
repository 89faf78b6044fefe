//! Calls to the LMS about learners and enrollments.

use std::time::Duration;

use chrono::TimeDelta;
use license_manager_adapters::http::{HttpLearners, HttpUpstream, Timeouts, client};
use license_manager_domain::ports::{
    CustomerAdmin, EnrollmentResults, LearnerRegistry, LicensedEnrollment, PendingLearner, Undelivered,
};
use license_manager_domain::{LicenseId, LmsUserId, Upstream};
use serde_json::json;
use uuid::Uuid;
use wiremock::matchers::{method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::{
    CUSTOMER, always, clock, email, failures_are_told_apart, nonsense_is_no_success, now, patient, received, short,
};

const LICENSE: LicenseId = LicenseId(Uuid::from_u128(8));

fn lms(url: String, timeouts: Timeouts) -> HttpLearners {
    HttpLearners::new(HttpUpstream::new(Upstream::Lms, url, client(timeouts).unwrap(), None), clock())
}

fn enrollment(activation_link: Option<&str>) -> LicensedEnrollment {
    LicensedEnrollment {
        email: email("amy@example.com"),
        course_run_key: "course-v1:edX+DemoX+T1".to_owned(),
        license: LICENSE,
        activation_link: activation_link.map(str::to_owned),
    }
}

#[tokio::test]
async fn learners_are_linked_all_in_one_call() {
    // The LMS answers with an empty body if everybody was already linked.
    let server = always(ResponseTemplate::new(204)).await;
    let pending = |address| PendingLearner { customer: CUSTOMER, email: email(address) };
    lms(server.uri(), patient()).link(&[pending("amy@example.com"), pending("bob@example.com")]).await.unwrap();
    let body = json!([
        { "enterprise_customer": CUSTOMER, "user_email": "amy@example.com" },
        { "enterprise_customer": CUSTOMER, "user_email": "bob@example.com" },
    ]);
    assert_eq!(received(&server).await, [("/enterprise/api/v1/pending-enterprise-learner/".to_owned(), body)]);
}

#[tokio::test]
async fn enrollments_end_by_person_and_by_license() {
    let server = always(ResponseTemplate::new(200)).await;
    let lms = lms(server.uri(), patient());
    lms.end_enrollments(CUSTOMER, LmsUserId(7)).await.unwrap();
    lms.expire_enrollments(&[LICENSE], None).await.unwrap();
    lms.expire_enrollments(&[LICENSE], Some(now() + TimeDelta::microseconds(5))).await.unwrap();
    let base = "/enterprise/api/v1/licensed-enterprise-course-enrollment";
    let expiration = format!("{base}/bulk_licensed_enrollments_expiration/");
    let expired = |moment: Option<&str>| json!({ "expired_license_uuids": [LICENSE], "ignore_enrollments_modified_after": moment });
    assert_eq!(
        received(&server).await,
        [
            (format!("{base}/license_revoke/"), json!({ "user_id": 7, "enterprise_id": CUSTOMER })),
            (expiration.clone(), expired(None)),
            (expiration, expired(Some("2027-01-15T08:00:00.000005Z"))),
        ]
    );
}

#[tokio::test]
async fn learners_are_enrolled_and_each_result_is_returned() {
    let outcome = |email: &str| json!({ "email": email, "course_run_key": "run", "created": true });
    // The LMS answers 409 if some enrollments failed; the others are done.
    for status in [201, 202, 409] {
        let server = always(ResponseTemplate::new(status).set_body_json(json!({
            "successes": [outcome("Amy@example.com")],
            "pending": [outcome("bob@example.com")],
            "failures": [outcome("cleo@example.com"), outcome("dan")],
            "invalid_email_addresses": ["eve"],
        })))
        .await;
        let asked = [enrollment(None), enrollment(Some("https://portal/activate"))];
        let results = lms(server.uri(), patient()).enroll(CUSTOMER, &asked, true).await.unwrap();
        let one = |address| vec![(email(address), "run".to_owned())];
        assert_eq!(
            results,
            EnrollmentResults {
                successes: one("amy@example.com"),
                pending: one("bob@example.com"),
                failures: one("cleo@example.com"),
                invalid_addresses: vec!["eve".to_owned(), "dan".to_owned()],
            }
        );
        let license = json!({
            "email": "amy@example.com", "course_run_key": "course-v1:edX+DemoX+T1", "license_uuid": LICENSE,
        });
        let mut waiting = license.clone();
        waiting["activation_link"] = json!("https://portal/activate");
        let path = format!("/enterprise/api/v1/enterprise-customer/{CUSTOMER}/enroll_learners_in_courses/");
        assert_eq!(received(&server).await, [(path, json!({ "licenses_info": [license, waiting], "notify": true }))]);
    }
}

#[tokio::test]
async fn learners_are_unlinked_so_that_they_can_be_linked_again() {
    let server = always(ResponseTemplate::new(200)).await;
    lms(server.uri(), patient()).unlink(CUSTOMER, &[email("amy@example.com")]).await.unwrap();
    let path = format!("/enterprise/api/v1/enterprise-customer/{CUSTOMER}/unlink_users/");
    let body = json!({ "user_emails": ["amy@example.com"], "is_relinkable": true });
    assert_eq!(received(&server).await, [(path, body)]);
}

#[tokio::test]
async fn an_html_page_is_not_an_answer_of_the_lms() {
    let server = always(ResponseTemplate::new(200).set_body_string("<html>Welcome</html>")).await;
    let unlinked = lms(server.uri(), patient()).unlink(CUSTOMER, &[email("amy@example.com")]).await;
    assert_eq!(unlinked, Err(Undelivered::Unavailable("answered something unexpected, which is no JSON".to_owned())));
}

#[tokio::test]
async fn enrolling_and_unlinking_may_take_longer_than_other_calls() {
    let results = json!({ "successes": [], "pending": [], "failures": [] });
    let server = always(ResponseTemplate::new(200).set_body_json(results).set_delay(Duration::from_millis(400))).await;
    let lms = lms(server.uri(), short());
    let late = Err(Undelivered::Unavailable("did not answer in time".to_owned()));
    let (asked, people) = ([enrollment(None)], [email("amy@example.com")]);
    let (enrolled, unlinked, ended) = tokio::join!(
        lms.enroll(CUSTOMER, &asked, false),
        lms.unlink(CUSTOMER, &people),
        lms.end_enrollments(CUSTOMER, LmsUserId(7)),
    );
    assert_eq!((enrolled, unlinked, ended), (Ok(EnrollmentResults::default()), Ok(()), late));
}

#[tokio::test]
async fn every_page_of_admins_is_read_from_the_configured_host() {
    let server = MockServer::start().await;
    let asked = || {
        Mock::given(method("GET"))
            .and(path("/enterprise/api/v1/enterprise-learner/"))
            .and(query_param("enterprise_customer_uuid", CUSTOMER.to_string()))
            .and(query_param("role", "enterprise_admin"))
    };
    // Behind a proxy the LMS may name another host, which must not get the token.
    let next = format!(
        "http://elsewhere.example/enterprise/api/v1/enterprise-learner/?enterprise_customer_uuid={CUSTOMER}&page=2&role=enterprise_admin"
    );
    let user = |id: i64, email: &str| json!({ "id": id + 100, "user": { "id": id, "email": email, "username": "x" } });
    let nobody = json!({ "id": 9, "user": null });
    asked()
        .and(query_param_is_missing("page"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({ "next": next, "results": [user(1, "Ada@example.com"), nobody] })),
        )
        .expect(1)
        .mount(&server)
        .await;
    asked()
        .and(query_param("page", "2"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({ "next": null, "results": [user(2, "bo@example.com"), user(3, "no address"), user(0, "cy@example.com")] })),
        )
        .expect(1)
        .mount(&server)
        .await;
    let admin = |id: i64, address| CustomerAdmin {
        customer_user: id + 100,
        lms_user_id: LmsUserId::known(id),
        email: email(address),
    };
    let admins = lms(server.uri(), patient()).admins(CUSTOMER).await.unwrap();
    assert_eq!(admins, [admin(1, "ada@example.com"), admin(2, "bo@example.com"), admin(0, "cy@example.com")]);
    assert_eq!(admins[2].lms_user_id, None);
}

#[tokio::test]
async fn an_invalid_next_page_of_admins_is_an_error() {
    let server = always(ResponseTemplate::new(200).set_body_json(json!({ "next": "page 2", "results": [] }))).await;
    let outcome = lms(server.uri(), patient()).admins(CUSTOMER).await;
    assert!(matches!(outcome, Err(Undelivered::Unavailable(_))), "{outcome:?}");
}

#[tokio::test]
async fn failures_of_the_lms_are_distinguished() {
    failures_are_told_apart(async |url, timeouts| {
        lms(url, timeouts).link(&[PendingLearner { customer: CUSTOMER, email: email("amy@example.com") }]).await
    })
    .await;
    let admins = async |url, timeouts| lms(url, timeouts).admins(CUSTOMER).await.map(drop);
    failures_are_told_apart(admins).await;
    nonsense_is_no_success(admins).await;
    nonsense_is_no_success(async |url, timeouts| {
        lms(url, timeouts).enroll(CUSTOMER, &[enrollment(None)], false).await.map(drop)
    })
    .await;
}
