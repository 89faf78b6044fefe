//! The console: signing in, permissions and forms over HTTP, and its pages in a real browser.

use license_manager_tests::{
    Browser, Database, FakeIdentityProvider, Look, PATIENCE, PROVISIONING, Person, Scene, Server, on_both_databases,
    poll,
};
pub(super) use license_manager_tests::{Visit, between};
use serde_json::json;

on_both_databases!(
    who_is_not_signed_in_is_led_to_the_sign_in,
    people_sign_in_at_the_lms_and_out,
    people_sign_in_with_openid_connect,
    roles_are_renewed_after_an_hour_or_the_session_ends,
    a_sign_in_that_began_elsewhere_is_refused,
    everybody_sees_what_their_roles_permit,
    plans_and_agreements_are_edited_with_a_reason,
    forms_of_other_sessions_are_refused,
    support_staff_works_in_a_browser,
    the_console_works_without_scripts_narrow_and_dark,
);

/// The setting of a server whose people sign in with OpenID Connect.
pub(super) const OPENID_CONNECT: [(&str, &str); 1] = [("LM_CONSOLE__PROVIDER", "oidc")];

/// A server whose people sign in at the provider.
pub(super) fn scene(database: Database, provider: &FakeIdentityProvider) -> Scene {
    scene_with(database, provider, &[])
}

/// The same with more settings.
pub(super) fn scene_with(database: Database, provider: &FakeIdentityProvider, more: &[(&str, &str)]) -> Scene {
    let url = provider.url();
    let mut settings = Visit::settings(&url).to_vec();
    settings.extend_from_slice(more);
    Scene::with_settings(database, &settings)
}

pub(super) fn staff() -> Person {
    Person::new(3, "staff@example.com", "staff").claim("administrator", json!(true))
}

fn who_is_not_signed_in_is_led_to_the_sign_in(database: Database) {
    let server = Server::start(database.url());
    let mut visit = Visit::new(&server);
    for path in ["/console/", "/console/plans/?title=a", "/console/sessions"] {
        let answer = visit.get(path);
        assert_eq!(answer.status, 302, "{path}");
        assert!(answer.header("Location").starts_with("/console/sign-in?next=%2Fconsole%2F"), "{path}");
    }
    let root = visit.get("/");
    assert_eq!((root.status, root.header("Location")), (303, "/console/"));
    let page = visit.page("/console/sign-in");
    assert!(page.contains("Sign in") && page.contains("LM_CONSOLE__CLIENT_ID"), "it names what is missing: {page}");
    assert!(!page.contains("<form"), "nothing that would refuse");
    assert_eq!(visit.post("/console/sign-in/", "").status, 404);
    assert_eq!(visit.post("/console/sign-in/demo/", "person=0").status, 404, "no demo");
    assert_eq!(visit.get("/logout/").status, 200, "signed out or not");
    for path in ["/console/nothing/", "/console/operations/nothing/", "/console/records/products/"] {
        let answer = visit.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.as_str().is_some_and(|page| page.contains("Nothing here")), "{path}: {}", answer.body);
    }
    visit.cookies.push(("license_manager_console".to_owned(), "made-up".to_owned()));
    assert_eq!(visit.get("/console/").status, 302);
    let off = Server::start_with(database.url(), &[("LM_CONSOLE__ENABLED", "false")]);
    for path in ["/", "/console/sign-in/"] {
        assert_eq!(Visit::new(&off).get(path).status, 404, "{path}");
    }
}

