//! Records that staff maintain and look up: license corrections, products, roles, notifications, license events.

// These tests run outside of the service, with real ids.
#![allow(clippy::disallowed_methods)]

use diesel::{Connection, PgConnection, RunQueryDsl, SqliteConnection, sql_query};
use license_manager_tests::{
    Answer, Client, Customer, Database, PROVISIONING, Request, Scene, Server, on_both_databases,
};
use serde_json::{Value, json};

on_both_databases!(
    a_license_is_corrected,
    impossible_transitions_of_a_license_are_refused,
    an_invalid_correction_of_a_license_is_refused,
    products_are_kept,
    plan_types_are_kept,
    a_role_admits_its_user_until_it_is_removed,
    notifications_are_looked_up,
    license_events_are_looked_up,
    dates_and_the_source_of_a_license_are_edited,
    a_license_is_added_to_a_plan,
    what_was_made_by_mistake_is_deleted_with_a_reason,
    many_records_are_counted_and_deleted,
    a_transfer_job_is_edited,
    a_deletion_needs_a_reason,
    only_fields_that_can_be_edited_are_taken,
    everything_is_for_provisioning_admins_and_staff_only,
);

fn at(below: &str) -> String {
    format!("{PROVISIONING}/{below}")
}

fn delete(client: &Client, path: &str) -> u16 {
    client.send(Request::new("DELETE", path)).status
}

/// Deletes with a reason.
fn erase(client: &Client, path: &str) -> Answer {
    client.send(Request::new("DELETE", path).json(&json!({ "change_reason": "Made by mistake" })))
}

/// The reasons of the deletions in a table's history.
fn reasons(database: &Database, table: &str) -> Vec<String> {
    database.texts(&format!(
        "SELECT history_change_reason AS text FROM {table}_history WHERE history_type = '-' ORDER BY history_id"
    ))
}

fn names(page: &Value, field: &str) -> Vec<Value> {
    page["results"].as_array().unwrap().iter().map(|result| result[field].clone()).collect()
}

fn license_of(scene: &Scene, status: &str) -> String {
    scene.plan.licenses(status)[0]["uuid"].as_str().unwrap().to_owned()
}

fn a_license_is_corrected(database: Database) {
    let scene = Scene::new(database);
    let (operator, bob) = (scene.customer.operator(), scene.customer.email("bob"));
    let path = at(&format!("licenses/{}/", license_of(&scene, "assigned")));
    let before = operator.get(&path).expect(200);
    assert_eq!((&before["status"], &before["lms_user_id"]), (&json!("assigned"), &json!(null)));

    let edit = json!({ "user_email": bob.to_uppercase(), "lms_user_id": 7, "status": "activated" });
    let after = operator.patch(&path, &edit).expect(200);
    assert_eq!(
        (&after["user_email"], &after["lms_user_id"], &after["status"]),
        (&json!(bob), &json!(7), &json!("activated"))
    );
    assert_eq!(after["activation_key"], before["activation_key"]);
    assert_eq!(operator.get(&path).expect(200), after);
    let history = operator.get(&format!("{}history/", path.replace("provisioning-admins/", "")));
    assert_eq!(history.expect(200)["results"][0]["history_user"], "operator");

    operator.patch(&path, &json!({ "status": "revoked" })).expect(200);
    let counts = scene.plan.counts();
    assert_eq!((counts.revoked, counts.unassigned), (1, 5), "it was replaced");
}

fn impossible_transitions_of_a_license_are_refused(database: Database) {
    let scene = Scene::new(database);
    let operator = scene.customer.operator();
    let (amys, free) = (license_of(&scene, "assigned"), license_of(&scene, "unassigned"));
    let edit = |license: &str, edit: Value| operator.patch(&at(&format!("licenses/{license}/")), &edit);
    edit(&free, json!({ "status": "revoked" })).expect(422);
    edit(&free, json!({ "status": "assigned", "user_email": scene.customer.email("amy") })).expect(422);
    edit(&amys, json!({ "status": "revoked" })).expect(200);
    for status in ["assigned", "activated", "unassigned"] {
        edit(&amys, json!({ "status": status })).expect(422);
    }
}

