//! Requests as portals and spreadsheets send them.

// These tests run outside of the service, with real ids.
#![allow(clippy::disallowed_methods)]

use license_manager_tests::{Customer, Database, PROVISIONING, Scene, Server, on_both_databases};
use serde_json::{Value, json};
use uuid::Uuid;

on_both_databases!(
    salesforce_ids_may_be_blank_and_are_trimmed,
    filters_that_match_nobody_are_no_error,
    filters_have_two_forms,
    a_search_keeps_quoted_words_together,
    a_learner_filters_and_reads_own_licenses,
    a_customer_posted_twice_is_named,
    an_enrollment_counts_courses_once_up_to_its_limit,
);

const COURSE: &str = "course-v1:edX+DemoX+T1";

fn salesforce_ids_may_be_blank_and_are_trimmed(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(4);
    let people = customer.emails("learner", 4);
    let body = json!({ "user_emails": people, "user_sfids": ["", "  ", null, " 006000000000000001\t"] });
    plan.admin.post(&plan.path("licenses/assign/"), &body).expect(200);
    let sources = database.texts("SELECT source_id AS text FROM license_source");
    assert_eq!(sources, ["006000000000000001"]);
    let body = json!({ "user_emails": [customer.email("eve")], "user_sfids": ["00 6"] });
    let refused = plan.admin.post(&plan.path("licenses/assign/"), &body).expect(400);
    assert!(refused["user_sfids"]["0"].is_array(), "{refused}");
}

fn filters_that_match_nobody_are_no_error(database: Database) {
    let scene = Scene::new(database);
    let nobody = json!({ "filters": [{ "user_email": "nobody" }] });
    let send = |below: &str, body: &Value| scene.plan.admin.post(&scene.plan.path(below), body);
    scene.changes_nothing(|_| {
        send("licenses/remind/", &nobody).expect(204);
        let revoked = send("licenses/bulk-revoke/", &nobody).expect(200);
        assert_eq!(revoked, json!({ "successful_revocations": [], "unsuccessful_revocations": [] }));
        let mut of_plan = nobody.clone();
        of_plan["subscription_plan"] = json!(scene.plan.uuid);
        assert_eq!(scene.plan.admin.post("/api/v1/licenses/revoke/", &of_plan).expect(200), revoked);
        let named = json!({ "user_emails": [scene.customer.email("nobody")] });
        send("licenses/remind/", &named).expect(404);
        send("licenses/bulk-revoke/", &named).expect(404);
    });
}

