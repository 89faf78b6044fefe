//! The console's lists and pages of licenses, over HTTP.

use license_manager_tests::{Customer, Database, FakeIdentityProvider, PROVISIONING, Plan, on_both_databases, text};
use serde_json::json;

use crate::console::{between, scene, staff};
use crate::console_plans::{sent, visit};

on_both_databases!(
    a_license_is_reminded_and_revoked_from_its_page,
    revoked_licenses_are_selected_to_set_them_back,
    the_first_page_of_licenses_keeps_the_filter,
    a_file_has_the_licenses_that_the_filter_shows,
    people_are_moved_by_their_addresses,
    an_assignment_is_looked_at_and_changed,
);

fn a_license_is_reminded_and_revoked_from_its_page(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (mut visit, token) = visit(&scene, &provider, scene.customer.admin());
    let license = text(&scene.plan.licenses("assigned")[0]["uuid"]);
    let page = format!("/console/licenses/{license}/");
    let act = format!("/console/plans/{}/act/", scene.plan.uuid);
    let form = |act: &str| format!("form_token={token}&license={license}&from_license=yes&act={act}");
    let shown = visit.page(&page);
    assert!(shown.contains("value=\"remind\"") && shown.contains("value=\"revoke\""), "{shown}");
    let looked_at = sent(&mut visit, &act, &form("remind"));
    assert!(looked_at.contains("1 person gets") && looked_at.contains(&format!("href=\"{page}\"")), "{looked_at}");

    let done = visit.post(&act, &format!("{}&confirmed=yes", form("revoke")));
    assert_eq!((done.status, done.header("Location")), (303, format!("{page}?done=revoked&number=1").as_str()));
    let shown = visit.page(done.header("Location"));
    assert!(shown.contains("1 license was revoked.") && !shown.contains("value=\"revoke\""), "{shown}");
    assert_eq!((scene.plan.counts().revoked, scene.plan.counts().assigned), (1, 0));
}

fn revoked_licenses_are_selected_to_set_them_back(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let license = text(&scene.plan.licenses("assigned")[0]["uuid"]);
    let list = format!("/console/plans/{}/", scene.plan.uuid);
    let (mut visit, token) = visit(&scene, &provider, staff());
    let revoke = format!("form_token={token}&license={license}&act=revoke");
    assert_eq!(visit.post(&format!("{list}act/"), &format!("{revoke}&confirmed=yes")).status, 303);
    let page = visit.page(&list);
    assert!(page.contains(&format!("name=\"license\" value=\"{license}\"")), "{page}");
    let form = sent(&mut visit, &format!("{list}revert/"), &format!("form_token={token}&license={license}"));
    assert!(form.contains(&license) && form.contains("Look at what would change"), "{form}");
    let again = sent(&mut visit, &format!("{list}act/"), &revoke);
    assert!(again.contains("1 license is revoked or free already.") && !again.contains("confirmed"), "{again}");

    // Who may not set back has nothing to select a revoked license for.
    let (mut admin, _) = crate::console_plans::visit(&scene, &provider, scene.customer.admin());
    assert!(!admin.page(&list).contains("name=\"license\""));
}

fn the_first_page_of_licenses_keeps_the_filter(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let many = scene.customer.plan(52);
    many.assign(&scene.customer.emails("crowd", 52)).expect(200);
    let (mut visit, _) = visit(&scene, &provider, staff());
    let list = format!("/console/plans/{}/", many.uuid);
    let first = visit.page(&format!("{list}?email=crowd&order=email"));
    let next = between(&first, "rel=\"next\" href=\"", "\"").replace("&amp;", "&");
    let second = visit.page(&format!("{list}{next}"));
    assert_eq!(second.matches("name=\"license\"").count(), 2, "{second}");
    assert!(second.contains("href=\"?email=crowd&amp;order=email\""), "{second}");
}

fn a_file_has_the_licenses_that_the_filter_shows(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (amy, bob) = (scene.customer.email("amy"), scene.customer.email("bob"));
    scene.plan.assign(std::slice::from_ref(&bob)).expect(200);
    let (mut visit, token) = visit(&scene, &provider, staff());
    let list = format!("/console/plans/{}/", scene.plan.uuid);
    let amys = scene.plan.licenses("assigned").into_iter().find(|license| license["user_email"] == amy).unwrap();
    let revoke = format!("form_token={token}&license={}&act=revoke&confirmed=yes", text(&amys["uuid"]));
    assert_eq!(visit.post(&format!("{list}act/"), &revoke).status, 303);
    // How many lines there are of each state, without the heading.
    let mut lines = |query: &str| {
        let page = visit.page(&format!("{list}{query}"));
        let link = between(&page, &format!("href=\"{list}csv/"), "\"").replace("&amp;", "&");
        let answer = visit.get(&format!("{list}csv/{link}"));
        assert_eq!((answer.status, answer.header("Content-Type")), (200, "text/csv; charset=utf-8"), "{query}");
        let file = answer.body.as_str().expect("a file").to_owned();
        assert!(file.starts_with("state,email,"), "{query}: {file}");
        let number = |state: &str| file.lines().filter(|line| line.starts_with(&format!("{state},"))).count();
        (["assigned", "revoked", "unassigned"].map(number), file.contains(&amy), file.contains(&bob))
    };
    assert_eq!(lines(""), ([1, 1, 0], true, true), "all that were handed out");
    assert_eq!(lines("?state=assigned&email="), ([1, 0, 0], false, true));
    assert_eq!(lines("?state=revoked&order=email"), ([0, 1, 0], true, false));
    assert_eq!(lines("?email=bob"), ([1, 0, 0], false, true));
    assert_eq!(lines("?email=bob&state=revoked"), ([0, 0, 0], false, false));
    let ([.., free], _, _) = lines("?state=unassigned");
    assert_eq!(free as u64, scene.plan.counts().unassigned);
}