fn an_invalid_correction_of_a_license_is_refused(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let operator = scene.customer.operator();
        let free = at(&format!("licenses/{}/", license_of(scene, "unassigned")));
        for (edit, field) in [
            (json!({ "status": "assigned" }), "user_email"),
            (json!({ "user_email": scene.customer.email("bob") }), "user_email"),
            (json!({ "lms_user_id": 7 }), "lms_user_id"),
            (json!({ "lms_user_id": "seven" }), "lms_user_id"),
            (json!({ "user_email": "nobody" }), "user_email"),
            (json!({ "user_email": null }), "user_email"),
            (json!({ "status": "expired" }), "status"),
        ] {
            let told = operator.patch(&free, &edit).expect(400);
            assert!(told[field].is_array(), "{edit}: {told}");
        }
        operator.patch(&at(&format!("licenses/{}/", uuid::Uuid::new_v4())), &json!({})).expect(404);
        operator.get(&at("licenses/none/")).expect(404);
    });
}

fn products_are_kept(database: Database) {
    let server = Server::start(database.url());
    let operator = Customer::new(&server).operator();
    let seeded = operator.get(&at("products/")).expect(200);
    assert_eq!(names(&seeded, "id"), [1, 2, 3, 4, 5]);
    let last = operator.get(&at("products/?page=2&page_size=4")).expect(200);
    assert_eq!((&last["count"], names(&last, "name")), (&json!(5), vec![json!("OCE")]));

    let wrong = |body: Value, field: &str| {
        let told = operator.post(&at("products/"), &body).expect(400);
        assert!(told[field].is_array(), "{body}: {told}");
    };
    wrong(json!({ "name": "Gift", "plan_type": 1 }), "netsuite_id");
    wrong(json!({ "name": "Gift", "plan_type": 1, "netsuite_id": 106 }), "netsuite_id");
    wrong(json!({ "name": "Gift", "plan_type": 99 }), "plan_type");
    wrong(json!({ "name": "Gift", "plan_type": 0 }), "plan_type");
    wrong(json!({ "plan_type": 3 }), "name");

    let new = json!({ "name": "Gift", "description": "For a friend", "plan_type": 1, "netsuite_id": 120 });
    let made = operator.post(&at("products/"), &new).expect(201);
    let path = at(&format!("products/{}/", made["id"]));
    assert_eq!((&made["id"], &made["salesforce_product_id"]), (&json!(6), &json!(null)));
    let edited = operator.patch(&path, &json!({ "salesforce_product_id": "01t1" })).expect(200);
    assert_eq!(operator.get(&path).expect(200), edited);
    assert!(operator.patch(&path, &json!({ "netsuite_id": null })).expect(400)["netsuite_id"].is_array());
    let history = operator.get(&format!("{path}history/")).expect(200);
    assert_eq!(history["results"][0]["changes"], json!({ "salesforce_product_id": { "from": null, "to": "01t1" } }));
    for unknown in ["99", "0", "-1", "x", "99999999999999999999", "4294967297"] {
        assert_eq!(operator.get(&at(&format!("products/{unknown}/"))).status, 404, "{unknown}");
    }
}

fn plan_types_are_kept(database: Database) {
    let server = Server::start(database.url());
    let operator = Customer::new(&server).operator();
    let seeded = operator.get(&at("plan-types/")).expect(200);
    assert_eq!(names(&seeded, "label"), ["Standard Paid", "OCE", "Trial", "Test"]);
    let made = operator.post(&at("plan-types/"), &json!({ "label": "Gift", "sf_id_required": true })).expect(201);
    assert_eq!(
        (&made["id"], &made["sf_id_required"], &made["ns_id_required"]),
        (&json!(5), &json!(true), &json!(false))
    );
    let path = at("plan-types/5/");
    operator.patch(&path, &json!({ "label": "Present" })).expect(200);
    assert_eq!(operator.get(&path).expect(200)["label"], "Present");
    assert!(operator.post(&at("plan-types/"), &json!({})).expect(400)["label"].is_array());
    let told = operator.patch(&at("plan-types/3/"), &json!({ "ns_id_required": true })).expect(400);
    assert!(told["ns_id_required"].is_array(), "{told}");
    operator.get(&at("plan-types/99/")).expect(404);
}

