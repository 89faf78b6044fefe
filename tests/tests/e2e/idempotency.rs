//! A request with an Idempotency-Key is done once, however often it is sent.

// These tests run outside of the service, with real ids.
#![allow(clippy::disallowed_methods)]

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use license_manager_tests::{
    Client, Customer, Database, PROVISIONING, Person, Request, Response, Scene, assert_detail, at_once,
    on_both_databases, poll,
};
use serde_json::{Value, json};
use uuid::Uuid;

on_both_databases!(
    the_same_request_gets_the_first_answer_again,
    the_same_key_with_another_body_is_refused,
    keys_belong_to_a_user_and_an_operation,
    concurrent_requests_are_done_once,
    a_refusal_is_stored_but_not_one_for_lack_of_permission,
    an_answer_without_a_body_is_given_again,
    answers_outlive_the_server,
    a_client_that_disconnected_can_ask_again,
    invalid_keys_are_refused,
    a_large_answer_comes_back_as_it_was,
    a_request_whose_answer_is_too_large_to_keep_is_not_repeated,
    a_user_has_room_for_so_many_answers,
    who_lost_the_role_gets_no_kept_answer,
    a_learner_without_the_role_gets_no_kept_activation,
    staff_without_the_role_get_no_kept_answer,
);

fn new_key() -> String {
    Uuid::new_v4().to_string()
}

fn send(client: &Client, key: &str, method: &str, path: &str, body: &Value) -> Response {
    client.send(Request::new(method, path).header("Idempotency-Key", key).json(body))
}

fn assign(scene: &Scene, key: &str, name: &str) -> Response {
    let body = json!({ "user_emails": [scene.customer.email(name)] });
    send(&scene.plan.admin, key, "POST", &scene.assign_path(), &body)
}

fn replayed(answer: &Response) -> bool {
    answer.header("Idempotency-Replayed") == "true"
}

fn the_same_request_gets_the_first_answer_again(database: Database) {
    let scene = Scene::new(database);
    let key = new_key();
    let first = assign(&scene, &key, "bob");
    assert!(!replayed(&first));
    for path in [scene.assign_path(), scene.assign_path().trim_end_matches('/').to_owned()] {
        let body = json!({ "user_emails": [scene.customer.email("bob")] });
        let again = send(&scene.plan.admin, &key, "POST", &path, &body);
        assert!(replayed(&again));
        assert_eq!(again.header("Content-Type"), first.header("Content-Type"));
        assert_eq!((again.status, &again.body), (200, &first.body));
    }
    let answer = first.expect(200);
    assert_eq!(answer["num_successful_assignments"], 1);
    let anew = assign(&scene, &new_key(), "bob").expect(200);
    assert_eq!((&anew["num_successful_assignments"], &anew["num_already_associated"]), (&json!(0), &json!(1)));
}

fn the_same_key_with_another_body_is_refused(database: Database) {
    let scene = Scene::new(database);
    let key = new_key();
    assign(&scene, &key, "bob").expect(200);
    scene.changes_nothing(|scene| {
        assert_detail(assign(scene, &key, "eve"), 422, "another learner");
        let path = format!("{}?page=2", scene.assign_path());
        let body = json!({ "user_emails": [scene.customer.email("bob")] });
        assert_detail(send(&scene.plan.admin, &key, "POST", &path, &body), 422, "another query");
    });
    assert!(replayed(&assign(&scene, &key, "bob")));
}

fn keys_belong_to_a_user_and_an_operation(database: Database) {
    let scene = Scene::new(database);
    let key = new_key();
    assign(&scene, &key, "bob").expect(200);
    let other_admin =
        scene.customer.person(2, "deputy").role(format!("enterprise_admin:{}", scene.customer.enterprise));
    let body = json!({ "user_emails": [scene.customer.email("eve")] });
    let answer = send(&scene.server.client(&other_admin), &key, "POST", &scene.assign_path(), &body);
    assert_eq!(answer.expect(200)["num_successful_assignments"], 1);
    let revocation = send(&scene.plan.admin, &key, "POST", &scene.plan.path("licenses/bulk-revoke/"), &body);
    assert!(!replayed(&revocation));
    revocation.expect(200);
    // The key is ignored for reads.
    let read = || scene.plan.admin.send(Request::new("GET", scene.plan.path("")).header("Idempotency-Key", &key));
    assert!(!replayed(&read()) && !replayed(&read()));
}

