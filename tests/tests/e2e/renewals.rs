//! Renewals: scheduling, editing, processing, and concurrent requests.

use std::collections::{BTreeMap, BTreeSet};

use license_manager_tests::{
    Client, Counts, Customer, Database, PROVISIONING, Plan, Request, Response, Server, assert_detail, at_once,
    on_both_databases,
};
use serde_json::{Value, json};

on_both_databases!(
    a_renewal_is_processed_once_by_sixteen_at_once,
    a_renewal_is_scheduled_once_by_sixteen_at_once,
    ten_thousand_licenses_are_renewed_in_one_request,
    learners_come_and_go_while_their_plan_is_renewed,
    a_renewal_that_does_not_fit_is_refused_and_changes_nothing,
    a_conflicting_renewal_is_shown,
    a_processed_renewal_is_not_edited,
    a_renewal_is_put_in_part_and_fixed_fields_are_refused,
    a_processed_renewal_follows_its_prior_plan,
    renewals_are_listed_the_latest_first_and_filtered,
    an_invalid_renewal_is_refused_field_by_field,
    only_provisioning_admins_see_renewals,
    a_renewal_has_a_history,
);

const CLIENTS: usize = 16;
const RENEWALS: &str = "/api/v1/provisioning-admins/subscription-plan-renewals/";

fn request(plan: &Plan, licenses: u32) -> Value {
    json!({
        "prior_subscription_plan": plan.uuid,
        "number_of_licenses": licenses,
        "effective_date": "2030-01-01T00:00:00Z",
        "renewed_expiration_date": "2031-01-01T00:00:00Z",
        "salesforce_opportunity_id": "00k000000000000002",
    })
}

fn with(mut request: Value, field: &str, value: impl Into<Value>) -> Value {
    request[field] = value.into();
    request
}

/// Schedules a renewal and returns its path.
fn schedule(operator: &Client, request: &Value) -> String {
    let renewal = operator.post(RENEWALS, request).expect(201);
    format!("{RENEWALS}{}/", renewal["id"])
}

fn process(operator: &Client, renewal: &str) -> Response {
    operator.send(Request::new("POST", format!("{renewal}process/")))
}

fn renewed_plan(customer: &Customer, server: &Server, renewal: &Value) -> Plan {
    let uuid = renewal["renewed_subscription_plan"].as_str().expect("a plan follows").to_owned();
    Plan { uuid, admin: server.client(&customer.admin()) }
}

fn a_renewal_is_processed_once_by_sixteen_at_once(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(60);
    plan.assign(&customer.emails("learner", 50)).expect(200);
    let operator = customer.operator();
    let renewal = schedule(&operator, &request(&plan, 55));

    let answers = at_once(CLIENTS, |_| process(&operator, &renewal));

    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!((&statuses[..CLIENTS - 1], statuses[CLIENTS - 1]), (&[200; CLIENTS - 1][..], 201));
    assert!(answers.iter().all(|answer| answer.body == answers[0].body), "{answers:?}");
    let renewed = renewed_plan(&customer, &server, &answers[0].body);
    assert_eq!(renewed.counts(), Counts { unassigned: 5, assigned: 50, activated: 0, revoked: 0, total: 55 });
    assert_eq!(plan.counts(), Counts { unassigned: 10, assigned: 50, activated: 0, revoked: 0, total: 60 });
    let plans = format!("{PROVISIONING}/subscriptions/?enterprise_customer_uuid={}", customer.enterprise);
    assert_eq!(operator.get(&plans).expect(200)["count"], 2);
}

