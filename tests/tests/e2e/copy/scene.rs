//! A SQLite database with rows in every table.

use license_manager_tests::{Client, Customer, Database, PROVISIONING, Person, Plan, Request, Response, Server, text};
use serde_json::{Value, json};

/// The idempotency key of a request that is repeated after the copy.
pub const KEY: &str = "the-first-assignment";

/// A text that wrong encoding, quoting or escaping would change.
pub const ODD: &str = "Données – 数据 🎓 \"quoted\" 'single' \\back\\ {} [] %s $1\ttab";

/// A time as SQLite stores it.
const MOMENT: i64 = 1_700_000_000_123_456;

/// The scene's parts that the tests use.
pub struct Scene {
    pub customer: Customer,
    /// A plan with licenses of every status.
    pub plan: Plan,
    /// A renewed plan.
    pub renewed: Plan,
    /// A webhook with waiting deliveries.
    pub webhook: String,
    /// A license that was assigned, activated and revoked.
    pub license: String,
    /// The id of a deleted renewal.
    pub deleted_renewal: i64,
}

/// A person who may see everything.
pub fn staff() -> Person {
    Person::new(5, "staff@example.com", "staff").claim("administrator", json!(true))
}

impl Scene {
    /// Creates the scene. The server must deliver nothing, so that messages stay.
    pub fn new(server: &Server, database: &Database, endpoint: &str) -> Self {
        let customer = Customer::new(server);
        let operator = customer.operator();
        let provision = |below: &str, body: Value| operator.post(&format!("{PROVISIONING}/{below}"), &body);
        let webhook = json!({ "url": endpoint, "event_types": ["assigned", "activated", "revoked"] });
        let webhook = text(&provision("webhooks/", webhook).expect(201)["uuid"]);
        provision("webhooks/", json!({ "url": "http://127.0.0.1:9/", "enterprise_customer_uuid": customer.agreement }))
            .expect(201);

        let plan = odd_plan(server, &customer);
        let emails = customer.emails("learner", 4);
        assign_with_key(&plan.admin, &plan, &customer).expect(200);
        plan.assign(&emails).expect(200);
        plan.admin.post(&plan.path("licenses/remind/"), &json!({ "user_emails": [emails[1]] })).expect(204);
        let license = activate(server, &customer, &plan, "learner-0");
        plan.admin
            .post(&plan.path("licenses/bulk-revoke/"), &json!({ "user_emails": [emails[0], emails[2]] }))
            .expect(200);

        let renewed = customer.plan(3);
        renewed.assign(&customer.emails("renewed", 2)).expect(200);
        let renewal = provision("subscription-plan-renewals/", renewal_of(&renewed)).expect(201);
        operator
            .send(Request::new("POST", format!("{PROVISIONING}/subscription-plan-renewals/{}/process/", renewal["id"])))
            .expect(201);
        let deleted = provision("subscription-plan-renewals/", renewal_of(&plan)).expect(201)["id"].as_i64();
        let deleted = deleted.expect("a number");
        let path = format!("{PROVISIONING}/subscription-plan-renewals/{deleted}/");
        operator.send(Request::new("DELETE", path)).expect(204);

        let scene = Self { customer, plan, renewed, webhook, license, deleted_renewal: deleted };
        scene.staff_records(&operator);
        scene.moved_licenses(&operator);
        scene.what_no_request_does(database);
        scene
    }

