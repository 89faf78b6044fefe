//! Web applications call with their user's cookies, and other pages cannot misuse them.

use license_manager_tests::{Database, Person, Request, Response, Scene, assert_detail, on_both_databases};
use serde_json::json;

on_both_databases!(
    the_two_cookies_are_a_credential,
    a_header_credential_wins_over_cookies,
    cookies_without_a_csrf_token_change_nothing,
    an_application_with_a_csrf_token_may_change_things,
    other_pages_are_refused_even_with_a_token,
    header_credentials_need_no_csrf_token,
    preflights_tell_allowed_applications_what_they_may_send,
    cookies_may_have_other_names,
    no_cache_keeps_an_answer,
    requests_for_other_hosts_are_refused,
);

const PORTAL: &str = "https://portal.example.com";
const EVIL: &str = "https://evil.example.com";

fn scene(database: Database) -> Scene {
    let origins = format!("{PORTAL}, http://localhost:1991");
    Scene::with_settings(
        database,
        &[("LM_SERVER__ALLOWED_ORIGINS", &origins), ("LM_SERVER__ALLOWED_HEADERS", "X-Portal")],
    )
}

/// A token as the two cookies.
fn cookies(person: &Person) -> String {
    let token = person.token();
    let (start, signature) = token.rsplit_once('.').expect("a signed token");
    format!("edx-jwt-cookie-header-payload={start}; edx-jwt-cookie-signature={signature}")
}

/// An assignment by the admin's browser, with more cookies.
fn assignment(scene: &Scene, further_cookie: &str) -> Request {
    let cookies = cookies(&scene.customer.admin());
    Request::new("POST", scene.assign_path())
        .json(&scene.valid_assignment())
        .header("Cookie", &format!("{cookies}; {further_cookie}"))
        .header("USE-JWT-COOKIE", "true")
}

/// A CSRF token and its cookie.
fn csrf_token(scene: &Scene) -> (String, String) {
    let answer = scene.server.anonymous().get("/csrf/api/v1/token");
    let cookie = answer.header("Set-Cookie").to_owned();
    assert_eq!(answer.header("Cache-Control"), "no-store");
    let token = answer.expect(200)["csrfToken"].as_str().expect("a token").to_owned();
    let (pair, attributes) = cookie.split_once("; ").expect("attributes");
    assert_eq!(pair, format!("license_manager_csrftoken={token}"));
    assert_eq!(attributes, "SameSite=Lax; Secure; Path=/");
    (token, pair.to_owned())
}

fn the_two_cookies_are_a_credential(database: Database) {
    let scene = scene(database);
    let get = |cookies: &str| {
        let request = Request::new("GET", scene.plan.path("")).header("Cookie", cookies);
        scene.server.anonymous().send(request)
    };
    let both = cookies(&scene.customer.admin());
    get(&both).expect(200);
    get(&format!("theme=dark; {both}; lang=en")).expect(200);
    let (start, signature) = both.split_once("; ").expect("two cookies");
    for half in [start, signature] {
        assert_detail(get(half), 401, half);
    }
    assert_detail(get(&format!("{start}; {signature}x")), 401, "a forged signature");
    assert_detail(get(&cookies(&scene.customer.admin().expiring_in(-60))), 401, "expired");
    assert_detail(get(&cookies(&scene.customer.learner(7, "amy"))), 403, "a learner");
}

fn a_header_credential_wins_over_cookies(database: Database) {
    let scene = scene(database);
    let cookies = cookies(&scene.customer.admin());
    let get = |authorization: &str| {
        let request = Request::new("GET", scene.plan.path("")).header("Cookie", &cookies);
        scene.server.anonymous().send(request.header("Authorization", authorization))
    };
    assert_detail(get(&scene.customer.learner(7, "amy").authorization()), 403, "a learner");
    assert_detail(get("JWT nonsense"), 401, "nonsense");
    get("Basic c3RhZ2luZzpzdGFnaW5n").expect(200);
}

