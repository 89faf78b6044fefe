//! Utilization reports of plans.

// These tests run outside of the service, with the real clock.
#![allow(clippy::disallowed_methods)]

use license_manager_tests::{
    Customer, Database, PROVISIONING, Person, Plan, Request, Response, Scene, Server, on_both_databases,
};
use serde_json::{Value, json};

on_both_databases!(
    an_admin_sees_how_seats_are_used,
    each_report_comes_as_a_table,
    an_address_that_looks_like_a_formula_is_a_text,
    a_period_can_be_requested,
    a_plan_that_has_not_started_has_no_days,
    invalid_periods_are_refused,
    activations_by_staff_count,
    only_admins_of_the_customer_see_reports,
);

/// A plan that started this many days ago.
fn plan(server: &Server, customer: &Customer, licenses: u32, days: i64) -> Plan {
    let mut request = customer.plan_request(licenses);
    request["start_date"] = json!((chrono::Utc::now() - chrono::Duration::days(days)).to_rfc3339());
    let plan = customer.operator().post(&format!("{PROVISIONING}/subscriptions/"), &request).expect(201);
    Plan { uuid: plan["uuid"].as_str().expect("an id").to_owned(), admin: server.client(&customer.admin()) }
}

/// Moves all events this many days into the past.
fn days_pass(database: &Database, days: u32) {
    for table in ["seat_change", "seat_activation"] {
        database.execute(&format!("UPDATE {table} SET day = day - {days}"));
    }
    database.execute(&match database.url().starts_with("sqlite:") {
        true => format!("UPDATE license SET assigned_date = assigned_date - {days} * 86400000000"),
        false => format!("UPDATE license SET assigned_date = assigned_date - interval '{days} days'"),
    });
}

fn activate(server: &Server, customer: &Customer, plan: &Plan, name: &str) {
    let key = plan.activation_key(&customer.email(name));
    let path = format!("/api/v1/license-activation/?activation_key={key}");
    server.client(&customer.learner(7, name)).send(Request::new("POST", path)).expect(200);
}

fn report(plan: &Plan, query: &str) -> Value {
    plan.admin.get(&plan.path(&format!("utilization/?{query}"))).expect(200)
}

fn table(plan: &Plan, query: &str) -> Response {
    plan.admin.send(Request::new("GET", plan.path(&format!("utilization/?{query}"))).header("Accept", "text/csv"))
}

fn lines(answer: Response) -> Vec<String> {
    answer.expect(200).as_str().expect("a text").lines().map(str::to_owned).collect()
}

fn seats(day: &Value) -> [i64; 5] {
    ["unassigned", "assigned", "activated", "revoked", "activations"].map(|name| day[name].as_i64().expect("a number"))
}

/// Waits for midnight if it is near, so that a test ends on the day it started.
fn begin_a_day() {
    let now = chrono::Utc::now();
    let left = 86_400 - now.timestamp().rem_euclid(86_400);
    if left <= 60 {
        std::thread::sleep(std::time::Duration::from_secs(left as u64));
    }
}

/// Five licenses were created three days ago, and amy and bob got one two days ago. Today bob activates his, and carl
/// gets one.
fn story(server: &Server, database: &Database) -> (Customer, Plan) {
    begin_a_day();
    let customer = Customer::new(server);
    let plan = plan(server, &customer, 5, 3);
    days_pass(database, 1);
    plan.assign(&[customer.email("amy"), customer.email("bob")]).expect(200);
    days_pass(database, 2);
    activate(server, &customer, &plan, "bob");
    plan.assign(&[customer.email("carl")]).expect(200);
    (customer, plan)
}

fn an_admin_sees_how_seats_are_used(database: Database) {
    let server = Server::start(database.url());
    let (customer, plan) = story(&server, &database);
    let told = report(&plan, "");
    assert_eq!(told["subscription_plan"]["uuid"], plan.uuid.as_str());
    let days: Vec<[i64; 5]> = told["days"].as_array().unwrap().iter().map(seats).collect();
    assert_eq!(days, [[5, 0, 0, 0, 0], [3, 2, 0, 0, 0], [3, 2, 0, 0, 0], [2, 2, 1, 0, 1]]);
    assert_eq!((&told["days"][0]["date"], &told["days"][3]["date"]), (&told["period"]["from"], &told["period"]["to"]));
    let expected = json!({ "activations": 1, "mean": 2.0, "median": 2, "percentile_90": 2,
                           "distribution": [{ "days": 2, "activations": 1 }] });
    assert_eq!(told["days_to_activation"], expected);
    let idle: Vec<_> =
        told["idle"].as_array().unwrap().iter().map(|seat| (&seat["user_email"], &seat["days_idle"])).collect();
    assert_eq!(idle, [(&json!(customer.email("amy")), &json!(2)), (&json!(customer.email("carl")), &json!(0))]);
    assert_eq!(report(&plan, "idle_limit=1")["idle"].as_array().unwrap().len(), 1);

    plan.admin.post(&plan.path("licenses/revoke-all/"), &json!({})).expect(204);
    let counts = plan.counts();
    let today = seats(report(&plan, "")["days"].as_array().unwrap().last().unwrap());
    let now = [counts.unassigned, counts.assigned, counts.activated, counts.revoked, 1];
    assert_eq!(today.map(|seats| seats as u64), now);
}

