//! Webhooks receive the events of licenses.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use license_manager_tests::{
    Client, Customer, Database, PATIENCE, PROVISIONING, Request, Server, Told, WebhookEndpoint, on_both_databases,
    poll, text,
};
use serde_json::{Value, json};

on_both_databases!(
    an_endpoint_receives_signed_events_in_order,
    an_endpoint_that_was_down_gets_its_events_later,
    a_slow_endpoint_delays_no_other,
    an_operator_can_replay_events,
    an_endpoint_that_answers_410_is_switched_off_and_gets_its_events_later,
    a_changed_secret_overlaps_the_one_before,
    an_endpoint_is_pinged_on_demand,
    private_addresses_are_refused_unless_allowed,
    a_private_address_is_not_called_once_forbidden,
    errors_in_webhook_registrations_are_explained,
);

const ALLOWED: (&str, &str) = ("LM_WEBHOOKS__ALLOW_PRIVATE_ADDRESSES", "true");

fn start(database: &Database) -> Server {
    let settings = [ALLOWED, ("LM_WORKER__RETRY_BASE_SECONDS", "1"), ("LM_LOGGING__FILTER", "debug")];
    Server::start_with(database.url(), &settings)
}

fn path(webhook: &Value, below: &str) -> String {
    format!("{PROVISIONING}/webhooks/{}/{below}", webhook["uuid"].as_str().expect("an id"))
}

fn register(operator: &Client, request: &Value) -> Value {
    operator.post(&format!("{PROVISIONING}/webhooks/"), request).expect(201).clone()
}

/// The states of an endpoint's deliveries, the latest first.
fn states(operator: &Client, webhook: &Value) -> Vec<String> {
    let page = operator.get(&path(webhook, "deliveries/")).expect(200).clone();
    let results = page["results"].as_array().expect("a page has results");
    results.iter().map(|delivery| delivery["state"].as_str().expect("a state").to_owned()).collect()
}

fn until_taken(endpoint: &WebhookEndpoint, number: usize) -> Vec<Told> {
    let taken = poll(PATIENCE, || Some(endpoint.taken()).filter(|taken| taken.len() >= number));
    taken.unwrap_or_else(|| panic!("{} of {number} events were taken", endpoint.taken().len()))
}

fn events(told: &[Told]) -> Vec<&str> {
    told.iter().map(Told::event).collect()
}

fn an_endpoint_receives_signed_events_in_order(database: Database) {
    let (endpoint, of_revoked, of_others) =
        (WebhookEndpoint::start(), WebhookEndpoint::start(), WebhookEndpoint::start());
    let server = start(&database);
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let webhook = register(&operator, &json!({ "url": endpoint.url() }));
    let secret = webhook["secret"].as_str().expect("the secret is shown once").to_owned();
    let own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let revoked = json!({ "url": of_revoked.url(), "event_types": ["revoked"], "secret": own });
    let second = register(&operator, &revoked);
    assert_eq!(second["secret"], Value::Null, "who brings a secret knows it");
    assert_eq!(second["event_types"], json!(["edx.server.license-manager.license-lifecycle.revoked"]));
    let elsewhere =
        json!({ "url": of_others.url(), "enterprise_customer_uuid": "11111111-2222-4333-8444-555555555555" });
    register(&operator, &elsewhere);

    let plan = customer.plan(1);
    let amy = customer.learner(7, "amy");
    plan.assign(&[amy.email().to_owned()]).expect(200);
    let key = plan.activation_key(amy.email());
    let activation = format!("/api/v1/license-activation/?activation_key={key}");
    server.client(&amy).send(Request::new("POST", &activation)).expect(200);
    plan.admin.post(&plan.path("licenses/bulk-revoke/"), &json!({ "user_emails": [amy.email()] })).expect(200);

    let told = until_taken(&endpoint, 3);
    assert_eq!(events(&told), ["assigned", "activated", "revoked"]);
    for told in &told {
        told.assert_signed_with(&secret);
        assert_eq!(told.body["data"]["assigned_email"], amy.email());
        assert_eq!(told.headers["content-type"], "application/json");
    }
    let told = until_taken(&of_revoked, 1);
    assert_eq!(events(&told), ["revoked"]);
    told[0].assert_signed_with(own);
    assert_eq!(of_others.told().len(), 0);

    // The state changes after the endpoint has answered.
    poll(PATIENCE, || (states(&operator, &webhook) == ["delivered"; 3]).then_some(())).expect("all are delivered");
    let shown = operator.get(&path(&webhook, "")).expect(200).clone();
    assert_eq!((shown["url"].as_str(), shown.get("secret")), (Some(endpoint.url().as_str()), None));
    let log = server.log();
    for hidden in [secret.as_str(), own, amy.email()] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
        let listed = operator.get(&format!("{PROVISIONING}/webhooks/")).expect(200).to_string();
        assert!(!listed.contains(hidden), "{hidden} is shown");
    }
}

