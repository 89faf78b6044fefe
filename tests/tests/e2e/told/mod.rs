//! One story of two plans, and what the upstream services are told at each step.
//!
//! `story.json` has the names, plain values and forms that campaigns, profiles and analyses of existing installations
//! read. Every one of them must be sent. More may be sent, and calls may be split or merged.

mod contained;

use license_manager_tests::conformance::Variables;
use license_manager_tests::{
    Customer, Database, FakeUpstreams, PATIENCE, PROVISIONING, Plan, Request, Server, borrowed, on_both_databases,
    poll, text,
};
use serde_json::{Value, json};

use self::contained::{is_contained, items};

on_both_databases!(everything_that_existing_campaigns_read_is_sent);

const COURSE: &str = "course-v1:edX+Demo+T1";

struct Story {
    database: Database,
    upstreams: FakeUpstreams,
    server: Server,
    customer: Customer,
    variables: Variables,
    /// The steps that are left.
    steps: std::vec::IntoIter<Value>,
}

impl Story {
    fn begin(database: Database) -> Self {
        let upstreams = FakeUpstreams::start();
        upstreams.add_admin(501, 1, "chief@example.com");
        let mut settings = upstreams.settings();
        for (name, value) in [
            ("LM_MAIL__CUSTOMER_SUCCESS_EMAIL", "success@example.com"),
            ("LM_PORTALS__ADMIN_URL", "https://admin.example.com"),
        ] {
            settings.push((name.to_owned(), value.to_owned()));
        }
        let server = Server::start_with(database.url(), &borrowed(&settings));
        let customer = Customer::new(&server);
        let agreement = format!("{PROVISIONING}/customer-agreement/{}/", customer.agreement);
        customer.operator().patch(&agreement, &json!({ "enterprise_customer_name": null })).expect(200);
        let mut variables = Variables::new(&server.base());
        let run = customer.email("").trim_start_matches('-').split('@').next().unwrap_or_default().to_owned();
        for (name, value) in
            [("run", run), ("customer", customer.enterprise.to_string()), ("agreement", customer.agreement.clone())]
        {
            variables.set(name, value.into());
        }
        let steps: Vec<Value> = serde_json::from_str(include_str!("story.json")).expect("a story");
        Self { database, upstreams, server, customer, variables, steps: steps.into_iter() }
    }

    /// Does the next step, waits until everybody is told, and compares.
    fn step(&mut self, name: &str, act: impl FnOnce(&Self)) {
        let step = self.steps.next().expect("another step");
        assert_eq!(step["step"], name);
        self.upstreams.forget_profiles();
        let before = self.upstreams.all_taken().len();
        act(&*self);
        self.settle();
        let told = self.upstreams.all_taken().split_off(before);
        let missing: Vec<String> = self.expected(&step).iter().flat_map(|call| missing(call, &told)).collect();
        assert!(missing.is_empty(), "{name}:\n{}\nof what was told:\n{}", missing.join("\n"), json!(told));
    }

    /// Waits until everybody is told.
    fn settle(&self) {
        let settled = || self.database.texts("SELECT CAST(count(*) AS text) AS text FROM outbox")[0] == "0";
        assert!(poll(PATIENCE, || settled().then_some(())).is_some(), "messages still wait");
    }

    /// The expected calls of a step, for each of its people.
    fn expected(&mut self, step: &Value) -> Vec<(String, Value)> {
        let mut expected = Vec::new();
        for person in step["each"].as_array().expect("people") {
            self.variables.set("who", person["who"].clone());
            self.variables.set("id", person["id"].clone());
            self.variables.set("id as text", person["id"].to_string().into());
            for (path, bodies) in step["told"].as_object().expect("calls") {
                let path = self.variables.fill_text(path).expect("every variable is set");
                for body in bodies.as_array().expect("bodies") {
                    expected.push((path.clone(), self.variables.fill(body).expect("every variable is set")));
                }
            }
        }
        expected
    }

    fn plan(&self, title: &str, licenses: u32, more: &Value) -> Plan {
        let mut request = self.customer.plan_request(licenses);
        request["title"] = title.into();
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let plan = self.customer.operator().post(&format!("{PROVISIONING}/subscriptions/"), &request).expect(201);
        Plan { uuid: text(&plan["uuid"]), admin: self.server.client(&self.customer.admin()) }
    }

    fn activate(&self, plan: &Plan, id: i64, name: &str) {
        let key = plan.activation_key(&self.customer.email(name));
        let path = format!("/api/v1/license-activation/?activation_key={key}");
        self.server.client(&self.customer.learner(id, name)).send(Request::new("POST", path)).expect(200);
    }