fn a_role_admits_its_user_until_it_is_removed(database: Database) {
    let scene = Scene::new(database);
    let (operator, path) = (scene.customer.operator(), at("role-assignments/"));
    let bob = scene.customer.person(8, "bob");
    let bobs = scene.server.client(&bob);
    let role = json!({
        "username": bob.username(),
        "role": "enterprise_subscriptions_admin",
        "enterprise_customer_uuid": scene.customer.enterprise,
    });
    let given = operator.post(&path, &role).expect(201);
    assert_eq!(operator.post(&path, &role).expect(200), given);
    bobs.get(&scene.plan.path("")).expect(200);

    let everywhere = json!({ "username": "zoe", "role": "enterprise_subscriptions_learner" });
    operator.post(&path, &everywhere).expect(201);
    let listed = |query: &str| names(&operator.get(&format!("{path}?{query}")).expect(200), "username");
    assert_eq!(listed(""), [bob.username(), "zoe"]);
    assert_eq!(listed("username=zoe"), ["zoe"]);
    assert_eq!(listed("role=enterprise_subscriptions_admin"), [bob.username()]);
    assert_eq!(listed(&format!("enterprise_customer_uuid={}", scene.customer.enterprise)), [bob.username()]);

    let one = format!("{path}{}/", given["id"]);
    assert_eq!(delete(&operator, &one), 204);
    assert_eq!(delete(&operator, &one), 404);
    bobs.get(&scene.plan.path("")).expect(403);
    for (body, field) in [
        (json!({ "role": "enterprise_subscriptions_admin" }), "username"),
        (json!({ "username": "zoe", "role": "king" }), "role"),
        (
            json!({ "username": "zoe", "role": "enterprise_subscriptions_admin", "enterprise_customer_uuid": "x" }),
            "enterprise_customer_uuid",
        ),
    ] {
        assert!(operator.post(&path, &body).expect(400)[field].is_array(), "{body}");
    }
}

/// Runs SQL, because no endpoint writes these records.
fn execute(database: &Database, statement: &str) {
    let url = database.url();
    let written = match url.strip_prefix("sqlite:") {
        Some(path) => sql_query(statement).execute(&mut SqliteConnection::establish(path).unwrap()),
        None => sql_query(statement).execute(&mut PgConnection::establish(url).unwrap()),
    };
    assert_eq!(written, Ok(1));
}

fn notifications_are_looked_up(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plans = [customer.plan(1), customer.plan(1)];
    let moment = if database.url().starts_with("sqlite:") { "1700000000000000" } else { "to_timestamp(1700000000)" };
    for (plan, kind) in plans.iter().zip(["no_allocations_remaining", "periodic_informational"]) {
        execute(
            &database,
            &format!(
            "INSERT INTO notification (enterprise_customer_uuid, enterprise_customer_user_id, subscription_plan_uuid,
                                       notification_type, last_sent, created, modified)
             VALUES ('{}', 5, '{}', '{kind}', {moment}, {moment}, {moment})",
            customer.enterprise, plan.uuid
        ),
        );
    }
    let path = at("notifications/");
    let found = |query: &str| customer.operator().get(&format!("{path}?{query}")).expect(200);
    assert_eq!(names(&found(""), "subscription_plan_uuid"), [plans[1].uuid.as_str(), &plans[0].uuid]);
    let of_plan = found(&format!("subscription_plan_uuid={}", plans[0].uuid));
    assert_eq!(
        of_plan["results"],
        json!([{
            "id": of_plan["results"][0]["id"],
            "enterprise_customer_uuid": customer.enterprise,
            "enterprise_customer_user_id": 5,
            "subscription_plan_uuid": plans[0].uuid,
            "notification_type": "no_allocations_remaining",
            "last_sent": "2023-11-14T22:13:20Z",
        }])
    );
    assert_eq!(found("notification_type=periodic_informational")["count"], 1);
    assert_eq!(found(&format!("enterprise_customer_uuid={}", uuid::Uuid::new_v4()))["count"], 0);
    customer.operator().get(&format!("{path}?notification_type=none")).expect(400);
    assert_eq!(customer.operator().post(&path, &json!({})).status, 405);
    let one = format!("{path}{}/", of_plan["results"][0]["id"]);
    erase(&customer.operator(), &one).expect(204);
    assert_eq!(found("")["count"], 1);
    erase(&customer.operator(), &one).expect(404);
    assert_eq!(reasons(&database, "notification"), ["Made by mistake"]);
}

fn license_events_are_looked_up(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(2);
    let licenses: Vec<_> =
        plan.licenses("unassigned").iter().map(|license| license["uuid"].as_str().unwrap().to_owned()).collect();
    let moment = if database.url().starts_with("sqlite:") { "1700000000000000" } else { "to_timestamp(1700000000)" };
    for (license, name) in licenses.iter().zip(["unlinked", "old"]) {
        execute(
            &database,
            &format!(
                "INSERT INTO license_event (license_uuid, event_name, created) VALUES ('{license}', '{name}', {moment})"
            ),
        );
    }
    let found = |query: &str| customer.operator().get(&at(&format!("license-events/?{query}"))).expect(200);
    assert_eq!(names(&found(""), "event_name"), ["old", "unlinked"]);
    let old = found("event_name=old");
    assert_eq!(
        old["results"],
        json!([{
            "id": old["results"][0]["id"], "license_uuid": licenses[1], "event_name": "old", "created": "2023-11-14T22:13:20Z",
        }])
    );
    assert_eq!(names(&found(&format!("license_uuid={}", licenses[0])), "event_name"), ["unlinked"]);
    let one = at(&format!("license-events/{}/", old["results"][0]["id"]));
    erase(&customer.operator(), &one).expect(204);
    assert_eq!(names(&found(""), "event_name"), ["unlinked"]);
    erase(&customer.operator(), &one).expect(404);
    assert_eq!(reasons(&database, "license_event"), ["Made by mistake"]);
}

