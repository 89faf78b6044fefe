//! Plans and customers in the console: made, filled, frozen, restored and deleted, one or many.

use license_manager_tests::{
    Database, FakeIdentityProvider, FakeUpstreams, Look, PATIENCE, PROVISIONING, Person, Plan, Request, Scene, Server,
    on_both_databases, poll,
};
use serde_json::json;

use super::console::{Visit, between, demo_as, scene, scene_with, staff};

on_both_databases!(
    plans_and_agreements_are_made_by_provisioners,
    only_who_may_changes_plans,
    several_plans_are_acted_on_at_once,
    licenses_that_are_being_added_are_told,
    names_and_slugs_are_taken_over_from_the_lms,
    an_agreement_is_restored_and_its_message_previewed,
    what_was_made_by_mistake_is_deleted,
    a_plan_is_shown_as_it_was,
    addresses_come_from_a_file_without_scripts,
    lists_are_sorted_and_go_on,
    a_provisioner_works_in_a_browser,
);

/// A provisioner, who may do all of this.
pub(super) fn provisioner() -> Person {
    Person::new(8, "pia@example.com", "pia").role("enterprise_provisioning_admin:*")
}

/// A visit of this person, who is signed in, and the token of their forms.
pub(super) fn visit<'a>(scene: &'a Scene, provider: &FakeIdentityProvider, person: Person) -> (Visit<'a>, String) {
    provider.set_person(Some(person));
    let mut visit = Visit::new(&scene.server);
    visit.sign_in();
    let token = visit.form_token();
    (visit, token)
}

/// Sends a form, and returns the page that it leads to or shows.
pub(super) fn sent(visit: &mut Visit<'_>, path: &str, form: &str) -> String {
    let answer = visit.post(path, form);
    match answer.status {
        303 => {
            let next = answer.header("Location").to_owned();
            visit.page(&next)
        }
        200 => answer.body.as_str().expect("a page").to_owned(),
        status => panic!("{path}: {status}: {}", answer.body),
    }
}

/// The values of the form of a plan.
fn plan_form(token: &str, title: &str, more: &str) -> String {
    format!(
        "form_token={token}&title={title}&start_date=2020-01-01T00:00&expiration_date=2100-01-01T00:00&product=1\
         &revoke_max_percentage=5&is_active=yes&salesforce_opportunity_line_item=00k000000000000001&reason=new{more}"
    )
}

/// A new plan of the scene's customer with this title, and its id.
fn make_plan(scene: &Scene, visit: &mut Visit<'_>, token: &str, title: &str, more: &str) -> String {
    let agreement = &scene.customer.agreement;
    let answer = visit.post("/console/plans/new/", &plan_form(token, title, &format!("&agreement={agreement}{more}")));
    assert_eq!(answer.status, 303, "{}", answer.body);
    between(answer.header("Location"), "/console/plans/", "/")
}

