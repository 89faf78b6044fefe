//! Renewals in the console: the guided form, the list, processing and canceling.

use license_manager_tests::{Database, FakeIdentityProvider, Look, PROVISIONING, Server, on_both_databases, text};
use serde_json::json;

use super::console::{Visit, between, demo_as, scene};
use super::console_plans::{provisioner, sent, visit};

on_both_databases!(
    a_renewal_is_looked_at_before_it_is_saved,
    a_renewal_begins_in_the_second_in_which_its_plan_ends,
    a_renewal_is_edited_until_it_is_processed_and_can_be_canceled,
    many_renewals_are_processed_with_a_look_at_each,
    a_plan_is_renewed_in_a_browser,
    renewals_work_without_scripts_narrow_and_dark,
);

/// The form of a renewal for so many licenses.
fn form(token: &str, plan: &str, licenses: &str, more: &str) -> String {
    format!(
        "form_token={token}&plan={plan}&effective_date=2090-01-01T00:00&renewed_expiration_date=2091-01-01T00:00\
         &number_of_licenses={licenses}&license_types_to_copy=assigned_and_activated{more}"
    )
}

/// Saves the renewal of a plan, and returns its address.
fn save(visit: &mut Visit<'_>, token: &str, plan: &str, licenses: &str, more: &str) -> String {
    let answer = visit.post("/console/renewals/new/", &form(token, plan, licenses, &format!("{more}&confirmed=yes")));
    assert_eq!(answer.status, 303, "{}", answer.body);
    format!("/console/renewals/{}/", between(answer.header("Location"), "/console/renewals/", "/"))
}

fn a_renewal_is_looked_at_before_it_is_saved(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (mut visit, token) = visit(&scene, &provider, provisioner());
    let (plan, path) = (scene.plan.uuid.as_str(), "/console/renewals/new/");
    let choice = visit.page(path);
    assert!(choice.contains(&format!("?plan={plan}")), "{choice}");
    let page = visit.page(&format!("{path}?plan={plan}"));
    assert!(page.contains("value=\"2100-01-01T00:00:00\""), "it begins when the plan ends: {page}");
    assert!(page.contains("Assigned and activated licenses: 1"), "{page}");

    // Everything that is wrong is told at once; rules about several fields, too.
    let wrong = sent(&mut visit, path, &format!("form_token={token}&plan={plan}&number_of_licenses=many"));
    for told in ["This must be a date and a time.", "This must be a whole number.", "Choose what is carried over."] {
        assert!(wrong.contains(told), "{told}: {wrong}");
    }
    let wrong = sent(&mut visit, path, &form(&token, plan, "0", "&renewed_expiration_date=2090-01-01T00:00"));
    assert!(wrong.contains("A renewal is for at least one license."), "{wrong}");

    let look = sent(&mut visit, path, &form(&token, plan, "3", ""));
    assert!(look.contains("Processing would copy 1 license") && look.contains("2 free ones"), "{look}");
    assert!(look.contains("Renewal 2090") && look.contains("both plans then run at once"), "{look}");
    assert!(visit.page("/console/renewals/?state=all").contains("There is no such renewal."), "only a look");
    // Too small: it can be saved, and the page says that processing would be refused.
    scene.plan.assign(&[scene.customer.email("bob")]).expect(200);
    let small = sent(&mut visit, path, &form(&token, plan, "1", ""));
    assert!(small.contains("Processing would be refused.") && small.contains("2 are to be carried over"), "{small}");
    let back = sent(&mut visit, path, &form(&token, plan, "1", "&again=yes"));
    assert!(back.contains("name=\"number_of_licenses\"") && back.contains("value=\"1\""), "{back}");

    let renewal = save(&mut visit, &token, plan, "3", "");
    let page = visit.page(&renewal);
    assert!(page.contains("Scheduled") && page.contains("Processing would copy 2 licenses"), "{page}");
    let again = sent(&mut visit, path, &form(&token, plan, "4", ""));
    assert!(again.contains("in another renewal already") && again.contains(&renewal), "{again}");
    assert!(visit.page(&format!("/console/plans/{plan}/")).contains(">Has a renewal</a>"));
    assert!(!visit.page(path).contains(&format!("?plan={plan}")), "it has one");
    scene.database().assert_sound();
}