fn concurrent_requests_are_done_once(database: Database) {
    let scene = Scene::new(database);
    let (key, operator) = (new_key(), scene.customer.operator());
    let path = format!("{PROVISIONING}/subscriptions/");
    let plan = scene.customer.plan_request(100);
    let list = format!("{path}?enterprise_customer_uuid={}", scene.customer.enterprise);
    let before = operator.get(&list).expect(200)["count"].as_u64().expect("a count");

    let answers = at_once(16, |_| send(&operator, &key, "POST", &path, &plan));

    assert_eq!(answers.iter().filter(|answer| !replayed(answer)).count(), 1);
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (201, &answers[0].body));
    }
    assert_eq!(operator.get(&list).expect(200)["count"], before + 1);
}

fn a_refusal_is_stored_but_not_one_for_lack_of_permission(database: Database) {
    let scene = Scene::new(database);
    let key = new_key();
    let body = json!({ "user_emails": scene.customer.emails("learner", 5) });
    let assign = |client: &Client| send(client, &key, "POST", &scene.assign_path(), &body);
    assert_detail(assign(&scene.server.anonymous()), 401, "a stranger");
    assert_detail(assign(&scene.server.anonymous()), 401, "a stranger");
    let another = scene.server.client(&Customer::new(&scene.server).admin());
    for _ in ["at first", "again"] {
        let forbidden = assign(&another);
        assert!(forbidden.status == 403 && !replayed(&forbidden), "a role may come a minute later: {}", forbidden.body);
    }
    let refused = assign(&scene.plan.admin);
    assert!(!replayed(&refused));
    let again = assign(&scene.plan.admin);
    assert!(replayed(&again));
    assert_eq!((again.status, again.body), (400, refused.expect(400)));
}

fn an_answer_without_a_body_is_given_again(database: Database) {
    let scene = Scene::new(database);
    let key = new_key();
    let revoke_all = || {
        let request = Request::new("POST", scene.plan.path("licenses/revoke-all/"));
        scene.plan.admin.send(request.header("Idempotency-Key", &key))
    };
    assert_eq!(revoke_all().expect(204), Value::Null);
    assign(&scene, &new_key(), "bob").expect(200);
    let again = revoke_all();
    assert!(replayed(&again));
    assert_eq!(again.expect(204), Value::Null);
    assert_eq!(scene.plan.counts().assigned, 1, "the second one revoked nothing");
}

fn answers_outlive_the_server(database: Database) {
    let mut scene = Scene::new(database);
    let key = new_key();
    let first = assign(&scene, &key, "bob").expect(200);
    scene.server.restart();
    let again = assign(&scene, &key, "bob");
    assert!(replayed(&again));
    assert_eq!(again.expect(200), first);
}

fn a_client_that_disconnected_can_ask_again(database: Database) {
    let scene = Scene::new(database);
    let key = new_key();
    let body = json!({ "user_emails": [scene.customer.email("bob")] }).to_string();
    let mut socket = TcpStream::connect(scene.server.address()).expect("the server listens");
    let head = [
        format!("POST {} HTTP/1.1", scene.assign_path()),
        format!("Host: {}", scene.server.address()),
        format!("Authorization: {}", scene.customer.admin().authorization()),
        format!("Idempotency-Key: {key}"),
        "Content-Type: application/json".to_owned(),
        format!("Content-Length: {}", body.len()),
    ];
    socket.write_all(format!("{}\r\n\r\n{body}", head.join("\r\n")).as_bytes()).expect("a request is sent");
    drop(socket);
    let done = poll(Duration::from_secs(30), || (scene.plan.counts().assigned == 2).then_some(()));
    assert!(done.is_some(), "the work was given up");
    let answer = assign(&scene, &key, "bob");
    assert!(replayed(&answer));
    assert_eq!(answer.expect(200)["num_successful_assignments"], 1);
}

