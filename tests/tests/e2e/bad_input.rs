//! Invalid input is answered with a clear 4xx and changes nothing.

use license_manager_tests::{Database, PROVISIONING, Request, Response, Scene, assert_detail, on_both_databases};
use serde_json::{Value, json};

/// The server's limit for bodies, in bytes.
const BODY_LIMIT: usize = 5 * 1024 * 1024;

on_both_databases!(
    malformed_json_is_refused,
    values_of_the_wrong_type_are_refused,
    provisioning_values_of_the_wrong_type_are_refused,
    a_body_over_the_limit_is_refused,
    malformed_ids_are_refused,
    characters_no_database_stores_are_refused,
    absurd_numbers_are_refused,
    pages_that_do_not_exist_are_not_found,
);

fn malformed_json_is_refused(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let deep = "[".repeat(100_000);
        let malformed: [&[u8]; 6] = [
            b"{broken",
            b"{\"user_emails\": [\"bob@example.com\"]} and more",
            b"{\"user_emails\": [\"bob@example.com\",]}",
            b"{\"user_emails\": [\"\\ud800@example.com\"]}",
            b"{\"user_emails\": [\"\xff@example.com\"]}",
            deep.as_bytes(),
        ];
        let admin_paths = [scene.assign_path(), scene.plan.path("licenses/bulk-revoke/")];
        let operator_paths = ["customer-agreement", "subscriptions"];
        for body in malformed {
            let about = String::from_utf8_lossy(&body[..body.len().min(60)]);
            let request =
                |path: String| Request::new("POST", path).header("Content-Type", "application/json").body(body);
            for path in &admin_paths {
                let answer = scene.plan.admin.send(request(path.clone()));
                assert_detail(answer, 400, &format!("{path}: {about}"));
            }
            for path in operator_paths {
                let path = format!("{PROVISIONING}/{path}/");
                let answer = scene.customer.operator().send(request(path.clone()));
                assert_detail(answer, 400, &format!("{path}: {about}"));
            }
        }
    });
}

fn values_of_the_wrong_type_are_refused(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let everywhere = [
            json!(null),
            json!([]),
            json!("bob@example.com"),
            json!(3),
            json!({}),
            json!({"user_emails": null}),
            json!({"user_emails": 3}),
            json!({"user_emails": {"0": "bob@example.com"}}),
            json!({"user_emails": [3]}),
            json!({"user_emails": [null]}),
            json!({"user_emails": [["bob@example.com"]]}),
            json!({"user_emails": [format!("{}@example.com", "b".repeat(300))]}),
        ];
        let revoking =
            [json!({"filters": "all"}), json!({"filters": [3]}), json!({"filters": [{"name": "user_email"}]})];
        let assign = everywhere.iter().map(|body| (scene.assign_path(), body));
        let revoke = everywhere.iter().chain(&revoking).map(|body| (scene.plan.path("licenses/bulk-revoke/"), body));
        for (path, body) in assign.chain(revoke) {
            let answer = scene.plan.admin.post(&path, body);
            assert_eq!(answer.status, 400, "{path} {body}: {}", answer.body);
        }
    });
}

fn provisioning_values_of_the_wrong_type_are_refused(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let operator = scene.customer.operator();
        let plans = format!("{PROVISIONING}/subscriptions/");
        for (key, value) in [
            ("title", json!([])),
            ("title", json!("long".repeat(100))),
            ("start_date", json!("yesterday")),
            ("start_date", json!("2026-02-31T00:00:00Z")),
            ("expiration_date", json!({})),
            ("desired_num_licenses", json!("many")),
            ("desired_num_licenses", json!(-1)),
            ("desired_num_licenses", json!(1.5)),
            ("desired_num_licenses", json!(10_000_000_000_000_000_000_u64)),
            ("product", json!("one")),
            ("product", json!(1_000_000)),
            ("is_active", json!("perhaps")),
            ("customer_agreement", json!("not-a-uuid")),
            ("salesforce_opportunity_line_item", json!("short")),
        ] {
            let mut request = scene.customer.plan_request(3);
            request[key] = value.clone();
            let answer = operator.post(&plans, &request);
            assert_eq!(answer.status, 400, "{key} {value}: {}", answer.body);
        }
        for body in [json!(null), json!([]), json!("text"), json!(3)] {
            for path in [&plans, &format!("{PROVISIONING}/customer-agreement/")] {
                let answer = operator.post(path, &body);
                assert_eq!(answer.status, 400, "{path} {body}: {}", answer.body);
            }
        }
    });
}

