//! Requests of endpoints that no conformance case covers, and errors that all endpoints share.

// These requests come from outside of the service, with the real clock.
#![allow(clippy::disallowed_methods)]
use license_manager_tests::{Client, Customer, Database, PATIENCE, PROVISIONING, Plan, Request, Server, poll, text};
use serde_json::{Value, json};

use super::Document;

/// A customer whose admins, learners and operators send requests, each answer checked against the document.
struct Asking<'a> {
    document: &'a mut Document,
    server: &'a Server,
    customer: Customer,
    operator: Client,
}

/// Sends all requests.
pub fn ask_everything(server: &Server, database: &Database, document: &mut Document) {
    let customer = Customer::new(server);
    let operator = customer.operator();
    let mut asking = Asking { document, server, customer, operator };
    asking.service();
    asking.plans_and_licenses();
    asking.utilization();
    asking.licenses_across_plans();
    asking.agreements_by_their_second_name();
    asking.enrollments();
    asking.upkeep();
    asking.histories();
    asking.products();
    asking.renewals();
    asking.transfers();
    asking.records(database);
    asking.webhooks();
    asking.refusals();
}

/// Sends requests to a server without upstreams and with low limits.
pub fn ask_too_much(document: &mut Document) {
    let database = Database::sqlite();
    let settings = [("LM_THROTTLE__ENABLED", "true"), ("LM_THROTTLE__ANONYMOUS_PER_MINUTE", "1")];
    let server = Server::start_with(database.url(), &settings);
    let customer = Customer::new(&server);
    let sync = format!("{PROVISIONING}/customer-agreement/{}/sync/", customer.agreement);
    let schema = || server.anonymous().get("/api/schema/");
    let answers = [customer.operator().send(Request::new("POST", sync)), schema(), schema()];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [503, 200, 429]);
    for answer in &answers {
        document.observe(None, answer);
    }
}

