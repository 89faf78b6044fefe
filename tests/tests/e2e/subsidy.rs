//! Licenses pay for courses, as subsidies and through bulk enrollment.

use std::net::TcpListener;

use license_manager_tests::{
    Client, Customer, Database, FakeUpstreams, NOT_IN_CATALOG, Person, Plan, Server, assert_detail, borrowed,
    on_both_databases,
};
use serde_json::{Value, json};

on_both_databases!(
    a_learner_with_several_plans_gets_the_first_that_covers_the_course,
    a_subsidy_goes_by_lms_user_id,
    without_a_catalog_service_the_answer_is_503,
    subsidies_are_for_learners_of_the_customer,
    an_enrollment_waits_until_it_is_done,
    an_enrollment_is_seen_by_admins_of_its_customer_only,
    an_enrollment_names_its_learners_or_a_plan_of_the_customer,
);

const COURSE: &str = "course-v1:edX+DemoX+T1";

fn with_catalog(database: &Database) -> Server {
    Server::start_with(database.url(), &[("LM_CATALOG__URL", &FakeUpstreams::start().url())])
}

fn subsidy(client: &Client, customer: &Customer, course: &str) -> license_manager_tests::Response {
    let course = course.replace('+', "%2B");
    client
        .get(&format!("/api/v1/license-subsidy/?enterprise_customer_uuid={}&course_key={course}", customer.enterprise))
}

/// Assigns a license to amy and activates it.
fn activate(server: &Server, customer: &Customer, plan: &Plan) -> Client {
    let email = customer.email("amy");
    plan.assign(std::slice::from_ref(&email)).expect(200);
    let amy = server.client(&customer.learner(7, "amy"));
    let key = plan.activation_key(&email);
    amy.post(&format!("/api/v1/license-activation/?activation_key={key}"), &json!({})).expect(200);
    amy
}

fn a_learner_with_several_plans_gets_the_first_that_covers_the_course(database: Database) {
    let server = with_catalog(&database);
    let customer = Customer::new(&server);
    let (earlier, later) = (customer.plan(1), customer.plan(1));
    let end = |plan: &Plan, date: &str| {
        let path = format!("/api/v1/provisioning-admins/subscriptions/{}/", plan.uuid);
        let change = json!({ "expiration_date": date, "change_reason": "other" });
        customer.operator().patch(&path, &change).expect(200);
    };
    end(&earlier, "2090-01-01");
    end(&later, "2095-01-01");
    let amy = activate(&server, &customer, &earlier);
    let expires = |answer: Value| answer["expiration_date"].clone();
    assert_eq!(expires(subsidy(&amy, &customer, COURSE).expect(200)), "2090-01-01T00:00:00Z");
    activate(&server, &customer, &later);
    assert_eq!(expires(subsidy(&amy, &customer, COURSE).expect(200)), "2095-01-01T00:00:00Z");
    let uncovered = format!("course-v1:edX+{NOT_IN_CATALOG}+T1");
    assert!(subsidy(&amy, &customer, &uncovered).expect(404).is_string());
}

fn a_subsidy_goes_by_lms_user_id(database: Database) {
    let server = with_catalog(&database);
    let customer = Customer::new(&server);
    let plan = customer.plan(1);
    activate(&server, &customer, &plan);
    let with_address = |id: i64, address: &str| {
        let person = Person::new(id, address, format!("user-{id}"));
        server.client(&person.role(format!("enterprise_learner:{}", customer.enterprise)))
    };
    let amy = customer.email("amy");
    subsidy(&with_address(7, "renamed@example.com"), &customer, COURSE).expect(200);
    subsidy(&with_address(8, &amy), &customer, COURSE).expect(404);
    database.execute("UPDATE license SET lms_user_id = NULL");
    subsidy(&with_address(8, &amy), &customer, COURSE).expect(200);
    subsidy(&with_address(7, "renamed@example.com"), &customer, COURSE).expect(404);
}

fn without_a_catalog_service_the_answer_is_503(database: Database) {
    // A port that was just closed: nothing listens there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for settings in [vec![], vec![("LM_CATALOG__URL", format!("http://{free}"))]] {
        let server = Server::start_with(database.url(), &borrowed(&settings));
        let customer = Customer::new(&server);
        let amy = activate(&server, &customer, &customer.plan(1));
        let answer = subsidy(&amy, &customer, COURSE);
        assert_eq!(answer.header("Retry-After"), "1");
        assert_detail(answer, 503, "a subsidy without a catalog");
    }
}

