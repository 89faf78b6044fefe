//! Requests without permission or with a wrong format are refused with a clear 4xx and change nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use license_manager_tests::{Client, Database, Person, Plan, Request, Scene, assert_detail, on_both_databases};
use serde_json::json;

on_both_databases!(
    invalid_tokens_are_refused,
    restricted_tokens_are_forbidden,
    an_unknown_plan_is_forbidden,
    other_methods_are_refused,
    what_is_beside_an_endpoint_is_not_found,
    head_is_answered_as_get_without_the_body,
    other_media_types_are_refused,
    other_formats_are_not_acceptable,
    paths_work_with_and_without_their_slash,
    very_long_queries_and_filters_are_answered,
    a_body_is_read_only_with_permission,
    what_is_not_http_is_no_error_of_the_server,
);

fn what_is_not_http_is_no_error_of_the_server(database: Database) {
    let scene = Scene::new(database);
    for (about, sent) in [
        ("bytes", &b"\x16\x03\x01\x02\x00\x01\x00\n\r\n\r\n"[..]),
        ("a bad request line", b"GET / HTTP/9.9\r\n\r\n"),
        ("a bad header", b"GET /health/ HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n"),
        ("two lengths", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ("a bad length", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
        ("a bad chunk", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
    ] {
        let mut stream = TcpStream::connect(scene.server.address()).expect("the server accepts connections");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout is set");
        stream.write_all(sent).expect("the bytes are sent");
        let mut answer = [0; 32];
        let length = stream.read(&mut answer).unwrap_or_default();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{about}: {answer}");
    }
    let long = vec![b'a'; 200_000];
    let mut stream = TcpStream::connect(scene.server.address()).expect("the server accepts connections");
    // The server may close the connection before everything is sent.
    let _ = stream.write_all(b"GET /health/ HTTP/1.1\r\nX-Long: ").and_then(|()| stream.write_all(&long));
    let _ = stream.read(&mut [0; 32]);
    // While it starts, the server answers 503.
    let log = scene.server.log();
    let (_, since_start) = log.split_once("ready").expect("the server is ready");
    assert!(!since_start.contains("ERROR"), "{since_start}");
}

fn invalid_tokens_are_refused(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let admin = || scene.customer.admin();
        let token = admin().token();
        let mut parts = token.split('.');
        let (head, claims, signature) =
            (parts.next().expect("a head"), parts.next().expect("claims"), parts.next().expect("a signature"));
        let other_claims = scene.customer.learner(7, "amy").token();
        let other_claims = other_claims.split('.').nth(1).expect("claims");
        // {"alg":"none","typ":"JWT"}
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
        // {"alg":"RS256","typ":"JWT"}
        let rs256 = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9";
        let texts = [
            ("alg none", format!("JWT {none}.{claims}.")),
            ("alg none, still signed", format!("JWT {none}.{claims}.{signature}")),
            ("another algorithm", format!("JWT {rs256}.{claims}.{signature}")),
            ("other claims", format!("JWT {head}.{other_claims}.{signature}")),
            ("no signature", format!("JWT {head}.{claims}.")),
            ("two parts", format!("JWT {head}.{claims}")),
            ("no claims", format!("JWT {head}..{signature}")),
            ("another scheme", format!("Bearer {token}")),
            ("no scheme", token.clone()),
            ("a word too many", format!("JWT {token} {token}")),
        ];
        let people = [
            ("forged", admin().signed_with("a-secret-of-somebody-else-entirely")),
            ("expired", admin().expiring_in(-60)),
            ("never expiring", admin().claim("exp", json!(null))),
            ("of no time", admin().claim("iat", json!(null))),
            ("from the future", admin().claim("iat", json!(4_000_000_000_u32))),
            ("of a stranger", admin().claim("iss", json!("http://evil.example.com"))),
            ("of nobody", admin().claim("iss", json!(null))),
            ("for somebody else", admin().claim("aud", json!("another-service"))),
            ("for nobody", admin().claim("aud", json!(null))),
            ("of a newer kind", admin().claim("version", json!("2.0.0"))),
            ("without a name", admin().claim("preferred_username", json!(null))),
        ];
        let forged = people.iter().map(|(about, person)| (*about, person.authorization()));
        for (about, authorization) in texts.into_iter().chain(forged) {
            let client = Client::with_authorization(scene.server.base(), authorization);
            let answers =
                [client.get(&scene.plan.path("")), client.post(&scene.assign_path(), &scene.valid_assignment())];
            for answer in answers {
                assert_eq!(answer.header("WWW-Authenticate"), r#"JWT realm="api""#, "{about}");
                assert_detail(answer, 401, about);
            }
        }
    });
}

fn restricted_tokens_are_forbidden(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let restricted = |person: Person| {
            let person = person.claim("is_restricted", json!(true));
            scene.server.client(&person)
        };
        let admin = restricted(scene.customer.admin());
        assert_detail(admin.get(&scene.plan.path("")), 403, "reading");
        let answer = admin.post(&scene.assign_path(), &scene.valid_assignment());
        assert_detail(answer, 403, "assigning");

        let key = scene.plan.activation_key(&scene.customer.email("amy"));
        let path = format!("/api/v1/license-activation/?activation_key={key}");
        let learner = restricted(scene.customer.learner(7, "amy"));
        let answer = learner.send(Request::new("POST", path));
        assert_detail(answer, 403, "activating");
    });
}

