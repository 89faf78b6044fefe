//! Support staff read the records of every customer; admins and learners read those of their own.

use license_manager_tests::{Client, Database, PROVISIONING, Scene, assert_detail, on_both_databases};
use license_manager_tests::{Customer, Person};
use serde_json::{Value, json};

on_both_databases!(
    staff_read_the_records_of_every_customer,
    staff_do_not_act_as_admins_or_learners,
    the_admin_of_one_customer_reads_nothing_of_another,
);

fn staff(customer: &Customer) -> Person {
    customer.person(5, "staff").claim("administrator", json!(true))
}

/// The records of the scene's customer: single ones, and lists of which one page has them all.
struct Records {
    single: Vec<String>,
    lists: Vec<String>,
}

impl Records {
    fn of(scene: &Scene) -> Self {
        let license = scene.plan.licenses("assigned")[0]["uuid"].as_str().unwrap().to_owned();
        let (agreement, enterprise) = (&scene.customer.agreement, scene.customer.enterprise);
        let plan = &scene.plan.uuid;
        Self {
            single: vec![
                scene.plan.path(""),
                scene.plan.path(&format!("licenses/{license}/")),
                scene.plan.path("licenses/overview/"),
                scene.plan.path("licenses/csv/"),
                scene.plan.path("utilization/"),
                scene.plan.path("history/"),
                format!("/api/v1/licenses/{license}/"),
                format!("/api/v1/licenses/{license}/history/"),
                format!("/api/v1/learner-subscriptions/{plan}/"),
                format!("/api/v1/customer-agreement/{agreement}/"),
            ],
            lists: vec![
                scene.plan.path("licenses/"),
                format!("/api/v1/subscriptions/?enterprise_customer_uuid={enterprise}"),
                format!("/api/v1/learner-subscriptions/?enterprise_customer_uuid={enterprise}"),
                format!("/api/v1/licenses/?enterprise_customer_uuid={enterprise}"),
                format!("/api/v1/customer-agreement/?enterprise_customer_uuid={enterprise}"),
            ],
        }
    }
}

/// What only provisioning admins and staff read.
fn provisioned(scene: &Scene, renewal: &Value) -> [String; 6] {
    let (agreement, plan) = (&scene.customer.agreement, &scene.plan.uuid);
    [
        "customer-agreement/".to_owned(),
        format!("customer-agreement/{agreement}/"),
        "subscriptions/".to_owned(),
        format!("subscriptions/{plan}/"),
        "subscription-plan-renewals/".to_owned(),
        format!("subscription-plan-renewals/{}/", renewal["id"]),
    ]
    .map(|below| format!("{PROVISIONING}/{below}"))
}

fn renew(scene: &Scene) -> Value {
    let renewal = json!({
        "prior_subscription_plan": scene.plan.uuid,
        "salesforce_opportunity_id": null,
        "number_of_licenses": 5,
        "effective_date": "2100-01-02T00:00:00Z",
        "renewed_expiration_date": "2101-01-01T00:00:00Z",
    });
    scene.customer.operator().post(&format!("{PROVISIONING}/subscription-plan-renewals/"), &renewal).expect(201)
}

fn staff_read_the_records_of_every_customer(database: Database) {
    let scene = Scene::new(database);
    let other = Customer::new(&scene.server).plan(1);
    let renewal = renew(&scene);
    let staff = scene.server.client(&staff(&scene.customer));
    let records = Records::of(&scene);
    for path in records.single.iter().chain(&provisioned(&scene, &renewal)) {
        assert_eq!(staff.get(path).status, 200, "{path}");
    }
    for path in &records.lists {
        assert_ne!(staff.get(path).expect(200)["count"], 0, "{path}");
    }
    let plans = staff.get("/api/v1/subscriptions/").expect(200);
    let shown: Vec<&Value> = plans["results"].as_array().unwrap().iter().map(|plan| &plan["uuid"]).collect();
    for plan in [&scene.plan, &other] {
        assert!(shown.contains(&&json!(plan.uuid)), "{shown:?}");
    }
}

fn staff_do_not_act_as_admins_or_learners(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let renewal = renew(scene);
        let staff = scene.server.client(&staff(&scene.customer));
        let amy = json!({ "user_emails": [scene.customer.email("amy")] });
        let (agreement, plan) = (&scene.customer.agreement, &scene.plan.uuid);
        let of_plan = json!({ "subscription_plan": plan, "user_emails": [scene.customer.email("amy")] });
        for (path, body) in [
            (scene.assign_path(), &scene.valid_assignment()),
            (scene.plan.path("licenses/bulk-revoke/"), &amy),
            (scene.plan.path("licenses/revoke-all/"), &json!({})),
            (scene.plan.path("licenses/remind/"), &amy),
            (scene.plan.path("licenses/remind-all/"), &json!({})),
            ("/api/v1/licenses/assign/".to_owned(), &of_plan),
            ("/api/v1/licenses/revoke/".to_owned(), &of_plan),
            (format!("/api/v1/customer-agreement/{agreement}/auto-apply/"), &json!({})),
            (format!("{PROVISIONING}/customer-agreement/"), &json!({})),
            (format!("{PROVISIONING}/subscriptions/"), &scene.customer.plan_request(1)),
            (format!("{PROVISIONING}/subscription-plan-renewals/"), &json!({})),
            (format!("{PROVISIONING}/subscription-plan-renewals/{}/process/", renewal["id"]), &json!({})),
        ] {
            assert_detail(staff.post(&path, body), 403, &path);
        }
        let change = json!({ "change_reason": "other", "title": "Ours" });
        for below in [
            format!("customer-agreement/{agreement}/"),
            format!("subscriptions/{plan}/"),
            format!("subscription-plan-renewals/{}/", renewal["id"]),
        ] {
            assert_detail(staff.patch(&format!("{PROVISIONING}/{below}"), &change), 403, &below);
        }
    });
}

fn the_admin_of_one_customer_reads_nothing_of_another(database: Database) {
    let scene = Scene::new(database);
    let renewal = renew(&scene);
    let other = Customer::new(&scene.server);
    let records = Records::of(&scene);
    let outside = [scene.server.client(&other.admin()), scene.server.client(&other.learner(8, "zoe"))];
    for client in &outside {
        for path in records.single.iter().chain(&provisioned(&scene, &renewal)) {
            assert_detail(client.get(path), 403, path);
        }
    }
    let nothing = |client: &Client, path: &str| {
        let answer = client.get(path);
        answer.status == 403 || answer.status == 200 && answer.body["results"] == json!([])
    };
    for path in &records.lists {
        assert!(outside.iter().all(|client| nothing(client, path)), "{path}");
        assert_ne!(scene.plan.admin.get(path).expect(200)["count"], 0, "{path}: its own admin reads it");
    }
    for path in provisioned(&scene, &renewal) {
        assert_detail(scene.plan.admin.get(&path), 403, &path);
    }
}