fn a_renewal_begins_in_the_second_in_which_its_plan_ends(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (mut visit, token) = visit(&scene, &provider, provisioner());
    let mut request = scene.customer.plan_request(3);
    request["expiration_date"] = json!("2090-01-01T00:00:00.500Z");
    let made = scene.customer.operator().post(&format!("{PROVISIONING}/subscriptions/"), &request).expect(201);
    let proposed = form(&token, &text(&made["uuid"]), "3", "");
    let look = sent(&mut visit, "/console/renewals/new/", &proposed);
    assert!(look.contains("Processing would copy") && !look.contains("both plans then run at once"), "{look}");
    let earlier = proposed.replace("=2090-01-01T00:00&", "=2089-12-31T23:59:59&");
    let look = sent(&mut visit, "/console/renewals/new/", &earlier);
    assert!(look.contains("both plans then run at once"), "{look}");
}

fn a_renewal_is_edited_until_it_is_processed_and_can_be_canceled(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (mut visit, token) = visit(&scene, &provider, provisioner());
    let plan = scene.plan.uuid.as_str();
    let renewal = save(&mut visit, &token, plan, "3", "");
    let edit = format!("{renewal}edit/");
    let version = between(&visit.page(&edit), "name=\"version\" value=\"", "\"");
    let change = |licenses: &str, more: &str| form(&token, plan, licenses, &format!("&version={version}{more}"));
    assert!(sent(&mut visit, &edit, &change("4", "&confirmed=yes")).contains("Say why"));
    let look = sent(&mut visit, &edit, &change("4", "&reason=more+people"));
    assert!(look.contains("3 free ones"), "{look}");
    let page = sent(&mut visit, &edit, &change("4", "&reason=more+people&confirmed=yes"));
    assert!(page.contains("more people") && page.contains("3 → 4"), "{page}");
    let late = sent(&mut visit, &edit, &change("5", "&reason=late&confirmed=yes"));
    assert!(late.contains("Somebody else has changed the renewal meanwhile."), "{late}");

    let id = between(&renewal, "/console/renewals/", "/");
    let process = format!("form_token={token}&act=process&renewal={id}");
    let look = sent(&mut visit, "/console/renewals/act/", &process);
    assert!(look.contains("1 renewal is processed") && look.contains("1 of 4 licenses are copied"), "{look}");
    let page = sent(&mut visit, "/console/renewals/act/", &format!("{process}&confirmed=yes"));
    assert!(page.contains("The renewal was processed.") && !page.contains("edit/\""), "{page}");
    assert_eq!(visit.get(&edit).status, 422, "it can no longer be edited");
    let again = sent(&mut visit, "/console/renewals/act/", &process);
    assert!(again.contains("It was processed already.") && !again.contains("name=\"confirmed\""), "{again}");

    let cancel = format!("{renewal}cancel/");
    assert!(visit.page(&cancel).contains("no longer follows the prior plan"));
    assert!(sent(&mut visit, &cancel, &format!("form_token={token}&reason=")).contains("Say why"));
    let page = sent(&mut visit, &cancel, &format!("form_token={token}&reason=never+mind"));
    assert!(page.contains("The renewal was canceled."), "{page}");
    assert_eq!(visit.get(&renewal).status, 404);
    scene.database().assert_sound();
}