fn invalid_keys_are_refused(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        for key in ["", "two words", &"x".repeat(256)] {
            assert_detail(assign(scene, key, "bob"), 400, key);
        }
    });
}

/// Assigns licenses to this many learners, and returns the answer to the request and to its repetition.
fn assign_twice(scene: &Scene, learners: usize) -> [Response; 2] {
    let plan = scene.customer.plan(learners as u32);
    let (key, body) = (new_key(), json!({ "user_emails": scene.customer.emails("learner", learners) }));
    let answers = [(); 2].map(|()| send(&plan.admin, &key, "POST", &plan.path("licenses/assign/"), &body));
    assert_eq!(plan.counts().assigned, learners as u64);
    answers
}

fn a_large_answer_comes_back_as_it_was(database: Database) {
    let [first, again] = assign_twice(&Scene::new(database), 2_000);
    assert!(!replayed(&first) && replayed(&again));
    assert_eq!(again.header("Content-Type"), first.header("Content-Type"));
    assert_eq!(again.expect(200), first.expect(200));
}

fn a_request_whose_answer_is_too_large_to_keep_is_not_repeated(database: Database) {
    let scene = Scene::with_settings(database, &[("LM_IDEMPOTENCY__ANSWER_LIMIT_BYTES", "1024")]);
    let [first, again] = assign_twice(&scene, 200);
    assert_eq!(first.expect(200)["num_successful_assignments"], 200);
    assert!(replayed(&again));
    let told = again.expect(409);
    assert!(told["detail"].as_str().is_some_and(|text| text.contains("200 OK")), "{told}");
}

fn a_user_has_room_for_so_many_answers(database: Database) {
    let limits = [("LM_IDEMPOTENCY__ANSWER_LIMIT_BYTES", "65536"), ("LM_IDEMPOTENCY__USER_LIMIT_BYTES", "131072")];
    let scene = Scene::with_settings(database, &limits);
    let first = new_key();
    assign(&scene, &first, "bob").expect(200);
    let wrong = json!({ "user_emails": [] });
    let full =
        (0..300).map(|_| send(&scene.plan.admin, &new_key(), "POST", &scene.assign_path(), &wrong)).find(|answer| {
            assert!([400, 429].contains(&answer.status), "{}", answer.body);
            answer.status == 429
        });
    let full = full.expect("there is room for fewer");
    assert_eq!(full.header("Retry-After"), "3600");
    assert_detail(full, 429, "another answer");
    scene.changes_nothing(|scene| assert_detail(assign(scene, &new_key(), "eve"), 429, "a request that would be done"));

    assert!(replayed(&assign(&scene, &first, "bob")), "what is kept is given again");
    scene.plan.assign(&[scene.customer.email("eve")]).expect(200);
    let deputy = scene.customer.person(2, "deputy").role(format!("enterprise_admin:{}", scene.customer.enterprise));
    let body = json!({ "user_emails": [scene.customer.email("zoe")] });
    send(&scene.server.client(&deputy), &new_key(), "POST", &scene.assign_path(), &body).expect(200);
}

fn who_lost_the_role_gets_no_kept_answer(database: Database) {
    let scene = Scene::new(database);
    let (customer, key) = (&scene.customer, new_key());
    let other = Customer::new(&scene.server).enterprise;
    let emails = json!([customer.email("bob")]);
    let of_plan = json!({ "subscription_plan": scene.plan.uuid, "user_emails": emails });
    let enrollment = json!({ "emails": emails, "course_run_keys": ["course-v1:a+b+c"], "notify": false });
    let requests = [
        ("POST", scene.assign_path(), json!({ "user_emails": emails })),
        ("POST", "/api/v1/licenses/assign/".to_owned(), of_plan.clone()),
        (
            "POST",
            format!("/api/v1/bulk-license-enrollment/?enterprise_customer_uuid={}", customer.enterprise),
            enrollment,
        ),
        ("POST", "/api/v1/licenses/revoke/".to_owned(), of_plan),
        ("POST", scene.plan.path("licenses/revoke-all/"), Value::Null),
    ];
    let (admin, learner) = (customer.admin(), customer.person(1, "admin"));
    let elsewhere = customer.person(1, "admin").role(format!("enterprise_admin:{other}"));
    for (method, path, body) in &requests {
        let ask = |person| send(&scene.server.client(person), &key, method, path, body);
        let first = ask(&admin);
        assert!(first.status < 300, "{path}: {}", first.body);
        for without in [&learner, &elsewhere] {
            let refused = ask(without);
            assert!(!replayed(&refused), "{path}");
            assert_detail(refused, 403, path);
        }
        let again = ask(&admin);
        assert!(replayed(&again), "{path}");
        assert_eq!((again.status, again.body), (first.status, first.body), "{path}");
    }
}

