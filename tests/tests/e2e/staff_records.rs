//! Records that staff maintain and look up: license corrections, products, roles, notifications, license events.

// These tests run outside of the service, with real ids.
#![allow(clippy::disallowed_methods)]

use license_manager_tests::{Client, Customer, Database, PROVISIONING, Request, Scene, Server, on_both_databases};
use serde_json::{Value, json};

use crate::deletions::{erase, reasons};

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
    only_fields_that_can_be_edited_are_taken,
    everything_is_for_provisioning_admins_and_staff_only,
);

fn at(below: &str) -> String {
    format!("{PROVISIONING}/{below}")
}

fn delete(client: &Client, path: &str) -> u16 {
    client.send(Request::new("DELETE", path)).status
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

fn notifications_are_looked_up(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plans = [customer.plan(1), customer.plan(1)];
    let moment = if database.url().starts_with("sqlite:") { "1700000000000000" } else { "to_timestamp(1700000000)" };
    for (plan, kind) in plans.iter().zip(["no_allocations_remaining", "periodic_informational"]) {
        database.execute(&format!(
            "INSERT INTO notification (enterprise_customer_uuid, enterprise_customer_user_id, subscription_plan_uuid,
                                       notification_type, last_sent, created, modified)
             VALUES ('{}', 5, '{}', '{kind}', {moment}, {moment}, {moment})",
            customer.enterprise, plan.uuid
        ));
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
        database.execute(&format!(
            "INSERT INTO license_event (license_uuid, event_name, created) VALUES ('{license}', '{name}', {moment})"
        ));
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
