//! What was made by mistake is deleted by staff, one or many at once, with a reason.

use license_manager_tests::{
    Client, Customer, Database, PROVISIONING, Request, Response, Scene, Server, on_both_databases,
};
use serde_json::{Value, json};

on_both_databases!(
    what_was_made_by_mistake_is_deleted_with_a_reason,
    many_records_are_counted_and_deleted,
    a_deletion_needs_a_reason,
);

fn at(below: &str) -> String {
    format!("{PROVISIONING}/{below}")
}

fn delete(client: &Client, path: &str) -> u16 {
    client.send(Request::new("DELETE", path)).status
}

/// Deletes with a reason.
pub fn erase(client: &Client, path: &str) -> Response {
    client.send(Request::new("DELETE", path).json(&json!({ "change_reason": "Made by mistake" })))
}

fn ids_of(page: &Value) -> Vec<Value> {
    page["results"].as_array().unwrap().iter().map(|result| result["id"].clone()).collect()
}

/// The reasons of the deletions in a table's history.
pub fn reasons(database: &Database, table: &str) -> Vec<String> {
    database.texts(&format!(
        "SELECT history_change_reason AS text FROM {table}_history WHERE history_type = '-' ORDER BY history_id"
    ))
}

fn what_was_made_by_mistake_is_deleted_with_a_reason(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let staff = server.client(&customer.person(5, "staff").claim("administrator", json!(true)));
    let [plan, other, used] = [customer.plan(3), customer.plan(2), customer.plan(1)];
    used.assign(&[customer.email("amy")]).expect(200);
    let order = json!({
        "customer_agreement": customer.agreement,
        "old_subscription_plan": plan.uuid,
        "new_subscription_plan": other.uuid,
        "transfer_all": true,
    });
    let job = customer.operator().post(&at("license-transfer-jobs/"), &order).expect(201);
    let [agreement, job] =
        [format!("customer-agreement/{}/", customer.agreement), format!("license-transfer-jobs/{}/", job["id"])]
            .map(|below| at(&below));
    let of = |plan: &license_manager_tests::Plan| at(&format!("subscriptions/{}/", plan.uuid));
    for (path, why) in
        [(&agreement, "an agreement with plans"), (&of(&used), "a plan in use"), (&of(&plan), "a plan with a job")]
    {
        let refused = erase(&staff, path);
        assert_eq!(refused.status, 422, "{why}: {}", refused.body);
    }
    assert!(erase(&staff, &of(&used)).body["error"].is_string());
    for path in [&job, &of(&plan), &of(&other)] {
        erase(&staff, path).expect(204);
        erase(&staff, path).expect(404);
    }
    assert_eq!(plan.admin.get(&plan.path("")).status, 403, "it is gone");
    let changes = staff.get(&plan.path("history/")).expect(200);
    let last = &changes["results"][0];
    assert_eq!((&last["history_type"], &last["history_user"]), (&json!("-"), &json!(staff_name(&customer))));
    assert_eq!(last["history_change_reason"], "Made by mistake");
    assert_eq!(reasons(&database, "license"), ["Made by mistake"; 5]);
    let changes = staff.get(&format!("{job}history/")).expect(200);
    let told: Vec<_> = changes["results"].as_array().unwrap().iter().map(|change| &change["history_type"]).collect();
    assert_eq!(told, ["-", "+"]);
    assert_eq!(changes["results"][0]["history_change_reason"], "Made by mistake");

    let empty = Customer::new(&server);
    let path = at(&format!("customer-agreement/{}/", empty.agreement));
    erase(&staff, &path).expect(204);
    erase(&staff, &path).expect(404);
    let history = format!("/api/v1/customer-agreement/{}/history/", empty.agreement);
    assert_eq!(staff.get(&history).expect(200)["results"][0]["history_change_reason"], "Made by mistake");
}

fn staff_name(customer: &Customer) -> String {
    customer.person(5, "staff").username().to_owned()
}

