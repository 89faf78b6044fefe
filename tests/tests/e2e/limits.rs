//! What a request may cost: long lists, many errors, bodies that trickle, answers that nobody reads.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use license_manager_tests::{
    Client, Database, PATIENCE, PROVISIONING, Person, Plan, Request, Scene, on_both_databases, poll,
};
use serde_json::{Value, json};
use uuid::Uuid;

on_both_databases!(
    lists_have_limits,
    a_body_of_millions_of_values_is_refused,
    a_hundred_errors_are_told,
    full_lists_are_accepted,
    large_bodies_wait_for_their_turn,
    a_body_that_trickles_is_given_up,
    an_answer_that_nobody_reads_is_given_up,
);

/// The most items of a list.
const MOST: usize = 20_000;

/// A list of texts, one longer than lists may be.
fn too_long(item: &str) -> Value {
    vec![item; MOST + 1].into()
}

fn lists_have_limits(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let (admin, operator) = (&scene.plan.admin, &scene.customer.operator());
        let (email, id) = ("amy@example.com", Uuid::nil().to_string());
        let plan = &scene.plan.uuid;
        let transfer = |name: &str, value: Value| {
            let mut body = json!({
                "customer_agreement": scene.customer.agreement,
                "old_subscription_plan": plan,
                "new_subscription_plan": plan,
            });
            body[name] = value;
            body
        };
        let enroll = format!("/api/v1/bulk-license-enrollment/?enterprise_customer_uuid={}", scene.customer.enterprise);
        let transfers = format!("{PROVISIONING}/license-transfer-jobs/");
        let requests: [(&Client, String, Value, &str); 11] = [
            (admin, scene.assign_path(), json!({ "user_emails": too_long(email) }), "user_emails"),
            (
                admin,
                scene.assign_path(),
                json!({ "user_emails": [email], "user_sfids": too_long("00k000000000000001") }),
                "user_sfids",
            ),
            (admin, scene.plan.path("licenses/remind/"), json!({ "user_emails": too_long(email) }), "user_emails"),
            (admin, scene.plan.path("licenses/bulk-revoke/"), json!({ "user_emails": too_long(email) }), "user_emails"),
            (
                admin,
                "/api/v1/licenses/assign/".to_owned(),
                json!({ "subscription_plan": plan, "user_emails": too_long(email) }),
                "user_emails",
            ),
            (
                admin,
                "/api/v1/licenses/revoke/".to_owned(),
                json!({ "subscription_plan": plan, "user_emails": too_long(email) }),
                "user_emails",
            ),
            (
                admin,
                enroll.clone(),
                json!({ "emails": too_long(email), "course_run_keys": ["course-v1:a+b+c"], "notify": false }),
                "emails",
            ),
            (
                admin,
                enroll,
                json!({ "emails": [email], "course_run_keys": vec!["course-v1:a+b+c"; 1_001], "notify": false }),
                "course_run_keys",
            ),
            (
                operator,
                scene.plan.path("revert/"),
                json!({ "as_of": "2030-01-31", "license_uuids": too_long(&id) }),
                "license_uuids",
            ),
            (operator, transfers.clone(), transfer("license_uuids", too_long(&id)), "license_uuids"),
            (
                operator,
                transfers,
                transfer("license_uuids_raw", format!("{id}\n").repeat(MOST + 1).into()),
                "license_uuids_raw",
            ),
        ];
        for (client, path, body, field) in requests {
            let answer = client.post(&path, &body).expect(400);
            let messages = answer[field].as_array().unwrap_or_else(|| panic!("{path}: {field} in {answer}"));
            let told = messages.iter().any(|message| message.as_str().is_some_and(|text| text.contains("at most")));
            assert!(told, "{path}: {answer}");
        }
        let filters = [
            json!(vec![json!({ "user_email": "a" }); 101]),
            json!([{ "status_in": vec!["assigned"; 101] }]),
            json!([{ "name": "status_in", "filter_value": vec!["assigned"; 101] }]),
        ];
        for filters in filters {
            let answer = admin.post(&scene.plan.path("licenses/remind/"), &json!({ "filters": filters })).expect(400);
            assert!(answer["non_field_errors"][0].as_str().is_some_and(|text| text.contains("100")), "{answer}");
        }
    });
}