fn people_sign_in_at_the_lms_and_out(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    provider.set_person(Some(staff()));
    let mut visit = Visit::new(&scene.server);
    visit.sign_in();
    let page = visit.page("/console/plans/");
    assert!(page.contains("Support staff") && page.contains("staff"), "{page}");
    let first = visit.cookies.clone();
    visit.sign_in();
    assert_ne!(visit.cookies, first, "the id is new at every sign-in");
    let mut former = Visit::new(&scene.server);
    former.cookies = first;
    assert_eq!(former.get("/console/").status, 302, "and the former one is over");

    // Another browser of the same person, which the first one ends.
    let mut other = Visit::new(&scene.server);
    other.sign_in();
    let page = visit.page("/console/sessions/");
    let (session, token) = (between(&page, "name=\"session\" value=\"", "\""), visit.form_token());
    visit.post("/console/sessions/end/", &format!("form_token={token}&session={session}"));
    assert_eq!(other.get("/console/").status, 302, "it was ended");
    // Two more, which are ended at once.
    let mut others = [(); 2].map(|()| {
        let mut other = Visit::new(&scene.server);
        other.sign_in();
        other
    });
    assert!(visit.page("/console/sessions/").contains("End 2 sessions"));
    let token = visit.form_token();
    let ended = visit.post("/console/sessions/end/", &format!("form_token={token}&all=yes&listed=nobody"));
    assert_eq!(others.each_mut().map(|other| other.get("/console/").status), [302, 302]);
    assert!(visit.page(ended.header("Location")).contains("2 sessions were ended."));

    let kept = visit.cookies.clone();
    assert_eq!(visit.get("/logout/").status, 200);
    assert!(visit.cookies.is_empty());
    visit.cookies = kept;
    assert_eq!(visit.get("/console/").status, 302, "the session is over, not only its cookie");
    assert!(!scene.server.log().contains("staff@example.com"), "no address in the log");
}

fn people_sign_in_with_openid_connect(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene_with(database, &provider, &OPENID_CONNECT);
    provider.set_person(Some(scene.customer.admin()));
    let mut visit = Visit::new(&scene.server);
    visit.sign_in();
    assert!(visit.page("/console/").contains("Customer admin"));
    assert!(visit.page("/console/plans/").contains(&format!("/console/plans/{}/", scene.plan.uuid)));
    // An identity token of another sign-in.
    let mut other = Visit::new(&scene.server);
    let back = other.go_to_provider();
    provider.forge_nonce();
    assert_eq!(other.get(&back).status, 403);
}

fn roles_are_renewed_after_an_hour_or_the_session_ends(database: Database) {
    let provider = FakeIdentityProvider::start();
    let url = database.url().to_owned();
    let scene = scene(database, &provider);
    let hour_passes = || {
        let past = if url.starts_with("sqlite") { "0" } else { "'2020-01-01'" };
        scene.execute(&format!("UPDATE console_session SET roles_until = {past}, renewing_until = NULL"));
    };
    provider.set_person(Some(staff()));
    let mut visit = Visit::new(&scene.server);
    visit.sign_in();
    let given = provider.given();
    visit.page("/console/");
    assert_eq!(provider.given(), given, "nobody asks while the roles count");
    hour_passes();
    visit.page("/console/");
    assert_eq!(provider.given(), given + 1, "they are asked for once");
    // Their rights were taken away.
    provider.set_person(Some(staff().claim("administrator", json!(false))));
    hour_passes();
    let answer = visit.get("/console/");
    assert_eq!(answer.status, 403);
    assert!(answer.body.as_str().unwrap().contains("no role"), "{}", answer.body);
    // The account is gone.
    provider.set_person(None);
    hour_passes();
    assert_eq!(visit.get("/console/").status, 302);
    provider.set_person(Some(staff()));
    assert_eq!(visit.get("/console/").status, 302, "the session has ended");
}

fn a_sign_in_that_began_elsewhere_is_refused(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    provider.set_person(Some(staff()));
    let mut visit = Visit::new(&scene.server);
    let back = visit.go_to_provider();
    let refused = |visit: &mut Visit<'_>, path: &str| {
        let answer = visit.get(path);
        assert_eq!(answer.status, 403, "{path}: {}", answer.body);
        assert!(visit.cookies.iter().all(|(name, _)| name != "license_manager_console"), "{path}");
    };
    refused(&mut Visit::new(&scene.server), &back);
    refused(&mut visit, "/console/sign-in/callback?code=code-0&state=other");
    refused(&mut visit, &back.replace("code=code-", "code=none-"));
    // A token that this service does not accept.
    provider.set_person(Some(staff().signed_with("another-secret-0123456789-0123456789")));
    let back = visit.go_to_provider();
    refused(&mut visit, &back);
    for next in ["https://evil.example.com", "//evil.example.com", "/console/\\evil", "/api/", "/console/%01"] {
        let page = visit.page(&format!("/console/sign-in?next={next}"));
        assert!(page.contains("name=\"next\" value=\"/console/\""), "{next}: {page}");
    }
}