    fn staff_records(&self, operator: &Client) {
        let agreement = format!("{PROVISIONING}/customer-agreement/{}/settings/", self.customer.agreement);
        let settings = json!({
            "license_duration_before_purge_days": 30,
            "has_custom_license_expiration_messaging_v2": true,
            "modal_header_text_v2": ODD,
            "expired_subscription_modal_messaging_v2": "<p>Ende</p>",
            "button_label_in_modal_v2": "→",
            "url_for_button_in_modal_v2": "https://example.com/?a=b&c=%20",
        });
        operator.patch(&agreement, &settings).expect(200);
        let provision = |below: &str, body: Value| operator.post(&format!("{PROVISIONING}/{below}"), &body).expect(201);
        let kind =
            provision("plan-types/", json!({ "label": "Gift", "description": ODD, "is_paid_subscription": false }));
        let product = provision("products/", json!({ "name": ODD, "plan_type": kind["id"], "netsuite_id": 1_200 }));
        operator
            .patch(&format!("{PROVISIONING}/products/{}/", product["id"]), &json!({ "netsuite_id": null }))
            .expect(200);
        let role = json!({ "username": "mallory", "role": "enterprise_subscriptions_admin",
                           "enterprise_customer_uuid": self.customer.enterprise });
        provision("role-assignments/", role);
        provision(
            "role-assignments/",
            json!({ "username": "trent", "role": "enterprise_subscriptions_learner",
                                               "enterprise_customer_uuid": null }),
        );
        let enrollment = json!({ "emails": [self.customer.email("learner-1")], "course_run_keys": ["course-v1:a+b+c"], "notify": true });
        let path = format!("/api/v1/bulk-license-enrollment/?enterprise_customer_uuid={}", self.customer.enterprise);
        self.plan.admin.post(&path, &enrollment).expect(201);
    }

    fn moved_licenses(&self, operator: &Client) {
        let (old, new) = (self.customer.plan(2), self.customer.plan(1));
        old.assign(&self.customer.emails("moved", 2)).expect(200);
        let order = |more: Value| {
            let mut order = json!({ "customer_agreement": self.customer.agreement, "notes": ODD,
                                    "old_subscription_plan": old.uuid, "new_subscription_plan": new.uuid });
            order.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            order
        };
        let moved = &old.licenses("assigned")[0]["uuid"];
        for more in [json!({ "license_uuids": [moved] }), json!({ "transfer_all": true })] {
            let path = format!("{PROVISIONING}/license-transfer-jobs/");
            let job = operator.post(&path, &order(more)).expect(201);
            for dry in [true, false] {
                operator.post(&format!("{path}{}/process/", job["id"]), &json!({ "is_dry_run": dry })).expect(200);
            }
        }
    }