fn filters_have_two_forms(database: Database) {
    let scene = Scene::new(database);
    let people = [scene.customer.email("al"), scene.customer.email("bob")];
    scene.plan.assign(&people).expect(200);
    let revoke = |filters: Value| {
        let path = scene.plan.path("licenses/bulk-revoke/");
        scene.plan.admin.post(&path, &json!({ "filters": filters }))
    };
    for wrong in [
        json!([{}]),
        json!([{ "user_email": "" }]),
        json!([{ "status_in": "assigned" }]),
        json!([{ "status_in": ["asleep"] }]),
        json!([{ "user_email": "al", "plan": "x" }]),
        json!([{ "name": "user_email", "user_email": "al" }]),
    ] {
        assert!(revoke(wrong.clone()).expect(400)["non_field_errors"].is_array(), "{wrong}");
    }
    let revoked = |filters| {
        let answer = revoke(filters).expect(200);
        let revoked = answer["successful_revocations"].as_array().unwrap();
        revoked.iter().map(|license| license["user_email"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let al = scene.customer.email("al");
    assert!(revoked(json!([{ "user_email": al }, { "status_in": ["activated"] }])).is_empty());
    revoke(json!([{ "user_email": "nobody", "name": "status_in", "filter_value": ["assigned"] }])).expect(400);
    assert_eq!(revoked(json!([{ "user_email": al }, { "status_in": ["assigned"] }])), [al]);
    let bob = json!([{ "name": "user_email", "filter_value": "bob" }, { "status_in": ["assigned", "activated"] }]);
    assert_eq!(revoked(bob), [people[1].clone()]);
}

fn a_search_keeps_quoted_words_together(database: Database) {
    let scene = Scene::new(database);
    let people = [scene.customer.email("o'hara"), scene.customer.email("hara")];
    scene.plan.assign(&people).expect(200);
    let found = |search: &str| {
        let query = format!("licenses/?search={search}");
        scene.plan.admin.get(&scene.plan.path(&query)).expect(200)["count"].clone()
    };
    assert_eq!(found("o%27hara"), 1);
    assert_eq!(found("hara"), 2);
    assert_eq!(found("HARA,example"), 2);
    assert_eq!(found("%22o%27hara%22"), 1);
    assert_eq!(found("%27hara%20example%27"), 0, "one word with a space");
    assert_eq!(found("%22hara"), 0, "a quote without a second one is a letter");
}

fn a_learner_filters_and_reads_own_licenses(database: Database) {
    let scene = Scene::new(database);
    let other = scene.customer.plan(1);
    other.assign(&[scene.customer.email("amy")]).expect(200);
    let (amy, bob) = (scene.customer.learner(7, "amy"), scene.customer.learner(8, "bob"));
    let (amy, bob) = (scene.server.client(&amy), scene.server.client(&bob));
    let key = scene.plan.activation_key(&scene.customer.email("amy"));
    amy.post(&format!("/api/v1/license-activation/?activation_key={key}"), &json!({})).expect(200);
    let listed = |query: &str| {
        let path = format!("/api/v1/learner-licenses/?enterprise_customer_uuid={}{query}", scene.customer.enterprise);
        amy.get(&path).expect(200)["count"].clone()
    };
    assert_eq!((listed(""), listed("&status=activated"), listed("&status=revoked")), (json!(2), json!(1), json!(0)));
    assert_eq!((listed("&search=amy,example"), listed("&search=bob")), (json!(2), json!(0)));

    let own = scene.plan.path("license/");
    let license = amy.get(&own).expect(200)["results"][0].clone();
    let path = format!("{own}{}/", license["uuid"].as_str().unwrap());
    assert_eq!(amy.get(&path).expect(200), license);
    bob.get(&path).expect(404);
    amy.get(&format!("{own}{}/", Uuid::new_v4())).expect(404);
    amy.get(&path.replace(&scene.plan.uuid, &other.uuid)).expect(404);
    amy.get(&path.replace(&scene.plan.uuid, &Uuid::new_v4().to_string())).expect(404);
    let stranger = Customer::new(&scene.server);
    scene.server.client(&stranger.learner(9, "eve")).get(&path).expect(404);
    scene.plan.admin.post(&scene.plan.path("licenses/revoke-all/"), &json!({})).expect(204);
    amy.get(&path).expect(404);
}

fn a_customer_posted_twice_is_named(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let mut request = json!({
        "enterprise_customer_uuid": Uuid::new_v4(),
        "enterprise_customer_slug": format!("twice-{}", customer.enterprise.simple()),
        "default_enterprise_catalog_uuid": Uuid::new_v4(),
    });
    let path = format!("{PROVISIONING}/customer-agreement/");
    customer.operator().post(&path, &request).expect(201);
    let twice = customer.operator().post(&path, &request).expect(400);
    assert_eq!(twice.as_object().unwrap().keys().collect::<Vec<_>>(), ["enterprise_customer_uuid"], "{twice}");
    request["enterprise_customer_uuid"] = json!(Uuid::new_v4());
    let taken = customer.operator().post(&path, &request).expect(400);
    assert_eq!(taken.as_object().unwrap().keys().collect::<Vec<_>>(), ["enterprise_customer_slug"], "{taken}");
}

fn an_enrollment_counts_courses_once_up_to_its_limit(database: Database) {
    let server = Server::start_with(database.url(), &[("LM_ENROLLMENT__REQUEST_LIMIT", "2")]);
    let customer = Customer::new(&server);
    let admin = server.client(&customer.admin());
    let path = format!("/api/v1/bulk-license-enrollment/?enterprise_customer_uuid={}", customer.enterprise);
    let request = |people: usize, courses: &[&str]| {
        let body = json!({ "emails": customer.emails("a", people), "course_run_keys": courses, "notify": false });
        admin.post(&path, &body)
    };
    request(2, &[COURSE, COURSE, COURSE]).expect(201);
    let refused = request(3, &[COURSE]).expect(400);
    assert!(refused.as_str().is_some_and(|text| text.contains("at most 2")), "{refused}");
}