fn dates_and_the_source_of_a_license_are_edited(database: Database) {
    let scene = Scene::new(database);
    let operator = scene.customer.operator();
    let path = at(&format!("licenses/{}/", license_of(&scene, "assigned")));
    let before = operator.get(&path).expect(200);
    assert_eq!(before["source_id"], json!(null));
    let edit = json!({
        "assigned_date": "2026-01-02T03:04:05Z",
        "last_remind_date": null,
        "source_id": "006000000000000001",
        "change_reason": "Bought by phone",
    });
    let after = operator.patch(&path, &edit).expect(200);
    assert_eq!(after["assigned_date"], "2026-01-02T03:04:05Z");
    assert_eq!((&after["last_remind_date"], &after["source_id"]), (&json!(null), &json!("006000000000000001")));
    assert_eq!(operator.get(&path).expect(200), after);
    let history = operator.get(&format!("{}history/", path.replace("provisioning-admins/", ""))).expect(200);
    assert_eq!(history["results"][0]["history_change_reason"], "Bought by phone");
    let removed = operator.patch(&path, &json!({ "source_id": null })).expect(200);
    assert_eq!(removed["source_id"], json!(null));
    assert_eq!(removed["assigned_date"], after["assigned_date"]);
    for (edit, field) in [
        (json!({ "activation_date": "2026-01-02" }), "activation_date"),
        (json!({ "assigned_date": null }), "assigned_date"),
        (json!({ "revoked_date": "2026-01-02" }), "revoked_date"),
        (json!({ "last_remind_date": "yesterday" }), "last_remind_date"),
        (json!({ "source_id": "006" }), "source_id"),
    ] {
        let told = operator.patch(&path, &edit).expect(400);
        assert!(told[field].is_array(), "{edit}: {told}");
    }
    assert_eq!(operator.get(&path).expect(200), removed);
}

