//! The console's pages for operators, in a real browser: messages, webhooks and the schedule.

use license_manager_tests::{
    Database, FakeIdentityProvider, Look, PATIENCE, Person, WebhookEndpoint, between, on_both_databases, poll,
};

use super::console::{demo_as, open, quiet, scene_with, staff};
use super::console_plans::{sent, visit};

on_both_databases!(
    an_operator_tries_a_dead_letter_again_and_drops_the_rest,
    a_person_s_messages_lead_operators_to_each,
    webhooks_are_found_by_customer_and_state,
    an_operator_looks_after_a_webhook,
    an_operator_runs_a_part_of_the_schedule_now,
    operators_work_without_scripts_narrow_and_dark,
);

/// Settings of a schedule that does nothing by itself before New Year's night.
pub(super) const SCHEDULE: [(&str, &str); 9] = [
    ("LM_SCHEDULE__ENABLED", "true"),
    ("LM_SCHEDULE__PROCESS_RENEWALS", NEW_YEAR),
    ("LM_SCHEDULE__EXPIRE_SUBSCRIPTIONS", NEW_YEAR),
    ("LM_SCHEDULE__UNLINK_EXPIRED_LICENSES", NEW_YEAR),
    ("LM_SCHEDULE__RETIRE_OLD_LICENSES", NEW_YEAR),
    ("LM_SCHEDULE__PROCESS_AUTO_SCALABLE_PLANS", NEW_YEAR),
    ("LM_SCHEDULE__SEND_LICENSE_UTILIZATION_EMAILS", NEW_YEAR),
    ("LM_SCHEDULE__TRIGGER_EVENT_FOR_LICENSES", NEW_YEAR),
    ("LM_SCHEDULE__VALIDATE_NUM_CATALOG_QUERIES", NEW_YEAR),
];
const NEW_YEAR: &str = "0 0 1 1 *";

/// Gives up every message.
pub(super) fn give_up(database: &Database) -> usize {
    database.execute(
        "UPDATE outbox SET attempts = 5, last_error = 'answered 500 Internal Server Error', parked_at = created",
    );
    database.texts("SELECT CAST(uuid AS text) AS text FROM outbox").len()
}

fn an_operator_tries_a_dead_letter_again_and_drops_the_rest(database: Database) {
    let server = quiet(&database, &[]);
    let number = give_up(&database);
    assert!(number > 2, "{number} messages");
    let browser = demo_as(&server, Look::USUAL, "operator");
    browser.reads("Dead letters");
    browser.picture("home-operator");
    browser.press("Dead letters");
    browser.reads("answered 500 Internal Server Error");
    browser.picture("messages");
    browser.click("input[name=item]");
    browser.reads("1 selected");
    browser.press("Try again");
    browser.reads("1 message is tried again at once");
    browser.picture("messages-retry");
    browser.press("Try again: 1");
    browser.reads("1 message is being tried again.");
    let waiting = "SELECT CAST(uuid AS text) AS text FROM outbox WHERE parked_at IS NULL AND attempts = 0";
    assert_eq!(database.texts(waiting).len(), 1);

    // The rest is dropped, with a reason.
    browser.click("input[name=all]");
    browser.reads("All that match are selected");
    browser.press("Drop");
    browser.reads(&format!("{} messages are dropped for good.", number - 1));
    browser.reads("the learner is not linked to the customer");
    browser.picture("messages-drop");
    browser.press(&format!("Drop {}", number - 1));
    browser.reads("Say why.");
    browser.fill("#reason", "the service is gone");
    browser.press(&format!("Drop {}", number - 1));
    browser.reads("messages were dropped.");
    browser.reads("There are no dead letters");
    assert_eq!(database.texts("SELECT topic AS text FROM outbox").len(), 1);
    browser.press("Who did what");
    browser.reads("Messages dropped");
    browser.reads("the service is gone");
    browser.reads("demo-operator");
    browser.picture("actions");
    database.assert_sound();
}

