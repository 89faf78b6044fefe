//! Staff's work on plans and agreements beyond provisioning.

// These tests run outside of the service, with real ids.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;

use license_manager_tests::{
    Client, Customer, Database, FakeUpstreams, PROVISIONING, Plan, Server, assert_detail, on_both_databases, poll,
};
use serde_json::{Value, json};
use uuid::Uuid;

on_both_databases!(
    freezing_deletes_the_unused_licenses_of_a_plan_that_permits_it,
    provisioning_creates_the_missing_licenses,
    provisioning_very_many_continues_after_the_answer,
    revoked_licenses_can_be_deleted,
    the_current_plan_and_the_available_catalogs_are_chosen,
    settings_are_read_and_changed,
    an_expiration_message_is_complete_and_harmless,
    one_plan_of_an_agreement_auto_applies,
    an_agreement_gets_its_names_from_the_lms,
    a_new_agreement_without_a_name_gets_that_of_the_lms,
    an_agreement_is_not_synchronized_without_an_lms,
    staff_endpoints_are_for_provisioning_admins,
);

fn plan_path(plan: &Plan, below: &str) -> String {
    format!("{PROVISIONING}/subscriptions/{}/{below}", plan.uuid)
}

fn agreement_path(customer: &Customer, below: &str) -> String {
    format!("{PROVISIONING}/customer-agreement/{}/{below}", customer.agreement)
}

fn change(customer: &Customer, plan: &Plan, mut changes: Value) {
    changes["change_reason"] = json!("other");
    customer.operator().patch(&plan_path(plan, ""), &changes).expect(200);
}

fn act(customer: &Customer, plan: &Plan, action: &str) -> license_manager_tests::Response {
    customer.operator().post(&plan_path(plan, action), &json!({}))
}

fn freezing_deletes_the_unused_licenses_of_a_plan_that_permits_it(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(5);
    plan.assign(&customer.emails("amy", 2)).expect(200);
    assert!(act(&customer, &plan, "freeze/").expect(422)["error"].is_string());
    assert_eq!(plan.counts().unassigned, 3);
    change(&customer, &plan, json!({ "can_freeze_unused_licenses": true }));

    let frozen = act(&customer, &plan, "freeze/").expect(200);
    assert_eq!((&frozen["num_licenses_deleted"], &frozen["licenses"]["total"]), (&json!(3), &json!(2)));
    assert!(frozen["last_freeze_timestamp"].is_string());
    assert_eq!((plan.counts().unassigned, plan.counts().assigned), (0, 2));
    assert!(act(&customer, &plan, "provision/").expect(422)["error"].is_string());
    change(&customer, &plan, json!({ "desired_num_licenses": 10 }));
    assert_eq!(plan.counts().total, 2, "an edit adds nothing to a frozen plan either");
    assert_eq!(act(&customer, &plan, "freeze/").expect(200)["num_licenses_deleted"], 0);
}

fn provisioning_creates_the_missing_licenses(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(3);
    let provisioned = act(&customer, &plan, "provision/").expect(200);
    assert_eq!((&provisioned["num_licenses_added"], &provisioned["licenses"]["total"]), (&json!(0), &json!(3)));
    assert_eq!(act(&customer, &Plan { uuid: customer.agreement.clone(), ..plan }, "provision/").status, 404);
}

fn provisioning_very_many_continues_after_the_answer(database: Database) {
    let server = Server::start_with(database.url(), &[("LM_PROVISIONING__INLINE_LIMIT", "2")]);
    let customer = Customer::new(&server);
    let plan = customer.plan(5);
    let full = || (plan.counts().total == 5).then_some(());
    poll(std::time::Duration::from_secs(30), full).expect("the plan is filled after it was made");
    change(&customer, &plan, json!({ "desired_num_licenses": 9 }));
    act(&customer, &plan, "provision/").expect(200);
    let full = || (plan.counts().total == 9).then_some(());
    poll(std::time::Duration::from_secs(30), full).expect("the plan is filled after the answer");
}