fn plans_and_agreements_are_made_by_provisioners(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (mut visit, token) = visit(&scene, &provider, provisioner());

    // An agreement: wrong at first.
    let refused =
        sent(&mut visit, "/console/customers/new/", &format!("form_token={token}&enterprise_customer_uuid=acme"));
    assert!(refused.contains("named by its UUID"), "{refused}");
    let form = format!(
        "form_token={token}&enterprise_customer_uuid=9a4bb9a4-0000-4000-8000-000000000001&enterprise_customer_slug=umbrella\
         &enterprise_customer_name=Umbrella&default_enterprise_catalog_uuid=9a4bb9a4-0000-4000-8000-000000000002"
    );
    let page = sent(&mut visit, "/console/customers/new/", &form);
    assert!(page.contains("<h1>Umbrella</h1>") && page.contains("The customer has no plan"), "{page}");
    let again = sent(&mut visit, "/console/customers/new/", &form);
    assert!(again.contains("This customer has an agreement already."), "{again}");
    let agreement = between(&page, "/console/plans/new/?agreement=", "\"");

    // A plan of it: the customer is found by name, and every rule is told.
    let choice = visit.page("/console/plans/new/?name=umbr");
    assert!(choice.contains(&agreement), "{choice}");
    let empty = visit.page(&format!("/console/plans/new/?agreement={agreement}"));
    assert!(empty.contains("value=\"9a4bb9a4-0000-4000-8000-000000000002\""), "the agreement's catalog: {empty}");
    let refused = sent(
        &mut visit,
        "/console/plans/new/",
        &plan_form(&token, "", &format!("&agreement={agreement}&desired_num_licenses=-1")),
    );
    assert!(refused.contains("This may not be blank.") && refused.contains("cannot be negative"), "{refused}");
    let form = plan_form(&token, "Biology", &format!("&agreement={agreement}&desired_num_licenses=4"));
    let page = sent(&mut visit, "/console/plans/new/", &form);
    assert!(page.contains("The plan was made.") && page.contains("4 free of 4"), "{page}");
    let again = sent(&mut visit, "/console/plans/new/", &form);
    assert!(again.contains("The agreement has a plan of this title already."), "{again}");
    // Whether the form or the rules find the other error.
    for (number, error) in [("many", "whole number"), ("-1", "cannot be negative")] {
        let form = plan_form(&token, "Biology", &format!("&agreement={agreement}&desired_num_licenses={number}"));
        let again = sent(&mut visit, "/console/plans/new/", &form);
        assert!(again.contains("The agreement has a plan of this title already.") && again.contains(error), "{again}");
    }

    // What provisioners edit of an agreement, with a reason.
    let terms = format!("/console/customers/{agreement}/terms/");
    let version = between(&visit.page(&terms), "name=\"version\" value=\"", "\"");
    let form = |reason: &str| {
        format!(
            "form_token={token}&version={version}&enterprise_customer_name=Umbrella+Inc&enterprise_customer_slug=umbrella&universal_link=yes&reason={reason}"
        )
    };
    assert!(sent(&mut visit, &terms, &form("")).contains("Say why"));
    let page = sent(&mut visit, &terms, &form("renamed"));
    assert!(page.contains("<h1>Umbrella Inc</h1>") && page.contains("renamed"), "{page}");
    assert!(sent(&mut visit, &terms, &form("renamed")).contains("Somebody else has changed the agreement"));
    scene.database().assert_sound();
}

fn only_who_may_changes_plans(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (plan, agreement) = (&scene.plan.uuid, &scene.customer.agreement);
    let pages = [
        "/console/plans/new/".to_owned(),
        "/console/customers/new/".to_owned(),
        "/console/renewals/new/".to_owned(),
        format!("/console/plans/{plan}/restore/?version=1"),
        format!("/console/customers/{agreement}/terms/"),
        format!("/console/customers/{agreement}/restore/?version=1"),
    ];
    let supported = [
        "/console/renewals/".to_owned(),
        format!("/console/plans/{plan}/delete/"),
        format!("/console/customers/{agreement}/delete/"),
    ];
    let form =
        |token: &str| format!("form_token={token}&plan={plan}&act=freeze&confirmed=yes&reason=why&from_plan=yes");

    let (mut support, token) = visit(&scene, &provider, staff());
    for page in &pages {
        assert_eq!(support.get(page).status, 403, "{page}");
    }
    let page = support.page(&format!("/console/plans/{plan}/"));
    assert!(!page.contains("Renew<") && !page.contains(">Edit<") && !page.contains("Freeze"), "not permitted: {page}");
    assert!(support.page("/console/plans/").contains("Add missing licenses"));
    for path in &supported {
        assert_eq!(support.get(path).status, 200, "{path}");
    }
    assert!(sent(&mut support, "/console/plans/act/", &form(&token)).contains("Freezing is not permitted for it."));

    let (mut admin, token) = visit(&scene, &provider, scene.customer.admin());
    for page in pages.iter().chain(&supported) {
        assert_eq!(admin.get(page).status, 403, "{page}");
    }
    let page = admin.page("/console/plans/");
    assert!(!page.contains("type=\"checkbox\"") && !page.contains("Renewals") && !page.contains("New plan"), "{page}");
    let page = admin.page(&format!("/console/plans/{plan}/history/"));
    assert!(!page.contains("Restore"), "{page}");
    for path in ["/console/plans/act/", "/console/customers/act/", "/console/renewals/act/"] {
        assert_eq!(admin.post(path, &form(&token)).status, 403, "{path}");
    }
    let other = license_manager_tests::Customer::new(&scene.server);
    assert_eq!(admin.get(&format!("/console/customers/{}/delete/", other.agreement)).status, 404, "another customer's");
    assert_eq!(scene.plan.counts().total, 5);
}