fn an_unknown_plan_is_forbidden(database: Database) {
    let scene = Scene::new(database);
    let unknown = Plan { uuid: "7b7a2f0c-93b1-4d3a-8a8f-0d5a5c1c2b1e".to_owned(), admin: scene.plan.admin.clone() };
    let answer = unknown.admin.get(&unknown.path(""));
    assert_detail(answer, 403, "reading");
    for below in ["assign", "bulk-revoke", "revoke-all"] {
        let path = unknown.path(&format!("licenses/{below}/"));
        let answer = unknown.admin.post(&path, &scene.valid_assignment());
        assert_detail(answer, 403, below);
    }
}

fn other_methods_are_refused(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let nothing = json!({});
        for (method, path) in [
            ("POST", scene.plan.path("")),
            ("PUT", scene.plan.path("")),
            ("DELETE", scene.plan.path("")),
            ("POST", "/api/v1/subscriptions/".to_owned()),
            ("POST", scene.plan.path("licenses/overview/")),
            ("GET", scene.assign_path()),
            ("PUT", scene.assign_path()),
        ] {
            let about = format!("{method} {path}");
            let request = Request::new(method, &path).json(&nothing);
            let answer = scene.plan.admin.send(request.clone());
            assert_ne!(answer.header("Allow"), "", "{about}");
            assert_detail(answer, 405, &about);
            // Callers without permission do not learn which methods exist.
            assert_detail(scene.server.anonymous().send(request), 401, &about);
        }
    });
}

fn what_is_beside_an_endpoint_is_not_found(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let (plan, nothing) = (scene.plan.path(""), json!({}));
        for path in [
            "/api/v1/".to_owned(),
            "/api/v1/Subscriptions/".to_owned(),
            "/api/v1/subscriptionsx/".to_owned(),
            "/api/v1/provisioning-admins/".to_owned(),
            format!("{plan}nothing/"),
            format!("{plan}licenses%2F"),
            format!("{plan}licenses/assign/nothing/"),
            format!("{plan}licenses/{}/nothing/", scene.plan.uuid),
            format!("/api/v1/customer-agreements/{}/nothing/", scene.customer.agreement),
        ] {
            for method in ["GET", "POST", "DELETE", "OPTIONS"] {
                let about = format!("{method} {path}");
                let request = Request::new(method, &path).json(&nothing);
                assert_detail(scene.plan.admin.send(request), 404, &about);
            }
        }
        let encoded = plan.replace('-', "%2D");
        assert_eq!(scene.plan.admin.get(&encoded).expect(200), scene.plan.admin.get(&plan).expect(200));
    });
}