fn an_endpoint_that_was_down_gets_its_events_later(database: Database) {
    let endpoint = WebhookEndpoint::start();
    endpoint.answer(500);
    let server = start(&database);
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let webhook = register(&operator, &json!({ "url": endpoint.url() }));
    let plan = customer.plan(3);
    let emails = customer.emails("learner", 3);
    plan.assign(&emails).expect(200);
    plan.admin.post(&plan.path("licenses/bulk-revoke/"), &json!({ "user_emails": emails[..1] })).expect(200);
    poll(PATIENCE, || (endpoint.told().len() > 3).then_some(())).expect("it is tried again");
    let waiting = operator.get(&path(&webhook, "deliveries/?state=waiting")).expect(200).clone();
    assert_eq!(waiting["count"], 4);
    let first = &waiting["results"][3];
    assert_eq!(
        (first["last_status"].as_i64(), first["last_error"].as_str()),
        (Some(500), Some("answered 500 Internal Server Error"))
    );
    endpoint.answer(200);
    let taken = until_taken(&endpoint, 4);
    let of_first: Vec<&str> =
        taken.iter().filter(|told| told.body["data"]["assigned_email"] == emails[0]).map(Told::event).collect();
    assert_eq!(of_first, ["assigned", "revoked"]);
    poll(PATIENCE, || (states(&operator, &webhook) == ["delivered"; 4]).then_some(())).expect("all are delivered");
    let ids: BTreeSet<_> = endpoint.told().iter().map(|told| told.headers["webhook-id"].clone()).collect();
    assert_eq!(ids.len(), 4, "a try has the id of the one before");
}

fn a_slow_endpoint_delays_no_other(database: Database) {
    let (slow, fast) = (WebhookEndpoint::start(), WebhookEndpoint::start());
    slow.answer(0);
    let server = start(&database);
    let customer = Customer::new(&server);
    let operator = customer.operator();
    register(&operator, &json!({ "url": slow.url() }));
    register(&operator, &json!({ "url": fast.url() }));
    let plan = customer.plan(50);
    plan.assign(&customer.emails("first", 20)).expect(200);
    poll(PATIENCE, || (!slow.told().is_empty()).then_some(())).expect("the slow one is asked");
    let asked = Instant::now();
    plan.assign(&customer.emails("second", 20)).expect(200);
    until_taken(&fast, 40);
    assert!(asked.elapsed() < Duration::from_secs(9), "{:?}", asked.elapsed());
    assert!(slow.told().len() <= 8, "one batch at a time, and eight of it at once");
}