fn many_renewals_are_processed_with_a_look_at_each(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (mut visit, token) = visit(&scene, &provider, provisioner());
    scene.plan.assign(&[scene.customer.email("bob")]).expect(200);
    let others = [scene.customer.plan(1), scene.customer.plan(1)];
    let small = save(&mut visit, &token, &scene.plan.uuid, "1", "");
    for other in &others {
        save(&mut visit, &token, &other.uuid, "2", "");
    }
    let list = visit.page("/console/renewals/");
    assert!(list.contains(&small) && list.contains("all 3 that match the filter"), "{list}");
    assert!(visit.page("/console/renewals/?state=due").contains("There is no such renewal."));
    let found = visit.page(&format!("/console/renewals/?agreement={}", scene.customer.agreement));
    assert!(found.contains(&small), "{found}");

    let act = "/console/renewals/act/";
    let all = format!("form_token={token}&act=process&all=yes");
    let look = sent(&mut visit, act, &all);
    assert!(look.contains("2 renewals are processed") && look.contains("2 are to be carried over"), "{look}");
    let page = sent(&mut visit, act, &format!("{all}&confirmed=yes"));
    assert!(page.contains("2 renewals were processed.") && page.contains("open the renewed plan"), "{page}");
    let left = visit.page("/console/renewals/");
    assert!(left.contains(&small) && left.contains("all 1 that match the filter"), "{left}");
    assert!(!visit.page("/console/renewals/?state=processed").contains(&small));
    let nothing = sent(&mut visit, act, &format!("form_token={token}&act=process"));
    assert!(nothing.contains("No renewal is selected."), "{nothing}");
    scene.database().assert_sound();
}

fn a_plan_is_renewed_in_a_browser(database: Database) {
    let server = Server::start_demo(database.url());
    let browser = demo_as(&server, Look::USUAL, "provisioner");
    browser.press("Renewals");
    browser.reads("There is no such renewal.");
    browser.press("New renewal");
    browser.press("Languages");
    browser.reads("3. What is carried over");
    browser.picture("renewal-form");
    browser.fill("#number_of_licenses", "1");
    browser.press("Look at what will happen");
    browser.reads("Processing would be refused.");
    browser.press("Change something");
    browser.fill("#number_of_licenses", "8");
    browser.press("Look at what will happen");
    browser.reads("Processing would copy 3 licenses to the new plan Languages - Renewal");
    browser.picture("renewal-preview");
    browser.press("Save the renewal");
    browser.reads("The renewal was saved.");
    browser.picture("renewal");
    browser.click("button[value=process]");
    browser.reads("1 renewal is processed");
    browser.picture("renewal-process");
    browser.press("Process 1 renewal");
    browser.reads("The renewal was processed.");
    browser.press("Languages - Renewal");
    browser.reads("ada@example.com");
    browser.click("nav.main a[href='/console/renewals/']");
    browser.select("select[name=state]", "processed");
    browser.press("Show");
    browser.reads("Languages - Renewal");
    browser.picture("renewals");
    database.assert_sound();
}

fn renewals_work_without_scripts_narrow_and_dark(database: Database) {
    let server = Server::start_demo(database.url());
    let browser = demo_as(&server, Look { width: 500, dark: true, scripts: false }, "provisioner");
    browser.click("nav.main a[href='/console/plans/']");
    browser.picture("narrow-plans");
    browser.press("Languages");
    browser.picture("narrow-plan-provisioner");
    browser.click("a[href^='/console/renewals/new/']");
    browser.picture("narrow-renewal-form");
    browser.press("Look at what will happen");
    browser.picture("narrow-renewal-preview");
    browser.press("Save the renewal");
    browser.reads("The renewal was saved.");
    browser.click("nav.main a[href='/console/renewals/']");
    browser.reads("Scheduled");
    browser.click("input[name=all]");
    browser.click("button[value=process]");
    browser.reads("1 renewal is processed");
    browser.press("Process 1 renewal");
    browser.reads("1 renewal was processed.");
    browser.picture("narrow-renewal-processed");

    // A file of addresses, without scripts.
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let file = folder.path().join("people.csv");
    std::fs::write(&file, "Email\nnadia@example.com\n").expect("the file is written");
    browser.click("nav.main a[href='/console/plans/']");
    browser.press("Data Science");
    browser.press("Assign licenses");
    browser.choose("#file", &file);
    browser.picture("narrow-assign");
    browser.press("Look at what will happen");
    browser.reads("1 person gets a license and a mail.");
    browser.press("Assign 1 license");
    browser.reads("1 license was assigned.");
    database.assert_sound();
}
