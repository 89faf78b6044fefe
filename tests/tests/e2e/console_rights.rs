//! Who sees which pages of the console, and logouts that a provider tells.

// These tests run outside of the service, with the real clock.
#![allow(clippy::disallowed_methods)]

use license_manager_tests::{
    Browser, CLIENT_ID, CLIENT_SECRET, Database, FakeIdentityProvider, Look, OidcProvider, PROVISIONING, Person,
    Server, free_port, on_both_databases,
};
use serde_json::{Value, json};

use crate::console::{OPENID_CONNECT, Visit, scene, scene_with, staff};

on_both_databases!(
    pages_are_for_those_whom_they_are_for,
    forms_refuse_what_pages_do_not_offer,
    a_provider_logs_somebody_out,
    people_sign_in_at_a_real_provider_and_are_logged_out_by_it,
);

/// Pages for operators, for who does manual work, and for who reads everything.
const OPERATIONS: [&str; 6] = ["", "webhooks/", "schedule/", "jobs/", "enrollments/", "actions/"];
const MANUAL: [&str; 3] = ["transfers/new/", "records/products/new/", "records/plan-types/new/"];
const EVERYTHING: [&str; 9] = [
    "renewals/?state=all",
    "transfers/",
    "records/",
    "records/plan-types/",
    "records/roles/",
    "records/users/",
    "records/opportunities/",
    "records/notifications/",
    "records/license-events/",
];

/// What somebody does, and everything before it: reads everything, does manual work, operates, retires people.
const READS: u8 = 1;
const WORKS: u8 = 2;
const OPERATES: u8 = 3;
const RETIRES: u8 = 4;

fn pages_are_for_those_whom_they_are_for(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    scene.server.command(&["superuser", "root"]);
    let role = json!({ "username": "oscar", "role": "license_manager_operator" });
    let root = Person::new(5, "root@example.com", "root");
    scene.server.client(&root).post(&format!("{PROVISIONING}/role-assignments/"), &role).expect(201);
    let role = json!({ "username": "vera", "role": "license_manager_viewer" });
    scene.server.client(&root).post(&format!("{PROVISIONING}/role-assignments/"), &role).expect(201);
    let people = [
        (scene.customer.admin(), 0),
        (Person::new(4, "vera@example.com", "vera"), READS),
        (staff(), WORKS),
        (Person::new(8, "pia@example.com", "pia").role("enterprise_provisioning_admin:*"), WORKS),
        (Person::new(6, "oscar@example.com", "oscar"), OPERATES),
        (root, RETIRES),
    ];
    for (person, rights) in people {
        let [reads, works, operates, retires] = [READS, WORKS, OPERATES, RETIRES].map(|needed| rights >= needed);
        let about = format!("{person:?}");
        provider.set_person(Some(person));
        let mut visit = Visit::new(&scene.server);
        visit.sign_in();
        let home = visit.page("/console/");
        let mut expect = |path: String, allowed: bool, link: &str| {
            assert_eq!(visit.get(&path).status, if allowed { 200 } else { 403 }, "{path}: {about}");
            assert_eq!(home.contains(link), allowed, "{link}: {about}");
        };
        for below in OPERATIONS {
            expect(format!("/console/operations/{below}"), operates, "href=\"/console/operations/\"");
        }
        for below in EVERYTHING {
            let (section, _) = below.split_once('/').unwrap();
            expect(format!("/console/{below}"), reads, &format!("href=\"/console/{section}/\""));
        }
        for below in MANUAL {
            assert_eq!(
                visit.get(&format!("/console/{below}")).status,
                if works { 200 } else { 403 },
                "{below}: {about}"
            );
            let list = below.replace("products/", "").replace("new/", "");
            let offered = reads && visit.page(&format!("/console/{list}")).contains(&format!("/console/{below}"));
            assert_eq!(offered, works, "{below}: {about}");
        }
        assert_eq!(visit.get("/console/people/retire/").status, if retires { 200 } else { 403 }, "{about}");
        let amy = visit.page(&format!("/console/people/?email={}", scene.customer.email("amy")));
        assert_eq!(amy.contains("Retire this person"), retires, "{about}");
        let revert = visit.get(&format!("/console/plans/{}/revert/", scene.plan.uuid)).status;
        assert_eq!(revert, if works { 200 } else { 403 }, "{about}");
    }
}

fn forms_refuse_what_pages_do_not_offer(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    provider.set_person(Some(scene.customer.admin()));
    let mut admin = Visit::new(&scene.server);
    admin.sign_in();
    let token = admin.form_token();
    let own = format!("/console/plans/{}/revert/", scene.plan.uuid);
    for (path, form) in [
        ("/console/operations/messages/act/", "act=drop&all=yes&confirmed=yes&reason=x"),
        ("/console/operations/schedule/run/", "operation=process-renewals&confirmed=yes"),
        ("/console/operations/webhooks/new/", "url=https://hooks.example.com/"),
        ("/console/transfers/new/", "agreement=x"),
        ("/console/transfers/1/run/", "confirmed=yes&reason=x"),
        ("/console/records/roles/give/", "username=amy&role=license_manager_operator&reason=x"),
        ("/console/records/notifications/delete/", "all=yes&confirmed=yes&reason=x"),
        ("/console/records/license-events/delete/", "all=yes&confirmed=yes&reason=x"),
        ("/console/people/retire/", "lms_user_id=7&username=amy&confirmed=yes&reason=x"),
        (&own, "as_of=2020-01-01T00:00:00&confirmed=yes&reason=x"),
    ] {
        let answer = admin.post(path, &format!("form_token={token}&{form}"));
        assert_eq!(answer.status, 403, "{path}: {}", answer.body);
        assert_eq!(admin.post(path, form).status, 400, "{path}: without the token of the session's forms");
    }
    // Support staff makes nobody an operator.
    provider.set_person(Some(staff()));
    let mut support = Visit::new(&scene.server);
    support.sign_in();
    let token = support.form_token();
    let form = format!("form_token={token}&username=amy&role=license_manager_operator&reason=x");
    assert_eq!(support.post("/console/records/roles/give/", &form).status, 403);
    scene.customer.plan(1);
    let nonsense = format!("form_token={token}&agreement={}&old_subscription_plan=x", scene.customer.agreement);
    let page = support.post("/console/transfers/new/", &nonsense);
    assert!(page.status == 200 && page.body.as_str().unwrap().contains("Choose the plan"), "{}", page.body);
    for path in [
        "/console/transfers/9/",
        "/console/transfers/x/",
        "/console/records/products/99/",
        "/console/records/users/one/?name=nobody",
    ] {
        assert_eq!(support.get(path).status, 404, "{path}");
    }
    assert_eq!(scene.plan.counts().assigned, 1);
}

