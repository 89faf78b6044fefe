//! Retiring a person removes them from the database.

use license_manager_tests::{
    Client, Customer, Database, PROVISIONING, Person, Plan, Request, Response, Server, assert_detail, on_both_databases,
};
use serde_json::{Value, json};

on_both_databases!(
    nothing_of_a_retiree_is_left_in_the_database,
    an_unknown_user_name_is_not_found_and_licenses_are_cleaned_all_the_same,
    a_missing_lms_user_id_matches_nobody,
    requests_without_a_person_are_refused,
    only_the_retirement_worker_may_retire,
    licenses_of_many_plans_are_retired_at_once,
);

const PATH: &str = "/api/v1/retire_user/";

fn worker(server: &Server) -> Client {
    server.client(&Person::new(6, "worker@example.com", "retirement_worker"))
}

/// A learner, and the identity that is retired.
fn amy(customer: &Customer) -> (Person, Value) {
    let person = customer.learner(7, "amy");
    let name = customer.email("amy").replace("@example.com", "");
    (person, json!({ "lms_user_id": 7, "original_username": name }))
}

fn activate(server: &Server, plan: &Plan, person: &Person) {
    plan.assign(&[person.email().to_owned()]).expect(200);
    let key = plan.activation_key(person.email());
    let path = format!("/api/v1/license-activation/?activation_key={key}");
    server.client(person).send(Request::new("POST", path)).expect(200);
}

/// All texts in the tables that can contain personal data.
fn everything(database: &Database) -> Vec<String> {
    let license = "coalesce(user_email, '') || ' ' || coalesce(CAST(lms_user_id AS TEXT), '') || ' ' || \
                   coalesce(CAST(activation_key AS TEXT), '')";
    [
        format!("SELECT {license} AS text FROM license"),
        format!("SELECT {license} || ' ' || coalesce(history_user, '') AS text FROM license_history"),
        "SELECT source_id AS text FROM license_source".to_owned(),
        "SELECT source_id AS text FROM license_source_history".to_owned(),
        "SELECT payload AS text FROM outbox".to_owned(),
        "SELECT payload AS text FROM webhook_delivery".to_owned(),
        "SELECT username || ' ' || coalesce(email, '') AS text FROM users".to_owned(),
    ]
    .iter()
    .flat_map(|query| database.texts(query))
    .collect()
}

/// Asserts the 404 without a body of an unknown user name.
fn assert_unknown(answer: Response) {
    assert_eq!((answer.status, &answer.body), (404, &Value::Null));
}

fn mentions(database: &Database, word: &str) -> Vec<String> {
    everything(database).into_iter().filter(|text| text.contains(word)).collect()
}

fn nothing_of_a_retiree_is_left_in_the_database(database: Database) {
    // Without deliveries, so that there are messages to erase.
    let server = Server::start_with(database.url(), &[("LM_WORKER__ENABLED", "false")]);
    let customer = Customer::new(&server);
    let webhook = json!({ "url": "https://hooks.example.com/" });
    customer.operator().post(&format!("{PROVISIONING}/webhooks/"), &webhook).expect(201);
    let (amy, body) = amy(&customer);
    let bob = customer.learner(8, "bob");
    let [used, lost, waiting] = [3, 3, 3].map(|seats| customer.plan(seats));
    activate(&server, &used, &amy);
    activate(&server, &lost, &amy);
    activate(&server, &used, &bob);
    let key = |plan: &Plan| plan.licenses("activated")[0]["activation_key"].as_str().expect("a key").to_owned();
    let (key, kept) = (key(&used), key(&lost));
    lost.admin.post(&lost.path("licenses/bulk-revoke/"), &json!({ "user_emails": [amy.email()] })).expect(200);
    let sold = json!({ "user_emails": [amy.email()], "user_sfids": ["006000000000000001"] });
    waiting.admin.post(&waiting.path("licenses/assign/"), &sold).expect(200);
    waiting.admin.post(&waiting.path("licenses/remind-all/"), &json!({})).expect(204);
    let name = body["original_username"].as_str().expect("a name").to_owned();
    for trace in [amy.email(), &name, &key, "006000000000000001"] {
        assert!(!mentions(&database, trace).is_empty(), "{trace} is there before");
    }
    let others = mentions(&database, bob.email()).len();

    worker(&server).post(PATH, &body).expect(204);

    for trace in [amy.email(), &name, &key, "006000000000000001"] {
        assert_eq!(mentions(&database, trace), [""; 0], "{trace}");
    }
    // The revoked license and the versions of its history in which it had the key: assigned, activated, revoked, retired.
    assert_eq!(mentions(&database, &kept).len(), 5);
    let dates = "SELECT CAST(count(*) AS TEXT) AS text FROM license
                 WHERE status = 'revoked' AND assigned_date < activation_date AND activation_date < revoked_date";
    assert_eq!(database.texts(dates), ["1"], "the revoked license keeps its dates");
    let ids = database.texts(
        "SELECT CAST(lms_user_id AS TEXT) AS text FROM license_history WHERE lms_user_id IS NOT NULL
         UNION ALL SELECT CAST(lms_user_id AS TEXT) AS text FROM license WHERE lms_user_id IS NOT NULL",
    );
    assert_eq!(ids, ["8", "8"], "bob's alone");
    assert_eq!(mentions(&database, bob.email()).len(), others, "bob's data is unchanged");
    let counts = |plan: &Plan| {
        let counts = plan.counts();
        (counts.unassigned, counts.assigned, counts.activated, counts.revoked)
    };
    assert_eq!([counts(&used), counts(&lost), counts(&waiting)], [(2, 0, 1, 0), (3, 0, 0, 1), (3, 0, 0, 0)]);

    // A second time: nobody has that name any more, and nothing changes.
    let before = everything(&database).len();
    assert_unknown(worker(&server).post(PATH, &body));
    assert_eq!(everything(&database).len(), before);
}