fn subsidies_are_for_learners_of_the_customer(database: Database) {
    let server = with_catalog(&database);
    let (customer, other) = (Customer::new(&server), Customer::new(&server));
    activate(&server, &customer, &customer.plan(1));
    let stranger = server.client(&other.learner(7, "amy"));
    assert_detail(subsidy(&stranger, &customer, COURSE), 403, "another customer's learner");
    assert_detail(subsidy(&server.client(&customer.person(7, "amy")), &customer, COURSE), 403, "without a role");
    assert_detail(subsidy(&server.anonymous(), &customer, COURSE), 401, "nobody");
    let path = format!("/api/v1/license-subsidy/?course_key={COURSE}&enterprise_customer_uuid=");
    assert!(stranger.get(&path).expect(400).is_string());
    assert_detail(stranger.get(&format!("{path}acme")), 400, "a customer that is no UUID");
}

fn enrollment_path(customer: &Customer, more: &str) -> String {
    format!("/api/v1/bulk-license-enrollment/?enterprise_customer_uuid={}{more}", customer.enterprise)
}

fn an_enrollment_waits_until_it_is_done(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(1);
    let wanted = json!({ "emails": [customer.email("amy")], "course_run_keys": [COURSE], "notify": false });
    let job = plan.admin.post(&enrollment_path(&customer, ""), &wanted).expect(201)["job_id"].clone();
    let job = format!("&bulk_enrollment_job_uuid={}", job.as_str().unwrap());
    let status = plan.admin.get(&enrollment_path(&customer, &job)).expect(200);
    assert_eq!(status["download_url"], Value::Null);
    let results = enrollment_path(&customer, &job).replace("/?", "/results/?");
    assert_detail(plan.admin.get(&results), 404, "results before the work is done");
}

fn an_enrollment_is_seen_by_admins_of_its_customer_only(database: Database) {
    let server = Server::start(database.url());
    let (customer, other) = (Customer::new(&server), Customer::new(&server));
    let wanted = json!({ "emails": [customer.email("amy")], "course_run_keys": [COURSE], "notify": true });
    let admin = server.client(&customer.admin());
    let stranger = server.client(&other.admin());
    assert_detail(stranger.post(&enrollment_path(&customer, ""), &wanted), 403, "another customer's admin");
    let learner = server.client(&customer.learner(7, "amy"));
    assert_detail(learner.post(&enrollment_path(&customer, ""), &wanted), 403, "a learner");
    let job = admin.post(&enrollment_path(&customer, ""), &wanted).expect(201)["job_id"].clone();
    let job = format!("&bulk_enrollment_job_uuid={}", job.as_str().unwrap());
    admin.get(&enrollment_path(&customer, &job)).expect(200);
    assert_detail(stranger.get(&enrollment_path(&customer, &job)), 403, "another customer's admin");
    assert_detail(stranger.get(&enrollment_path(&other, &job)), 404, "by way of another customer");
}

fn an_enrollment_names_its_learners_or_a_plan_of_the_customer(database: Database) {
    let server = Server::start(database.url());
    let (customer, other) = (Customer::new(&server), Customer::new(&server));
    let (plan, foreign) = (customer.plan(1), other.plan(1));
    let all = json!({ "course_run_keys": [COURSE], "notify": true });
    for name in ["subscription_id", "subscription_uuid"] {
        let of = |plan: &str| enrollment_path(&customer, &format!("&enroll_all=true&{name}={plan}"));
        plan.admin.post(&of(&plan.uuid), &all).expect(201);
        for unusable in [foreign.uuid.as_str(), "nope"] {
            assert!(plan.admin.post(&of(unusable), &all).expect(400)["subscription_id"].is_array());
        }
    }
    let wrong = json!({ "emails": ["amy", customer.email("bob")], "course_run_keys": [""], "notify": "perhaps" });
    let errors = plan.admin.post(&enrollment_path(&customer, ""), &wrong).expect(400);
    assert!(errors["emails"]["0"].is_array() && errors["course_run_keys"]["0"].is_array(), "{errors}");
    assert!(errors["notify"].is_array(), "{errors}");
}