fn everybody_sees_what_their_roles_permit(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let own = format!("/console/plans/{}/", scene.plan.uuid);
    let other = license_manager_tests::Customer::new(&scene.server).plan(1);
    let others = format!("/console/plans/{}/", other.uuid);
    let as_person = |person: Person| {
        provider.set_person(Some(person));
        let mut visit = Visit::new(&scene.server);
        visit.sign_in();
        visit
    };
    let amy = format!("/console/people/?email={}", scene.customer.email("amy"));

    let mut admin = as_person(scene.customer.admin());
    let page = admin.page(&own);
    assert!(page.contains("Assign licenses") && page.contains("Revoke") && !page.contains("Add a license"), "{page}");
    assert_eq!(admin.get(&others).status, 404, "another customer's");
    assert_eq!(admin.get(&format!("{others}assign/")).status, 404);
    assert!(admin.page(&amy).contains("Licenses that they have or had"));
    let license = between(&admin.page(&own), "/console/licenses/", "/");
    assert!(!admin.page(&format!("/console/licenses/{license}/")).contains("Edit"));
    assert_eq!(admin.get(&format!("/console/licenses/{license}/edit/")).status, 403);

    let role = json!({ "username": "vera", "role": "license_manager_viewer" });
    scene.server.client(&staff()).post(&format!("{PROVISIONING}/role-assignments/"), &role).expect(201);
    let mut viewer = as_person(Person::new(4, "vera@example.com", "vera"));
    let page = viewer.page(&others);
    assert!(!page.contains("Assign licenses") && !page.contains("type=\"checkbox\""), "{page}");
    let token = viewer.form_token();
    for form in ["act/", "assign/", "add/"] {
        assert_eq!(
            viewer.post(&format!("{own}{form}"), &format!("form_token={token}&act=revoke")).status,
            403,
            "{form}"
        );
    }
    // A role that is lost in the database counts at once.
    scene.execute("DELETE FROM role_assignment");
    assert_eq!(viewer.get(&own).status, 403);

    let mut learner = as_person(scene.customer.learner(7, "amy"));
    let answer = learner.get("/console/");
    assert_eq!(answer.status, 403);
    assert!(answer.body.as_str().unwrap().contains("no role"), "{}", answer.body);

    let operator = json!({ "username": "oscar", "role": "license_manager_operator" });
    let roles = format!("{PROVISIONING}/role-assignments/");
    scene.server.client(&staff()).post(&roles, &operator).expect(403);
    let for_one = json!({
        "username": "oscar", "role": "license_manager_operator", "enterprise_customer_uuid": scene.customer.enterprise,
    });
    scene.server.command(&["superuser", "root"]);
    let root = Person::new(5, "root@example.com", "root");
    scene.server.client(&root).post(&roles, &for_one).expect(400);
    scene.server.client(&root).post(&roles, &operator).expect(201);
    let mut operator = as_person(Person::new(6, "oscar@example.com", "oscar"));
    assert!(operator.page("/console/sessions/").contains("vera"), "operators see everybody's sessions");
    assert!(!admin.page("/console/sessions/").contains("vera"));
    let hers = operator.page("/console/sessions/?user=vera");
    assert!(hers.contains("<td>vera</td>") && !hers.contains("<td>oscar</td>"), "{hers}");
    assert!(operator.page("/console/sessions/?user=nobody").contains("This user is not signed in."));
    assert!(!admin.page("/console/sessions/?user=vera").contains("<td>vera</td>"));

    // An operator ends the session of somebody else, which is recorded. An admin cannot.
    let page = operator.page("/console/sessions/");
    let (_, row) = page.split_once("<td>vera</td>").expect("vera is signed in");
    let session = between(row, "name=\"session\" value=\"", "\"");
    let end = |visit: &mut Visit<'_>| {
        let token = visit.form_token();
        visit.post("/console/sessions/end/", &format!("form_token={token}&session={session}")).status
    };
    assert_eq!((end(&mut admin), viewer.get("/console/").status), (303, 403), "she has no role, and is signed in");
    assert_eq!((end(&mut operator), viewer.get("/console/").status), (303, 302));
    assert_eq!(end(&mut operator), 303, "it is over already");
    let recorded = "SELECT username || ' ' || about_user AS text FROM staff_action WHERE kind = 'session_ended'";
    assert_eq!(scene.database().texts(recorded), ["oscar vera"]);
}