fn cookies_without_a_csrf_token_change_nothing(database: Database) {
    let scene = scene(database);
    let (token, cookie) = csrf_token(&scene);
    let other = "x".repeat(token.len());
    scene.changes_nothing(|scene| {
        for (about, request) in [
            ("no token at all", assignment(scene, "theme=dark")),
            ("no header", assignment(scene, &cookie)),
            ("no cookie", assignment(scene, "theme=dark").header("X-CSRFToken", &token)),
            ("another token", assignment(scene, &cookie).header("X-CSRFToken", &other)),
            ("an empty token", assignment(scene, "license_manager_csrftoken=").header("X-CSRFToken", "")),
        ] {
            for request in [request.clone(), request.header("Origin", PORTAL)] {
                assert_detail(scene.server.anonymous().send(request), 403, about);
            }
        }
        let revocation = Request::new("POST", scene.plan.path("licenses/revoke-all/"));
        let revocation = revocation.header("Cookie", &cookies(&scene.customer.admin()));
        assert_detail(scene.server.anonymous().send(revocation), 403, "without a body");
    });
}

fn an_application_with_a_csrf_token_may_change_things(database: Database) {
    let scene = scene(database);
    let (token, cookie) = csrf_token(&scene);
    let send = |request: Request| scene.server.anonymous().send(request.header("X-CSRFToken", &token));
    let answer = send(assignment(&scene, &cookie).header("Origin", PORTAL));
    assert_eq!(answer.header("Access-Control-Allow-Origin"), PORTAL);
    assert_eq!(answer.header("Access-Control-Allow-Credentials"), "true");
    assert!(answer.header("Access-Control-Expose-Headers").to_lowercase().contains("x-request-id"));
    assert_eq!(answer.expect(200)["num_successful_assignments"], 1);
    // The server's own pages, and programs that keep cookies and send no origin.
    send(assignment(&scene, &cookie).header("Origin", &scene.server.base())).expect(200);
    send(assignment(&scene, &cookie)).expect(200);
    // All pages share the browser's token.
    let again = Request::new("GET", "/csrf/api/v1/token/").header("Cookie", &cookie);
    assert_eq!(scene.server.anonymous().send(again).expect(200)["csrfToken"], token.as_str());
}

fn other_pages_are_refused_even_with_a_token(database: Database) {
    let scene = scene(database);
    let (token, cookie) = csrf_token(&scene);
    scene.changes_nothing(|scene| {
        let https = |request: Request| request.header("X-Forwarded-Proto", "https");
        for (about, request) in [
            ("another origin", assignment(scene, &cookie).header("Origin", EVIL)),
            ("a hidden origin", assignment(scene, &cookie).header("Origin", "null")),
            ("another page", https(assignment(scene, &cookie)).header("Referer", &format!("{EVIL}/{PORTAL}"))),
            ("an unknown page", https(assignment(scene, &cookie))),
        ] {
            let answer = scene.server.anonymous().send(request.header("X-CSRFToken", &token));
            assert_ne!(answer.header("Access-Control-Allow-Origin"), EVIL, "{about}");
            assert_detail(answer, 403, about);
        }
    });
    let request = https_from_portal(assignment(&scene, &cookie));
    scene.server.anonymous().send(request.header("X-CSRFToken", &token)).expect(200);
}

fn https_from_portal(request: Request) -> Request {
    request.header("X-Forwarded-Proto", "https").header("Referer", &format!("{PORTAL}/acme/admin"))
}

fn header_credentials_need_no_csrf_token(database: Database) {
    let scene = scene(database);
    let request = assignment(&scene, "theme=dark").header("Origin", EVIL);
    scene.plan.admin.send(request).expect(200);
}

fn preflights_tell_allowed_applications_what_they_may_send(database: Database) {
    let scene = scene(database);
    let preflight = |origin: &str, method: &str, headers: &str| -> Response {
        let request = Request::new("OPTIONS", scene.assign_path())
            .header("Origin", origin)
            .header("Access-Control-Request-Method", method)
            .header("Access-Control-Request-Headers", headers);
        scene.server.anonymous().send(request)
    };
    let headers = "content-type, use-jwt-cookie, x-csrftoken, idempotency-key, authorization, user-agent, traceparent, \
                   tracestate, x-portal";
    for origin in [PORTAL, "http://localhost:1991"] {
        let answer = preflight(origin, "POST", headers);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("Access-Control-Allow-Origin"), origin);
        assert_eq!(answer.header("Access-Control-Allow-Credentials"), "true");
        assert!(answer.header("Access-Control-Allow-Methods").contains("PATCH"));
        assert!(answer.header("Access-Control-Allow-Headers").to_lowercase().contains("use-jwt-cookie"));
        assert_ne!(answer.header("X-Request-ID"), "");
    }
    for (about, answer) in [
        ("another origin", preflight(EVIL, "POST", headers)),
        ("another method", preflight(PORTAL, "TRACE", headers)),
        ("another header", preflight(PORTAL, "POST", "x-debug")),
    ] {
        assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (400, ""), "{about}");
    }
    // The request is answered; the browser keeps the answer from the page.
    let request = Request::new("GET", scene.plan.path("")).header("Origin", EVIL);
    let answer = scene.plan.admin.send(request);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), "");
    answer.expect(200);
    // Web applications can also read errors, from the handler or from middleware.
    for (accept, status) in [("application/json", 401), ("text/html", 406)] {
        let request = Request::new("GET", scene.plan.path("")).header("Origin", PORTAL).header("Accept", accept);
        let answer = scene.server.anonymous().send(request);
        assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (status, PORTAL));
    }
    assert_eq!(json!(null), preflight(PORTAL, "POST", headers).body);
}

