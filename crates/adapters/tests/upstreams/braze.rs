//! Braze, which sends mail.

use std::collections::BTreeMap;

use license_manager_adapters::http::{Braze, BrazeOptions, Timeouts, client};
use license_manager_domain::ports::{CampaignMail, Mail, MailKind, Undelivered, UnsentMail};
use license_manager_domain::{LmsUserId, MessageId};
use serde_json::{Map, Value, json};
use uuid::Uuid;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::{always, clock, email, failures_are_told_apart, nonsense_is_no_success, patient, received};

pub fn braze(url: String, timeouts: Timeouts) -> Braze {
    let options = BrazeOptions {
        url,
        api_key: "key".to_owned(),
        app_id: "app".to_owned(),
        campaigns: BTreeMap::from([(MailKind::Assignment, "campaign-1".to_owned())]),
    };
    Braze::new(options, client(timeouts).unwrap(), clock())
}

/// A Braze with these profiles: an alias, and an email address if it knows one.
pub async fn braze_with(profiles: &'static [(&'static str, Option<&'static str>)]) -> MockServer {
    let server = MockServer::start().await;
    let export = move |request: &Request| {
        let asked: Value = request.body_json().unwrap();
        let asked = |alias: &str| asked["user_aliases"].as_array().unwrap().contains(&label(alias));
        let users: Vec<_> = profiles
            .iter()
            .filter(|(alias, _)| asked(alias))
            .map(|(alias, email)| {
                let other = json!({ "alias_name": "x", "alias_label": "Other" });
                json!({ "user_aliases": [other, label(alias)], "email": email })
            })
            .collect();
        ResponseTemplate::new(201).set_body_json(json!({ "message": "success", "users": users }))
    };
    let ours = || Mock::given(method("POST")).and(header("Authorization", "Bearer key"));
    ours().and(path("/users/export/ids")).respond_with(export).with_priority(1).mount(&server).await;
    ours().respond_with(success()).mount(&server).await;
    server
}

fn success() -> ResponseTemplate {
    ResponseTemplate::new(201).set_body_json(json!({ "message": "success" }))
}

fn label(address: &str) -> Value {
    json!({ "alias_name": address, "alias_label": "Enterprise" })
}

fn mail(number: u128, to: &str, account: Option<i64>) -> Mail {
    let properties = json!({ "license_activation_key": number.to_string() });
    Mail {
        id: MessageId(Uuid::from_u128(number)),
        kind: MailKind::Assignment,
        to: email(to),
        lms_user_id: account.map(LmsUserId),
        properties: serde_json::from_value(properties).unwrap(),
        attributes: Map::new(),
    }
}

fn export(addresses: &[&str]) -> (String, Value) {
    let aliases: Vec<_> = addresses.iter().map(|address| label(address)).collect();
    (
        "/users/export/ids".to_owned(),
        json!({ "user_aliases": aliases, "fields_to_export": ["external_id", "user_aliases", "email"] }),
    )
}

fn new_aliases(addresses: &[&str]) -> (String, Value) {
    let aliases: Vec<_> = addresses.iter().map(|address| label(address)).collect();
    ("/users/alias/new".to_owned(), json!({ "user_aliases": aliases }))
}

fn addresses_known(addresses: &[&str]) -> (String, Value) {
    let attributes: Vec<_> = addresses
        .iter()
        .map(|address| json!({ "user_alias": label(address), "_update_existing_only": false, "email": address }))
        .collect();
    ("/users/track".to_owned(), json!({ "attributes": attributes }))
}

fn sent(recipients: &[Value]) -> (String, Value) {
    let body = json!({
        "campaign_id": "campaign-1",
        "broadcast": false,
        "trigger_properties": {},
        "recipients": recipients,
    });
    ("/campaigns/trigger/send".to_owned(), body)
}

fn by_alias(number: u128, address: &str) -> Value {
    json!({
        "user_alias": label(address),
        "trigger_properties": { "license_activation_key": number.to_string() },
        "attributes": { "email": address },
    })
}

#[tokio::test]
async fn people_without_an_account_are_mailed_by_an_alias() {
    let server = braze_with(&[("bob@example.com", Some("bob@example.com")), ("cleo@example.com", None)]).await;
    let mails = [
        mail(1, "cleo@example.com", None),
        mail(2, "bob@example.com", None),
        mail(3, "amy@example.com", None),
        mail(4, "dan@example.com", Some(7)),
    ];
    braze(server.uri(), patient()).send(MailKind::Assignment, &mails).await.unwrap();
    let with_account = json!({
        "external_user_id": "7",
        "trigger_properties": { "license_activation_key": "4" },
        "send_to_existing_only": false,
        "attributes": { "email": "dan@example.com" },
    });
    assert_eq!(
        received(&server).await,
        [
            export(&["amy@example.com", "bob@example.com", "cleo@example.com"]),
            new_aliases(&["amy@example.com"]),
            // Cleo's alias was created by an earlier delivery that then failed.
            addresses_known(&["amy@example.com", "cleo@example.com"]),
            sent(&[
                by_alias(1, "cleo@example.com"),
                by_alias(2, "bob@example.com"),
                by_alias(3, "amy@example.com"),
                with_account,
            ]),
        ]
    );
}