fn many_records_are_counted_and_deleted(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let (plan, operator) = (customer.plan(4), customer.operator());
    let moment = if database.url().starts_with("sqlite:") { "1700000000000000" } else { "to_timestamp(1700000000)" };
    for license in plan.licenses("unassigned") {
        for name in ["unlinked", "old"] {
            let license = license["uuid"].as_str().unwrap();
            database.execute(&format!(
                "INSERT INTO license_event (license_uuid, event_name, created) VALUES ('{license}', '{name}', {moment})"
            ));
        }
    }
    for admin in 1..=3 {
        database.execute(&format!(
            "INSERT INTO notification (enterprise_customer_uuid, enterprise_customer_user_id, subscription_plan_uuid,
                                       notification_type, last_sent, created, modified)
             VALUES ('{}', {admin}, '{}', 'no_allocations_remaining', {moment}, {moment}, {moment})",
            customer.enterprise, plan.uuid
        ));
    }
    let (events, notifications) = (at("license-events/"), at("notifications/"));
    let bulk = |path: &str, body: &Value| operator.send(Request::new("DELETE", path).json(body));
    let reason = json!({ "change_reason": "Made by mistake" });
    let with = |field: &str, value: Value| {
        let mut body = reason.clone();
        body[field] = value;
        body
    };
    for path in [&events, &notifications] {
        assert!(bulk(path, &reason).expect(400)["ids"].is_array(), "{path}: everything is never meant");
        assert!(bulk(path, &json!({ "ids": [1] })).expect(400)["change_reason"].is_array(), "{path}");
        assert!(bulk(path, &with("ids", json!([]))).expect(400)["ids"].is_array(), "{path}");
        assert!(bulk(path, &with("id", json!(1))).expect(400)["id"].is_array(), "{path}");
        assert_eq!(plan.admin.send(Request::new("DELETE", path).json(&reason)).status, 403, "{path}");
    }
    let old = format!("{events}?event_name=old");
    let counted = bulk(&old, &with("is_dry_run", json!(true))).expect(200);
    assert_eq!(counted, json!({ "num_deleted": 4, "is_dry_run": true }));
    assert_eq!(operator.get(&old).expect(200)["count"], 4);
    assert_eq!(bulk(&old, &reason).expect(200), json!({ "num_deleted": 4, "is_dry_run": false }));
    let left = operator.get(&events).expect(200);
    assert_eq!(left["count"], 4);
    let ids: Vec<_> = ids_of(&left).into_iter().take(2).collect();
    let named = with("ids", json!([ids[0], ids[1], 999_999]));
    assert_eq!(bulk(&events, &named).expect(200)["num_deleted"], 2);
    assert_eq!(reasons(&database, "license_event"), ["Made by mistake"; 6]);
    let changes = operator.get(&format!("{events}{}/history/", ids[0])).expect(200);
    assert_eq!(changes["results"][0]["history_change_reason"], "Made by mistake");
    operator.get(&format!("{events}999999/history/")).expect(404);

    let of_plan = format!("{notifications}?subscription_plan_uuid={}", plan.uuid);
    let ids = ids_of(&operator.get(&of_plan).expect(200));
    assert_eq!(bulk(&of_plan, &with("ids", json!([ids[0]]))).expect(200)["num_deleted"], 1);
    assert_eq!(bulk(&of_plan, &reason).expect(200)["num_deleted"], 2);
    let changes = operator.get(&format!("{notifications}{}/history/", ids[0])).expect(200);
    assert_eq!(changes["results"][0]["history_change_reason"], "Made by mistake");
    assert_eq!(plan.admin.get(&format!("{notifications}{}/history/", ids[0])).status, 403);
}

fn a_deletion_needs_a_reason(database: Database) {
    let scene = Scene::new(database);
    let plan = scene.customer.plan(1);
    let operator = scene.customer.operator();
    for below in ["license-transfer-jobs/1/", "notifications/1/", "license-events/1/"] {
        let send = |body: Value| operator.send(Request::new("DELETE", at(below)).json(&body));
        assert_eq!(delete(&operator, &at(below)), 400, "{below}");
        for body in [json!({}), json!({ "change_reason": " " }), json!({ "change_reason": null })] {
            assert!(send(body).expect(400)["change_reason"].is_array(), "{below}");
        }
        assert_eq!(scene.plan.admin.send(Request::new("DELETE", at(below))).status, 403, "{below}");
    }
    let path = at(&format!("subscriptions/{}/", plan.uuid));
    let told = operator.send(Request::new("DELETE", &path)).expect(400);
    assert!(told["error"]["change_reason"].is_array(), "{told}");
    assert_eq!(erase(&plan.admin, &path).status, 403);
    assert_eq!(erase(&plan.admin, &at(&format!("customer-agreement/{}/", scene.customer.agreement))).status, 403);
    operator.get(&path).expect(200);
}