fn plans_and_agreements_are_edited_with_a_reason(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    provider.set_person(Some(Person::new(8, "pia@example.com", "pia").role("enterprise_provisioning_admin:*")));
    let mut visit = Visit::new(&scene.server);
    visit.sign_in();
    let token = visit.form_token();
    let plan = format!("/console/plans/{}/", scene.plan.uuid);
    let path = format!("{plan}edit/");
    let version = between(&visit.page(&path), "name=\"version\" value=\"", "\"");
    let form = |reason: &str, version: &str| {
        format!(
            "form_token={token}&version={version}&title=Music&start_date=2020-01-01T00:00:00&product=1\
             &expiration_date=2100-01-01T00:00:00&is_active=yes&desired_num_licenses=7&revoke_max_percentage=5\
             &salesforce_opportunity_line_item=00k000000000000001&reason={reason}"
        )
    };
    let refused = visit.post(&path, &form("", &version));
    assert!(refused.status == 200 && refused.body.as_str().unwrap().contains("Say why"), "{}", refused.body);
    let refused = visit.post(&path, &form("", &version).replace("expiration_date=2100", "expiration_date=2000"));
    let page = refused.body.as_str().expect("the form");
    assert!(page.contains("Say why") && page.contains("must expire after it starts"), "both at once: {page}");
    assert_eq!(visit.post(&path, &form("other", &version)).status, 303);
    let history = visit.page(&format!("{plan}history/"));
    assert!(history.contains("Music") && history.contains("other") && history.contains("pia"), "{history}");
    assert_eq!(scene.plan.counts().total, 7, "missing licenses were added");
    let late = visit.post(&path, &form("other", &version));
    assert!(late.body.as_str().unwrap().contains("Somebody else has changed the plan"), "{}", late.body);

    let customer = format!("/console/customers/{}/", scene.customer.agreement);
    let version = between(&visit.page(&format!("{customer}edit/")), "name=\"version\" value=\"", "\"");
    let form = format!(
        "form_token={token}&version={version}&license_duration_before_purge=30&onboarding=yes&reason=asked+for"
    );
    assert_eq!(visit.post(&format!("{customer}edit/"), &form).status, 303);
    let page = visit.page(&customer);
    assert!(page.contains("30 days after") && page.contains("asked for"), "{page}");
    scene.database().assert_sound();
}

fn forms_of_other_sessions_are_refused(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    provider.set_person(Some(staff()));
    let (mut visit, mut other) = (Visit::new(&scene.server), Visit::new(&scene.server));
    visit.sign_in();
    other.sign_in();
    let path = format!("/console/plans/{}/assign/", scene.plan.uuid);
    let form = |token: &str| format!("form_token={token}&addresses=bob%40example.com&confirmed=yes");
    scene.changes_nothing(|_| {
        assert_eq!(visit.post(&path, &form("")).status, 400);
        let token = other.form_token();
        assert_eq!(visit.post(&path, &form(&token)).status, 400);
        assert_eq!(Visit::new(&scene.server).post(&path, &form(&token)).status, 302, "nobody is signed in");
        let large = "a".repeat(2 << 20);
        assert_eq!(visit.post(&path, &large).status, 400, "too large");
    });
    let token = visit.form_token();
    assert_eq!(visit.post(&path, &form(&token)).status, 303);
    assert_eq!(scene.plan.counts().assigned, 2);
}

/// A browser that is signed in as the demo's support staff.
fn demo(server: &Server, look: Look) -> Browser {
    demo_as(server, look, "support staff")
}

/// A browser that is signed in as somebody of the demo.
pub(super) fn demo_as(server: &Server, look: Look, who: &str) -> Browser {
    let browser = Browser::start(look);
    browser.open(&format!("{}/console/", server.base()));
    browser.reads("Sign in");
    browser.press(who);
    browser.reads("Sign out");
    browser
}

