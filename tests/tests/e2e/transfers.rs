//! Transfer jobs: dry runs, runs, undoing, and concurrent requests.

use std::collections::BTreeSet;

use license_manager_tests::{
    Client, Counts, Customer, Database, Plan, Request, Response, Server, assert_detail, at_once, on_both_databases,
};
use serde_json::{Value, json};

on_both_databases!(
    a_transfer_is_run_after_a_dry_run_and_undone,
    a_transfer_is_run_once_by_sixteen_at_once,
    every_license_moves_if_none_is_named,
    licenses_are_named_in_a_list_or_in_a_text,
    a_transfer_that_gives_somebody_two_licenses_is_refused_as_a_whole,
    learners_come_and_go_while_their_licenses_move,
    an_invalid_transfer_is_refused_field_by_field,
    a_transfer_job_is_edited,
    transfer_jobs_are_listed_the_latest_first_and_filtered,
    only_provisioning_admins_see_transfer_jobs,
);

const CLIENTS: usize = 16;
const JOBS: &str = "/api/v1/provisioning-admins/license-transfer-jobs/";

/// A plan whose licenses are all assigned, and their ids.
fn full_plan(customer: &Customer, name: &str, licenses: usize) -> (Plan, Vec<String>) {
    let plan = customer.plan(licenses.try_into().unwrap());
    plan.assign(&customer.emails(name, licenses)).expect(200);
    let mut uuids = uuids(&plan);
    uuids.sort();
    (plan, uuids)
}

fn uuids(plan: &Plan) -> Vec<String> {
    plan.licenses("assigned,activated").iter().map(|license| license["uuid"].as_str().unwrap().to_owned()).collect()
}

fn order(customer: &Customer, old: &Plan, new: &Plan) -> Value {
    json!({
        "customer_agreement": customer.agreement,
        "old_subscription_plan": old.uuid,
        "new_subscription_plan": new.uuid,
    })
}

fn with(mut order: Value, field: &str, value: impl Into<Value>) -> Value {
    order[field] = value.into();
    order
}

/// Creates a job and returns its path.
fn create(operator: &Client, order: &Value) -> String {
    let job = operator.post(JOBS, order).expect(201);
    format!("{JOBS}{}/", job["id"])
}

fn process(operator: &Client, job: &str) -> Response {
    operator.send(Request::new("POST", format!("{job}process/")))
}

fn counts(assigned: u64, unassigned: u64) -> Counts {
    Counts { unassigned, assigned, activated: 0, revoked: 0, total: assigned + unassigned }
}

fn a_transfer_is_run_after_a_dry_run_and_undone(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let (old, licenses) = full_plan(&customer, "learner", 5);
    let new = customer.plan(2);
    let dry = with(order(&customer, &old, &new), "license_uuids", &licenses[..3]);
    let dry = with(with(dry, "is_dry_run", true), "notes", "Merging two teams");
    let made = operator.post(JOBS, &dry).expect(201);
    assert_eq!(made["processed_results"], json!([]));
    assert_eq!((&made["notes"], &made["is_dry_run"]), (&json!("Merging two teams"), &json!(true)));
    let job = format!("{JOBS}{}/", made["id"]);

    let told = process(&operator, &job).expect(200);
    assert_eq!(told["processed_results"][0]["modified_licenses"], json!(licenses[..3]));
    assert_eq!(told["processed_results"][0]["is_dry_run"], true);
    assert_eq!(told["completed_at"], Value::Null);
    assert_eq!((old.counts(), new.counts()), (counts(5, 0), counts(0, 2)));

    let moved = operator.post(&format!("{job}process/"), &json!({ "is_dry_run": false })).expect(200);
    assert_eq!(moved["processed_results"][0], told["processed_results"][0]);
    assert_eq!(moved["processed_results"][1]["is_dry_run"], false);
    assert_eq!(moved["processed_results"][1]["modified_licenses"], json!(licenses[..3]));
    assert_eq!(moved["processed_results"][1]["completed_at"], moved["completed_at"]);
    assert_eq!((old.counts(), new.counts()), (counts(2, 0), counts(3, 2)));
    assert_eq!(uuids(&new).into_iter().collect::<BTreeSet<_>>(), licenses[..3].iter().cloned().collect());
    assert_eq!(process(&operator, &job).expect(200), moved, "what is done is done");
    assert_eq!(operator.get(&job).expect(200), moved);

    let back = with(order(&customer, &new, &old), "license_uuids", &licenses[..3]);
    process(&operator, &create(&operator, &back)).expect(200);
    assert_eq!((old.counts(), new.counts()), (counts(5, 0), counts(0, 2)));
    assert_eq!(uuids(&old).into_iter().collect::<BTreeSet<_>>(), licenses.into_iter().collect());
}