fn several_plans_are_acted_on_at_once(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (mut visit, token) = visit(&scene, &provider, provisioner());
    let freezable = "&can_freeze_unused_licenses=yes&desired_num_licenses=3";
    let first = make_plan(&scene, &mut visit, &token, "Freezable+1", freezable);
    make_plan(&scene, &mut visit, &token, "Freezable+2", freezable);
    let select = |act: &str, more: &str| format!("form_token={token}&act={act}{more}");
    let act = "/console/plans/act/";

    // A look: what will happen to each, and what will be refused and why.
    let page = sent(&mut visit, act, &select("freeze", "&all=yes"));
    assert!(page.contains("2 plans: 6 licenses"), "{page}");
    assert!(page.contains("Freezing is not permitted for it. A provisioner can permit it"), "{page}");
    assert_eq!(scene.plan.counts().unassigned, 4, "only a look");
    assert!(sent(&mut visit, act, &select("freeze", "&all=yes&confirmed=yes")).contains("Say why"));
    let only_one = sent(&mut visit, act, &select("freeze", "&all=yes&title=able+2"));
    assert!(only_one.contains("1 plan: 3 licenses"), "all that match the filter: {only_one}");
    assert!(sent(&mut visit, act, &select("freeze", "")).contains("No plan is selected."));
    assert_eq!(visit.post(act, &select("burn", "&all=yes")).status, 400);

    let page = sent(&mut visit, act, &select("freeze", "&all=yes&confirmed=yes&reason=unused"));
    assert!(page.contains("“Freeze” was asked for, for 2 plans."), "{page}");
    let frozen = poll(PATIENCE, || {
        let page = visit.page("/console/plans/?job=yes");
        page.contains("what was asked for is done").then(|| visit.page("/console/plans/?frozen=yes"))
    });
    let frozen = frozen.expect("jobs freeze them");
    assert!(
        frozen.contains("Freezable 1") && frozen.contains("Freezable 2") && !frozen.contains(&scene.plan.uuid),
        "{frozen}"
    );
    assert!(visit.page(&format!("/console/plans/{first}/history/")).contains("unused"), "the reason");
    let page = sent(&mut visit, act, &select("provision", &format!("&plan={first}")));
    assert!(page.contains("a frozen plan gets no new licenses"), "{page}");
    assert!(!page.contains("name=\"confirmed\""), "nothing that would refuse");

    // One plan, from its own page: missing licenses, then the revoked ones.
    let plan = &scene.plan.uuid;
    // As an import can leave a plan: with fewer licenses than it should have.
    for table in ["subscription_plan", "subscription_plan_history"] {
        scene.execute(&format!("UPDATE {table} SET desired_num_licenses = 8 WHERE uuid = '{plan}'"));
    }
    let own = |act: &str| select(act, &format!("&plan={plan}&from_plan=yes&confirmed=yes&reason=asked+for"));
    assert!(visit.page(&format!("/console/plans/{plan}/")).contains("Add missing licenses"));
    assert!(sent(&mut visit, act, &own("provision")).contains("3 licenses were added."));
    let whole = json!({ "user_emails": [scene.customer.email("amy")] });
    scene.plan.admin.post(&scene.plan.path("licenses/bulk-revoke/"), &whole).expect(200);
    assert!(sent(&mut visit, act, &own("delete-revoked")).contains("1 revoked license was deleted."));
    assert_eq!((scene.plan.counts().revoked, scene.plan.counts().total), (0, 8));
    scene.database().assert_sound();
}

fn licenses_that_are_being_added_are_told(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene_with(database, &provider, &[("LM_PROVISIONING__INLINE_LIMIT", "5")]);
    let (mut visit, token) = visit(&scene, &provider, provisioner());
    let plan = make_plan(&scene, &mut visit, &token, "Large", "&desired_num_licenses=5000");
    let whole = poll(PATIENCE, || {
        let page = visit.page(&format!("/console/plans/{plan}/"));
        let (is_growing, is_whole) = (page.contains("data-live"), page.contains("5000 free of 5000"));
        assert!(is_growing || is_whole, "it says that it goes on: {page}");
        is_whole.then_some(())
    });
    assert!(whole.is_some(), "the job adds them all");
    let made = Plan { uuid: plan, admin: scene.customer.operator() };
    let path = format!("{PROVISIONING}/subscriptions/{}/", made.uuid);
    assert_eq!(made.admin.get(&path).expect(200)["licenses"]["total"], 5000);
}