/// The form of a transfer between these plans.
fn transfer(token: &str, customer: &Customer, old: &Plan, new: &Plan, whom: &str) -> String {
    format!(
        "form_token={token}&agreement={}&old_subscription_plan={}&new_subscription_plan={}&license_uuids={whom}",
        customer.agreement, old.uuid, new.uuid
    )
}

fn people_are_moved_by_their_addresses(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let customer = &scene.customer;
    let (old, new) = (&scene.plan, customer.plan(2));
    let (amy, bob) = (customer.email("amy"), customer.email("bob"));
    old.assign(std::slice::from_ref(&bob)).expect(200);
    new.assign(std::slice::from_ref(&amy)).expect(200);
    let (mut visit, token) = visit(&scene, &provider, staff());

    // What is selected on the plan's page, or all that match there, is in the form.
    let licenses = old.licenses("assigned");
    let id_of = |email: &str| {
        let license = licenses.iter().find(|license| license["user_email"] == email);
        text(&license.expect("a license")["uuid"])
    };
    let chosen = |form: String| format!("form_token={token}&from_plan={}&{form}", old.uuid);
    for form in [format!("license={}", id_of(&bob)), "all=yes&email=bob".to_owned()] {
        let page = sent(&mut visit, "/console/transfers/new/", &chosen(form.clone()));
        assert!(page.contains(&format!(">{}</textarea>", id_of(&bob))), "{form}: {page}");
    }
    let page = visit.page(&format!("/console/licenses/{}/", id_of(&bob)));
    let link = between(&page, "href=\"/console/transfers/new/", "\"").replace("&amp;", "&");
    assert!(visit.page(&format!("/console/transfers/new/{link}")).contains(&id_of(&bob)));

    // Somebody without a license there, and somebody with one of each plan.
    let stranger = transfer(&token, customer, old, &new, &format!("{bob},eve@example.com"));
    let page = sent(&mut visit, "/console/transfers/new/", &stranger);
    assert!(page.contains("No live license of the plan is of eve@example.com."), "{page}");
    let both = transfer(&token, customer, old, &new, &format!("{amy}%0A{bob}"));
    let page = sent(&mut visit, "/console/transfers/new/", &both);
    assert!(page.contains("1 person would hold two live licenses") && page.contains(&amy), "{page}");
    let rest = between(&page, "aria-label=\"Ids of licenses\">", "<");
    assert_eq!(rest, id_of(&bob), "amy's is left out");
    let page = sent(&mut visit, "/console/transfers/new/", &transfer(&token, customer, old, &new, &rest));
    assert!(page.contains("1 license") && page.contains("would move"), "{page}");
    scene.database().assert_sound();
}

fn an_assignment_is_looked_at_and_changed(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (mut visit, token) = visit(&scene, &provider, scene.customer.admin());
    let path = format!("/console/plans/{}/assign/", scene.plan.uuid);
    let (amy, bob) = (scene.customer.email("amy"), scene.customer.email("bob"));
    let page =
        sent(&mut visit, &path, &format!("form_token={token}&addresses={amy}%0A{bob}%0Amary.major&greeting=Hello"));
    let newcomers = between(&page, "Who gets a license</summary>", "</ul>");
    assert!(newcomers.contains(&bob) && !newcomers.contains(&amy), "{page}");
    assert!(between(&page, "Who holds a license already</summary>", "</ul>").contains(&amy), "{page}");
    // Back in the form, nothing has to be typed again.
    let again = format!("form_token={token}&addresses={amy}%0A{bob}&unreadable=mary.major&greeting=Hello&again=yes");
    let form = sent(&mut visit, &path, &again);
    assert!(
        form.contains(&format!("{amy}\n{bob}\nmary.major</textarea>")) && form.contains(">Hello</textarea>"),
        "{form}"
    );
    assert!(!form.contains("The plan is not active."), "{form}");
    assert_eq!(scene.plan.counts().assigned, 1, "only looked at");

    let mut request = scene.customer.plan_request(1);
    request["is_active"] = json!(false);
    let made = scene.customer.operator().post(&format!("{PROVISIONING}/subscriptions/"), &request).expect(201);
    let path = format!("/console/plans/{}/assign/", text(&made["uuid"]));
    let warned = sent(&mut visit, &path, &format!("form_token={token}&addresses={bob}"));
    assert!(warned.contains("The plan is not active.") && warned.contains("1 person gets a license"), "{warned}");
}