fn a_transfer_is_run_once_by_sixteen_at_once(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let (old, licenses) = full_plan(&customer, "learner", 50);
    let new = customer.plan(1);
    let job = create(&operator, &with(order(&customer, &old, &new), "license_uuids", licenses));

    let answers = at_once(CLIENTS, |_| process(&operator, &job).expect(200));

    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(answers[0]["processed_results"].as_array().map(Vec::len), Some(1));
    assert_eq!((old.counts(), new.counts()), (counts(0, 0), counts(50, 1)));
}

fn every_license_moves_if_none_is_named(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let old = customer.plan(5_000);
    old.assign(&customer.emails("learner", 4_000)).expect(200);
    old.admin
        .post(&old.path("licenses/bulk-revoke/"), &json!({ "user_emails": customer.emails("learner", 10) }))
        .expect(200);
    let new = customer.plan(1);
    let job = create(&operator, &with(order(&customer, &old, &new), "transfer_all", true));

    let moved = process(&operator, &job).expect(200);

    assert_eq!(moved["processed_results"][0]["modified_licenses"].as_array().map(Vec::len), Some(5_010));
    assert_eq!((&moved["transfer_all"], &moved["license_uuids"]), (&json!(true), &json!([])));
    assert_eq!(old.counts(), counts(0, 0));
    assert_eq!(new.counts(), Counts { revoked: 10, ..counts(3_990, 1_011) });
}

fn licenses_are_named_in_a_list_or_in_a_text(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let (old, licenses) = full_plan(&customer, "learner", 3);
    let new = customer.plan(0);
    let named = |order: Value| operator.post(JOBS, &order).expect(201)["license_uuids"].clone();
    let base = || order(&customer, &old, &new);
    let twice = [&licenses[..], &licenses[..1]].concat();
    assert_eq!(named(with(base(), "license_uuids", twice)), json!(licenses));
    for (delimiter, between) in [(None, "\n"), (Some("newline"), "\r\n"), (Some("comma"), ", "), (Some("pipe"), "|")] {
        let raw = format!("{}{between}{between}", licenses.join(between));
        let order = with(base(), "license_uuids_raw", raw);
        let order = match delimiter {
            Some(delimiter) => with(order, "delimiter", delimiter),
            None => order,
        };
        assert_eq!(named(order), json!(licenses), "{delimiter:?}");
    }
}