fn a_body_of_millions_of_values_is_refused(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let send = |body: String| {
            let request = Request::new("POST", scene.assign_path()).header("Content-Type", "application/json");
            scene.plan.admin.send(request.body(body)).expect(400)
        };
        let ones = "1,".repeat(2_600_000);
        let answer = send(format!("{{\"user_emails\":[{ones}1]}}"));
        assert_eq!(answer, json!({ "user_emails": ["This list may have at most 20000 items."] }));
        let nested = "[1],".repeat(1_000_000);
        assert!(send(format!("[{nested}1]"))["non_field_errors"].is_array());
        let many = (0..60_000).map(|number| format!("\"{number}\":1")).collect::<Vec<_>>().join(",");
        let answer = send(format!("{{{many}}}"));
        assert_eq!(answer, json!({ "non_field_errors": ["A body may have at most 50000 values."] }));
        let answer = send(format!("{{\"user_emails\":[{}", "1,".repeat(10_000)));
        assert!(answer["detail"].as_str().is_some_and(|text| text.contains("no JSON")), "{answer}");
    });
}

fn a_hundred_errors_are_told(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        // Above and below the size from which on bodies are read on another thread.
        for wrong in [500, 15_000] {
            let body = json!({ "user_emails": vec!["nobody"; wrong] });
            let answer = scene.plan.admin.post(&scene.assign_path(), &body).expect(400);
            assert_eq!(answer["user_emails"].as_object().map(serde_json::Map::len), Some(100), "{answer}");
            assert_eq!(answer["non_field_errors"], json!([format!("… and {} more errors.", wrong - 100)]));
        }
        let fields: serde_json::Map<_, _> = (0..300).map(|number| (format!("field_{number}"), json!(1))).collect();
        let path = format!("{PROVISIONING}/customer-agreement/{}/", scene.customer.agreement);
        let answer = scene.customer.operator().patch(&path, &Value::Object(fields)).expect(400);
        assert_eq!(answer["non_field_errors"], json!(["… and 200 more errors."]), "{answer}");
        assert_eq!(answer.as_object().map(serde_json::Map::len), Some(101), "{answer}");
    });
}

fn full_lists_are_accepted(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let emails = scene.customer.emails("learner", MOST);
        let refused = scene
            .plan
            .admin
            .post(&scene.assign_path(), &json!({ "user_emails": emails, "user_sfids": vec![Value::Null; MOST] }));
        assert!(refused.expect(400).is_string(), "the plan has too few licenses");
        scene.plan.admin.post(&scene.plan.path("licenses/remind/"), &json!({ "user_emails": emails })).expect(404);
        let revoked =
            scene.plan.admin.post(&scene.plan.path("licenses/bulk-revoke/"), &json!({ "user_emails": emails }));
        assert_eq!(revoked.expect(404)["unsuccessful_revocations"].as_array().map(Vec::len), Some(MOST));
    });
}

fn large_bodies_wait_for_their_turn(database: Database) {
    let scene = Scene::with_settings(database, &[("LM_SERVER__LARGE_BODIES_AT_ONCE", "1")]);
    let emails = scene.customer.emails("learner", 4_000);
    let answers = license_manager_tests::at_once(8, |_| {
        scene.plan.admin.post(&scene.plan.path("licenses/remind/"), &json!({ "user_emails": emails })).status
    });
    assert_eq!(answers, [404; 8]);
    // A turn ends with its request, also if the client is gone.
    for _ in 0..3 {
        let head = head(&scene, &scene.plan.path("licenses/remind/"), "Content-Length: 100000");
        let body = json!({ "user_emails": emails }).to_string();
        let mut socket = connect(&scene);
        let whole = format!("{head}{}", &body[..100_000]);
        socket.write_all(whole.as_bytes()).expect("a request is sent");
    }
    scene.plan.admin.post(&scene.plan.path("licenses/remind/"), &json!({ "user_emails": emails })).expect(404);
}