fn an_unknown_user_name_is_not_found_and_licenses_are_cleaned_all_the_same(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(2);
    let (amy, _) = amy(&customer);
    activate(&server, &plan, &amy);
    let body = json!({ "lms_user_id": 7, "original_username": "nobody-here" });
    assert_unknown(worker(&server).post(PATH, &body));
    assert_eq!((plan.counts().activated, plan.counts().unassigned), (0, 2));
    let told = database.texts("SELECT user_email AS text FROM license_history WHERE user_email IS NOT NULL");
    assert_eq!(told, [""; 0]);
}

fn a_missing_lms_user_id_matches_nobody(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(3);
    plan.assign(&customer.emails("learner", 2)).expect(200);
    for id in [json!(null), json!(0), json!(-1), json!(""), json!("null"), json!([]), json!(1.5), json!(true)] {
        let body = json!({ "lms_user_id": id, "original_username": "nobody-here" });
        assert_detail(worker(&server).post(PATH, &body), 400, &body.to_string());
    }
    let body = json!({ "lms_user_id": 7, "original_username": "nobody-here" });
    assert_unknown(worker(&server).post(PATH, &body));
    assert_eq!(plan.counts().assigned, 2);
}

fn requests_without_a_person_are_refused(database: Database) {
    let server = Server::start(database.url());
    let long = "n".repeat(1_000);
    for body in [
        json!({}),
        json!([]),
        json!("amy"),
        json!({ "lms_user_id": 7 }),
        json!({ "original_username": "amy" }),
        json!({ "lms_user_id": 7, "original_username": null }),
        json!({ "lms_user_id": 7, "original_username": " " }),
        json!({ "lms_user_id": 7, "original_username": "a\u{0}b" }),
        json!({ "lms_user_id": 7, "original_username": long }),
    ] {
        assert_detail(worker(&server).post(PATH, &body), 400, &body.to_string());
    }
}

fn only_the_retirement_worker_may_retire(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let body = json!({ "lms_user_id": 7, "original_username": "amy" });
    assert_detail(server.anonymous().post(PATH, &body), 401, "nobody");
    let staff = customer.person(5, "staff").claim("administrator", json!(true));
    let everything = customer.admin().role("enterprise_provisioning_admin:*").role("enterprise_admin:*");
    let called_alike = Person::new(6, "worker@example.com", "Retirement_Worker");
    for person in [staff, everything, called_alike] {
        assert_detail(server.client(&person).post(PATH, &body), 403, person.email());
    }
    assert_detail(worker(&server).get(PATH), 405, "reading");

    let boss = customer.person(1, "boss");
    let name = boss.email().replace("@example.com", "");
    assert_detail(server.client(&boss).post(PATH, &body), 403, "nobody special");
    assert!(server.command(&["superuser", &name]).succeeded);
    assert_unknown(server.client(&boss).post(PATH, &body));
    assert!(server.command(&["superuser", &name, "--revoke"]).succeeded);
    assert_detail(server.client(&boss).post(PATH, &body), 403, "a superuser no more");
    for nonsense in [&["superuser", "nobody", "--revoke"][..], &["superuser", " "]] {
        let ran = server.command(nonsense);
        assert_eq!(
            (ran.code, ran.stderr.trim().lines().last().map(|line| line.starts_with("license-manager: "))),
            (Some(2), Some(true)),
            "{ran:?}"
        );
    }
}

fn licenses_of_many_plans_are_retired_at_once(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let (amy, body) = amy(&customer);
    let plans: Vec<Plan> = (0..20).map(|_| customer.plan(2)).collect();
    for plan in &plans {
        activate(&server, plan, &amy);
    }
    worker(&server).post(PATH, &body).expect(204);
    assert!(plans.iter().all(|plan| plan.counts().unassigned == 2));
    assert_eq!(mentions(&database, amy.email()), [""; 0]);
}