fn a_body_over_the_limit_is_refused(database: Database) {
    let scene = Scene::new(database);
    let padded = |length: usize| {
        let mut body = scene.valid_assignment().to_string().into_bytes();
        body.resize(length, b' ');
        Request::new("POST", scene.assign_path()).header("Content-Type", "application/json").body(body)
    };
    scene.changes_nothing(|scene| {
        let answer = scene.plan.admin.send(padded(BODY_LIMIT + 1));
        assert_detail(answer, 413, "a byte too many");
    });
    scene.plan.admin.send(padded(BODY_LIMIT)).expect(200);
}

fn malformed_ids_are_refused(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let admin = &scene.plan.admin;
        let operator = scene.customer.operator();
        let learner = scene.server.client(&scene.customer.learner(7, "amy"));
        for id in ["not-a-uuid", "1", "%00", "%F0%9F%98%80", "00000000-0000-0000-0000-00000000000g"] {
            let plan = format!("/api/v1/subscriptions/{id}/");
            let gets = [
                (admin, plan.clone()),
                (admin, format!("{plan}licenses/")),
                (admin, format!("{plan}licenses/overview/")),
                (admin, format!("/api/v1/customer-agreement/{id}/")),
                (admin, format!("/api/v1/subscriptions/?enterprise_customer_uuid={id}")),
                (admin, format!("/api/v1/customer-agreement/?enterprise_customer_uuid={id}")),
                (&learner, format!("{plan}license/")),
                (&learner, format!("/api/v1/learner-subscriptions/?enterprise_customer_uuid={id}")),
                (&learner, format!("/api/v1/learner-licenses/?enterprise_customer_uuid={id}")),
                (&operator, format!("{PROVISIONING}/subscriptions/{id}/")),
                (&operator, format!("{PROVISIONING}/customer-agreement/{id}/")),
            ];
            for (client, path) in gets {
                assert_refused(client.get(&path));
            }
            let posts = [
                (admin, format!("{plan}licenses/assign/")),
                (admin, format!("{plan}licenses/bulk-revoke/")),
                (admin, format!("{plan}licenses/revoke-all/")),
                (&learner, format!("/api/v1/license-activation/?activation_key={id}")),
            ];
            for (client, path) in posts {
                assert_refused(client.post(&path, &scene.valid_assignment()));
            }
        }
    });
}

/// Whether 400 or 404 differs by endpoint; the client is at fault in both cases.
#[track_caller]
fn assert_refused(answer: Response) {
    let (request, status) = (&answer.request, answer.status);
    assert!((400..500).contains(&status), "{request}: {status} {}", answer.body);
}

fn characters_no_database_stores_are_refused(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let nul = json!({"user_emails": ["bob\u{0}@example.com"]});
        let answer = scene.plan.admin.post(&scene.assign_path(), &nul);
        assert_eq!(answer.status, 400, "{}", answer.body);

        let mut request = scene.customer.plan_request(3);
        request["title"] = json!("Plan \u{0}");
        let plans = format!("{PROVISIONING}/subscriptions/");
        let answer = scene.customer.operator().post(&plans, &request);
        assert_eq!(answer.status, 400, "{}", answer.body);

        // What cannot be stored cannot be found.
        let path = scene.plan.path("licenses/?search=%00");
        let answer = scene.plan.admin.get(&path);
        assert!(answer.status < 500, "{}", answer.body);
        assert_ne!(answer.body["count"], 1);
    });
}

fn absurd_numbers_are_refused(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let learner = |user_id: Value| {
            let person = scene.customer.learner(7, "zoe");
            scene.server.client(&person.claim("user_id", user_id))
        };
        let path = format!("/api/v1/learner-licenses/?enterprise_customer_uuid={}", scene.customer.enterprise);
        for user_id in [json!(i64::MAX), json!(u64::MAX), json!(-1), json!(1e300), json!("seven"), json!([7])] {
            let answer = learner(user_id.clone()).get(&path);
            assert!(answer.status < 500, "{user_id}: {}", answer.body);
        }
        for query in ["page_size=99999999999999999999", "page_size=-1", "page_size=many"] {
            let path = scene.plan.path(&format!("licenses/?{query}"));
            assert_eq!(scene.plan.admin.get(&path).expect(200)["count"], 5, "{query}");
        }
    });
}

fn pages_that_do_not_exist_are_not_found(database: Database) {
    let scene = Scene::new(database);
    for page in ["abc", "0", "-1", "1.5", "2", "99999999999999999999"] {
        let path = scene.plan.path(&format!("licenses/?page={page}"));
        assert_detail(scene.plan.admin.get(&path), 404, page);
        let path = format!("/api/v1/subscriptions/?page={page}");
        assert_detail(scene.plan.admin.get(&path), 404, page);
    }
    for page in ["1", "last"] {
        let path = scene.plan.path(&format!("licenses/?page={page}"));
        assert_eq!(scene.plan.admin.get(&path).expect(200)["count"], 5, "{page}");
    }
}