/// The head of an admin's POST.
fn head(scene: &Scene, path: &str, length: &str) -> String {
    let (address, authorization) = (scene.server.address(), scene.customer.admin().authorization());
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/json\r\n{length}\r\n\r\n"
    )
}

fn connect(scene: &Scene) -> TcpStream {
    let socket = TcpStream::connect(scene.server.address()).expect("the server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("the socket takes an option");
    socket
}

const IMPATIENT: [(&str, &str); 1] = [("LM_SERVER__CLIENT_TIMEOUT_SECONDS", "1")];

fn a_body_that_trickles_is_given_up(database: Database) {
    Scene::with_settings(database, &IMPATIENT).changes_nothing(|scene| {
        for (length, start) in [("Content-Length: 1000", "{"), ("Transfer-Encoding: chunked", "1\r\n{\r\n")] {
            for key in ["", "Idempotency-Key: k\r\n"] {
                let mut socket = connect(scene);
                let head = head(scene, &scene.assign_path(), &format!("{key}{length}"));
                socket.write_all(format!("{head}{start}").as_bytes()).expect("a request is begun");
                // To its end: the server closes the connection.
                let mut answer = String::new();
                socket.read_to_string(&mut answer).expect("the answer ends");
                assert!(answer.starts_with("HTTP/1.1 408 "), "{length}: {answer}");
                assert!(answer.contains("too slowly"), "{answer}");
            }
        }
    });
}

fn an_answer_that_nobody_reads_is_given_up(database: Database) {
    let scene = Scene::with_settings(database, &IMPATIENT);
    let plan: Plan = scene.customer.plan(MOST as u32);
    let assigned = poll(PATIENCE, || (plan.counts().total == MOST as u64).then_some(()));
    assert!(assigned.is_some(), "the licenses are not added");
    plan.assign(&scene.customer.emails("a-learner-with-a-long-address", MOST)).expect(200);
    let admin: Person = scene.customer.admin();
    let mut socket = connect(&scene);
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n\r\n",
        plan.path("licenses/csv/"),
        scene.server.address(),
        admin.authorization(),
    );
    socket.write_all(request.as_bytes()).expect("a request is sent");
    let mut first = [0; 12];
    socket.read_exact(&mut first).expect("the answer begins");
    assert_eq!(&first, b"HTTP/1.1 200");
    let (own, server) = (socket.local_addr().expect("an address"), socket.peer_addr().expect("an address"));
    let given_up = poll(PATIENCE, || (!is_connected(server, own)).then_some(()));
    assert!(given_up.is_some(), "the server still waits for its reader");
    // Who reads gets everything.
    let answer = plan.admin.get(&plan.path("licenses/csv/")).expect(200);
    assert_eq!(answer.as_str().map(|text| text.lines().count()), Some(MOST + 1));
}

/// Whether the system has an open connection from this address to that one.
fn is_connected(from: SocketAddr, to: SocketAddr) -> bool {
    let shown = |address: SocketAddr| format!("0100007F:{:04X}", address.port());
    let table = fs::read_to_string("/proc/net/tcp").expect("the system's connections");
    // The state 01 is an established connection.
    table.lines().any(|line| line.contains(&format!(" {} {} 01 ", shown(from), shown(to))))
}

#[test]
fn the_connections_of_the_system_are_read() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("it listens");
    let (server, own) = listener.accept().expect("a connection");
    let listening = server.local_addr().expect("an address");
    assert!(is_connected(listening, own));
    drop((client, server));
    let closed = poll(Duration::from_secs(60), || (!is_connected(listening, own)).then_some(()));
    assert!(closed.is_some());
}