fn a_license_is_added_to_a_plan(database: Database) {
    let scene = Scene::new(database);
    let staff = scene.server.client(&scene.customer.person(5, "staff").claim("administrator", json!(true)));
    let path = at("licenses/");
    let free = staff.post(&path, &json!({ "subscription_plan": scene.plan.uuid })).expect(201);
    assert_eq!((&free["status"], &free["subscription_plan_uuid"]), (&json!("unassigned"), &json!(scene.plan.uuid)));
    let bobs = json!({
        "subscription_plan": scene.plan.uuid,
        "status": "assigned",
        "user_email": scene.customer.email("bob"),
        "source_id": "006000000000000001",
        "change_reason": "Bought by phone",
    });
    let added = staff.post(&path, &bobs).expect(201);
    assert_eq!((&added["user_email"], &added["source_id"]), (&bobs["user_email"], &bobs["source_id"]));
    let counts = scene.plan.counts();
    assert_eq!((counts.total, counts.assigned), (7, 2));
    staff.post(&path, &bobs).expect(422);
    for (body, field) in [
        (json!({}), "subscription_plan"),
        (json!({ "subscription_plan": uuid::Uuid::new_v4() }), "subscription_plan"),
        (json!({ "subscription_plan": scene.plan.uuid, "status": "assigned" }), "user_email"),
        (json!({ "subscription_plan": scene.plan.uuid, "revoked_date": "2026-01-02" }), "revoked_date"),
    ] {
        let told = staff.post(&path, &body).expect(400);
        assert!(told[field].is_array(), "{body}: {told}");
    }
    assert_eq!(scene.plan.admin.post(&path, &bobs).status, 403);
    assert_eq!(scene.plan.counts(), counts);
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
    let ids: Vec<_> = names(&left, "id").into_iter().take(2).collect();
    let named = with("ids", json!([ids[0], ids[1], 999_999]));
    assert_eq!(bulk(&events, &named).expect(200)["num_deleted"], 2);
    assert_eq!(reasons(&database, "license_event"), ["Made by mistake"; 6]);
    let changes = operator.get(&format!("{events}{}/history/", ids[0])).expect(200);
    assert_eq!(changes["results"][0]["history_change_reason"], "Made by mistake");
    operator.get(&format!("{events}999999/history/")).expect(404);

    let of_plan = format!("{notifications}?subscription_plan_uuid={}", plan.uuid);
    let ids = names(&operator.get(&of_plan).expect(200), "id");
    assert_eq!(bulk(&of_plan, &with("ids", json!([ids[0]]))).expect(200)["num_deleted"], 1);
    assert_eq!(bulk(&of_plan, &reason).expect(200)["num_deleted"], 2);
    let changes = operator.get(&format!("{notifications}{}/history/", ids[0])).expect(200);
    assert_eq!(changes["results"][0]["history_change_reason"], "Made by mistake");
    assert_eq!(plan.admin.get(&format!("{notifications}{}/history/", ids[0])).status, 403);
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
    let job = operator.post(&at("license-transfer-jobs/"), &order).expect(201);
    let path = at(&format!("license-transfer-jobs/{}/", job["id"]));
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

fn staff_name(customer: &Customer) -> String {
    customer.person(5, "staff").username().to_owned()
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

fn only_fields_that_can_be_edited_are_taken(database: Database) {
    let scene = Scene::new(database);
    let operator = scene.customer.operator();
    let license = license_of(&scene, "assigned");
    let agreement = format!("customer-agreement/{}/", scene.customer.agreement);
    let webhook = json!({ "url": "https://hooks.example.com/" });
    let webhook = operator.post(&at("webhooks/"), &webhook).expect(201)["uuid"].as_str().unwrap().to_owned();
    for (below, edit, fixed) in [
        (agreement.clone(), json!({ "disable_expiration_notifications": true }), "net_days_until_expiration"),
        (
            format!("{agreement}settings/"),
            json!({ "disable_onboarding_notifications": true }),
            "enterprise_customer_slug",
        ),
        (format!("licenses/{license}/"), json!({ "lms_user_id": 8 }), "activation_key"),
        ("products/3/".to_owned(), json!({ "description": "Ours" }), "id"),
        ("plan-types/3/".to_owned(), json!({ "description": "Ours" }), "nickname"),
        (format!("webhooks/{webhook}/"), json!({ "is_active": false }), "created_by"),
    ] {
        let before = operator.get(&at(&below)).expect(200);
        let mut both = edit.clone();
        both[fixed] = json!("x");
        let told = operator.patch(&at(&below), &both).expect(400);
        assert_eq!(told, json!({ fixed: ["This field cannot be edited."] }), "{below}");
        assert_eq!(operator.get(&at(&below)).expect(200), before, "{below}");
        operator.patch(&at(&below), &edit).expect(200);
    }
    let plan = at(&format!("subscriptions/{}/", scene.plan.uuid));
    let edit = json!({ "change_reason": "other", "title": "Ours", "num_revocations_applied": 0, "*": 1 });
    let told = operator.patch(&plan, &edit).expect(400);
    let fixed = json!(["This field cannot be edited."]);
    assert_eq!(told, json!({ "error": { "num_revocations_applied": fixed, "*": fixed } }));
    assert_ne!(operator.get(&plan).expect(200)["title"], "Ours");
}

fn everything_is_for_provisioning_admins_and_staff_only(database: Database) {
    let scene = Scene::new(database);
    let license = license_of(&scene, "assigned");
    let staff = scene.customer.person(5, "staff").claim("administrator", json!(true));
    let agreement = format!("customer-agreement/{}/", scene.customer.agreement);
    for path in [
        "license-transfer-jobs/",
        &format!("{agreement}settings/"),
        "products/",
        "products/1/",
        "products/1/history/",
        "plan-types/",
        "plan-types/1/",
        "role-assignments/",
        "notifications/",
        "license-events/",
        &format!("licenses/{license}/"),
    ] {
        assert_eq!(scene.customer.operator().get(&at(path)).status, 200, "{path}");
        assert_eq!(scene.server.client(&staff).get(&at(path)).status, 200, "{path}");
        assert_eq!(scene.plan.admin.get(&at(path)).status, 403, "{path}");
        assert_eq!(scene.server.anonymous().get(&at(path)).status, 401, "{path}");
    }
    let staff = scene.server.client(&staff);
    for history in [format!("/api/v1/licenses/{license}/history/"), scene.plan.path("history/")] {
        assert_eq!(staff.get(&history).status, 200, "{history}");
    }
}
