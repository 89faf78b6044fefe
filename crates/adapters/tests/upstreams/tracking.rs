//! Events for Segment and Braze.

use std::sync::Arc;

use license_manager_adapters::http::{Segment, Timeouts, Tracking, client};
use license_manager_domain::ports::{EventTracking, TrackedEvent};
use license_manager_domain::{LmsUserId, MessageId};
use serde_json::{Value, json};
use uuid::Uuid;
use wiremock::ResponseTemplate;

use crate::braze::{braze, braze_with, properties};
use crate::{always, clock, email, failures_are_told_apart, nonsense_is_no_success, now, patient, received};

const NAME: &str = "edx.server.license-manager.license-lifecycle.assigned";

fn segment(url: String, timeouts: Timeouts) -> Segment {
    Segment::new(url, "write-key".to_owned(), client(timeouts).unwrap(), clock())
}

fn event(number: u128, account: Option<i64>, address: Option<&str>) -> TrackedEvent {
    TrackedEvent {
        id: MessageId(Uuid::from_u128(number)),
        name: NAME.to_owned(),
        lms_user_id: account.map(LmsUserId),
        email: address.map(email),
        properties: properties("license_uuid", "some license"),
        at: now(),
    }
}

fn accepted() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "success": true }))
}

#[tokio::test]
async fn events_of_accounts_go_to_segment_and_others_to_braze() {
    let (server, other) = (always(accepted()).await, braze_with(&[("bob@example.com", Some("bob@example.com"))]).await);
    let braze = Arc::new(braze(other.uri(), patient()));
    let tracking = Tracking::new(Some(segment(server.uri(), patient())), Some(braze));
    let events = [
        event(1, Some(7), Some("amy@example.com")),
        event(2, None, Some("bob@example.com")),
        event(3, Some(8), None),
        event(4, None, None),
    ];
    tracking.track(&events).await.unwrap();
    let track = |number: u128, person: &str| {
        json!({
            "type": "track",
            "anonymousId": null,
            "context": { "library": { "name": "analytics-python", "version": "1.4.post1" } },
            "integrations": {},
            "messageId": Uuid::from_u128(number),
            "userId": person,
            "event": NAME,
            "properties": { "license_uuid": "some license" },
            "timestamp": "2027-01-15T08:00:00.000000+00:00",
        })
    };
    let batch = json!({ "batch": [track(1, "7"), track(3, "8")], "sentAt": "2027-01-15T08:00:00.000000+00:00" });
    assert_eq!(received(&server).await, [("/v1/batch".to_owned(), batch)]);
    let request = server.received_requests().await.unwrap().remove(0);
    // "write-key" with no password.
    assert_eq!(request.headers["authorization"], "Basic d3JpdGUta2V5Og==");
    let expected = json!({
        "user_alias": { "alias_name": "bob@example.com", "alias_label": "Enterprise" },
        "_update_existing_only": false,
        "app_id": "app",
        "name": NAME,
        "time": "2027-01-15T08:00:00Z",
        "properties": { "license_uuid": "some license" },
    });
    let of_braze = received(&other).await;
    let paths: Vec<_> = of_braze.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/users/export/ids", "/users/track"]);
    let profile = json!({
        "user_alias": { "alias_name": "bob@example.com", "alias_label": "Enterprise" },
        "_update_existing_only": false,
        "email": "bob@example.com",
        "is_enterprise_learner": true,
        "license_uuid": "some license",
    });
    assert_eq!(of_braze[1].1, json!({ "attributes": [profile], "events": [expected] }));
}

#[tokio::test]
async fn a_profile_learns_what_the_last_event_knows() {
    let server = braze_with(&[("amy@example.com", Some("amy@example.com"))]).await;
    let tracking = Tracking::new(None, Some(Arc::new(braze(server.uri(), patient()))));
    let told = |number, license: &str| {
        let said = json!({
            "enterprise_customer_uuid": "some customer",
            "enterprise_customer_slug": null,
            "license_uuid": license,
            "license_activation_key": "",
            "assigned_date": "2027-01-15T08:00:00Z",
        });
        let properties = said.as_object().unwrap().clone();
        TrackedEvent { properties, ..event(number, None, Some("amy@example.com")) }
    };
    tracking.track(&[told(1, "first"), told(2, "second")]).await.unwrap();
    let (_, body) = received(&server).await.pop().unwrap();
    let profile = json!({
        "user_alias": { "alias_name": "amy@example.com", "alias_label": "Enterprise" },
        "_update_existing_only": false,
        "email": "amy@example.com",
        "is_enterprise_learner": true,
        "enterprise_customer_uuid": "some customer",
        "license_uuid": "second",
    });
    assert_eq!(body["attributes"], json!([profile]), "empty values would erase what other services know");
    assert_eq!(body["events"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn braze_gets_an_alias_before_its_first_event() {
    let server = braze_with(&[]).await;
    let tracking = Tracking::new(None, Some(Arc::new(braze(server.uri(), patient()))));
    let events: Vec<_> = (0..80).map(|number| event(number, None, Some("amy@example.com"))).collect();
    tracking.track(&events).await.unwrap();
    let calls = received(&server).await;
    let sizes: Vec<_> =
        calls.iter().map(|(path, body)| (path.as_str(), body["events"].as_array().map(Vec::len))).collect();
    assert_eq!(
        sizes,
        [
            ("/users/export/ids", None),
            ("/users/alias/new", None),
            ("/users/track", None),
            ("/users/track", Some(75)),
            ("/users/track", Some(5)),
        ]
    );
}

#[tokio::test]
async fn an_event_without_a_service_is_no_failure() {
    let events = [event(1, Some(7), None), event(2, None, Some("bob@example.com")), event(3, None, None)];
    assert_eq!(Tracking::default().track(&events).await, Ok(()));
    // Only people with an account go to Segment, the others to Braze.
    let server = always(accepted()).await;
    let only_segment = Tracking::new(Some(segment(server.uri(), patient())), None);
    assert_eq!(only_segment.track(&events[1..]).await, Ok(()));
    let only_braze = Tracking::new(None, Some(Arc::new(braze(server.uri(), patient()))));
    assert_eq!(only_braze.track(&events[..1]).await, Ok(()));
    assert_eq!(received(&server).await, Vec::<(String, Value)>::new());
}

#[tokio::test]
async fn failures_of_event_tracking_are_distinguished() {
    let to_segment =
        async |url, timeouts| Tracking::new(Some(segment(url, timeouts)), None).track(&[event(1, Some(7), None)]).await;
    failures_are_told_apart(to_segment).await;
    nonsense_is_no_success(to_segment).await;
    let to_braze = async |url, timeouts| {
        let braze = Some(Arc::new(braze(url, timeouts)));
        Tracking::new(None, braze).track(&[event(1, None, Some("amy@example.com"))]).await
    };
    failures_are_told_apart(to_braze).await;
    nonsense_is_no_success(to_braze).await;
}