fn names_and_slugs_are_taken_over_from_the_lms(database: Database) {
    let (provider, upstreams) = (FakeIdentityProvider::start(), FakeUpstreams::start());
    let lms = upstreams.url();
    let scene = scene_with(database, &provider, &[("LM_LMS__URL", &lms)]);
    let (mut visit, token) = visit(&scene, &provider, staff());
    let (act, customer) = ("/console/customers/act/", scene.customer.enterprise);
    let form = |more: &str| format!("form_token={token}&act=sync&agreement={}{more}", scene.customer.agreement);
    let page = sent(&mut visit, act, &form(""));
    assert!(page.contains("1 customer changes.") && page.contains(&FakeUpstreams::slug(customer)), "{page}");
    assert!(!visit.page("/console/customers/").contains(&FakeUpstreams::slug(customer)), "only a look");
    let page = sent(&mut visit, act, &form("&confirmed=yes"));
    assert!(page.contains("1 customer was changed."), "{page}");
    assert!(visit.page("/console/customers/").contains(&FakeUpstreams::slug(customer)));
    let again = sent(&mut visit, act, &form("&all=yes"));
    assert!(again.contains("Nothing would change.") && !again.contains("name=\"confirmed\""), "{again}");
    scene.database().assert_sound();
}

fn an_agreement_is_restored_and_its_message_previewed(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (mut visit, token) = visit(&scene, &provider, provisioner());
    let customer = format!("/console/customers/{}/", scene.customer.agreement);

    // The message, as learners see it; nothing is saved.
    let edit = format!("{customer}edit/");
    let message = "has_message=yes&modal_header_text_v2=Over&expired_subscription_modal_messaging_v2=\
                   %3Cp%3EAsk+%3Cb%3Eus%3C%2Fb%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E%3C%2Fp%3E\
                   &button_label_in_modal_v2=Ask&url_for_button_in_modal_v2=https%3A%2F%2Fexample.com";
    let page =
        sent(&mut visit, &edit, &format!("form_token={token}&{message}&license_duration_before_purge=90&preview=yes"));
    assert!(page.contains("<p>Ask <b>us</b></p>") && page.contains("href=\"https://example.com\""), "{page}");
    assert!(!page.contains("<script>alert"), "{page}");
    let wrong = sent(&mut visit, &edit, &format!("form_token={token}&has_message=yes&preview=yes"));
    assert!(wrong.contains("A custom message needs this."), "{wrong}");
    assert!(visit.page(&customer).contains("the default one"));

    let version = between(&visit.page(&edit), "name=\"version\" value=\"", "\"");
    let form = format!(
        "form_token={token}&version={version}&license_duration_before_purge=30&onboarding=yes&reason=asked+for"
    );
    sent(&mut visit, &edit, &form);
    let page = visit.page(&customer);
    let restore = format!("{customer}restore/?version={}", between(&page, "restore/?version=", "\""));
    let page = visit.page(&restore);
    assert!(page.contains("License duration before purge") && page.contains("Becomes"), "{page}");
    let field = |name: &str| between(&page, &format!("name=\"{name}\" value=\""), "\"");
    let (version, present) = (field("version"), field("present"));
    let form = |reason: &str| format!("form_token={token}&version={version}&present={present}&reason={reason}");
    let path = format!("{customer}restore/");
    assert!(sent(&mut visit, &path, &form("")).contains("Say why"));
    let page = sent(&mut visit, &path, &form("a+mistake"));
    assert!(page.contains("90 days after") && page.contains("a mistake"), "{page}");
    assert!(sent(&mut visit, &path, &form("a+mistake")).contains("Somebody else has changed it meanwhile."));
    assert!(visit.page(&restore).contains("there is nothing to restore"));
    scene.database().assert_sound();
}