impl Asking<'_> {
    /// Sends a request that must succeed, and returns the answer's body.
    #[track_caller]
    fn ask(&mut self, client: &Client, method: &str, path: &str, body: Value) -> Value {
        let request = Request::new(method, path);
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = client.send(request);
        self.document.observe(Some(&body).filter(|body| !body.is_null()), &answer);
        assert!((200..300).contains(&answer.status), "{}: {} {}", answer.request, answer.status, answer.body);
        answer.body
    }

    #[track_caller]
    fn get(&mut self, client: &Client, path: &str) -> Value {
        self.ask(client, "GET", path, Value::Null)
    }

    /// Sends a provisioning admin's request.
    #[track_caller]
    fn provision(&mut self, method: &str, below: &str, body: Value) -> Value {
        let operator = self.operator.clone();
        self.ask(&operator, method, &format!("{PROVISIONING}/{below}"), body)
    }

    fn learner(&self, name: &str) -> Client {
        self.server.client(&self.customer.learner(7, name))
    }

    fn service(&mut self) {
        let anonymous = self.server.anonymous();
        for path in ["/health/", "/health/live/", "/health/ready/", "/api/schema/", "/csrf/api/v1/token/"] {
            self.get(&anonymous, path);
        }
    }

    fn plans_and_licenses(&mut self) {
        let plan = self.plan_with_licenses(&["amy"], 2);
        let enterprise = self.customer.enterprise;
        self.provision("GET", &format!("customer-agreement/?enterprise_customer_uuid={enterprise}"), Value::Null);
        self.get(&plan.admin, &plan.path("licenses/csv/"));
        let amy = self.learner("amy");
        let own = self.get(&amy, &plan.path("license/"));
        self.get(&amy, &plan.path(&format!("license/{}/", text(&own["results"][0]["uuid"]))));
        self.get(&plan.admin, &plan.path("licenses/?cursor=&page_size=1"));
        self.get(&amy, &format!("/api/v1/learner-subscriptions/{}/", plan.uuid));
        self.get(&amy, &format!("/api/v1/learner-subscriptions/?enterprise_customer_uuid={enterprise}"));
    }

    fn utilization(&mut self) {
        let plan = self.plan_with_licenses(&["ann", "ben"], 5);
        let key = plan.activation_key(&self.customer.email("ann"));
        let ann = self.learner("ann");
        self.ask(&ann, "POST", &format!("/api/v1/license-activation/?activation_key={key}"), Value::Null);
        let yesterday = (chrono::Utc::now() - chrono::Duration::days(1)).date_naive();
        let path = plan.path(&format!("utilization/?from={yesterday}"));
        self.get(&plan.admin, &path);
        let table = plan.admin.send(Request::new("GET", path).header("Accept", "text/csv"));
        assert_eq!(table.status, 200, "{}", table.body);
        let refused = plan.admin.get(&plan.path("utilization/?from=yesterday"));
        for answer in [&table, &refused] {
            self.document.observe(None, answer);
        }
    }

    fn licenses_across_plans(&mut self) {
        let plan = self.customer.plan(3);
        let (amy, bob) = (self.customer.email("amy"), self.customer.email("bob"));
        let assignment = json!({ "subscription_plan": plan.uuid, "user_emails": [amy, bob], "greeting": "Welcome" });
        let assigned = self.ask(&plan.admin, "POST", "/api/v1/licenses/assign/", assignment);
        self.get(&plan.admin, &format!("/api/v1/licenses/?subscription_plan={}&status=assigned", plan.uuid));
        let license = &assigned["license_assignments"][0]["license"];
        self.get(&plan.admin, &format!("/api/v1/licenses/{}/", text(license)));
        self.get(&plan.admin, &plan.path(&format!("licenses/{}/", text(license))));
        let mut revoke = |emails: &[&String]| {
            let whose = json!({ "subscription_plan": plan.uuid, "user_emails": emails });
            self.ask(&plan.admin, "POST", "/api/v1/licenses/revoke/", whose);
        };
        revoke(&[&amy]);
        revoke(&[&amy, &bob]);
    }

    fn agreements_by_their_second_name(&mut self) {
        let plan = self.customer.plan(2);
        let change = json!({ "should_auto_apply_licenses": true, "change_reason": "other" });
        self.provision("PATCH", &format!("subscriptions/{}/", plan.uuid), change);
        let path = format!("/api/v1/customer-agreements/{}/", self.customer.agreement);
        let (amy, operator) = (self.learner("amy"), self.operator.clone());
        self.get(&amy, &format!("/api/v1/customer-agreements/?enterprise_customer_uuid={}", self.customer.enterprise));
        self.get(&amy, &path);
        self.ask(&amy, "POST", &format!("{path}auto-apply/"), Value::Null);
        self.get(&operator, &format!("{path}history/"));
    }

    fn enrollments(&mut self) {
        let plan = self.plan_with_licenses(&["carol"], 1);
        let path = "/api/v1/bulk-license-enrollment/";
        let customer = format!("enterprise_customer_uuid={}", self.customer.enterprise);
        let whom = json!({
            "emails": [self.customer.email("carol")],
            "course_run_keys": ["course-v1:edX+DemoX+T1"],
            "notify": true,
        });
        let job = self.ask(&plan.admin, "POST", &format!("{path}?{customer}"), whom);
        let query = format!("?{customer}&bulk_enrollment_job_uuid={}", text(&job["job_id"]));
        let is_done = || plan.admin.get(&format!("{path}{query}")).expect(200)["download_url"].is_string();
        assert!(poll(PATIENCE, || is_done().then_some(())).is_some(), "the enrollment is carried out");
        self.get(&plan.admin, &format!("{path}{query}"));
        self.get(&plan.admin, &format!("{path}results/{query}"));
    }

    fn upkeep(&mut self) {
        let plan = self.plan_with_licenses(&["dave"], 3);
        let below = format!("subscriptions/{}/", plan.uuid);
        let revocation = json!({ "user_emails": [self.customer.email("dave")] });
        self.ask(&plan.admin, "POST", &plan.path("licenses/bulk-revoke/"), revocation);
        self.provision("POST", &format!("{below}delete-revoked/"), Value::Null);
        self.provision("POST", &format!("{below}provision/"), Value::Null);
        let change = json!({ "can_freeze_unused_licenses": true, "change_reason": "other" });
        self.provision("PATCH", &below, change);
        self.provision("POST", &format!("{below}freeze/"), Value::Null);

        let agreement = format!("customer-agreement/{}/", self.customer.agreement);
        let settings = json!({
            "license_duration_before_purge_days": 90,
            "enable_auto_scaling_of_current_plan": true,
            "auto_scaling_max_licenses": 500,
            "auto_scaling_threshold_percentage": 80,
            "auto_scaling_increment_percentage": 10,
        });
        self.provision("PATCH", &format!("{agreement}settings/"), settings);
        self.provision("GET", &format!("{agreement}settings/"), Value::Null);
        self.provision("POST", &format!("{agreement}sync/"), Value::Null);
    }

    fn histories(&mut self) {
        let plan = self.plan_with_licenses(&["erin"], 1);
        let license = text(&plan.licenses("assigned")[0]["uuid"]);
        let operator = self.operator.clone();
        let told = self.get(&operator, &format!("/api/v1/licenses/{license}/history/"));
        let made = text(&told["results"][1]["history_date"]);
        self.get(&operator, &format!("/api/v1/licenses/{license}/history/?as_of={made}"));
        self.get(&operator, &plan.path("history/"));
        self.get(&operator, &format!("/api/v1/customer-agreement/{}/history/", self.customer.agreement));
        self.ask(&operator, "POST", &plan.path("revert/"), json!({ "as_of": made, "license_uuids": [license] }));
        let license = format!("licenses/{license}/");
        self.provision("GET", &license, Value::Null);
        let corrected =
            json!({ "user_email": self.customer.email("frank"), "lms_user_id": 8, "last_remind_date": null });
        self.provision("PATCH", &license, corrected);
        let added = json!({
            "subscription_plan": plan.uuid,
            "status": "activated",
            "user_email": self.customer.email("grete"),
            "lms_user_id": 9,
            "activation_date": "2030-01-31T12:00:00Z",
            "source_id": "006000000000000001",
            "change_reason": "Bought by phone",
        });
        self.provision("POST", "licenses/", added);
    }

    fn products(&mut self) {
        let label = json!({ "label": "Gift", "description": "For a friend", "is_paid_subscription": false });
        let kind = self.provision("POST", "plan-types/", label)["id"].clone();
        self.provision("GET", "plan-types/", Value::Null);
        self.provision("GET", &format!("plan-types/{kind}/"), Value::Null);
        self.provision("PATCH", &format!("plan-types/{kind}/"), json!({ "internal_use_only": true }));
        let product = json!({ "name": "Gift card", "plan_type": kind, "netsuite_id": 1200 });
        let path = format!("products/{}/", self.provision("POST", "products/", product)["id"]);
        self.provision("GET", "products/", Value::Null);
        self.provision("GET", &path, Value::Null);
        self.provision("PATCH", &path, json!({ "description": "For a friend" }));
        self.provision("GET", &format!("{path}history/"), Value::Null);
    }

    fn renewals(&mut self) {
        let plan = self.plan_with_licenses(&["grace"], 2);
        let renewal = json!({
            "prior_subscription_plan": plan.uuid,
            "salesforce_opportunity_id": null,
            "number_of_licenses": 3,
            "effective_date": "2100-01-02T00:00:00Z",
            "renewed_expiration_date": "2101-01-01T00:00:00Z",
        });
        let made = self.provision("POST", "subscription-plan-renewals/", renewal.clone());
        self.document.observe(
            None,
            &self.operator.post(
                &format!("{PROVISIONING}/subscription-plan-renewals/"),
                &with(renewal, "renewed_subscription_plan", self.customer.plan(1).uuid),
            ),
        );
        let path = format!("subscription-plan-renewals/{}/", made["id"]);
        self.provision("PUT", &path, json!({ "number_of_licenses": 4 }));
        self.provision("GET", &format!("{path}history/"), Value::Null);
    }

    fn transfers(&mut self) {
        let (old, new) = (self.plan_with_licenses(&["heidi", "ivan"], 2), self.customer.plan(1));
        let order = json!({
            "customer_agreement": self.customer.agreement,
            "old_subscription_plan": old.uuid,
            "new_subscription_plan": new.uuid,
            "transfer_all": true,
            "notes": "Merging two teams",
        });
        let job = self.provision("POST", "license-transfer-jobs/", order);
        let path = format!("license-transfer-jobs/{}/", job["id"]);
        self.provision("POST", &format!("{path}process/"), json!({ "is_dry_run": true }));
        new.assign(&[self.customer.email("ivan")]).expect(200);
        let refused = self.operator.post(&format!("{PROVISIONING}/{path}process/"), &json!({ "is_dry_run": false }));
        assert_eq!(refused.status, 422, "{}", refused.body);
        self.document.observe(None, &refused);
        self.provision("GET", &path, Value::Null);
        self.provision("GET", "license-transfer-jobs/", Value::Null);
        self.provision("PATCH", &path, json!({ "notes": "Merging two teams in autumn" }));
        self.provision("GET", &format!("{path}history/"), Value::Null);
        self.provision("DELETE", &path, mistake());
        let path = format!("subscriptions/{}/", self.customer.plan(1).uuid);
        self.provision("DELETE", &path, mistake());
        let other = Customer::new(self.server).agreement;
        self.provision("DELETE", &format!("customer-agreement/{other}/"), mistake());
    }

    fn webhooks(&mut self) {
        let request = json!({
            "url": "https://hooks.example.com/licenses",
            "event_types": ["assigned", "revoked"],
            "enterprise_customer_uuid": self.customer.enterprise,
        });
        let webhook = text(&self.provision("POST", "webhooks/", request)["uuid"]).to_owned();
        let own = json!({ "url": "https://hooks.example.com/", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" });
        let other = text(&self.provision("POST", "webhooks/", own)["uuid"]).to_owned();
        self.provision("GET", "webhooks/", Value::Null);
        self.provision("PATCH", &format!("webhooks/{other}/"), json!({ "is_active": false }));
        self.plan_with_licenses(&["hooked"], 1);
        let deliveries = format!("webhooks/{webhook}/deliveries/");
        let told = self.provision("GET", &format!("{deliveries}?page_size=1"), Value::Null);
        let delivery = text(&told["results"][0]["uuid"]).to_owned();
        self.provision("POST", &format!("{deliveries}{delivery}/replay/"), Value::Null);
        self.provision("POST", &format!("webhooks/{webhook}/replay/"), json!({ "since": "2026-01-01T00:00:00Z" }));
        self.provision("GET", &format!("webhooks/{webhook}/"), Value::Null);
        self.provision("POST", &format!("webhooks/{other}/ping/"), Value::Null);
        self.provision("DELETE", &format!("webhooks/{other}/"), Value::Null);
    }

    fn records(&mut self, database: &Database) {
        let plan = self.plan_with_licenses(&["judy"], 1);
        let (enterprise, license) = (self.customer.enterprise, text(&plan.licenses("assigned")[0]["uuid"]));
        // SQLite stores times in microseconds.
        let moment = 1_700_000_000_000_000_u64;
        database.execute(&format!(
            "INSERT INTO notification (enterprise_customer_uuid, enterprise_customer_user_id, subscription_plan_uuid,
                                       notification_type, last_sent, created, modified)
             VALUES ('{enterprise}', 5, '{}', 'periodic_informational', {moment}, {moment}, {moment});
             INSERT INTO license_event (license_uuid, event_name, created)
             VALUES ('{license}', 'edx.server.license-manager.expired.license.unlinked', {moment})",
            plan.uuid
        ));
        for list in [
            format!("notifications/?enterprise_customer_uuid={enterprise}"),
            format!("license-events/?license_uuid={license}"),
        ] {
            let id = self.provision("GET", &list, Value::Null)["results"][0]["id"].clone();
            let (records, _) = list.split_once('?').unwrap();
            self.provision("DELETE", &list, with(mistake(), "is_dry_run", true));
            self.provision("DELETE", &format!("{records}{id}/"), mistake());
            self.provision("GET", &format!("{records}{id}/history/"), Value::Null);
        }
        database.execute(&format!(
            "INSERT INTO operation_schedule (operation, expression, next_run, started, finished, outcome, summary, last_complete)
             VALUES ('process-renewals', '0 */6 * * *', {moment}, {moment}, {moment}, 'failed',
                     '{{\"counts\": {{\"renewals\": 2, \"licenses\": 45, \"overdue\": 0}}, \"failure_count\": 1, \"failures\":
                      [{{\"about\": \"renewal 7 of plan {}\", \"message\": \"The agreement has a plan of this title already.\"}}]}}', {moment})",
            plan.uuid
        ));
        self.provision("GET", "scheduled-operations/", Value::Null);
        let role = json!({
            "username": "mallory",
            "role": "enterprise_subscriptions_admin",
            "enterprise_customer_uuid": enterprise,
        });
        let given = self.provision("POST", "role-assignments/", role.clone());
        self.provision("POST", "role-assignments/", role);
        self.provision("GET", "role-assignments/", Value::Null);
        self.provision("DELETE", &format!("role-assignments/{}/", given["id"]), Value::Null);
    }

    /// Errors that any request can cause.
    fn refusals(&mut self) {
        let plan = self.customer.plan(2);
        let assign = |who: &str| json!({ "user_emails": [self.customer.email(who)] });
        let post = |path: &str, key: &str, body: &Value| {
            plan.admin.send(Request::new("POST", plan.path(path)).header("Idempotency-Key", key).json(body))
        };
        let first = post("licenses/assign/", "first", &assign("kim"));
        let again = post("licenses/assign/", "first", &assign("kim"));
        let other = post("licenses/assign/", "first", &assign("leo"));
        let unusable = post("licenses/revoke-all/", &"k".repeat(256), &json!({}));
        let answers = [first, again, other, unusable];
        assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 200, 422, 400]);
        assert_eq!(answers[1].header("Idempotency-Replayed"), "true");
        for answer in answers {
            self.document.observe(None, &answer);
        }
        let accepting =
            |path: &str, media_type: &str| self.operator.send(Request::new("GET", path).header("Accept", media_type));
        let answers = [
            accepting(&plan.path("licenses/"), "image/png"),
            accepting(&format!("{PROVISIONING}/products/999999/"), "application/problem+json"),
            accepting(&plan.path("history/?as_of=yesterday"), "application/problem+json"),
        ];
        assert_eq!(answers.each_ref().map(|answer| answer.status), [406, 404, 400]);
        for answer in answers {
            self.document.observe(None, &answer);
        }
    }

    /// A plan with this many licenses, one of them assigned to each of these people.
    fn plan_with_licenses(&self, names: &[&str], licenses: u32) -> Plan {
        let plan = self.customer.plan(licenses);
        let emails: Vec<_> = names.iter().map(|name| self.customer.email(name)).collect();
        plan.assign(&emails).expect(200);
        plan
    }
}

fn mistake() -> Value {
    json!({ "change_reason": "Made by mistake" })
}

fn with(mut object: Value, field: &str, value: impl Into<Value>) -> Value {
    object[field] = value.into();
    object
}