/// A demo that delivers nothing, and runs no operation but those that are asked for.
pub(super) fn quiet(database: &Database, more: &[(&str, &str)]) -> Server {
    let mut settings = vec![("LM_WORKER__ENABLED", "false")];
    settings.extend_from_slice(more);
    let server = Server::start_demo_with(database.url(), &settings);
    // It answers before the demo's customer is there.
    let ready = poll(PATIENCE, || server.log().contains("The demo customer is ready").then_some(()));
    assert!(ready.is_some(), "the demo is ready");
    server
}

/// Opens a page of the console.
pub(super) fn open(browser: &Browser, server: &Server, path: &str) {
    browser.open(&format!("{}/console/{path}", server.base()));
}

fn support_staff_works_in_a_browser(database: Database) {
    let server = Server::start_demo(database.url());
    let browser = demo(&server, Look::USUAL);
    browser.reads("Running out of licenses");
    browser.picture("home");

    // The slash leads to the search; a person is found by their address.
    assert_eq!(browser.key("/").as_deref(), Some("search"));
    browser.key("ada@example.com\u{E007}");
    browser.reads("Everything about ada@example.com");
    browser.picture("search");
    browser.press("ada@example.com");
    browser.reads("Licenses that they have or had");
    browser.picture("person");
    browser.press("Open");
    browser.reads("What happened");
    browser.reads("Assigned to ada@example.com");
    browser.picture("license");

    // A correction, with a reason.
    browser.press("Edit");
    browser.press("Save");
    browser.reads("Say why");
    browser.fill("#lms_user_id", "77");
    browser.fill("#reason", "merged accounts");
    browser.press("Save");
    browser.reads("merged accounts");

    // A plan is edited by provisioners only.
    assert_eq!(browser.count("a[href$='/edit/']"), 1, "the license's, on its own page");

    // A messy list of addresses.
    browser.open(&format!("{}/console/plans/", server.base()));
    browser.picture("plans");
    browser.press("Data Science");
    browser.reads("Revoked");
    browser.picture("plan");
    browser.press("Assign licenses");
    let messy = "Name;E-Mail\nMary;mary@example.com\nBob;bob@@example.com\nAda;ADA@example.com\nMary;mary@example.com";
    browser.fill("#addresses", messy);
    browser.press("Look at what will happen");
    browser.reads("1 person gets a license and a mail.");
    browser.reads("1 person holds a license of this plan already.");
    browser.reads("1 line cannot be read.");
    browser.picture("assign");
    browser.fill("input[name=corrected]", "bob@example.com");
    browser.press("Check the corrections");
    browser.reads("2 people get a license");
    browser.press("Assign 2 licenses");
    browser.reads("2 licenses were assigned.");

    // Remind one, revoke two.
    browser.click("input[aria-label='Select mary@example.com']");
    browser.reads("1 selected");
    browser.press("Remind");
    browser.reads("1 person gets a reminder mail.");
    browser.press("Remind 1");
    browser.reads("1 reminder mail is on its way.");
    browser.click("input[aria-label='Select mary@example.com']");
    browser.click("input[aria-label='Select bob@example.com']");
    browser.press("Revoke");
    browser.reads("2 licenses are revoked for good");
    browser.picture("revoke");
    browser.press("Revoke 2");
    browser.reads("2 licenses were revoked.");
    browser.press("Utilization");
    browser.reads("Licenses in use, by day");
    browser.picture("utilization");
    browser.press("History");
    browser.reads("Created");
    browser.press("Customers");
    browser.press("Demo University");
    browser.reads("History of the agreement");
    browser.picture("customer");

    browser.press("Sign out");
    browser.reads("Sign in as the demo's");
    browser.picture("sign-in");
    database.assert_sound();
}

fn the_console_works_without_scripts_narrow_and_dark(database: Database) {
    let server = Server::start_demo(database.url());
    let browser = demo(&server, Look { width: 500, dark: true, scripts: false });
    browser.picture("narrow-home");
    browser.fill("#search", "grace@\u{E007}");
    browser.reads("grace@example.com");
    browser.picture("narrow-search");
    browser.press("Data Science");
    browser.picture("narrow-plan");
    browser.click("input[name=all]");
    browser.press("Remind");
    browser.reads("3 people get a reminder mail.");
    browser.press("Remind 3");
    browser.reads("3 reminder mails are on their way.");
    browser.press("Sign out");
    browser.reads("Sign in");
}