fn what_was_made_by_mistake_is_deleted(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (mut visit, token) = visit(&scene, &provider, provisioner());
    let mistake = make_plan(&scene, &mut visit, &token, "Mistake", "&desired_num_licenses=2");
    let path = |plan: &str| format!("/console/plans/{plan}/delete/");
    let form = |reason: &str| format!("form_token={token}&reason={reason}");

    let page = visit.page(&path(&scene.plan.uuid));
    assert!(
        page.contains("Licenses of the plan were handed out.") && !page.contains("<button class=\"grave\""),
        "{page}"
    );
    let refused = sent(&mut visit, &path(&scene.plan.uuid), &form("why"));
    assert!(refused.contains("Licenses of the plan were handed out."), "{refused}");

    assert!(visit.page(&format!("/console/plans/{mistake}/")).contains("Delete the plan"));
    assert!(visit.page(&path(&mistake)).contains("Its 2 licenses, which nobody ever had, go with it."));
    assert!(sent(&mut visit, &path(&mistake), &form("")).contains("Say why"));
    let list = sent(&mut visit, &path(&mistake), &form("typo"));
    assert!(!list.contains(&mistake), "{list}");
    assert_eq!(visit.get(&format!("/console/plans/{mistake}/")).status, 404);

    let agreement = format!("/console/customers/{}/", scene.customer.agreement);
    assert!(visit.page(&format!("{agreement}delete/")).contains("The agreement has 1 plan."));
    let other = license_manager_tests::Customer::new(&scene.server);
    let other = format!("/console/customers/{}/", other.agreement);
    sent(&mut visit, &format!("{other}delete/"), &form("typo"));
    assert_eq!(visit.get(&other).status, 404);
    scene.database().assert_sound();
}

fn a_plan_is_shown_as_it_was(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (mut visit, _) = visit(&scene, &provider, scene.customer.admin());
    let path = format!("/console/plans/{}/as-of/", scene.plan.uuid);
    let page = visit.page(&path);
    assert!(page.contains("<dt>Cap, in percent of the licenses</dt>"), "without a moment, it is that of now: {page}");
    assert_eq!(page.matches("The licenses").count(), 1, "so are the numbers: {page}");
    assert!(visit.page(&format!("{path}?at=soon")).contains("This is no date and time."));
    assert!(visit.page(&format!("{path}?at=2999-01-01T00:00")).contains("yet to come"));
    let page = visit.page(&format!("{path}?at=2020-01-01T00:00"));
    assert!(page.contains("The plan did not exist then.") && page.contains("0 free of 0"), "{page}");
    let seen = poll(PATIENCE, || {
        // The moment has whole seconds: the plan was made within the last one, perhaps.
        let now = between(&visit.page(&path), "step=\"1\" value=\"", "\"");
        let page = visit.page(&format!("{path}?at={now}"));
        page.contains("Licenses wanted").then_some(page)
    });
    let page = seen.expect("the plan as it is now");
    assert!(page.contains("1 assigned, 4 free of 5"), "{page}");
}

fn addresses_come_from_a_file_without_scripts(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (mut visit, token) = visit(&scene, &provider, scene.customer.admin());
    let path = format!("/console/plans/{}/assign/", scene.plan.uuid);
    let (bob, cleo) = (scene.customer.email("bob"), scene.customer.email("cleo"));
    let body = |token: &str, file: &[u8]| {
        let part =
            |name: &str, more: &str| format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n");
        let fields = format!("{}{token}\r\n{}{cleo}\r\n", part("form_token", ""), part("addresses", ""));
        let file_head = part("file", "; filename=\"people.csv\"\r\nContent-Type: text/csv");
        [fields.as_bytes(), file_head.as_bytes(), file, b"\r\n--x--\r\n"].concat()
    };
    let send = |visit: &mut Visit<'_>, body: Vec<u8>| {
        let request = Request::new("POST", &path).header("Content-Type", "multipart/form-data; boundary=x");
        visit.send(request.body(body))
    };
    // As a spreadsheet of old saves it: with semicolons, in Windows-1252.
    let file = [b"Name;E-Mail\nJos\xe9;".as_slice(), bob.as_bytes(), b"\nMary;mary.major\n"].concat();
    let page = send(&mut visit, body(&token, &file)).expect(200);
    let page = page.as_str().expect("a page");
    assert!(page.contains("2 people get a license") && page.contains("1 line cannot be read."), "{page}");
    assert!(page.contains(&bob) && page.contains(&cleo), "the file, and what was typed: {page}");
    assert_eq!(send(&mut visit, body("forged", &file)).status, 400);
    assert_eq!(send(&mut visit, body(&token, &vec![b'a'; 2 << 20])).status, 400, "too large");
    assert_eq!(scene.plan.counts().assigned, 1, "only looks");
}

