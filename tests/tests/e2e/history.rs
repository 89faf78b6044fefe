//! History of licenses, plans and agreements, their state at an earlier time, and reverting licenses.

// These tests run outside of the service, with real ids.
#![allow(clippy::disallowed_methods)]

use license_manager_tests::{Database, PROVISIONING, Person, Request, Scene, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(
    a_license_has_a_history,
    plans_and_agreements_have_a_history,
    the_state_at_any_time_is_shown,
    history_is_for_those_who_administer_the_customer,
    licenses_are_reverted_after_a_dry_run,
    a_revert_that_would_give_somebody_two_licenses_is_refused,
    a_revert_that_finds_no_seats_to_remove_is_refused,
    two_people_get_each_other_s_licenses_back,
    an_invalid_revert_is_refused,
);

fn license_of(scene: &Scene, name: &str) -> String {
    let email = scene.customer.email(name);
    let licenses = scene.plan.licenses("assigned,activated,revoked");
    let license = licenses.iter().find(|license| license["user_email"] == email.as_str());
    license.unwrap_or_else(|| panic!("{name} has no license"))["uuid"].as_str().unwrap().to_owned()
}

fn history(scene: &Scene, path: &str) -> Vec<Value> {
    let page = scene.customer.operator().get(&format!("/api/v1/{path}/history/")).expect(200);
    page["results"].as_array().unwrap().clone()
}

fn revoke(scene: &Scene, name: &str) {
    let body = json!({ "user_emails": [scene.customer.email(name)] });
    scene.plan.admin.post(&scene.plan.path("licenses/bulk-revoke/"), &body).expect(200);
}

/// The time of a license's last change.
fn last_change(scene: &Scene, license: &str) -> String {
    history(scene, &format!("licenses/{license}"))[0]["history_date"].as_str().unwrap().to_owned()
}

fn a_license_has_a_history(database: Database) {
    let scene = Scene::new(database);
    let amy = scene.customer.learner(7, "amy");
    let key = scene.plan.activation_key(amy.email());
    let license = license_of(&scene, "amy");
    let activate = format!("/api/v1/license-activation/?activation_key={key}");
    scene.server.client(&amy).send(Request::new("POST", activate)).expect(200);
    revoke(&scene, "amy");

    let told = history(&scene, &format!("licenses/{license}"));
    let kinds: Vec<_> = told.iter().map(|change| change["history_type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["~", "~", "~", "+"]);
    assert_eq!(told[0]["changes"]["status"], json!({ "from": "activated", "to": "revoked" }));
    assert_eq!(told[1]["changes"]["lms_user_id"], json!({ "from": null, "to": 7 }));
    assert_eq!(told[1]["history_user"], json!(amy.username()));
    assert_eq!(told[2]["changes"]["user_email"], json!({ "from": null, "to": amy.email() }));
    assert_eq!(told[3]["history_user"], "operator");

    let page = |query: &str| scene.plan.admin.get(&format!("/api/v1/licenses/{license}/history/?{query}"));
    let second = page("page=2&page_size=1").expect(200);
    assert_eq!((second["count"].as_i64(), &second["results"][0]), (Some(4), &told[1]));
    assert!(second["next"].as_str().unwrap().contains("page=3"));
    page("page=5&page_size=1").expect(404);
}

fn plans_and_agreements_have_a_history(database: Database) {
    let scene = Scene::new(database);
    let operator = scene.customer.operator();
    let edit = json!({ "title": "Another title", "change_reason": "delayed_payment" });
    operator.patch(&format!("{PROVISIONING}/subscriptions/{}/", scene.plan.uuid), &edit).expect(200);
    let told = history(&scene, &format!("subscriptions/{}", scene.plan.uuid));
    assert_eq!(
        (&told[0]["history_change_reason"], &told[1]["history_change_reason"]),
        (&json!("delayed_payment"), &json!("new"))
    );
    assert_eq!(told[0]["changes"].as_object().unwrap().keys().collect::<Vec<_>>(), ["title"]);
    assert_eq!(told[1]["changes"]["start_date"], json!({ "from": null, "to": "2020-01-01T00:00:00Z" }));

    let agreement = &scene.customer.agreement;
    let edit = json!({ "disable_expiration_notifications": true });
    operator.patch(&format!("{PROVISIONING}/customer-agreement/{agreement}/"), &edit).expect(200);
    for path in ["customer-agreement", "customer-agreements"] {
        let told = history(&scene, &format!("{path}/{agreement}"));
        assert_eq!(told[0]["changes"], json!({ "disable_expiration_notifications": { "from": false, "to": true } }));
    }
}

fn the_state_at_any_time_is_shown(database: Database) {
    let scene = Scene::new(database);
    let license = license_of(&scene, "amy");
    let assigned = last_change(&scene, &license);
    revoke(&scene, "amy");
    let as_of = |moment: &str| scene.plan.admin.get(&format!("/api/v1/licenses/{license}/history/?as_of={moment}"));
    let then = as_of(&assigned).expect(200);
    assert_eq!(then["as_of"], assigned.as_str());
    assert_eq!((&then["record"]["status"], &then["record"]["uuid"]), (&json!("assigned"), &json!(license)));
    assert_eq!(as_of("2100-01-01").expect(200)["record"]["status"], "revoked");
    as_of("2020-01-01").expect(404);
    assert!(as_of("yesterday").expect(400)["as_of"].is_array());
    let agreement = format!("/api/v1/customer-agreement/{}/history/?as_of=2020-01-01", scene.customer.agreement);
    scene.customer.operator().get(&agreement).expect(404);
}

fn history_is_for_those_who_administer_the_customer(database: Database) {
    let scene = Scene::new(database);
    let (license, plan, agreement) = (license_of(&scene, "amy"), &scene.plan.uuid, &scene.customer.agreement);
    let stranger = Person::new(5, "eve@example.com", "eve").role(format!("enterprise_admin:{}", uuid::Uuid::new_v4()));
    let unknown = uuid::Uuid::new_v4();
    for (path, admin_sees) in [
        (format!("/api/v1/licenses/{license}/history/"), 200),
        (format!("/api/v1/subscriptions/{plan}/history/"), 200),
        (format!("/api/v1/customer-agreement/{agreement}/history/"), 403),
        (format!("/api/v1/licenses/{unknown}/history/"), 403),
    ] {
        let found = if path.contains(&unknown.to_string()) { 404 } else { 200 };
        assert_eq!(scene.customer.operator().get(&path).status, found, "{path}");
        assert_eq!(scene.plan.admin.get(&path).status, admin_sees, "{path}");
        let learner = scene.server.client(&scene.customer.learner(7, "amy"));
        assert_eq!(learner.get(&path).status, 403, "{path}");
        assert_eq!(scene.server.client(&stranger).get(&path).status, 403, "{path}");
        assert_eq!(scene.server.anonymous().get(&path).status, 401, "{path}");
    }
}

fn licenses_are_reverted_after_a_dry_run(database: Database) {
    let scene = Scene::new(database);
    let license = license_of(&scene, "amy");
    let good = last_change(&scene, &license);
    let size = scene.plan.counts().total;
    revoke(&scene, "amy");
    let path = scene.plan.path("revert/");
    scene.plan.admin.post(&path, &json!({ "as_of": good })).expect(403);

    let operator = scene.customer.operator();
    let mistaken = scene.plan.counts();
    let dry = operator.post(&path, &json!({ "as_of": good })).expect(200);
    assert_eq!((&dry["dry_run"], &dry["num_changed"]), (&json!(true), &json!(1)));
    assert_eq!(dry["changed"][0]["uuid"], license.as_str());
    assert_eq!(dry["changed"][0]["changes"]["status"], json!({ "from": "revoked", "to": "assigned" }));
    assert_eq!(dry["left_alone"][0]["reason"], "did_not_exist");
    let seats = |told: &Value| ["num_unassigned_removed", "num_unassigned_added"].map(|key| told[key].as_i64());
    assert_eq!(seats(&dry), [Some(1), Some(0)]);
    assert_eq!(scene.plan.counts(), mistaken);

    let done = operator.post(&path, &json!({ "as_of": good, "dry_run": false })).expect(200);
    assert_eq!((&done["changed"], seats(&done)), (&dry["changed"], seats(&dry)));
    let counts = scene.plan.counts();
    assert_eq!((counts.assigned, counts.revoked), (1, 0));
    assert_eq!(counts.total, size, "the plan keeps its size");
    assert_eq!(history(&scene, &format!("licenses/{license}"))[0]["history_user"], "operator");
    let again = operator.post(&path, &json!({ "as_of": good, "dry_run": false })).expect(200);
    assert_eq!(again["num_changed"], 0);
}

fn a_revert_that_would_give_somebody_two_licenses_is_refused(database: Database) {
    let scene = Scene::new(database);
    let amy = scene.customer.email("amy");
    let license = license_of(&scene, "amy");
    let good = last_change(&scene, &license);
    revoke(&scene, "amy");
    scene.plan.assign(std::slice::from_ref(&amy)).expect(200);
    let before = scene.plan.counts();
    for dry_run in [true, false] {
        // Only the first license, so that the second one stays as it is.
        let body = json!({ "as_of": good, "dry_run": dry_run, "license_uuids": [license] });
        let told = scene.customer.operator().post(&scene.plan.path("revert/"), &body).expect(422);
        assert!(told.as_str().unwrap().contains(&amy), "{told}");
    }
    assert_eq!(scene.plan.counts(), before);
}

fn a_revert_that_finds_no_seats_to_remove_is_refused(database: Database) {
    let scene = Scene::new(database);
    let good = last_change(&scene, &license_of(&scene, "amy"));
    revoke(&scene, "amy");
    let free = usize::try_from(scene.plan.counts().unassigned).expect("a number of licenses");
    scene.plan.assign(&scene.customer.emails("newcomer", free)).expect(200);
    let before = scene.plan.counts();
    let amy = license_of(&scene, "amy");
    for dry_run in [true, false] {
        let body = json!({ "as_of": good, "dry_run": dry_run, "license_uuids": [amy] });
        let told = scene.customer.operator().post(&scene.plan.path("revert/"), &body).expect(422);
        assert!(told.as_str().unwrap().contains("1 unassigned license is missing"), "{told}");
    }
    assert_eq!(scene.plan.counts(), before);
}

fn two_people_get_each_other_s_licenses_back(database: Database) {
    let scene = Scene::new(database);
    let (operator, bob) = (scene.customer.operator(), scene.customer.email("bob"));
    scene.plan.assign(std::slice::from_ref(&bob)).expect(200);
    let [first, second] = ["amy", "bob"].map(|name| license_of(&scene, name));
    let good = last_change(&scene, &second);
    let give = |license: &str, name: &str| {
        let body = json!({ "user_email": scene.customer.email(name) });
        operator.patch(&format!("{PROVISIONING}/licenses/{license}/"), &body).expect(200);
    };
    give(&first, "nobody");
    give(&second, "amy");
    give(&first, "bob");
    let before = scene.plan.counts();
    let body = json!({ "as_of": good, "dry_run": false });
    assert_eq!(operator.post(&scene.plan.path("revert/"), &body).expect(200)["num_changed"], 2);
    assert_eq!(["amy", "bob"].map(|name| license_of(&scene, name)), [first, second]);
    assert_eq!(scene.plan.counts(), before);
}

fn an_invalid_revert_is_refused(database: Database) {
    let scene = Scene::new(database);
    let (operator, path) = (scene.customer.operator(), scene.plan.path("revert/"));
    let stranger = uuid::Uuid::new_v4();
    for (body, field) in [
        (json!({}), "as_of"),
        (json!({ "as_of": "yesterday" }), "as_of"),
        (json!({ "as_of": "2100-01-01" }), "as_of"),
        (json!({ "as_of": "2020-01-01", "license_uuids": [] }), "license_uuids"),
        (json!({ "as_of": "2020-01-01", "license_uuids": ["x"] }), "license_uuids"),
        (json!({ "as_of": "2020-01-01", "license_uuids": [stranger] }), "license_uuids"),
        (json!({ "as_of": "2020-01-01", "dry_run": "perhaps" }), "dry_run"),
    ] {
        let told = operator.post(&path, &body).expect(400);
        assert!(told.get(field).is_some(), "{body}: {told}");
    }
    let unknown = format!("/api/v1/subscriptions/{stranger}/revert/");
    operator.post(&unknown, &json!({ "as_of": "2020-01-01" })).expect(404);
}