    fn revoke(&self, plan: &Plan, names: &[&str]) {
        let emails: Vec<String> = names.iter().map(|name| self.customer.email(name)).collect();
        plan.admin.post(&plan.path("licenses/bulk-revoke/"), &json!({ "user_emails": emails })).expect(200);
    }

    fn log_in(&self, id: i64, name: &str, status: u16) {
        let path = format!("/api/v1/customer-agreement/{}/auto-apply/", self.customer.agreement);
        self.server.client(&self.customer.learner(id, name)).send(Request::new("POST", path)).expect(status);
        self.settle();
    }
}

/// What of an expected call nobody was told.
fn missing((path, body): &(String, Value), told: &[(String, Value)]) -> Vec<String> {
    let told: Vec<Value> = told.iter().filter(|(to, _)| to == path).flat_map(|(_, body)| items(body)).collect();
    let is_missing = |item: &Value| !told.iter().any(|told| is_contained(item, told));
    items(body).into_iter().filter(is_missing).map(|item| format!("{path}: {item}")).collect()
}

fn everything_that_existing_campaigns_read_is_sent(database: Database) {
    let mut story = Story::begin(database);
    let cap = json!({ "is_revocation_cap_enabled": true, "revoke_max_percentage": 20 });
    let plan = story.plan("Capped", 8, &cap);
    story.step("four are assigned with an admin's words", |story| {
        let emails = ["ada", "ben", "cleo", "dora"].map(|name| story.customer.email(name));
        let body = json!({ "user_emails": emails, "greeting": "Dear team", "closing": "Yours, the academy" });
        plan.admin.post(&plan.path("licenses/assign/"), &body).expect(200);
    });
    story.step("two activate", |story| {
        story.activate(&plan, 201, "ada");
        story.activate(&plan, 202, "ben");
    });
    story.step("one is reminded without a closing", |story| {
        let body = json!({ "user_emails": [story.customer.email("cleo")], "greeting": "Still there?" });
        plan.admin.post(&plan.path("licenses/remind/"), &body).expect(204);
    });
    story.step("two are revoked, which uses the cap up", |story| story.revoke(&plan, &["ada", "ben"]));
    let operator = story.customer.operator();
    let mut renewed = Plan { uuid: String::new(), admin: story.server.client(&story.customer.admin()) };
    story.step("the two that are left are renewed", |_| {
        let renewals = format!("{PROVISIONING}/subscription-plan-renewals/");
        let terms = json!({
            "prior_subscription_plan": plan.uuid,
            "number_of_licenses": 8,
            "effective_date": "2090-01-01T00:00:00Z",
            "renewed_expiration_date": "2091-01-01T00:00:00Z",
            "salesforce_opportunity_id": "00k000000000000002",
        });
        let id = operator.post(&renewals, &terms).expect(201)["id"].clone();
        let processed = operator.send(Request::new("POST", format!("{renewals}{id}/process/"))).expect(201);
        renewed.uuid = text(&processed["renewed_subscription_plan"]);
    });
    let current = json!({ "start_date": "2021-01-01T00:00:00Z", "change_reason": "other" });
    operator.patch(&format!("{PROVISIONING}/subscriptions/{}/", renewed.uuid), &current).expect(200);
    story.step("a renewed license is activated", |story| story.activate(&renewed, 203, "cleo"));
    story.step("a renewed license is revoked", |story| story.revoke(&renewed, &["cleo"]));

    let open = story.plan("Open", 4, &json!({ "should_auto_apply_licenses": true }));
    story.step("four learners log in and take every seat", |story| {
        (0..4).for_each(|number| story.log_in(210 + number, &format!("guest{number}"), 200));
    });
    story.step("a fifth learner finds no seat", |story| story.log_in(214, "guest4", 422));
    story.step("an admin enrolls one of them", |story| {
        let path = format!("/api/v1/bulk-license-enrollment/?enterprise_customer_uuid={}", story.customer.enterprise);
        let emails = [story.customer.email("guest0")];
        let body = json!({ "emails": emails, "course_run_keys": [COURSE], "notify": true });
        open.admin.post(&path, &body).expect(201);
    });
    assert_eq!(story.steps.next(), None, "the story ends");

    let asked = story.upstreams.asked();
    let customer = story.customer.enterprise.to_string();
    for (path, query) in [
        (format!("/enterprise/api/v1/enterprise-customer/{customer}/"), json!({})),
        (
            "/enterprise/api/v1/enterprise-learner/".to_owned(),
            json!({ "enterprise_customer_uuid": [customer], "role": ["enterprise_admin"] }),
        ),
        ("/contains_content_items/".to_owned(), json!({ "course_run_ids": [COURSE] })),
    ] {
        let is_asked = asked.iter().any(|(at, with)| at.ends_with(&path) && is_contained(&query, with));
        assert!(is_asked, "{path} with {query}: {asked:?}");
    }
}