fn lists_are_sorted_and_go_on(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (mut visit, token) = visit(&scene, &provider, provisioner());
    for number in 0..55 {
        make_plan(&scene, &mut visit, &token, &format!("Series+{number:02}"), "");
    }
    let titles = |page: &str| -> Vec<String> {
        page.match_indices(">Series ").map(|(place, _)| page[place + 8..place + 10].to_owned()).collect()
    };
    let first = visit.page("/console/plans/?title=series&order=title");
    let expected: Vec<String> = (0..50).map(|number| format!("{number:02}")).collect();
    assert_eq!(titles(&first), expected);
    assert!(first.contains("aria-sort=\"ascending\"") && first.contains("order=-title"), "{first}");
    let next = between(&first, "rel=\"next\" href=\"", "\"").replace("&amp;", "&");
    let second = visit.page(&format!("/console/plans/{next}"));
    assert_eq!(titles(&second), ["50", "51", "52", "53", "54"]);
    assert!(second.contains("First page") && !second.contains("rel=\"next\""), "{second}");
    let reversed = visit.page("/console/plans/?title=series&order=-title");
    assert_eq!(titles(&reversed)[0], "54");
    // An address that is no place in the list.
    assert_eq!(titles(&visit.page("/console/plans/?title=series&order=title&after=nonsense")), expected);
}

fn a_provisioner_works_in_a_browser(database: Database) {
    let server = Server::start_demo(database.url());
    let browser = demo_as(&server, Look::USUAL, "provisioner");

    // A new plan of the demo's customer.
    browser.press("Plans");
    browser.press("New plan");
    browser.press("Demo University");
    browser.reads("Make the plan");
    browser.fill("#title", "Chemistry");
    browser.fill("#desired_num_licenses", "6");
    browser.fill("#salesforce_opportunity_line_item", "00k");
    browser.click("input[name=is_active]");
    browser.click("input[name=can_freeze_unused_licenses]");
    browser.picture("new-plan");
    browser.press("Make the plan");
    browser.reads("A Salesforce opportunity line item has 18 letters and digits");
    let focus = browser.script("const at = document.activeElement; return `${at.id} ${at.ariaInvalid}`");
    assert_eq!(focus.as_str(), Some("salesforce_opportunity_line_item true"), "the refused field has the focus");
    browser.fill("#salesforce_opportunity_line_item", "00k000000000000009");
    browser.press("Make the plan");
    browser.reads("The plan was made.");
    browser.picture("new-plan-made");

    // It is renamed, and the former version restored.
    browser.press("Edit");
    browser.fill("#title", "Chemestry");
    browser.select("#reason", "incorrect_user_input");
    browser.press("Save");
    browser.reads("Chemistry → Chemestry");
    browser.press("Restore this version");
    browser.reads("Restore an earlier version");
    browser.picture("restore");
    browser.select("#reason", "incorrect_user_input");
    browser.press("Restore");
    browser.reads("Chemestry → Chemistry");
    browser.press("Details");
    browser.press("Show");
    browser.reads("Licenses changed on that day.");
    browser.reads("The licenses now");
    browser.picture("as-of");

    // Freeze what can be frozen, of all plans.
    browser.click("nav.main a[href='/console/plans/']");
    browser.reads("Chemistry");
    browser.click("input[name=all]");
    browser.picture("plans-bulk");
    browser.press("Freeze");
    browser.reads("1 plan: 6 licenses");
    browser.reads("Freezing is not permitted for it.");
    browser.fill("#reason", "unused");
    browser.picture("freeze");
    browser.click("button[name=confirmed]");
    browser.reads("“Freeze” was asked for, for 1 plan.");
    // The page tells by itself that it is done.
    browser.reads("No job goes on in such a plan: what was asked for is done.");
    browser.picture("frozen");
    browser.press("Show all plans");
    browser.press("Chemistry");
    browser.reads("Frozen");
    assert_eq!(browser.text().matches("unused").count(), 0, "the reason is in the history");
    browser.press("History");
    browser.reads("unused");

    // The customer's page, and the message on expired plans.
    browser.press("Customers");
    browser.press("Demo University");
    browser.reads("History of the agreement");
    browser.picture("customer-provisioner");
    browser.press("Edit settings");
    browser.click("input[name=has_message]");
    browser.fill("#modal_header_text_v2", "Your plan has ended");
    browser
        .fill("#expired_subscription_modal_messaging_v2", "<p>Ask <strong>your manager</strong> for another one.</p>");
    browser.fill("#button_label_in_modal_v2", "Ask");
    browser.fill("#url_for_button_in_modal_v2", "https://example.com/ask");
    browser.press("Preview the message");
    browser.reads("Ask your manager for another one.");
    browser.picture("message");
    database.assert_sound();
}