fn head_is_answered_as_get_without_the_body(database: Database) {
    let scene = Scene::new(database);
    for path in [
        scene.plan.path(""),
        scene.plan.path("licenses/csv/"),
        scene.plan.path("nothing/"),
        "/api/v1/subscriptions/".to_owned(),
        "/api/schema/".to_owned(),
        "/api-docs/".to_owned(),
        "/csrf/api/v1/token/".to_owned(),
        "/health/".to_owned(),
        "/".to_owned(),
        "/console/".to_owned(),
        "/console/sign-in/".to_owned(),
        "/console/nothing/".to_owned(),
    ] {
        let send = |method: &str| scene.plan.admin.send(Request::new(method, &path).header("Accept", "*/*"));
        let (head, get) = (send("HEAD"), send("GET"));
        assert_eq!(head.status, get.status, "{path}");
        for name in ["Content-Type", "Content-Length", "Location"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
        assert!(head.body.is_null(), "{path}: {}", head.body);
    }
}

fn other_media_types_are_refused(database: Database) {
    let scene = Scene::new(database);
    let assignment = scene.valid_assignment();
    let declared = |media_type: &str| {
        let request = Request::new("POST", scene.assign_path());
        request.header("Content-Type", media_type).json(&assignment)
    };
    scene.changes_nothing(|scene| {
        for media_type in ["text/plain", "application/xml", "application/jsonp", "nonsense"] {
            let answer = scene.plan.admin.send(declared(media_type));
            assert_detail(answer, 415, media_type);
        }
    });
    let with_charset = declared("application/json; charset=utf-8");
    scene.plan.admin.send(with_charset).expect(200);
}

fn other_formats_are_not_acceptable(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let plan = |accept: &str| {
            let request = Request::new("GET", scene.plan.path(""));
            scene.plan.admin.send(request.header("Accept", accept))
        };
        for accept in ["text/html", "application/xml, text/plain;q=0.5"] {
            assert_detail(plan(accept), 406, accept);
            let request = Request::new("POST", scene.assign_path());
            let request = request.json(&scene.valid_assignment());
            let answer = scene.plan.admin.send(request.header("Accept", accept));
            assert_detail(answer, 406, accept);
        }
        for accept in ["*/*", "application/*", "text/html, application/json;q=0.9"] {
            plan(accept).expect(200);
        }
    });
}

fn paths_work_with_and_without_their_slash(database: Database) {
    let scene = Scene::new(database);
    let amy = scene.customer.email("amy");
    let key = scene.plan.activation_key(&amy);
    let learner = scene.server.client(&scene.customer.learner(7, "amy"));
    let admin = &scene.plan.admin;

    let assigned_already = json!({"user_emails": [amy]});
    let activate = format!("/api/v1/license-activation/?activation_key={key}");
    let customer = format!("enterprise_customer_uuid={}", scene.customer.enterprise);
    for (client, method, path, body) in [
        (admin, "GET", scene.plan.path(""), None),
        (admin, "GET", scene.plan.path("licenses/?status=assigned"), None),
        (admin, "GET", format!("/api/v1/subscriptions/?{customer}"), None),
        (admin, "POST", scene.assign_path(), Some(&assigned_already)),
        (&learner, "POST", activate, None),
        (&learner, "GET", format!("/api/v1/learner-licenses/?{customer}"), None),
    ] {
        let send = |path: &str| {
            let request = Request::new(method, path);
            client.send(match body {
                Some(body) => request.json(body),
                None => request,
            })
        };
        let shortened = match path.split_once("/?") {
            Some((path, query)) => format!("{path}?{query}"),
            None => path.trim_end_matches('/').to_owned(),
        };
        assert_eq!(send(&path).expect(200), send(&shortened).expect(200), "{shortened}");
    }
}

fn very_long_queries_and_filters_are_answered(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let admin = scene.server.client(&scene.customer.admin());
        let listing = |query: &str| admin.get(&scene.plan.path(&format!("licenses/?{query}")));
        assert_eq!(listing(&format!("ordering={}", "status,-user_email,".repeat(2_000))).status, 200);
        assert_eq!(listing(&format!("status={}", "assigned,".repeat(6_000))).status, 200);
        let words = listing(&format!("search={}", "a+".repeat(20_000))).expect(200);
        assert_eq!(words["count"], 1);
        let revoke = |filters: Vec<serde_json::Value>| {
            admin.post(&scene.plan.path("licenses/bulk-revoke/"), &json!({ "filters": filters }))
        };
        let nobody = json!({ "successful_revocations": [], "unsuccessful_revocations": [] });
        let names = vec!["revoked"; 100];
        assert_eq!(revoke(vec![json!({ "name": "status_in", "filter_value": names })]).expect(200), nobody);
        let parts = vec![json!({ "name": "user_email", "filter_value": "nobody" }); 100];
        assert_eq!(revoke(parts).expect(200), nobody);
    });
}

fn a_body_is_read_only_with_permission(database: Database) {
    Scene::new(database).changes_nothing(|scene| {
        let stranger = scene.server.client(&Person::new(5, "stranger@example.com", "stranger"));
        let broken =
            Request::new("POST", scene.assign_path()).header("Content-Type", "application/json").body("{broken");
        assert_detail(stranger.send(broken), 403, "malformed JSON of a stranger");
    });
}