fn revoked_licenses_can_be_deleted(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(4);
    let emails = customer.emails("amy", 3);
    plan.assign(&emails).expect(200);
    let revoked = json!({ "user_emails": emails[..2] });
    plan.admin.post(&plan.path("licenses/bulk-revoke/"), &revoked).expect(200);
    let deleted = act(&customer, &plan, "delete-revoked/").expect(200);
    assert_eq!((&deleted["num_licenses_deleted"], &deleted["licenses"]["revoked"]), (&json!(2), &json!(0)));
    let counts = plan.counts();
    assert_eq!((counts.assigned, counts.unassigned, counts.revoked, counts.total), (1, 3, 0, 4));
}

fn the_current_plan_and_the_available_catalogs_are_chosen(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let create = |changes: Value| {
        let mut request = customer.plan_request(1);
        request["enterprise_catalog_uuid"] = json!(Uuid::new_v4());
        request.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let plan = customer.operator().post(&format!("{PROVISIONING}/subscriptions/"), &request).expect(201);
        (plan["uuid"].clone(), request["enterprise_catalog_uuid"].as_str().unwrap().to_owned())
    };
    let today = chrono::Utc::now() + chrono::Duration::hours(20);
    create(json!({ "expiration_date": today.to_rfc3339() }));
    let first = create(json!({}));
    let last = create(json!({ "start_date": "2019-01-01" }));
    let waiting = create(json!({ "start_date": "2090-01-01" }));
    create(json!({ "is_active": false }));
    create(json!({ "expiration_date": "2021-01-01" }));
    let admin = server.client(&customer.admin());
    let learner = server.client(&customer.learner(7, "amy"));
    let of_customer = format!("enterprise_customer_uuid={}", customer.enterprise);
    for (client, list) in [(&admin, "subscriptions"), (&learner, "learner-subscriptions")] {
        let current = client.get(&format!("/api/v1/{list}/?current=true&{of_customer}")).expect(200);
        assert_eq!((&current["count"], &current["results"][0]["uuid"]), (&json!(1), &last.0), "{list}");
        assert!(client.get(&format!("/api/v1/{list}/?current=true")).expect(400).is_string(), "{list}");
        client.get(&format!("/api/v1/{list}/")).expect(200);
    }
    let agreements = admin.get(&format!("/api/v1/customer-agreement/?{of_customer}")).expect(200);
    let mut available = [first.1, last.1, waiting.1];
    available.sort();
    assert_eq!(agreements["results"][0]["available_subscription_catalogs"], json!(available));
}

fn settings_are_read_and_changed(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let path = agreement_path(&customer, "settings/");
    let before = customer.operator().get(&path).expect(200);
    assert_eq!(
        (&before["license_duration_before_purge_days"], &before["auto_applied_subscription"]),
        (&json!(90), &Value::Null)
    );
    let changes = json!({
        "license_duration_before_purge_days": 30,
        "disable_onboarding_notifications": true,
        "enable_auto_scaling_of_current_plan": true,
        "auto_scaling_max_licenses": 500,
        "auto_scaling_threshold_percentage": 80,
        "auto_scaling_increment_percentage": 10,
    });
    let after = customer.operator().patch(&path, &changes).expect(200);
    for (key, value) in changes.as_object().unwrap() {
        assert_eq!(&after[key], value, "{key}");
    }
    assert_eq!(customer.operator().get(&path).expect(200), after);
    assert_eq!(customer.operator().patch(&path, &json!({})).expect(200), after, "nothing to change");

    for (key, value) in [
        ("license_duration_before_purge_days", json!(0)),
        ("license_duration_before_purge_days", json!(null)),
        ("auto_scaling_max_licenses", json!(null)),
        ("auto_scaling_max_licenses", json!(0)),
        ("auto_scaling_threshold_percentage", json!(101)),
        ("auto_scaling_increment_percentage", json!(0)),
        ("disable_onboarding_notifications", json!("perhaps")),
        ("auto_applied_subscription", json!("plan")),
    ] {
        let errors = customer.operator().patch(&path, &json!({ key: value })).expect(400);
        let named: BTreeSet<_> = errors.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(named, BTreeSet::from([key]), "{value}");
    }
    assert_eq!(customer.operator().get(&path).expect(200), after, "what is refused changes nothing");
}