fn a_person_s_messages_lead_operators_to_each(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene_with(database, &provider, &[("LM_WORKER__ENABLED", "false")]);
    let (amy, bob) = (scene.customer.email("amy"), scene.customer.email("bob"));
    scene.plan.assign(std::slice::from_ref(&bob)).expect(200);
    give_up(scene.database());
    let person = |email: &str| format!("/console/people/?email={email}");
    let (mut support, _) = visit(&scene, &provider, staff());
    let page = support.page(&person(&amy));
    assert!(page.contains("Licenses that they have") && !page.contains("given up"), "only for operators: {page}");

    scene.server.command(&["superuser", "root"]);
    let (mut root, token) = visit(&scene, &provider, Person::new(5, "root@example.com", "root"));
    let page = root.page(&person(&amy));
    let number = page.matches("/console/operations/?message=").count();
    assert_eq!(page.matches("given up").count(), number, "{page}");
    let theirs = format!(
        "SELECT CAST(outbox.uuid AS text) AS text FROM outbox JOIN license ON license.uuid = outbox.license_uuid
         WHERE license.user_email = '{amy}'"
    );
    assert_eq!((number, number > 0), (scene.database().texts(&theirs).len(), true));

    // A link leads to the message, which is dropped there.
    let message = between(&page, "/console/operations/?message=", "\"");
    let own = format!("/console/operations/?message={message}");
    let shown = root.page(&own);
    assert!(shown.contains("This is one message.") && shown.matches("name=\"item\"").count() == 1, "{shown}");
    let drop = format!("form_token={token}&message={message}&item={message}&act=drop&confirmed=yes&reason=asked+for");
    let dropped = sent(&mut root, "/console/operations/messages/act/", &drop);
    assert!(dropped.contains("1 message was dropped.") && dropped.contains("does not wait any more"), "{dropped}");
    assert_eq!(root.page(&person(&amy)).matches("?message=").count(), number - 1);
    assert!(root.page(&person(&bob)).contains("?message="), "those of others stay");
    scene.database().assert_sound();
}

fn webhooks_are_found_by_customer_and_state(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene_with(database, &provider, &[("LM_WORKER__ENABLED", "false")]);
    scene.server.command(&["superuser", "root"]);
    let (mut root, token) = visit(&scene, &provider, Person::new(5, "root@example.com", "root"));
    let list = "/console/operations/webhooks/";
    for (path, customer) in [("everybody", String::new()), ("one", scene.customer.enterprise.to_string())] {
        let form = format!("form_token={token}&url=https://hooks.example.com/{path}&customer={customer}");
        assert_eq!(root.post(&format!("{list}new/"), &form).status, 200, "{path}");
    }
    scene.execute("UPDATE customer_agreement SET enterprise_customer_name = 'Acme & Sons'");
    scene.execute("UPDATE webhook SET is_active = false WHERE enterprise_customer_uuid IS NULL");
    let mut shown = |query: &str| {
        let page = root.page(&format!("{list}{query}"));
        ["everybody", "one"].map(|path| page.contains(&format!("https://hooks.example.com/{path}")))
    };
    assert_eq!(shown(""), [true, true]);
    assert_eq!(shown("?customer=acme&active="), [false, true]);
    assert_eq!(shown("?active=yes"), [false, true]);
    assert_eq!(shown("?active=no&order=-added"), [true, false]);
    assert_eq!(shown("?customer=acme&active=no"), [false, false]);
    assert!(root.page(&format!("{list}?customer=acme&active=no")).contains("No such webhook."));
    for list in [list, "/console/operations/enrollments/"] {
        let page = root.page(&format!("{list}?customer=nobody"));
        assert!(page.contains("There is no customer with “nobody” in the name or slug."), "{page}");
    }
    assert!(root.page(list).contains("<td class=\"long\">Acme &amp; Sons</td>"), "the customer's name");
}