fn a_renewal_is_scheduled_once_by_sixteen_at_once(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(1);
    let operator = customer.operator();

    let answers = at_once(CLIENTS, |_| operator.post(RENEWALS, &request(&plan, 1)));

    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), CLIENTS - 1);
    let ids: BTreeSet<_> = answers.iter().map(|answer| answer.body["id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

fn ten_thousand_licenses_are_renewed_in_one_request(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(10_000);
    plan.assign(&customer.emails("learner", 10_000)).expect(200);
    let operator = customer.operator();
    let renewal = schedule(&operator, &request(&plan, 10_001));

    let processed = process(&operator, &renewal).expect(201);

    let renewed = renewed_plan(&customer, &server, &processed);
    let expected = Counts { unassigned: 1, assigned: 10_000, activated: 0, revoked: 0, total: 10_001 };
    assert_eq!(renewed.counts(), expected);
    let keys = |plan: &Plan| -> BTreeMap<String, String> {
        let licenses = plan.licenses("assigned");
        licenses
            .iter()
            .map(|license| (license["user_email"].to_string(), license["activation_key"].to_string()))
            .collect()
    };
    assert_eq!(keys(&renewed), keys(&plan));
}

fn learners_come_and_go_while_their_plan_is_renewed(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(200);
    let people = customer.emails("learner", 100);
    plan.assign(&people).expect(200);
    let operator = customer.operator();
    let renewal = schedule(&operator, &request(&plan, 300));

    at_once(CLIENTS, |client| match client % 4 {
        0 => {
            process(&operator, &renewal);
        }
        1 => {
            plan.assign(&customer.emails(&format!("late-{client}"), 5)).expect(200);
        }
        _ => {
            let emails = &people[client * 5..client * 5 + 5];
            plan.admin.post(&plan.path("licenses/bulk-revoke/"), &json!({ "user_emails": emails })).expect(200);
        }
    });

    let processed = process(&operator, &renewal).expect(200);
    let renewed = renewed_plan(&customer, &server, &processed);
    assert_eq!(renewed.counts().total, 300);
    let carried = renewed.licenses("assigned");
    let holders: BTreeSet<_> = carried.iter().map(|license| license["user_email"].to_string()).collect();
    assert_eq!(holders.len(), carried.len(), "somebody holds two licenses");
    assert_eq!(plan.counts().total, 200, "what was taken back was replaced");
    assert_eq!((plan.counts().assigned, plan.counts().revoked), (80, 40));
    // Everybody who kept their license was renewed, regardless of concurrent revocations.
    for email in people[..10].iter().chain(&people[80..]) {
        assert!(holders.contains(&json!(email).to_string()), "{email}");
    }
}

fn a_renewal_that_does_not_fit_is_refused_and_changes_nothing(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let [plan, too_large, in_use] = [3, 4, 2].map(|licenses| customer.plan(licenses));
    plan.assign(&customer.emails("learner", 3)).expect(200);
    in_use.assign(&[customer.email("kim")]).expect(200);
    let taken = operator.get(&format!("{PROVISIONING}/subscriptions/{}/", in_use.uuid)).expect(200)["title"].clone();
    let titled = with(request(&plan, 3), "renewed_plan_title", taken);
    let errors = operator.post(RENEWALS, &titled).expect(400);
    assert!(errors["renewed_plan_title"][0].is_string() && errors.as_object().unwrap().len() == 1, "{errors}");

    for body in [
        request(&plan, 2),
        with(request(&plan, 3), "renewed_subscription_plan", too_large.uuid.clone()),
        with(request(&plan, 3), "renewed_subscription_plan", in_use.uuid.clone()),
    ] {
        let counts = || [&plan, &too_large, &in_use].map(Plan::counts);
        let renewal = schedule(&operator, &body);
        let before = (counts(), operator.get(&renewal).expect(200));
        let refused = process(&operator, &renewal).expect(422);
        assert!(refused["error"].as_str().is_some_and(|why| !why.is_empty()), "{refused}");
        assert_eq!((counts(), operator.get(&renewal).expect(200)), before);
        operator.send(Request::new("DELETE", &renewal)).expect(204);
    }
    let plans = format!("{PROVISIONING}/subscriptions/?enterprise_customer_uuid={}", customer.enterprise);
    assert_eq!(operator.get(&plans).expect(200)["count"], 3);
}

fn a_conflicting_renewal_is_shown(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let [plan, follower, other] = [1, 2, 3].map(|licenses| customer.plan(licenses));
    let to = |plan: &Plan, follower: &Plan| with(request(plan, 1), "renewed_subscription_plan", follower.uuid.clone());
    let renewal = operator.post(RENEWALS, &to(&plan, &follower)).expect(201);

    assert_eq!(operator.post(RENEWALS, &request(&plan, 1)).expect(422), renewal, "the prior plan is taken");
    assert_eq!(operator.post(RENEWALS, &to(&other, &follower)).expect(422), renewal, "the renewed one is");
    assert_eq!(operator.post(RENEWALS, &to(&plan, &follower)).expect(200), renewal);

    let second = schedule(&operator, &request(&other, 1));
    let into_the_way = json!({ "renewed_subscription_plan": follower.uuid });
    assert_eq!(operator.patch(&second, &into_the_way).expect(422), renewal);
    let before = operator.get(&second).expect(200);
    assert_eq!(before["renewed_subscription_plan"], Value::Null);
}

fn a_processed_renewal_is_not_edited(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let renewal = schedule(&operator, &request(&customer.plan(1), 1));

    let edit = json!({ "renewed_plan_title": "Second year", "license_types_to_copy": "nothing" });
    operator.patch(&renewal, &edit).expect(200);
    let processed = process(&operator, &renewal).expect(201);
    assert_eq!(processed["renewed_subscription_plan_title"], "Second year");

    operator.patch(&renewal, &json!({ "number_of_licenses": 5 })).expect(422);
    assert_eq!(operator.get(&renewal).expect(200), processed);
    let uuid = &processed["renewed_subscription_plan"];
    operator.send(Request::new("DELETE", &renewal)).expect(204);
    operator.get(&format!("{PROVISIONING}/subscriptions/{}/", uuid.as_str().unwrap())).expect(200);
}

fn a_renewal_is_put_in_part_and_fixed_fields_are_refused(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let renewal = schedule(&operator, &with(request(&customer.plan(1), 1), "renewed_plan_title", "  "));
    let before = operator.get(&renewal).expect(200);
    assert_eq!(before["renewed_plan_title"], Value::Null, "a blank title is the usual one");

    let put = |body: &Value| operator.send(Request::new("PUT", &renewal).json(body));
    let edited = put(&json!({ "renewed_plan_title": "Second year" })).expect(200);
    assert_eq!(edited["renewed_plan_title"], "Second year");
    assert_eq!(edited["number_of_licenses"], before["number_of_licenses"], "what is absent stays");
    assert_eq!(put(&json!({ "renewed_plan_title": "" })).expect(200)["renewed_plan_title"], Value::Null);

    for field in [
        "id",
        "created",
        "modified",
        "prior_subscription_plan_title",
        "renewed_subscription_plan_title",
        "processed",
        "processed_datetime",
        "enterprise_customer_uuid",
    ] {
        for value in [before[field].clone(), Value::Null] {
            let body = with(json!({ "number_of_licenses": 5 }), field, value);
            let errors = put(&body).expect(400);
            assert!(errors[field][0].is_string(), "{field}: {errors}");
            assert_eq!(operator.patch(&renewal, &body).expect(400), errors);
        }
    }
    put(&json!({ "prior_subscription_plan": before["prior_subscription_plan"] })).expect(400);
    assert_eq!(operator.get(&renewal).expect(200)["number_of_licenses"], 1);
}

fn a_processed_renewal_follows_its_prior_plan(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let plan = customer.plan(10);
    let people = customer.emails("learner", 2);
    plan.assign(&people).expect(200);
    let renewal = schedule(&operator, &request(&plan, 3));
    let processed = process(&operator, &renewal).expect(201);
    assert_eq!(processed.get("num_not_carried_over"), None);
    let renewed = renewed_plan(&customer, &server, &processed);

    let assigned = plan.assign(&customer.emails("late", 3)).expect(200);
    assert_eq!((&assigned["num_successful_assignments"], &assigned["num_not_carried_over"]), (&json!(3), &json!(2)));
    assert_eq!(operator.get(&renewal).expect(200)["num_not_carried_over"], 2);
    let listed = operator.get(&format!("{RENEWALS}?prior_subscription_plan={}", plan.uuid)).expect(200);
    assert_eq!(listed["results"][0]["num_not_carried_over"], 2);

    plan.admin.post(&plan.path("licenses/bulk-revoke/"), &json!({ "user_emails": people })).expect(200);
    assert_eq!(renewed.counts(), Counts { unassigned: 0, assigned: 3, activated: 0, revoked: 2, total: 3 });
    let holders = |plan: &Plan| -> BTreeSet<_> {
        plan.licenses("assigned").iter().map(|license| license["user_email"].to_string()).collect()
    };
    assert_eq!(holders(&renewed), holders(&plan));
    assert_eq!(operator.get(&renewal).expect(200).get("num_not_carried_over"), None, "nobody waits");
    let answer = plan.assign(&customer.emails("late", 1)).expect(200);
    assert_eq!(answer.get("num_not_carried_over"), None, "the key is there only if there is something to tell");
}

fn renewals_are_listed_the_latest_first_and_filtered(database: Database) {
    let server = Server::start(database.url());
    let (customer, other_customer) = (Customer::new(&server), Customer::new(&server));
    let operator = customer.operator();
    let [first, second] = [1, 1].map(|licenses| customer.plan(licenses));
    let elsewhere = other_customer.plan(1);
    let late = operator.post(RENEWALS, &request(&first, 1)).expect(201);
    let early = with(request(&second, 1), "effective_date", "2029-01-01");
    let early = operator.post(RENEWALS, &early).expect(201);
    let other = operator.post(RENEWALS, &with(request(&elsewhere, 1), "effective_date", "2028-01-01")).expect(201);
    let processed = process(&operator, &format!("{RENEWALS}{}/", early["id"])).expect(201);

    let listed = |query: &str| operator.get(&format!("{RENEWALS}?{query}")).expect(200)["results"].clone();
    assert_eq!(listed(""), json!([late, processed, other]));
    assert_eq!(listed("page_size=1&page=2"), json!([processed]));
    assert_eq!(listed(&format!("enterprise_customer_uuid={}", other_customer.enterprise)), json!([other]));
    assert_eq!(listed(&format!("prior_subscription_plan={}", first.uuid)), json!([late]));
    let follower = processed["renewed_subscription_plan"].as_str().unwrap();
    assert_eq!(listed(&format!("renewed_subscription_plan={follower}")), json!([processed]));
    assert_eq!(listed("processed=true"), json!([processed]));
    assert_eq!(listed("processed=false"), json!([late, other]));
    let sold = json!({ "salesforce_opportunity_id": "00k000000000000009" });
    let sold = operator.patch(&format!("{RENEWALS}{}/", other["id"]), &sold).expect(200);
    assert_eq!(listed("salesforce_opportunity_id=00k000000000000009"), json!([sold]));
    assert_eq!(listed("salesforce_opportunity_id=00k00000000000000"), json!([]));
    assert_detail(operator.get(&format!("{RENEWALS}?prior_subscription_plan=plan")), 400, "a filter that is no UUID");
    assert_detail(operator.get(&format!("{RENEWALS}?page=9")), 404, "a page that is not there");
}

fn an_invalid_renewal_is_refused_field_by_field(database: Database) {
    let server = Server::start(database.url());
    let (customer, other_customer) = (Customer::new(&server), Customer::new(&server));
    let operator = customer.operator();
    let (plan, elsewhere) = (customer.plan(1), other_customer.plan(1));
    let unknown = "00000000-0000-4000-8000-000000000000";

    for (field, value, named) in [
        ("prior_subscription_plan", json!(unknown), "prior_subscription_plan"),
        ("prior_subscription_plan", json!("plan"), "prior_subscription_plan"),
        ("renewed_subscription_plan", json!(unknown), "renewed_subscription_plan"),
        ("renewed_subscription_plan", json!(elsewhere.uuid), "non_field_errors"),
        ("renewed_subscription_plan", json!(plan.uuid), "non_field_errors"),
        ("number_of_licenses", json!(-1), "number_of_licenses"),
        ("number_of_licenses", json!(1_000_001), "number_of_licenses"),
        ("number_of_licenses", json!(9_999_999_999_i64), "number_of_licenses"),
        ("effective_date", json!("2019-12-31"), "non_field_errors"),
        ("effective_date", json!("soon"), "effective_date"),
        ("renewed_expiration_date", json!("2030-01-01"), "non_field_errors"),
        ("salesforce_opportunity_id", json!("00k"), "salesforce_opportunity_id"),
        ("renewed_plan_title", json!("x".repeat(129)), "renewed_plan_title"),
        ("license_types_to_copy", json!("all"), "license_types_to_copy"),
        ("exempt_from_batch_processing", json!("perhaps"), "exempt_from_batch_processing"),
    ] {
        let errors = operator.post(RENEWALS, &with(request(&plan, 1), field, value.clone())).expect(400);
        let keys: Vec<_> = errors.as_object().expect("errors by field").keys().collect();
        assert_eq!(keys, [named], "{field} {value}: {errors}");
    }
    assert_eq!(operator.get(RENEWALS).expect(200)["count"], 0);
    let renewal = schedule(&operator, &request(&plan, 1));
    for edit in [json!({ "number_of_licenses": null }), json!({ "effective_date": "2031-01-01" }), json!([])] {
        operator.patch(&renewal, &edit).expect(400);
    }
    for missing in ["4711", "0", "-1", "plan", "99999999999999999999"] {
        assert_detail(operator.get(&format!("{RENEWALS}{missing}/")), 404, missing);
        assert_detail(process(&operator, &format!("{RENEWALS}{missing}/")), 404, missing);
    }
}

fn only_provisioning_admins_see_renewals(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let renewal = schedule(&customer.operator(), &request(&customer.plan(1), 1));
    let process = format!("{renewal}process/");
    let requests = [
        ("GET", RENEWALS),
        ("POST", RENEWALS),
        ("GET", &renewal),
        ("PATCH", &renewal),
        ("PUT", &renewal),
        ("DELETE", &renewal),
        ("POST", &process),
    ];
    let one_customer =
        customer.person(5, "half").role(format!("enterprise_provisioning_admin:{}", customer.enterprise));
    for (method, path) in requests {
        assert_detail(server.anonymous().send(Request::new(method, path)), 401, path);
        for person in [customer.admin(), one_customer.clone()] {
            assert_detail(server.client(&person).send(Request::new(method, path)), 403, path);
        }
    }
    assert_detail(customer.operator().send(Request::new("POST", &renewal)), 405, "POST");
    assert_eq!(customer.operator().get(&renewal).expect(200)["processed"], false);
}

fn a_renewal_has_a_history(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(3);
    let operator = customer.operator();
    let renewal = schedule(&operator, &request(&plan, 5));
    process(&operator, &renewal).expect(201);

    let told = operator.get(&format!("{renewal}history/")).expect(200)["results"].clone();
    assert_eq!(told[0]["changes"]["processed"], json!({ "from": false, "to": true }));
    assert_eq!((&told[0]["history_type"], &told[1]["history_type"]), (&json!("~"), &json!("+")));
    assert_eq!(told[1]["changes"]["number_of_licenses"], json!({ "from": null, "to": 5 }));
    let scheduled = told[1]["history_date"].as_str().unwrap();
    let then = operator.get(&format!("{renewal}history/?as_of={scheduled}")).expect(200);
    assert_eq!(then["record"]["processed"], json!(false));
    plan.admin.get(&format!("{renewal}history/")).expect(403);
    operator.get(&format!("{RENEWALS}999999999/history/")).expect(404);
}