fn an_expiration_message_is_complete_and_harmless(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let path = agreement_path(&customer, "settings/");
    let patch = |changes: Value| customer.operator().patch(&path, &changes);
    let incomplete =
        patch(json!({ "has_custom_license_expiration_messaging_v2": true, "modal_header_text_v2": "Over" }));
    assert_eq!(incomplete.expect(400).as_object().unwrap().len(), 3, "each missing text is named");
    let message = json!({
        "has_custom_license_expiration_messaging_v2": true,
        "modal_header_text_v2": "Over",
        "expired_subscription_modal_messaging_v2": "<p onclick=\"x()\">Bye<script>alert(1)</script></p>",
        "button_label_in_modal_v2": "Renew",
        "url_for_button_in_modal_v2": "https://example.com/renew",
    });
    assert_eq!(patch(message).expect(200)["expired_subscription_modal_messaging_v2"], "<p>Bye</p>");
    let shown = customer.operator().get(&agreement_path(&customer, "")).expect(200);
    assert_eq!(shown["modal_header_text_v2"], "Over");
    assert_eq!(patch(json!({ "modal_header_text_v2": "Gone" })).expect(200)["button_label_in_modal_v2"], "Renew");
    let leading_astray = patch(json!({ "url_for_button_in_modal_v2": "javascript:alert(1)" })).expect(400);
    assert!(leading_astray["url_for_button_in_modal_v2"].is_array());

    let contradiction =
        json!({ "has_custom_license_expiration_messaging_v2": false, "button_label_in_modal_v2": "Renew" });
    assert!(patch(contradiction).expect(400)["button_label_in_modal_v2"].is_array());
    let none = patch(json!({ "has_custom_license_expiration_messaging_v2": false })).expect(200);
    assert_eq!(
        (&none["has_custom_license_expiration_messaging_v2"], &none["modal_header_text_v2"]),
        (&Value::Null, &Value::Null)
    );
    assert!(patch(json!({ "modal_header_text_v2": "Over" })).expect(400)["modal_header_text_v2"].is_array());
}

fn one_plan_of_an_agreement_auto_applies(database: Database) {
    let server = Server::start(database.url());
    let (customer, other) = (Customer::new(&server), Customer::new(&server));
    let (one, two, foreign) = (customer.plan(1), customer.plan(1), other.plan(1));
    let path = agreement_path(&customer, "settings/");
    let choose = |plan: Value| customer.operator().patch(&path, &json!({ "auto_applied_subscription": plan }));
    let auto_applies = |plan: &Plan| plan.admin.get(&plan.path("")).expect(200)["should_auto_apply_licenses"].clone();
    for (chosen, rest) in [(&one, &two), (&two, &one)] {
        assert_eq!(choose(json!(chosen.uuid)).expect(200)["auto_applied_subscription"], chosen.uuid.as_str());
        assert_eq!(auto_applies(chosen), true);
        assert_ne!(auto_applies(rest), true);
    }
    assert!(choose(json!(foreign.uuid)).expect(400)["auto_applied_subscription"].is_array());
    assert_eq!(auto_applies(&two), true, "what is refused changes nothing");
    assert_eq!(choose(Value::Null).expect(200)["auto_applied_subscription"], Value::Null);
    assert_eq!((auto_applies(&one), auto_applies(&two)), (json!(false), json!(false)));
}