fn an_operator_can_replay_events(database: Database) {
    let endpoint = WebhookEndpoint::start();
    let server = start(&database);
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let webhook = register(&operator, &json!({ "url": endpoint.url() }));
    let plan = customer.plan(3);
    plan.assign(&customer.emails("learner", 3)).expect(200);
    until_taken(&endpoint, 3);
    poll(PATIENCE, || (states(&operator, &webhook) == ["delivered"; 3]).then_some(())).expect("all are delivered");

    let listed = operator.get(&path(&webhook, "deliveries/")).expect(200).clone();
    let delivery = listed["results"][0]["uuid"].as_str().expect("an id").to_owned();
    let again = path(&webhook, &format!("deliveries/{delivery}/replay/"));
    let replayed = operator.send(Request::new("POST", &again));
    assert_eq!(replayed.expect(200)["uuid"].as_str(), Some(delivery.as_str()));
    let taken = until_taken(&endpoint, 4);
    assert_eq!(taken[3].headers["webhook-id"], delivery, "it is the same event");
    poll(PATIENCE, || (states(&operator, &webhook) == ["delivered"; 3]).then_some(())).expect("all are delivered");

    let replay = |request: Value| operator.post(&path(&webhook, "replay/"), &request).expect(200)["replayed"].clone();
    assert_eq!(replay(json!({})), 0, "none is parked");
    assert_eq!(replay(json!({ "state": "delivered", "since": "2100-01-01" })), 0);
    assert_eq!(replay(json!({ "state": "delivered", "since": "2020-01-01" })), 3);
    until_taken(&endpoint, 7);

    let nobody = path(&webhook, "deliveries/11111111-2222-4333-8444-555555555555/replay/");
    operator.send(Request::new("POST", &nobody)).expect(404);
    operator.get(&path(&webhook, "deliveries/?state=lost")).expect(400);
    operator.send(Request::new("DELETE", path(&webhook, ""))).expect(204);
    operator.get(&path(&webhook, "deliveries/")).expect(404);
    plan.admin.get(&format!("{PROVISIONING}/webhooks/")).expect(403);
}

fn an_endpoint_that_answers_410_is_switched_off_and_gets_its_events_later(database: Database) {
    let endpoint = WebhookEndpoint::start();
    endpoint.answer(410);
    let server = start(&database);
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let webhook = register(&operator, &json!({ "url": endpoint.url() }));
    assert_eq!((&webhook["switched_off_at"], &webhook["switched_off_reason"]), (&Value::Null, &Value::Null));
    let plan = customer.plan(2);
    plan.assign(&[customer.email("amy")]).expect(200);
    let shown = || operator.get(&path(&webhook, "")).expect(200).clone();
    poll(PATIENCE, || (shown()["is_active"] == false).then_some(())).expect("it is switched off");
    plan.assign(&[customer.email("bob")]).expect(200);
    let off = operator.get(&format!("{PROVISIONING}/webhooks/")).expect(200)["results"][0].clone();
    assert_eq!((&off["switched_off_reason"], &off["num_waiting"]), (&json!("answered_410"), &json!(2)));
    assert!(off["switched_off_at"].is_string() && off["num_dropped"] == 0, "{off}");
    assert_eq!(states(&operator, &webhook), ["waiting"; 2]);
    for line in ["webhook_kept_deliveries 2", "webhook_dropped_deliveries 0", "webhooks_switched_off 1"] {
        // Metrics are up to a second old.
        let metrics = || server.anonymous().get("/metrics").expect(200).as_str().expect("a text").to_owned();
        let shown = poll(PATIENCE, || metrics().contains(&format!("license_manager_{line}\n")).then_some(()));
        assert!(shown.is_some(), "{line}\n{}", metrics());
    }

    endpoint.answer(204);
    let on = operator.patch(&path(&webhook, ""), &json!({ "is_active": true })).expect(200).clone();
    assert_eq!((&on["switched_off_at"], &on["switched_off_reason"]), (&Value::Null, &Value::Null));
    let told = until_taken(&endpoint, 2);
    // Events of different licenses have no order.
    let addresses: BTreeSet<_> = told.iter().map(|told| text(&told.body["data"]["assigned_email"])).collect();
    assert_eq!(addresses, [customer.email("amy"), customer.email("bob")].into());
    poll(PATIENCE, || (states(&operator, &webhook) == ["delivered"; 2]).then_some(())).expect("both are delivered");
}