fn a_transfer_that_gives_somebody_two_licenses_is_refused_as_a_whole(database: Database) {
    let mut server = Server::start(database.url());
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let (old, licenses) = full_plan(&customer, "learner", 4);
    let new = customer.plan(3);
    let people = customer.emails("learner", 2);
    new.assign(&people).expect(200);

    for is_dry_run in [true, false] {
        let order = with(order(&customer, &old, &new), "license_uuids", &licenses[..]);
        let job = create(&operator, &with(order, "is_dry_run", is_dry_run));
        let refused = process(&operator, &job).expect(422);
        assert!(refused["detail"].as_str().is_some_and(|why| !why.is_empty()), "{refused}");
        let named: BTreeSet<_> = refused["licenses"]
            .as_array()
            .unwrap()
            .iter()
            .map(|held| {
                assert!(licenses.contains(&held["license_uuid"].as_str().unwrap().to_owned()), "{held}");
                held["user_email"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(named, people.iter().cloned().collect());
        assert_eq!((old.counts(), new.counts()), (counts(4, 0), counts(2, 1)));
        assert_eq!(operator.get(&job).expect(200)["processed_results"], json!([]));
    }
    server.stop_with_sigterm();
    assert!(!server.log().contains("@"), "somebody's address is in the log");
}

fn learners_come_and_go_while_their_licenses_move(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let (old, _) = full_plan(&customer, "learner", 100);
    let new = customer.plan(100);
    let people = customer.emails("learner", 100);
    let job = create(&operator, &with(order(&customer, &old, &new), "transfer_all", true));

    at_once(CLIENTS, |client| match client % 4 {
        0 => {
            process(&operator, &job).expect(200);
        }
        1 => {
            new.assign(&customer.emails(&format!("late-{client}"), 5)).expect(200);
        }
        _ => {
            let emails = &people[client * 5..client * 5 + 5];
            let answer = old.admin.post(&old.path("licenses/bulk-revoke/"), &json!({ "user_emails": emails }));
            assert!([200, 404].contains(&answer.status), "taken back here, or moved before: {answer:?}");
        }
    });

    let holders: Vec<_> = new.licenses("assigned").iter().map(|license| license["user_email"].to_string()).collect();
    assert_eq!(holders.iter().collect::<BTreeSet<_>>().len(), holders.len(), "somebody holds two licenses");
    let (old, new) = (old.counts(), new.counts());
    assert_eq!((old.assigned, old.total + new.total), (0, 200), "none was lost");
    assert_eq!(new.assigned + new.revoked + old.revoked, 120);
}

fn an_invalid_transfer_is_refused_field_by_field(database: Database) {
    let server = Server::start(database.url());
    let (customer, other_customer) = (Customer::new(&server), Customer::new(&server));
    let operator = customer.operator();
    let (old, new, elsewhere) = (customer.plan(1), customer.plan(1), other_customer.plan(1));
    let unknown = "00000000-0000-4000-8000-000000000000";
    let good = with(order(&customer, &old, &new), "license_uuids", vec![unknown]);
    let without = |field: &str| {
        let mut order = good.clone();
        order.as_object_mut().unwrap().remove(field);
        order
    };
    let raw = |raw: &str| with(without("license_uuids"), "license_uuids_raw", raw);

    for (order, named) in [
        (without("customer_agreement"), "customer_agreement"),
        (without("old_subscription_plan"), "old_subscription_plan"),
        (without("new_subscription_plan"), "new_subscription_plan"),
        (without("license_uuids"), "license_uuids"),
        (with(good.clone(), "license_uuids", json!([])), "license_uuids"),
        (with(good.clone(), "license_uuids", json!("all")), "license_uuids"),
        (raw(" \n "), "license_uuids"),
        (raw("license"), "license_uuids_raw"),
        (raw(&format!("{unknown},{unknown}")), "license_uuids_raw"),
        (with(good.clone(), "license_uuids_raw", unknown), "license_uuids_raw"),
        (with(good.clone(), "transfer_all", true), "transfer_all"),
        (with(raw(unknown), "delimiter", ";"), "delimiter"),
        (with(good.clone(), "is_dry_run", "perhaps"), "is_dry_run"),
        (with(good.clone(), "customer_agreement", unknown), "customer_agreement"),
        (with(good.clone(), "old_subscription_plan", unknown), "old_subscription_plan"),
        (with(good.clone(), "new_subscription_plan", unknown), "new_subscription_plan"),
        (with(good.clone(), "new_subscription_plan", elsewhere.uuid.clone()), "new_subscription_plan"),
        (with(good.clone(), "old_subscription_plan", elsewhere.uuid.clone()), "old_subscription_plan"),
        (with(good.clone(), "new_subscription_plan", old.uuid.clone()), "new_subscription_plan"),
        (with(good.clone(), "notes", "x".repeat(10_001)), "notes"),
    ] {
        let errors = operator.post(JOBS, &order).expect(400);
        let keys: Vec<_> = errors.as_object().expect("errors by field").keys().collect();
        assert_eq!(keys, [named], "{order}: {errors}");
    }
    let errors = operator.post(JOBS, &with(good.clone(), "license_uuids", json!([unknown, "no", 5]))).expect(400);
    let items: Vec<_> = errors["license_uuids"].as_object().expect("errors by index").keys().collect();
    assert_eq!(items, ["1", "2"]);
    assert_eq!(operator.get(JOBS).expect(200)["count"], 0);

    let job = create(&operator, &good);
    operator.post(&format!("{job}process/"), &json!({ "is_dry_run": "perhaps" })).expect(400);
    for missing in ["4711", "0", "-1", "job", "99999999999999999999"] {
        assert_detail(operator.get(&format!("{JOBS}{missing}/")), 404, missing);
        assert_detail(process(&operator, &format!("{JOBS}{missing}/")), 404, missing);
    }
}

fn transfer_jobs_are_listed_the_latest_first_and_filtered(database: Database) {
    let server = Server::start(database.url());
    let (customer, other_customer) = (Customer::new(&server), Customer::new(&server));
    let operator = customer.operator();
    let (one, two) = (customer.plan(1), customer.plan(1));
    let all = |customer: &Customer, old: &Plan, new: &Plan| {
        operator.post(JOBS, &with(order(customer, old, new), "transfer_all", true)).expect(201)["id"].clone()
    };
    let there = all(&customer, &one, &two);
    let back = all(&customer, &two, &one);
    let elsewhere = all(&other_customer, &other_customer.plan(1), &other_customer.plan(1));
    process(&operator, &format!("{JOBS}{there}/")).expect(200);

    let listed = |query: &str| {
        let page = operator.get(&format!("{JOBS}?{query}")).expect(200);
        let jobs = page["results"].as_array().unwrap();
        assert!(jobs.iter().all(|job| job.get("license_uuids").is_none()), "{jobs:?}");
        Value::Array(jobs.iter().map(|job| job["id"].clone()).collect())
    };
    assert_eq!(listed(""), json!([elsewhere, back, there]));
    assert_eq!(listed("page_size=1&page=2"), json!([back]));
    assert_eq!(listed(&format!("enterprise_customer_uuid={}", other_customer.enterprise)), json!([elsewhere]));
    assert_eq!(listed(&format!("customer_agreement={}", customer.agreement)), json!([back, there]));
    assert_eq!(listed(&format!("old_subscription_plan={}", one.uuid)), json!([there]));
    assert_eq!(listed(&format!("new_subscription_plan={}", one.uuid)), json!([back]));
    assert_eq!(listed("completed=true"), json!([there]));
    assert_eq!(listed("completed=false"), json!([elsewhere, back]));
    assert_detail(operator.get(&format!("{JOBS}?customer_agreement=any")), 400, "a filter that is no UUID");
}

fn only_provisioning_admins_see_transfer_jobs(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let (old, new) = (customer.plan(2), customer.plan(1));
    let job = create(&customer.operator(), &with(order(&customer, &old, &new), "transfer_all", true));
    let process = format!("{job}process/");
    for (method, path) in [("GET", JOBS), ("POST", JOBS), ("GET", &job), ("POST", &process)] {
        assert_detail(server.anonymous().send(Request::new(method, path)), 401, path);
        assert_detail(server.client(&customer.admin()).send(Request::new(method, path)), 403, path);
    }
    assert_detail(customer.operator().send(Request::new("PUT", &job)), 405, "PUT");
    assert_eq!(old.counts(), counts(0, 2));
}

fn a_transfer_job_is_edited(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let [plan, other] = [customer.plan(3), customer.plan(2)];
    let operator = customer.operator();
    let order = json!({
        "customer_agreement": customer.agreement,
        "old_subscription_plan": other.uuid,
        "new_subscription_plan": plan.uuid,
        "license_uuids": [plan.licenses("unassigned")[0]["uuid"]],
    });
    let job = operator.post(JOBS, &order).expect(201);
    let path = format!("{JOBS}{}/", job["id"]);
    let edit = json!({
        "old_subscription_plan": plan.uuid,
        "new_subscription_plan": other.uuid,
        "transfer_all": true,
        "notes": "Ours",
        "change_reason": "The other way round",
    });
    let edited = operator.patch(&path, &edit).expect(200);
    assert_eq!((&edited["old_subscription_plan"], &edited["transfer_all"]), (&json!(plan.uuid), &json!(true)));
    assert_eq!((&edited["license_uuids"], &edited["notes"]), (&json!([]), &json!("Ours")));
    assert_eq!(operator.get(&path).expect(200), edited);
    let last = operator.get(&format!("{path}history/")).expect(200)["results"][0].clone();
    assert_eq!(last["history_change_reason"], "The other way round");
    assert_eq!(last["changes"]["notes"], json!({ "from": null, "to": "Ours" }));
    for (edit, field) in [
        (json!({ "transfer_all": false }), "license_uuids"),
        (json!({ "transfer_all": true, "license_uuids_raw": plan.uuid }), "transfer_all"),
        (json!({ "license_uuids_raw": "x" }), "license_uuids_raw"),
        (json!({ "new_subscription_plan": plan.uuid }), "new_subscription_plan"),
        (json!({ "completed_at": null }), "completed_at"),
    ] {
        assert!(operator.patch(&path, &edit).expect(400)[field].is_array(), "{edit}");
    }
    assert_eq!(plan.admin.patch(&path, &edit).status, 403);
    operator.post(&format!("{path}process/"), &json!({})).expect(200);
    let refused = operator.patch(&path, &edit).expect(400);
    let mut fields: Vec<&str> = refused.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["new_subscription_plan", "old_subscription_plan", "transfer_all"]);
    assert_eq!(operator.patch(&path, &json!({ "notes": "Done" })).expect(200)["notes"], "Done");
}