fn an_operator_looks_after_a_webhook(database: Database) {
    let server = quiet(&database, &[("LM_WEBHOOKS__ALLOW_PRIVATE_ADDRESSES", "true")]);
    let endpoint = WebhookEndpoint::start();
    let browser = demo_as(&server, Look::USUAL, "operator");
    open(&browser, &server, "operations/webhooks/");
    browser.reads("There is no webhook yet.");
    browser.picture("webhooks-empty");
    browser.press("Add a webhook");
    browser.fill("#url", "nonsense");
    browser.press("Add the webhook");
    browser.reads("This must be a URL");
    browser.fill("#url", &endpoint.url());
    browser.click("input[value=assigned]");
    browser.picture("webhook-new");
    browser.press("Add the webhook");
    browser.reads("whsec_");
    browser.picture("webhook-secret");
    browser.press("Go on");
    browser.reads("Nothing was sent yet.");
    browser.press("Ping");
    browser.reads("The endpoint accepted the ping");
    endpoint.answer(500);
    browser.press("Ping");
    browser.reads("The endpoint did not accept the ping: it answered 500");

    // An event for it, which is sent again.
    let webhook = database.texts("SELECT CAST(uuid AS text) AS text FROM webhook").remove(0);
    open(&browser, &server, "plans/");
    browser.press("Data Science");
    browser.press("Assign licenses");
    browser.fill("#addresses", "mary@example.com");
    browser.press("Look at what will happen");
    browser.press("Assign 1 license");
    browser.reads("1 license was assigned.");
    open(&browser, &server, &format!("operations/webhooks/{webhook}/"));
    browser.reads("assigned");
    browser.picture("webhook");
    browser.click("input[name=all]");
    browser.press("Send again");
    browser.reads("1 delivery is sent to");
    browser.press("Send 1 again");
    browser.reads("1 delivery is being sent again.");

    browser.press("New secret");
    browser.reads("are signed with a new secret");
    browser.press("Make a new secret");
    browser.reads("It is shown this once.");
    browser.press("Go on");
    browser.press("Switch off");
    browser.reads("Events wait for it");
    browser.press("Switch it off");
    browser.reads("The webhook is off.");
    browser.press("Switch on");
    browser.reads("1 event that waited is sent first.");
    browser.press("Switch it on");
    browser.press("Edit");
    browser.click("input[value=revoked]");
    browser.press("Save");
    browser.reads("assigned, revoked");
    browser.press("Delete");
    browser.reads("is never told anything again.");
    browser.fill("#reason", "moved elsewhere");
    browser.press("Delete it");
    browser.reads("The webhook was deleted.");
    assert_eq!(database.texts("SELECT url AS text FROM webhook"), Vec::<String>::new());
    let kinds = "SELECT kind AS text FROM staff_action WHERE subject = '";
    let kinds = database.texts(&format!("{kinds}{webhook}' ORDER BY created, kind"));
    let changed = kinds.iter().filter(|kind| *kind == "webhook_changed").count();
    let pinged = kinds.iter().filter(|kind| *kind == "webhook_pinged").count();
    assert_eq!((kinds.len(), changed, pinged), (9, 4, 2), "{kinds:?}");
}

fn an_operator_runs_a_part_of_the_schedule_now(database: Database) {
    let server = quiet(&database, &SCHEDULE);
    let browser = demo_as(&server, Look::USUAL, "operator");
    open(&browser, &server, "operations/schedule/");
    browser.reads("never");
    browser.picture("schedule");
    browser.press("Run now");
    browser.reads("Run now: Process renewals");
    browser.picture("schedule-run");
    browser.fill("#reason", "the night was missed");
    browser.press("Run it now");
    browser.reads("was asked for.");
    // The page tells how it goes on by itself.
    browser.reads("complete");
    browser.picture("schedule-ran");
    let ran =
        "SELECT outcome AS text FROM operation_schedule WHERE operation = 'process-renewals' AND requested IS NULL";
    assert_eq!(database.texts(ran), ["complete"]);
    let next = "SELECT operation AS text FROM operation_schedule WHERE next_run IS NOT NULL AND operation = 'process-renewals'";
    assert_eq!(database.texts(next).len(), 1, "its next time stays");
    open(&browser, &server, "");
    browser.reads("What ran within a day");
    browser.reads("Process renewals");
    open(&browser, &server, "operations/actions/?kind=run_requested");
    browser.reads("the night was missed");

    // Where nothing runs the schedule, the page says so.
    let idle = quiet(&database, &[]);
    let browser = demo_as(&idle, Look::USUAL, "operator");
    open(&browser, &idle, "operations/schedule/");
    browser.reads("This server does not run the schedule");
}

fn operators_work_without_scripts_narrow_and_dark(database: Database) {
    let server = quiet(&database, &SCHEDULE);
    give_up(&database);
    let browser = demo_as(&server, Look { width: 500, dark: true, scripts: false }, "operator");
    browser.press("Dead letters");
    browser.click("input[name=item]");
    browser.press("Try again");
    browser.reads("1 message is tried again at once");
    browser.picture("narrow-messages-retry");
    browser.press("Try again: 1");
    browser.reads("1 message is being tried again.");
    browser.press("Schedule");
    browser.press("Run now");
    browser.press("Run it now");
    browser.reads("was asked for.");
    let ran = poll(PATIENCE, || {
        open(&browser, &server, "operations/schedule/");
        browser.text().contains("complete").then_some(())
    });
    assert!(ran.is_some(), "it ran: {}", browser.text());
    browser.picture("narrow-schedule");
}
