//! Learners who log in are auto-applied licenses, also concurrently.

// These tests run outside of the service, with the real clock.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;

use license_manager_tests::{
    Counts, Customer, Database, PROVISIONING, Plan, Request, Server, assert_detail, at_once, on_both_databases,
};
use serde_json::{Value, json};

const ASKERS: usize = 12;

on_both_databases!(
    five_seats_go_to_five_of_twelve,
    a_person_who_asks_twelve_times_at_once_gets_one_seat,
    applying_and_assigning_at_once_gives_nobody_two_seats,
    a_plan_that_is_locked_for_renewal_hands_out_seats,
    who_is_not_carried_over_is_told,
    applying_has_its_permission_and_its_methods,
);

/// A plan with auto-applied licenses.
fn handing_out(customer: &Customer, seats: u32) -> Plan {
    let plan = customer.plan(seats);
    let path = format!("{PROVISIONING}/subscriptions/{}/", plan.uuid);
    let body = json!({ "change_reason": "other", "should_auto_apply_licenses": true });
    customer.operator().patch(&path, &body).expect(200);
    plan
}

fn path(customer: &Customer) -> String {
    format!("/api/v1/customer-agreement/{}/auto-apply/", customer.agreement)
}

fn five_seats_go_to_five_of_twelve(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = handing_out(&customer, 5);

    let answers = at_once(ASKERS, |asker| {
        let learner = customer.learner(asker as i64 + 1, &format!("learner-{asker}"));
        server.client(&learner).send(Request::new("POST", path(&customer)))
    });

    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|&&status| status == 200).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|&&status| status == 422).count(), 7, "{statuses:?}");
    let told = |key: &str| -> BTreeSet<String> {
        let given = answers.iter().filter(|answer| answer.status == 200);
        given.map(|answer| answer.body[key].as_str().expect("a text").to_owned()).collect()
    };
    let held = |key: &str| -> BTreeSet<String> {
        plan.licenses("activated").iter().map(|license| license[key].as_str().expect("a text").to_owned()).collect()
    };
    for key in ["uuid", "user_email"] {
        assert_eq!(told(key).len(), 5, "{key}");
        assert_eq!(told(key), held(key), "who was told yes has it");
    }
    assert_eq!(plan.counts(), Counts { unassigned: 0, assigned: 0, activated: 5, revoked: 0, total: 5 });
}

fn a_person_who_asks_twelve_times_at_once_gets_one_seat(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = handing_out(&customer, 20);
    let amy = customer.learner(7, "amy");

    let licenses = at_once(ASKERS, |_| {
        server.client(&amy).send(Request::new("POST", path(&customer))).expect(200)["uuid"].clone()
    });

    assert!(licenses.iter().all(|license| *license == licenses[0]), "{licenses:?}");
    assert_eq!(plan.counts(), Counts { unassigned: 19, assigned: 0, activated: 1, revoked: 0, total: 20 });
}

fn applying_and_assigning_at_once_gives_nobody_two_seats(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = handing_out(&customer, 40);
    let people = customer.emails("learner", ASKERS / 2);

    at_once(ASKERS, |client| {
        let person = client / 2;
        if client % 2 == 0 {
            let learner = customer.learner(person as i64 + 1, &format!("learner-{person}"));
            server.client(&learner).send(Request::new("POST", path(&customer))).expect(200);
        } else {
            plan.assign(&people[person..=person]).expect(200);
        }
    });

    let holders: Vec<Value> =
        plan.licenses("assigned,activated").iter().map(|license| license["user_email"].clone()).collect();
    let different: BTreeSet<&str> = holders.iter().map(|email| email.as_str().expect("an email")).collect();
    assert_eq!((holders.len(), different.len()), (people.len(), people.len()), "{holders:?}");
}

fn a_plan_that_is_locked_for_renewal_hands_out_seats(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = handing_out(&customer, 1);
    let soon = (chrono::Utc::now() + chrono::Duration::hours(6)).to_rfc3339();
    let renewal = json!({
        "prior_subscription_plan": plan.uuid,
        "number_of_licenses": 1,
        "effective_date": soon,
        "renewed_expiration_date": "2101-01-01T00:00:00Z",
        "salesforce_opportunity_id": "00k000000000000002",
    });
    customer.operator().post(&format!("{PROVISIONING}/subscription-plan-renewals/"), &renewal).expect(201);
    assert_eq!(plan.admin.get(&plan.path("")).expect(200)["is_locked_for_renewal_processing"], true);
    let amy = server.client(&customer.learner(7, "amy"));
    assert_eq!(amy.send(Request::new("POST", path(&customer))).expect(200)["status"], "activated");
}

fn who_is_not_carried_over_is_told(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let (operator, plan) = (customer.operator(), customer.plan(3));
    let renewals = format!("{PROVISIONING}/subscription-plan-renewals/");
    let renewal = json!({
        "prior_subscription_plan": plan.uuid,
        "number_of_licenses": 1,
        "effective_date": "2100-01-01T00:00:00Z",
        "renewed_expiration_date": "2101-01-01T00:00:00Z",
        "salesforce_opportunity_id": "00k000000000000002",
    });
    let renewal = operator.post(&renewals, &renewal).expect(201)["id"].clone();
    operator.send(Request::new("POST", format!("{renewals}{renewal}/process/"))).expect(201);
    let body = json!({ "change_reason": "other", "should_auto_apply_licenses": true });
    operator.patch(&format!("{PROVISIONING}/subscriptions/{}/", plan.uuid), &body).expect(200);
    let come = |user, name| server.client(&customer.learner(user, name)).send(Request::new("POST", path(&customer)));
    let first = come(7, "amy").expect(200);
    assert_eq!((&first["status"], first.get("num_not_carried_over")), (&json!("activated"), None));
    assert_eq!(come(8, "bob").expect(200)["num_not_carried_over"], 1);
    assert_eq!(come(8, "bob").expect(200).get("num_not_carried_over"), None, "he has one already");
    assert_eq!(operator.get(&format!("{renewals}{renewal}/")).expect(200)["num_not_carried_over"], 1);
}

fn applying_has_its_permission_and_its_methods(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    handing_out(&customer, 1);
    let stranger = server.client(&Customer::new(&server).learner(8, "bob"));
    for agreement in [customer.agreement.as_str(), "7b7a2f0c-93b1-4d3a-8a8f-0d5a5c1c2b1e"] {
        let path = format!("/api/v1/customer-agreement/{agreement}/auto-apply/");
        assert_detail(server.anonymous().send(Request::new("POST", &path)), 401, "nobody");
        assert_detail(stranger.send(Request::new("POST", &path)), 403, "another customer's learner");
    }
    let amy = server.client(&customer.learner(7, "amy"));
    assert_detail(amy.get(&path(&customer)), 405, "reading");
    assert_detail(amy.send(Request::new("POST", "/api/v1/customer-agreement/nonsense/auto-apply/")), 404, "no id");
    amy.send(Request::new("POST", path(&customer))).expect(200);
}
