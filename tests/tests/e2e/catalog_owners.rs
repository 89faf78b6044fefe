//! With `catalog.validate`, plans and agreements only get catalogs of their own customer.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use license_manager_tests::{Client, Customer, Database, FakeUpstreams, Person, Server, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(
    a_catalog_of_another_customer_is_refused_by_the_name_of_its_field,
    without_the_catalog_service_only_catalogs_cannot_change,
);

const CATALOG: &str = "11111111-2222-4333-8444-555555555555";

/// A catalog service where one customer owns all catalogs. Runs until the test process ends.
fn all_catalogs_of(customer: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let body = json!({ "enterprise_customer": customer }).to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, &body);
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: TcpStream, body: &str) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    lines.find(|line| line.as_ref().map_or(true, String::is_empty));
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").ok()
}

fn validating(database: &Database, catalog_service: &str) -> Server {
    let settings = [("LM_CATALOG__URL", catalog_service), ("LM_CATALOG__VALIDATE", "true")];
    Server::start_with(database.url(), &settings)
}

/// A provisioning admin of this server.
fn operator(server: &Server) -> Client {
    server.client(&Person::new(9, "operator@example.com", "operator").role("enterprise_provisioning_admin:*"))
}

/// The paths of the customer's agreement and one of its plans.
fn paths(customer: &Customer) -> (String, String) {
    let agreement = format!("/api/v1/provisioning-admins/customer-agreement/{}/", customer.agreement);
    (agreement, format!("/api/v1/provisioning-admins/subscriptions/{}/", customer.plan(1).uuid))
}

fn of_agreement() -> Value {
    json!({ "default_enterprise_catalog_uuid": CATALOG })
}

fn of_plan() -> Value {
    json!({ "enterprise_catalog_uuid": CATALOG, "change_reason": "other" })
}

fn a_catalog_of_another_customer_is_refused_by_the_name_of_its_field(database: Database) {
    let plain = Server::start(database.url());
    let customer = Customer::new(&plain);
    let (agreement, plan) = paths(&customer);
    let mut another_plan = customer.plan_request(1);
    another_plan["enterprise_catalog_uuid"] = CATALOG.into();
    let provisioning = "/api/v1/provisioning-admins/subscriptions/";
    // In the first service all catalogs belong to another customer; the second has none.
    for service in [all_catalogs_of("99999999-2222-4333-8444-555555555555"), FakeUpstreams::start().url()] {
        let server = validating(&database, &service);
        let operator = operator(&server);
        let told = operator.patch(&agreement, &of_agreement()).expect(400);
        assert!(told["default_enterprise_catalog_uuid"][0].is_string(), "{told}");
        for told in [operator.patch(&plan, &of_plan()), operator.post(provisioning, &another_plan)] {
            let told = told.expect(400);
            assert!(told["error"].as_str().unwrap().contains("enterprise_catalog_uuid"), "{told}");
        }
    }
    let server = validating(&database, &all_catalogs_of(&customer.enterprise.to_string()));
    let operator = operator(&server);
    assert_eq!(operator.patch(&agreement, &of_agreement()).expect(200)["default_enterprise_catalog_uuid"], CATALOG);
    assert_eq!(operator.patch(&plan, &of_plan()).expect(200)["enterprise_catalog_uuid"], CATALOG);
    operator.post(provisioning, &another_plan).expect(201);
}

fn without_the_catalog_service_only_catalogs_cannot_change(database: Database) {
    let plain = Server::start(database.url());
    let customer = Customer::new(&plain);
    let (agreement, plan) = paths(&customer);
    // A port that was just closed: nothing listens there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = validating(&database, &format!("http://{free}"));
    let operator = operator(&server);
    operator.patch(&agreement, &of_agreement()).expect(503);
    operator.patch(&plan, &of_plan()).expect(503);
    operator.patch(&agreement, &json!({ "enterprise_customer_name": "Renamed" })).expect(200);
    operator.patch(&plan, &json!({ "is_active": true, "change_reason": "other" })).expect(200);
}