fn activations_by_staff_count(database: Database) {
    begin_a_day();
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = plan(&server, &customer, 2, 0);
    plan.assign(&[customer.email("amy")]).expect(200);
    let license = plan.licenses("assigned")[0]["uuid"].as_str().expect("an id").to_owned();
    let path = format!("{PROVISIONING}/licenses/{license}/");
    customer.operator().patch(&path, &json!({ "status": "activated" })).expect(200);
    assert_eq!(seats(&report(&plan, "")["days"][0]), [1, 0, 1, 0, 1]);
}

fn each_report_comes_as_a_table(database: Database) {
    let server = Server::start(database.url());
    let (customer, plan) = story(&server, &database);
    let told = report(&plan, "");
    let answer = table(&plan, "");
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    assert!(answer.header("vary").starts_with("Accept, Authorization, Cookie"), "{}", answer.header("vary"));
    assert!(answer.header("content-disposition").contains(&format!("utilization-days-{}.csv", plan.uuid)));
    let rows = lines(answer);
    assert_eq!((rows.len(), rows[0].as_str()), (5, "date,unassigned,assigned,activated,revoked,activations"));
    assert_eq!(rows[4], format!("{},2,2,1,0,1", told["period"]["to"].as_str().unwrap()));
    assert_eq!(lines(table(&plan, "report=days")), rows);
    assert_eq!(lines(table(&plan, "report=days_to_activation")), ["days,activations", "2,1"]);
    let idle = lines(table(&plan, "report=idle&idle_limit=1"));
    assert_eq!((idle.len(), idle[0].as_str()), (2, "uuid,user_email,assigned_date,last_remind_date,days_idle"));
    assert!(idle[1].contains(&customer.email("amy")) && idle[1].ends_with(",2"), "{idle:?}");

    let both = Request::new("GET", plan.path("utilization/")).header("Accept", "text/csv;q=0.5, application/json");
    assert!(plan.admin.send(both).expect(200)["days"].is_array(), "JSON where it is preferred");
}

fn an_address_that_looks_like_a_formula_is_a_text(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = plan(&server, &customer, 2, 1);
    plan.assign(&["=cmd@example.com".to_owned()]).expect(200);
    let idle = lines(table(&plan, "report=idle"));
    assert!(idle[1].contains(",'=cmd@example.com,"), "{idle:?}");
    assert_eq!(report(&plan, "")["idle"][0]["user_email"], "=cmd@example.com");
}

fn a_period_can_be_requested(database: Database) {
    let server = Server::start(database.url());
    let (_, plan) = story(&server, &database);
    let whole = report(&plan, "");
    let date = |index: usize| whole["days"][index]["date"].as_str().unwrap().to_owned();
    let part = report(&plan, &format!("from={}&to={}", date(1), date(2)));
    assert_eq!(part["period"], json!({ "from": date(1), "to": date(2) }));
    assert_eq!(part["days"], json!([whole["days"][1], whole["days"][2]]));
    assert_eq!(
        (&part["days_to_activation"]["activations"], &part["days_to_activation"]["median"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(part["idle"].as_array().unwrap().len(), 2, "who is idle now");
    assert_eq!(report(&plan, "from=2000-01-01&to=2100-01-01"), whole);
    assert_eq!(report(&plan, "to=2000-01-01")["period"], Value::Null);
}

fn a_plan_that_has_not_started_has_no_days(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = plan(&server, &customer, 2, -5);
    let told = report(&plan, "");
    assert_eq!((&told["period"], &told["days"], &told["idle"]), (&Value::Null, &json!([]), &json!([])));
    assert_eq!(lines(table(&plan, "")).len(), 1, "the head alone");
}

fn invalid_periods_are_refused(database: Database) {
    let scene = Scene::new(database);
    for (query, field) in [
        ("from=yesterday", "from"),
        ("from=2030-02-30", "from"),
        ("to=2030-01-31T12:00:00Z", "to"),
        ("from=2030-01-02&to=2030-01-01", "from"),
        ("idle_limit=0", "idle_limit"),
        ("idle_limit=501", "idle_limit"),
        ("idle_limit=few", "idle_limit"),
        ("report=everything", "report"),
    ] {
        for answer in
            [scene.plan.admin.get(&scene.plan.path(&format!("utilization/?{query}"))), table(&scene.plan, query)]
        {
            let told = answer.expect(400);
            assert!(told[field][0].is_string(), "{query}: {told}");
        }
    }
    let told = scene.plan.admin.get(&scene.plan.path("utilization/?from=x&to=y&idle_limit=z")).expect(400);
    assert_eq!(told.as_object().unwrap().len(), 3, "all at once: {told}");
    report(&scene.plan, "from=&to=&idle_limit=&report=");
}

fn only_admins_of_the_customer_see_reports(database: Database) {
    let scene = Scene::new(database);
    let stranger = Person::new(5, "eve@example.com", "eve").role(format!("enterprise_admin:{}", uuid::Uuid::new_v4()));
    let path = scene.plan.path("utilization/");
    assert_eq!(scene.plan.admin.get(&path).status, 200);
    assert_eq!(scene.server.client(&scene.customer.learner(7, "amy")).get(&path).status, 403);
    assert_eq!(scene.server.client(&stranger).get(&path).status, 403);
    assert_eq!(scene.server.anonymous().get(&path).status, 401);
    let unknown = format!("/api/v1/subscriptions/{}/utilization/", uuid::Uuid::new_v4());
    assert_eq!(scene.plan.admin.get(&unknown).status, 403);
    assert_eq!(scene.plan.admin.get("/api/v1/subscriptions/nonsense/utilization/").status, 404);
}