fn an_agreement_gets_its_names_from_the_lms(database: Database) {
    let server = Server::start_with(database.url(), &[("LM_LMS__URL", &FakeUpstreams::start().url())]);
    let customer = Customer::new(&server);
    let known = (json!(FakeUpstreams::slug(customer.enterprise)), json!(FakeUpstreams::name(customer.enterprise)));
    for _ in ["at first", "again"] {
        let synchronized = customer.operator().post(&agreement_path(&customer, "sync/"), &json!({})).expect(200);
        let found = (&synchronized["enterprise_customer_slug"], &synchronized["enterprise_customer_name"]);
        assert_eq!(found, (&known.0, &known.1));
    }
    let shown = customer.operator().get(&agreement_path(&customer, "")).expect(200);
    assert_eq!(shown["enterprise_customer_slug"], known.0);
    let unknown = format!("{PROVISIONING}/customer-agreement/{}/sync/", customer.enterprise);
    assert_detail(customer.operator().post(&unknown, &json!({})), 404, "no such agreement");

    let (squatter, late) = (Customer::new(&server), Customer::new(&server));
    let taken = json!({ "enterprise_customer_slug": FakeUpstreams::slug(late.enterprise) });
    squatter.operator().patch(&agreement_path(&squatter, ""), &taken).expect(200);
    let refused = late.operator().post(&agreement_path(&late, "sync/"), &json!({})).expect(400);
    assert!(refused["enterprise_customer_slug"].is_array(), "two customers would share a slug: {refused}");
}

fn a_new_agreement_without_a_name_gets_that_of_the_lms(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = Server::start_with(database.url(), &[("LM_LMS__URL", &upstreams.url())]);
    let operator = Customer::new(&server).operator();
    let make = |operator: &Client, more: Value| {
        let enterprise = Uuid::new_v4();
        let mut body =
            json!({ "enterprise_customer_uuid": enterprise, "default_enterprise_catalog_uuid": Uuid::new_v4() });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = operator.post(&format!("{PROVISIONING}/customer-agreement/"), &body).expect(201);
        let settings = format!("{PROVISIONING}/customer-agreement/{}/settings/", made["uuid"].as_str().unwrap());
        let named = operator.get(&settings).expect(200);
        (enterprise, named["enterprise_customer_slug"].clone(), named["enterprise_customer_name"].clone())
    };
    let (enterprise, slug, name) = make(&operator, json!({}));
    assert_eq!((slug, name), (json!(FakeUpstreams::slug(enterprise)), json!(FakeUpstreams::name(enterprise))));
    let (enterprise, slug, name) = make(&operator, json!({ "enterprise_customer_slug": "acme-itself" }));
    assert_eq!((slug, name), (json!("acme-itself"), json!(FakeUpstreams::name(enterprise))));
    // Nothing listens at this port.
    let alone = Server::start_with(database.url(), &[("LM_LMS__URL", "http://127.0.0.1:1")]);
    let (_, slug, name) = make(&Customer::new(&alone).operator(), json!({}));
    assert_eq!((slug, name), (Value::Null, Value::Null), "an LMS that is away keeps nobody from making agreements");
}

fn an_agreement_is_not_synchronized_without_an_lms(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let answer = customer.operator().post(&agreement_path(&customer, "sync/"), &json!({}));
    assert!(answer.body["detail"].as_str().unwrap().contains("LMS"), "{}", answer.body);
    assert_detail(answer, 503, "no LMS");
}

fn staff_endpoints_are_for_provisioning_admins(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(1);
    let admin = server.client(&customer.admin());
    let attempt = |client: &Client, status| {
        for action in ["freeze/", "provision/", "delete-revoked/"] {
            assert_detail(client.post(&plan_path(&plan, action), &json!({})), status, action);
        }
        assert_detail(client.get(&agreement_path(&customer, "settings/")), status, "settings");
        assert_detail(client.patch(&agreement_path(&customer, "settings/"), &json!({})), status, "settings");
        assert_detail(client.post(&agreement_path(&customer, "sync/"), &json!({})), status, "sync");
    };
    attempt(&admin, 403);
    attempt(&server.anonymous(), 401);
}
