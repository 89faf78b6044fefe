//! Errors have the usual format, or that of RFC 9457 for clients that accept it.

use license_manager_tests::{Client, Database, PROVISIONING, Request, Response, Scene, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(errors_are_problem_details_for_who_asks);

const PROBLEM_JSON: &str = "application/problem+json";

fn send(client: &Client, method: &str, path: &str, accept: &str, body: Option<&Value>) -> Response {
    let request = Request::new(method, path).header("Accept", accept);
    client.send(match body {
        Some(body) => request.json(body),
        None => request,
    })
}

fn errors_are_problem_details_for_who_asks(database: Database) {
    let scene = Scene::new(database);
    let (admin, operator, anonymous) = (&scene.plan.admin, scene.customer.operator(), scene.server.anonymous());
    let assign = scene.assign_path();
    let plans = format!("{PROVISIONING}/subscriptions/");
    let no_emails = json!({ "user_emails": [scene.customer.email("bob"), "nonsense"] });
    let too_many = json!({ "user_emails": scene.customer.emails("learner", 9) });
    let cases = [
        (&anonymous, "GET", "/api/v1/subscriptions/", None, 401, "Unauthorized"),
        (admin, "GET", "/api/v1/nowhere/", None, 404, "Not Found"),
        (admin, "PUT", assign.as_str(), None, 405, "Method Not Allowed"),
        (admin, "POST", assign.as_str(), Some(&no_emails), 400, "Bad Request"),
        (admin, "POST", assign.as_str(), Some(&too_many), 400, "Bad Request"),
        (&operator, "POST", plans.as_str(), Some(&no_emails), 400, "Bad Request"),
    ];
    for (client, method, path, body, status, title) in cases {
        let about = format!("{method} {path}");
        let wire = send(client, method, path, "application/json", body);
        assert_eq!(wire.header("Content-Type"), "application/json", "{about}");
        for accept in [PROBLEM_JSON, "application/json, application/problem+json"] {
            let answer = send(client, method, path, accept, body);
            assert_eq!(answer.header("Content-Type"), PROBLEM_JSON, "{about}");
            for header in ["WWW-Authenticate", "Allow"] {
                assert_eq!(answer.header(header), wire.header(header), "{about}");
            }
            assert_ne!(answer.header("X-Request-ID"), "", "{about}");
            let problem = answer.expect(status);
            assert_eq!(problem["type"], "about:blank", "{about}");
            assert_eq!(problem["title"], title, "{about}");
            assert_eq!(problem["status"], status, "{about}");
            assert_eq!(problem["instance"], path, "{about}");
            let told = match &wire.body {
                Value::String(text) => (json!(text), None),
                body if body["detail"].is_string() => (body["detail"].clone(), None),
                body => (problem["detail"].clone(), Some(body.get("error").unwrap_or(body))),
            };
            assert_eq!((problem["detail"].clone(), problem.get("errors")), told, "{about}");
            assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{about}");
        }
    }
    // Successful answers do not change, and neither does a 406.
    let plan = send(admin, "GET", &scene.plan.path(""), PROBLEM_JSON, None);
    assert_eq!(plan.header("Content-Type"), "application/json");
    assert_eq!(plan.expect(200)["uuid"], scene.plan.uuid.as_str());
    let unacceptable = send(admin, "GET", &scene.plan.path(""), "text/html", None);
    assert_eq!((unacceptable.status, unacceptable.header("Content-Type")), (406, "application/json"));
}