#[tokio::test]
async fn people_with_an_account_need_no_alias() {
    let server = braze_with(&[]).await;
    braze(server.uri(), patient()).send(MailKind::Assignment, &[mail(1, "amy@example.com", Some(7))]).await.unwrap();
    let paths: Vec<_> = received(&server).await.into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["/campaigns/trigger/send"]);
}

#[tokio::test]
async fn calls_are_as_large_as_braze_allows() {
    let server = braze_with(&[]).await;
    let mails: Vec<_> = (0..120).map(|number| mail(number, &format!("amy{number:03}@example.com"), None)).collect();
    braze(server.uri(), patient()).send(MailKind::Assignment, &mails).await.unwrap();
    let mut sizes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (path, body) in received(&server).await {
        let items = ["user_aliases", "attributes", "recipients"].into_iter().find_map(|key| body[key].as_array());
        sizes.entry(path).or_default().push(items.unwrap().len());
    }
    let expected = [
        ("/campaigns/trigger/send", vec![50, 50, 20]),
        ("/users/alias/new", vec![50, 50, 20]),
        ("/users/export/ids", vec![50, 50, 20]),
        ("/users/track", vec![75, 45]),
    ];
    assert_eq!(sizes, expected.map(|(path, sizes)| (path.to_owned(), sizes)).into());
}

#[tokio::test]
async fn two_mails_to_one_person_go_in_two_calls() {
    // Of several mails to one person in a call, Braze sends only the last.
    let server = braze_with(&[("amy@example.com", Some("amy@example.com"))]).await;
    let mails = [mail(1, "amy@example.com", None), mail(2, "amy@example.com", None)];
    braze(server.uri(), patient()).send(MailKind::Assignment, &mails).await.unwrap();
    assert_eq!(
        received(&server).await,
        [
            export(&["amy@example.com"]),
            sent(&[by_alias(1, "amy@example.com")]),
            sent(&[by_alias(2, "amy@example.com")]),
        ]
    );
}

#[tokio::test]
async fn a_kind_of_mail_without_a_campaign_is_not_sent() {
    let server = braze_with(&[]).await;
    let braze = braze(server.uri(), patient());
    for _ in 0..2 {
        assert_eq!(braze.send(MailKind::Reminder, &[mail(1, "amy@example.com", None)]).await, Ok(vec![]));
    }
    assert_eq!(received(&server).await, []);
}

#[tokio::test]
async fn people_are_identified_by_their_account() {
    let server = braze_with(&[]).await;
    let people = [(email("amy@example.com"), LmsUserId(7)), (email("bob@example.com"), LmsUserId(8))];
    braze(server.uri(), patient()).identify(&people).await.unwrap();
    let hubspot = |address: &str| json!({ "alias_name": address, "alias_label": "hubspot" });
    let aliases = json!([
        { "external_id": "7", "user_alias": hubspot("amy@example.com") },
        { "external_id": "7", "user_alias": label("amy@example.com") },
        { "external_id": "8", "user_alias": hubspot("bob@example.com") },
        { "external_id": "8", "user_alias": label("bob@example.com") },
    ]);
    let body = json!({ "aliases_to_identify": aliases, "merge_behavior": "merge" });
    assert_eq!(received(&server).await, [("/users/identify".to_owned(), body)]);
}

/// The mail at this place, in which Braze found errors.
fn with_errors(place: usize) -> UnsentMail {
    UnsentMail { place, problem: Undelivered::Refused("found errors in recipients or properties".to_owned()) }
}

#[tokio::test]
async fn a_call_identifies_fifty_aliases_at_most() {
    let server = braze_with(&[]).await;
    let people: Vec<_> =
        (1..=30).map(|number| (email(&format!("learner{number}@example.com")), LmsUserId(number))).collect();
    braze(server.uri(), patient()).identify(&people).await.unwrap();
    let sizes = received(&server).await;
    let sizes: Vec<_> = sizes.iter().map(|(_, body)| body["aliases_to_identify"].as_array().map(Vec::len)).collect();
    assert_eq!(sizes, [Some(50), Some(10)]);
}

#[tokio::test]
async fn a_recipient_s_attributes_go_to_the_profile() {
    let server = braze_with(&[("amy@example.com", Some("amy@example.com"))]).await;
    let attributes = properties("license_uuid", "some license");
    let mail = Mail { attributes, ..mail(1, "amy@example.com", None) };
    braze(server.uri(), patient()).send(MailKind::Assignment, &[mail]).await.unwrap();
    let sent = received(&server).await.pop().unwrap().1;
    let attributes = json!({ "email": "amy@example.com", "license_uuid": "some license" });
    assert_eq!(sent["recipients"][0]["attributes"], attributes);
}