fn a_changed_secret_overlaps_the_one_before(database: Database) {
    let endpoint = WebhookEndpoint::start();
    let server = start(&database);
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let webhook = register(&operator, &json!({ "url": endpoint.url() }));
    assert_eq!(webhook["previous_secret_until"], Value::Null);
    let before = webhook["secret"].as_str().expect("the secret is shown once");
    let own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let changed = operator.patch(&path(&webhook, ""), &json!({ "secret": own })).expect(200).clone();
    assert!(changed["previous_secret_until"].is_string(), "{changed}");
    customer.plan(1).assign(&[customer.email("amy")]).expect(200);
    let told = until_taken(&endpoint, 1);
    told[0].assert_signed_with(own);
    told[0].assert_signed_with(before);
}

fn an_endpoint_is_pinged_on_demand(database: Database) {
    let endpoint = WebhookEndpoint::start();
    let server = start(&database);
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let webhook = register(&operator, &json!({ "url": endpoint.url(), "is_active": false }));
    let ping = || operator.send(Request::new("POST", path(&webhook, "ping/"))).expect(200).clone();
    assert_eq!(ping(), json!({ "accepted": true, "status": 204, "error": null }));
    let told = endpoint.taken().remove(0);
    told.assert_signed_with(webhook["secret"].as_str().expect("the secret is shown once"));
    assert_eq!((told.event(), &told.body["data"]["webhook_uuid"]), ("ping", &webhook["uuid"]));
    endpoint.answer(500);
    assert_eq!(ping(), json!({ "accepted": false, "status": 500, "error": "answered 500 Internal Server Error" }));
    assert_eq!(states(&operator, &webhook), [""; 0]);
    let nobody = json!({ "uuid": "11111111-2222-4333-8444-555555555555" });
    operator.send(Request::new("POST", path(&nobody, "ping/"))).expect(404);
    server.client(&customer.admin()).send(Request::new("POST", path(&webhook, "ping/"))).expect(403);
}

fn private_addresses_are_refused_unless_allowed(database: Database) {
    let server = Server::start(database.url());
    let operator = Customer::new(&server).operator();
    let path = format!("{PROVISIONING}/webhooks/");
    for url in [
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]:8443/",
        "https://[::ffff:10.0.0.1]/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/",
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "https://amy:hunter2@hooks.example.com/",
        "nowhere",
    ] {
        let answer = operator.post(&path, &json!({ "url": url }));
        assert!(answer.expect(400)["url"].is_array(), "{url}");
    }
    let webhook = register(&operator, &json!({ "url": "https://hooks.example.com/" }));
    let patch = format!("{path}{}/", webhook["uuid"].as_str().expect("an id"));
    operator.patch(&patch, &json!({ "url": "https://192.168.0.1/" })).expect(400);
}

fn a_private_address_is_not_called_once_forbidden(database: Database) {
    let endpoint = WebhookEndpoint::start();
    let server = start(&database);
    let customer = Customer::new(&server);
    let webhook = register(&customer.operator(), &json!({ "url": endpoint.url() }));
    drop(server);
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let operator = customer.operator();
    customer.plan(1).assign(&[customer.email("amy")]).expect(200);
    let told = poll(PATIENCE, || {
        let page = operator.get(&path(&webhook, "deliveries/")).expect(200).clone();
        page["results"][0]["last_error"].as_str().map(str::to_owned)
    });
    assert!(told.expect("it is tried").starts_with("its address is refused"));
    assert_eq!(endpoint.told().len(), 0);
}

fn errors_in_webhook_registrations_are_explained(database: Database) {
    let server = Server::start(database.url());
    let operator = Customer::new(&server).operator();
    let path = format!("{PROVISIONING}/webhooks/");
    let wrong = json!({
        "url": "",
        "secret": "hunter2",
        "event_types": ["assigned", "lost"],
        "enterprise_customer_uuid": "acme",
        "is_active": "perhaps",
    });
    let answer = operator.post(&path, &wrong);
    let problems = answer.expect(400);
    for field in ["url", "secret", "enterprise_customer_uuid", "is_active"] {
        assert!(problems[field].is_array(), "{field}: {problems}");
    }
    assert!(problems["event_types"]["1"].is_array(), "{problems}");
    assert!(!problems.to_string().contains("hunter2"), "{problems}");
    assert_eq!(operator.get(&path).expect(200)["count"], 0);
}