fn cookies_may_have_other_names(database: Database) {
    let scene = Scene::with_settings(
        database,
        &[
            ("LM_AUTH__COOKIE_HEADER_PAYLOAD", "stage-edx-jwt-cookie-header-payload"),
            ("LM_AUTH__COOKIE_SIGNATURE", "stage-edx-jwt-cookie-signature"),
            ("LM_SERVER__CSRF_COOKIE_NAME", "stage-csrftoken"),
        ],
    );
    let usual = cookies(&scene.customer.admin());
    let prefixed = usual.replace("edx-jwt", "stage-edx-jwt");
    let get = |cookies: &str| {
        scene.server.anonymous().send(Request::new("GET", scene.plan.path("")).header("Cookie", cookies))
    };
    get(&prefixed).expect(200);
    assert_detail(get(&usual), 401, "the usual names");
    let answer = scene.server.anonymous().get("/csrf/api/v1/token");
    let cookie = answer.header("Set-Cookie").split(';').next().unwrap_or_default().to_owned();
    let token = answer.expect(200)["csrfToken"].as_str().expect("a token").to_owned();
    assert_eq!(cookie, format!("stage-csrftoken={token}"));
    // The form of Django's own tokens, which Django does not replace.
    assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{token}");
    let request = Request::new("POST", scene.assign_path())
        .json(&scene.valid_assignment())
        .header("Cookie", &format!("{prefixed}; {cookie}"))
        .header("X-CSRFToken", &token);
    scene.server.anonymous().send(request).expect(200);
}

fn no_cache_keeps_an_answer(database: Database) {
    let scene = scene(database);
    let learner = scene.customer.learner(7, "amy");
    for answer in [
        scene.plan.admin.get(&scene.plan.path("licenses/")),
        scene.plan.admin.get(&scene.plan.path("licenses/csv/")),
        scene.server.client(&learner).get(&scene.plan.path("")),
        scene.server.anonymous().get("/api/v1/nothing/"),
    ] {
        assert_eq!(answer.header("Cache-Control"), "no-store");
        assert_eq!(answer.header("X-Content-Type-Options"), "nosniff");
        let vary = answer.header("Vary").to_lowercase();
        assert!(vary.contains("cookie") && vary.contains("authorization"), "{vary}");
    }
}

fn requests_for_other_hosts_are_refused(database: Database) {
    let scene = Scene::with_settings(database, &[("LM_SERVER__ALLOWED_HOSTS", "127.0.0.1, licenses.example.com")]);
    let get = |header: &str, host: &str| {
        scene.plan.admin.send(Request::new("GET", scene.plan.path("licenses/?page_size=1")).header(header, host))
    };
    let next = get("X-Forwarded-Host", "licenses.example.com:8443").expect(200)["next"].clone();
    assert!(next.as_str().is_some_and(|next| next.starts_with("http://licenses.example.com:8443/")), "{next}");
    for header in ["Host", "X-Forwarded-Host"] {
        assert_detail(get(header, "evil.example.com"), 400, header);
    }
    for path in ["/health/", "/health", "/health/live/", "/health/live", "/health/ready", "/metrics/", "/metrics"] {
        let asked = scene.server.anonymous().send(Request::new("GET", path).header("Host", "10.0.0.7"));
        assert_eq!(asked.status, 200, "{path}: {}", asked.body);
    }
}