#[tokio::test]
async fn a_recipient_with_an_error_was_not_mailed() {
    let answer = json!({ "message": "success", "errors": ["amy@example.com is unknown"] });
    let server = always(ResponseTemplate::new(201).set_body_json(answer)).await;
    let outcome =
        braze(server.uri(), patient()).send(MailKind::Assignment, &[mail(1, "amy@example.com", Some(7))]).await;
    assert_eq!(outcome, Ok(vec![with_errors(0)]));
}

#[tokio::test]
async fn recipients_beside_an_invalid_one_are_mailed_once() {
    let server = MockServer::start().await;
    let answer = |request: &wiremock::Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let unknown = body["recipients"].to_string().contains("bob@example.com");
        let errors = if unknown { json!(["somebody is unknown"]) } else { json!([]) };
        ResponseTemplate::new(201).set_body_json(json!({ "message": "success", "errors": errors }))
    };
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    let braze = braze(server.uri(), patient());
    let mails =
        [mail(1, "amy@example.com", Some(7)), mail(2, "bob@example.com", Some(8)), mail(3, "eve@example.com", Some(9))];
    let send = async || braze.send(MailKind::Assignment, &mails).await;
    assert_eq!(send().await, Ok(vec![with_errors(1)]), "together, then each alone");
    assert_eq!(send().await, Ok(vec![with_errors(1)]), "who was mailed is not mailed again");
    let requests = server.received_requests().await.unwrap();
    let mailed = requests.iter().map(|request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        body["recipients"].as_array().unwrap().len()
    });
    assert_eq!(mailed.collect::<Vec<_>>(), [3, 1, 1, 1, 1]);
}

#[tokio::test]
async fn a_call_that_braze_accepted_without_a_word_counts_as_delivered() {
    let server = always(ResponseTemplate::new(201).set_body_json(json!({}))).await;
    let outcome =
        braze(server.uri(), patient()).send(MailKind::Assignment, &[mail(1, "amy@example.com", Some(7))]).await;
    assert_eq!(outcome, Ok(vec![]));
}

#[tokio::test]
async fn a_failing_second_call_does_not_repeat_the_first() {
    for (status, problem) in [
        (500, Undelivered::Unavailable("answered 500 Internal Server Error".to_owned())),
        (400, Undelivered::Refused("answered 400 Bad Request".to_owned())),
    ] {
        let server = MockServer::start().await;
        let answer = move |request: &wiremock::Request| {
            let is_second = String::from_utf8_lossy(&request.body).contains("\"number\":3");
            let accepted = ResponseTemplate::new(201).set_body_json(json!({ "message": "success" }));
            if is_second { ResponseTemplate::new(status) } else { accepted }
        };
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        let mut mails = [1, 2, 3].map(|number| mail(number, "amy@example.com", Some(7)));
        mails[1] = mail(2, "bob@example.com", Some(8));
        mails[2].properties = Map::from_iter([("number".to_owned(), 3.into())]);
        let unsent = braze(server.uri(), patient()).send(MailKind::Assignment, &mails).await;
        assert_eq!(unsent, Ok(vec![UnsentMail { place: 2, problem }]), "amy's first mail and bob's went out");
    }
}

#[tokio::test]
async fn a_call_that_braze_queued_counts_as_delivered() {
    let server = always(ResponseTemplate::new(202).set_body_json(json!({ "message": "queued" }))).await;
    let outcome =
        braze(server.uri(), patient()).send(MailKind::Assignment, &[mail(1, "amy@example.com", Some(7))]).await;
    assert_eq!(outcome, Ok(vec![]));
}

#[tokio::test]
async fn failures_of_braze_are_distinguished() {
    for account in [None, Some(7)] {
        let send = async |url, timeouts| {
            braze(url, timeouts).send(MailKind::Assignment, &[mail(1, "amy@example.com", account)]).await.map(drop)
        };
        failures_are_told_apart(send).await;
        nonsense_is_no_success(send).await;
    }
    let identify =
        async |url, timeouts| braze(url, timeouts).identify(&[(email("amy@example.com"), LmsUserId(7))]).await;
    failures_are_told_apart(identify).await;
    nonsense_is_no_success(identify).await;
}

#[test]
fn debug_output_holds_no_key() {
    let options = BrazeOptions {
        url: "http://braze".to_owned(),
        api_key: "hunter2".to_owned(),
        app_id: "app".to_owned(),
        campaigns: BTreeMap::new(),
    };
    let shown = format!("{options:?} {:?}", Braze::new(options.clone(), client(patient()).unwrap(), clock()));
    assert!(!shown.contains("hunter2"), "{shown}");
}

/// Properties of an event or a mail.
pub fn properties(name: &str, value: &str) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value.into())])
}