const LOGOUT: &str = "/console/back-channel-logout/";

fn a_provider_logs_somebody_out(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene_with(database, &provider, &OPENID_CONNECT);
    let signed_in = |session: &str| {
        provider.set_person(Some(staff().claim("sub", json!("subject-3")).claim("sid", json!(session))));
        let mut visit = Visit::new(&scene.server);
        visit.sign_in();
        visit
    };
    let (mut first, mut second) = (signed_in("session-1"), signed_in("session-2"));
    let now = chrono::Utc::now().timestamp();
    let right = json!({
        "iss": provider.url(), "aud": CLIENT_ID, "iat": now, "exp": now + 120, "jti": "logout-1",
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} }, "sub": "subject-3", "sid": "session-1",
    });
    let sent = |claims: &Value| {
        let form = format!("logout_token={}", provider.sign(claims));
        let mut anybody = Visit::new(&scene.server);
        let answer = anybody.post(LOGOUT, &form);
        assert_eq!(answer.header("Cache-Control"), "no-store");
        answer.status
    };
    let with = |name: &str, value: Value| {
        let mut claims = right.clone();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        claims
    };
    for (name, value) in [
        ("iss", json!("https://evil.example.com")),
        ("aud", json!("another-client")),
        ("iat", Value::Null),
        ("iat", json!(now + 3600)),
        ("exp", json!(now - 3600)),
        ("jti", Value::Null),
        ("events", Value::Null),
        ("events", json!({ "other": {} })),
        ("nonce", json!("a nonce")),
    ] {
        assert_eq!(sent(&with(name, value.clone())), 400, "{name}: {value}");
    }
    let mut nobody = right.clone();
    nobody.as_object_mut().unwrap().retain(|name, _| name != "sid" && name != "sub");
    assert_eq!(sent(&nobody), 400, "neither sid nor sub");
    let forged = format!("{}x", provider.sign(&right));
    let mut anybody = Visit::new(&scene.server);
    assert_eq!(anybody.post(LOGOUT, &format!("logout_token={forged}")).status, 400);
    assert_eq!(anybody.post(LOGOUT, "").status, 400);
    assert_eq!(first.get("/console/").status, 200, "none of them counts");

    assert_eq!(sent(&right), 200);
    assert_eq!(first.get("/console/").status, 302, "its session is over");
    assert_eq!(second.get("/console/").status, 200, "the other one is not");
    assert_eq!(sent(&right), 400, "the token was used");
    let mut third = signed_in("session-3");
    let of_person = json!({
        "iss": provider.url(), "aud": [CLIENT_ID], "iat": now, "exp": now + 120, "jti": "logout-2",
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} }, "sub": "subject-3",
    });
    assert_eq!(sent(&of_person), 200);
    assert_eq!((second.get("/console/").status, third.get("/console/").status), (302, 302), "all of the person");
}

fn people_sign_in_at_a_real_provider_and_are_logged_out_by_it(database: Database) {
    let (port, base) = {
        let port = free_port();
        (port, format!("http://127.0.0.1:{port}"))
    };
    let provider = OidcProvider::start(free_port(), &base);
    let url = provider.url();
    let server = Server::start_at(
        port,
        database.url(),
        &[
            ("LM_CONSOLE__PROVIDER", "oidc"),
            ("LM_CONSOLE__PROVIDER_URL", url.as_str()),
            ("LM_CONSOLE__CLIENT_ID", CLIENT_ID),
            ("LM_CONSOLE__CLIENT_SECRET", CLIENT_SECRET),
            ("LM_CONSOLE__PUBLIC_URL", base.as_str()),
        ],
    );
    let browser = Browser::start(Look::USUAL);
    browser.open(&format!("{base}/console/plans/"));
    browser.press("Sign in with single sign-on");
    browser.fill("input[name=login]", "ada");
    browser.fill("input[name=password]", "any");
    browser.press("Sign-in");
    browser.press("Continue");
    browser.reads("Support staff");
    assert!(browser.address().ends_with("/console/plans/"), "where they wanted to go: {}", browser.address());
    assert_eq!(database.texts("SELECT provider_subject AS text FROM console_session"), ["ada"]);

    // They sign out at the provider, which tells this service.
    browser.open(&format!("{url}/session/end"));
    browser.press("Yes, sign me out");
    let over = license_manager_tests::poll(license_manager_tests::PATIENCE, || {
        database.texts("SELECT provider_subject AS text FROM console_session").is_empty().then_some(())
    });
    assert!(over.is_some(), "the session is over");
    browser.open(&format!("{base}/console/"));
    browser.reads("Sign in with single sign-on");
    assert!(!server.log().contains("ada@example.com"), "no address in the log");
}