/// Sends a request as the first person, then as others with the same name, who must be refused, and as the first one again.
fn assert_refused_again(scene: &Scene, people: [&Person; 3], (method, path, body): &(&str, String, Value)) {
    let key = new_key();
    let ask = |person| send(&scene.server.client(person), &key, method, path, body);
    let first = ask(people[0]);
    assert!(![401, 403, 405, 429].contains(&first.status) && first.status < 500, "{path}: {}", first.body);
    for without in &people[1..] {
        let refused = ask(without);
        assert!(!replayed(&refused), "{path}");
        assert_detail(refused, 403, path);
    }
    let again = ask(people[0]);
    assert!(replayed(&again), "{path}");
    assert_eq!((again.status, again.body), (first.status, first.body), "{path}");
}

fn a_learner_without_the_role_gets_no_kept_activation(database: Database) {
    let scene = Scene::new(database);
    let customer = &scene.customer;
    scene.plan.assign(&[customer.email("bob")]).expect(200);
    let key = scene.plan.activation_key(&customer.email("bob"));
    let elsewhere = format!("enterprise_learner:{}", Customer::new(&scene.server).enterprise);
    let [learner, without, of_another] =
        [customer.learner(7, "bob"), customer.person(7, "bob"), customer.person(7, "bob").role(elsewhere)];
    let people = [&learner, &without, &of_another];
    let activation = format!("/api/v1/license-activation/?activation_key={key}");
    let auto_apply = format!("/api/v1/customer-agreement/{}/auto-apply/", customer.agreement);
    for path in [activation, auto_apply] {
        assert_refused_again(&scene, people, &("POST", path, Value::Null));
    }
}

fn staff_without_the_role_get_no_kept_answer(database: Database) {
    let scene = Scene::new(database);
    let customer = &scene.customer;
    let every = customer.person(8, "staff").role("enterprise_provisioning_admin:*");
    let learner = customer.person(8, "staff");
    let admin = customer.person(8, "staff").role(format!("enterprise_admin:{}", customer.enterprise));
    let plan = format!("{PROVISIONING}/subscriptions/{}/", scene.plan.uuid);
    let agreement = format!("{PROVISIONING}/customer-agreement/{}/", customer.agreement);
    let reason = json!({ "change_reason": "other" });
    // Refusals of a body are kept, too.
    let requests = [
        ("POST", format!("{PROVISIONING}/subscriptions/"), customer.plan_request(3)),
        ("PATCH", plan.clone(), json!({ "title": "Another", "change_reason": "other" })),
        ("PATCH", agreement, json!({ "customer_slug": "another" })),
        ("POST", format!("{PROVISIONING}/subscription-plan-renewals/"), json!({})),
        ("POST", format!("{PROVISIONING}/license-transfer-jobs/"), json!({})),
        ("POST", format!("{PROVISIONING}/license-transfer-jobs/1/process/"), json!({ "is_dry_run": true })),
        ("POST", format!("{PROVISIONING}/webhooks/"), json!({})),
        ("POST", scene.plan.path("revert/"), json!({})),
        ("DELETE", format!("{PROVISIONING}/notifications/"), json!({})),
        ("DELETE", plan, reason),
    ];
    for request in &requests {
        assert_refused_again(&scene, [&every, &learner, &admin], request);
    }
}