    /// Rows that operations, workers and time create.
    fn what_no_request_does(&self, database: &Database) {
        let (enterprise, plan, license) = (self.customer.enterprise, &self.plan.uuid, &self.license);
        let later = 4_102_444_800_000_000_i64;
        database.execute(&format!(
            "INSERT INTO notification (enterprise_customer_uuid, enterprise_customer_user_id, subscription_plan_uuid,
                                       notification_type, last_sent, created, modified)
             VALUES ('{enterprise}', 5, '{plan}', 'periodic_informational', {MOMENT}, {MOMENT}, {MOMENT});
             INSERT INTO notification_history (history_date, history_type, id, enterprise_customer_uuid,
                 enterprise_customer_user_id, subscription_plan_uuid, notification_type, last_sent, created, modified)
             VALUES ({MOMENT}, '+', 1, '{enterprise}', 5, '{plan}', 'periodic_informational', {MOMENT}, {MOMENT}, {MOMENT});
             INSERT INTO license_event (license_uuid, event_name, created)
             VALUES ('{license}', 'edx.server.license-manager.expired.license.unlinked', {MOMENT});
             INSERT INTO license_event_history (history_date, history_type, id, license_uuid, event_name, created)
             VALUES ({MOMENT}, '-', 1, '{license}', 'old', {MOMENT});
             INSERT INTO operation_schedule (operation, expression, next_run, started, finished, outcome, summary)
             VALUES ('process-renewals', '0 */6 * * *', {MOMENT}, -1, {MOMENT}, 'failed',
                     '{{\"counts\": {{\"renewals\": 2}}, \"failure_count\": 0, \"failures\": []}}');
             INSERT INTO operation_lease (operation, key, owner, until)
             VALUES ('expire-subscriptions', '{plan}', '{license}', {MOMENT});
             INSERT INTO plan_mark (subscription_plan_uuid, name, created) VALUES ('{plan}', 'initial_utilization', {MOMENT});
             INSERT INTO history_retention (id, complete_since) VALUES (1, {MOMENT});
             INSERT INTO console_session (id_hash, uuid, username, roles, is_staff, roles_until, refresh_token, user_agent,
                                          created, last_used)
             VALUES (x'0102ff', '{license}', 'amy', '[\"enterprise_admin:*\"]', 1, {MOMENT}, x'00fe', 'a browser', {MOMENT},
                     {MOMENT});
             UPDATE console_session SET provider_session = 'session', provider_subject = 'subject';
             INSERT INTO console_logout (token_hash, until) VALUES (x'03', {MOMENT});
             INSERT INTO recent_write (user_hash, until) VALUES (x'04', {MOMENT});
             INSERT INTO staff_action (uuid, created, username, reason, kind, subject, about_user, number)
             VALUES ('{license}', {MOMENT}, 'amy', 'asked', 'role_given', 'operator', 'bob', 1);
             UPDATE operation_schedule SET requested = {MOMENT};
             INSERT INTO imported_versions (id, imported_at, last_license_history_id, own_versions_from, checksums_of,
                                            compared_at, finished_at)
             VALUES (1, {MOMENT}, 0, 1, 'sqlite', {MOMENT}, {MOMENT});
             INSERT INTO imported_row (table_name, key, checksum) VALUES ('license', '{license}', -9223372036854775807);
             INSERT INTO imported_range (source_table, number, checksum) VALUES ('core_user', 0, '1 2 3');
             INSERT INTO imported_value (source_table, source_key, kept) VALUES ('core_user', 'amy', '{{\"id\":\"7\"}}');
             INSERT INTO plan_job (subscription_plan_uuid, kind, requested_at, not_before, reminders, read_until)
             VALUES ('{plan}', 'provision', {MOMENT}, {later}, '{{}}', '{license}');
             UPDATE webhook_delivery SET state = 'delivered', attempts = 2, last_status = 204, delivered_at = created
             WHERE position = (SELECT max(position) FROM webhook_delivery);
             UPDATE bulk_enrollment_job SET results = 'email,result' || char(13, 10), stage = 'done', successes = 3000000000"
        ));
    }
}

/// A plan with an unusual title and dates.
fn odd_plan(server: &Server, customer: &Customer) -> Plan {
    let mut request = customer.plan_request(9);
    request["title"] = json!(ODD);
    request["start_date"] = json!("1900-01-01T00:00:00.000001Z");
    request["expiration_date"] = json!("9999-12-30T23:59:59.999999Z");
    let plan = customer.operator().post(&format!("{PROVISIONING}/subscriptions/"), &request).expect(201);
    Plan { uuid: text(&plan["uuid"]), admin: server.client(&customer.admin()) }
}

/// Assigns licenses with greetings, a Salesforce id and [`KEY`].
pub fn assign_with_key(admin: &Client, plan: &Plan, customer: &Customer) -> Response {
    let body = json!({
        "user_emails": [customer.email("key"), customer.email("other")],
        "user_sfids": ["00k000000000000003", null],
        "greeting": ODD,
    });
    admin.send(Request::new("POST", plan.path("licenses/assign/")).header("Idempotency-Key", KEY).json(&body))
}

/// Activates a learner's license and returns its id.
pub fn activate(server: &Server, customer: &Customer, plan: &Plan, name: &str) -> String {
    let path = format!("/api/v1/license-activation/?activation_key={}", plan.activation_key(&customer.email(name)));
    let activated = server.client(&customer.learner(7, name)).send(Request::new("POST", path));
    text(&activated.expect(200)["uuid"])
}

/// A renewal's request.
pub fn renewal_of(plan: &Plan) -> Value {
    json!({
        "prior_subscription_plan": plan.uuid,
        "number_of_licenses": 9,
        "salesforce_opportunity_id": null,
        "effective_date": "2100-01-02T00:00:00.000007Z",
        "renewed_expiration_date": "2101-01-01T00:00:00Z",
    })
}
