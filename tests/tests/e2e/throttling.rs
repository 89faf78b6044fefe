//! Rate limits.

use license_manager_tests::{Client, Customer, Database, Request, Response, Server, assert_detail};

/// A server with limits per minute, so that a test ends within one.
fn server(database: &Database, further: &[(&str, &str)]) -> Server {
    let mut settings = vec![
        ("LM_THROTTLE__ENABLED", "true"),
        ("LM_THROTTLE__ANONYMOUS_PER_MINUTE", "5"),
        ("LM_THROTTLE__USER_PER_SECOND", "1000"),
        ("LM_THROTTLE__USER_PER_MINUTE", "7"),
        ("LM_THROTTLE__EXEMPT_USER_IDS", "99"),
    ];
    settings.extend_from_slice(further);
    Server::start_with(database.url(), &settings)
}

fn ask(client: &Client) -> Response {
    client.get("/api/v1/subscriptions/")
}

#[track_caller]
fn assert_throttled(answer: Response) {
    let seconds: u64 = answer.header("Retry-After").parse().expect("whole seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_ne!(answer.header("X-Request-ID"), "");
    assert_detail(answer, 429, "throttled");
}

#[test]
fn callers_without_a_valid_credential_are_counted_by_address() {
    let database = Database::sqlite();
    let server = server(&database, &[]);
    for _ in 0..3 {
        ask(&server.anonymous()).expect(401);
    }
    let forged = Client::with_authorization(server.base(), "JWT nonsense");
    for _ in 0..2 {
        ask(&forged).expect(401);
    }
    assert_throttled(ask(&forged));
    assert_throttled(ask(&server.anonymous()));
    assert_throttled(server.anonymous().get("/nowhere/"));
    let elsewhere = Request::new("GET", "/api/v1/subscriptions/").header("X-Forwarded-For", "192.0.2.1");
    assert_throttled(server.anonymous().send(elsewhere));
    for path in ["/health/", "/health"].repeat(10) {
        server.anonymous().get(path).expect(200);
    }
}

#[test]
fn cookies_of_no_session_are_counted_by_address() {
    let database = Database::sqlite();
    let server = server(&database, &[]);
    let ask = |path: &str| {
        let request = Request::new("GET", path).header("Cookie", "license_manager_console=made-up");
        server.anonymous().send(request.header("Accept", "text/html"))
    };
    for path in ["/logout/", "/logout/", "/console/", "/logout/", "/console/"] {
        assert_ne!(ask(path).status, 429, "{path}");
    }
    for path in ["/logout/", "/console/"] {
        let answer = ask(path);
        assert_eq!(answer.status, 429, "{path}");
        assert_ne!(answer.header("Retry-After"), "", "{path}");
    }
    assert_eq!(server.anonymous().get("/logout/").status, 200, "there is nothing to look up without a cookie");
    for path in ["/console/sign-in/", "/console/sign-in/demo/", "/console/back-channel-logout/"] {
        assert_eq!(server.anonymous().send(Request::new("POST", path)).status, 429, "{path}: no form is read");
    }
}

#[test]
fn users_are_counted_by_themselves() {
    let database = Database::sqlite();
    let server = server(&database, &[]);
    let customer = Customer::new(&server);
    let amy = server.client(&customer.learner(7, "amy"));
    let own = format!("/api/v1/learner-licenses/?enterprise_customer_uuid={}", customer.enterprise);
    for _ in 0..7 {
        amy.get(&own).expect(200);
    }
    assert_throttled(amy.get(&own));
    assert_throttled(server.client(&customer.learner(7, "amy")).get(&own));
    server.client(&customer.learner(8, "bob")).get(&own).expect(200);
    let exempt = server.client(&customer.learner(99, "eve"));
    for _ in 0..20 {
        exempt.get(&own).expect(200);
    }
    assert_eq!(ask(&server.anonymous()).status, 401);
}

#[test]
fn behind_a_trusted_proxy_the_address_it_saw_counts() {
    let database = Database::sqlite();
    let server = server(&database, &[("LM_SERVER__TRUST_FORWARDED_FOR", "true")]);
    let from = |forwarded: &str| {
        let request = Request::new("GET", "/api/v1/subscriptions/").header("X-Forwarded-For", forwarded);
        server.anonymous().send(request)
    };
    for number in 0..5 {
        from(&format!("198.51.100.{number}, 192.0.2.1")).expect(401);
    }
    assert_throttled(from("198.51.100.9, 192.0.2.1"));
    from("192.0.2.2").expect(401);
}

#[test]
fn one_setting_turns_it_off() {
    let database = Database::sqlite();
    let server = server(&database, &[("LM_THROTTLE__ENABLED", "false")]);
    for _ in 0..20 {
        ask(&server.anonymous()).expect(401);
    }
}
