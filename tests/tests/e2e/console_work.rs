//! The console's pages for operators and for manual work, in a real browser: messages, webhooks, the schedule, transfers,
//! going back to a moment, records, and retiring a person.

// These tests run outside of the service, with the real clock.
#![allow(clippy::disallowed_methods)]

use std::time::Duration;

use license_manager_tests::{Browser, Database, Look, PATIENCE, Server, WebhookEndpoint, on_both_databases, poll};

use crate::console::demo_as;
use crate::console_jobs::add_failed_jobs;

on_both_databases!(
    an_operator_tries_a_dead_letter_again_and_drops_the_rest,
    an_operator_looks_after_a_webhook,
    an_operator_runs_a_part_of_the_schedule_now,
    support_staff_moves_a_license_and_back,
    support_staff_sets_licenses_back,
    support_staff_keeps_records,
    a_superuser_retires_a_person,
    operators_work_without_scripts_narrow_and_dark,
    every_screen_is_for_everybody,
);

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

/// Settings of a schedule that does nothing by itself before New Year's night.
const SCHEDULE: [(&str, &str); 9] = [
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
fn give_up(database: &Database) -> usize {
    database.execute(
        "UPDATE outbox SET attempts = 5, last_error = 'answered 500 Internal Server Error', parked_at = created",
    );
    database.texts("SELECT CAST(uuid AS text) AS text FROM outbox").len()
}

pub(super) fn open(browser: &Browser, server: &Server, path: &str) {
    browser.open(&format!("{}/console/{path}", server.base()));
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

fn support_staff_moves_a_license_and_back(database: Database) {
    let server = quiet(&database, &[]);
    let browser = demo_as(&server, Look::USUAL, "support staff");
    assign(&browser, &server, "mary@example.com");
    let plan_of_mary = || {
        database.texts(
            "SELECT plan.title AS text FROM license JOIN subscription_plan AS plan ON plan.uuid = license.subscription_plan_uuid
             WHERE license.user_email = 'mary@example.com'",
        )
    };
    assert_eq!(plan_of_mary(), ["Data Science"]);
    let license = database
        .texts("SELECT CAST(uuid AS text) AS text FROM license WHERE user_email = 'mary@example.com'")
        .remove(0);

    browser.press("Transfers");
    browser.reads("Nobody has moved licenses yet.");
    browser.press("New transfer");
    browser.fill("main input[name=name]", "demo");
    browser.press("Find");
    browser.press("Demo University");
    browser.press("Look at what would move");
    browser.reads("Choose the plan that licenses leave.");
    browser.picture("transfer-new");

    // Learners who have a license of both plans are in the way.
    choose_plans(&browser);
    browser.click("input[value=all]");
    browser.press("Look at what would move");
    browser.reads("3 people would hold two live licenses of the new plan.");
    browser.reads("ada@example.com");
    browser.picture("transfer-refused");

    browser.press("Transfers");
    browser.press("New transfer");
    browser.press("Demo University");
    choose_plans(&browser);
    browser.fill("#license_uuids", &format!("{license}\n00000000-0000-0000-0000-000000000009"));
    browser.fill("#notes", "asked for by Mary");
    browser.press("Look at what would move");
    browser.reads("1 license would move");
    browser.reads("1 of the ids stays where it is");
    browser.picture("transfer-looked-at");
    browser.press("Move the licenses");
    browser.reads("1 license moves from Data Science to Languages");
    browser.press("Move 1");
    browser.reads("Say why.");
    browser.fill("#reason", "wrong plan");
    browser.press("Move 1");
    browser.reads("The licenses were moved.");
    assert_eq!(plan_of_mary(), ["Languages"]);
    browser.reads("Looked at what would move");
    browser.picture("transfer-done");

    browser.press("Make the way back");
    browser.reads("This transfer moves the same licenses back.");
    browser.reads("1 license would move");
    browser.press("Move the licenses");
    browser.fill("#reason", "right after all");
    browser.press("Move 1");
    browser.reads("The licenses were moved.");
    assert_eq!(plan_of_mary(), ["Data Science"]);

    browser.press("Transfers");
    browser.reads("The way back of transfer");
    browser.picture("transfers");
    browser.press("Transfer 1");
    browser.press("Delete");
    browser.fill("#reason", "a mistake");
    browser.press("Delete it");
    browser.reads("The transfer was deleted.");
    database.assert_sound();
}

/// From Data Science to Languages, which began later.
fn choose_plans(browser: &Browser) {
    browser.click("#old_subscription_plan option:nth-child(3)");
    browser.click("#new_subscription_plan option:nth-child(2)");
}

fn assign(browser: &Browser, server: &Server, email: &str) {
    open(browser, server, "plans/");
    browser.press("Data Science");
    browser.press("Assign licenses");
    browser.fill("#addresses", email);
    browser.press("Look at what will happen");
    browser.press("Assign 1 license");
    browser.reads("1 license was assigned.");
}

fn support_staff_sets_licenses_back(database: Database) {
    let server = quiet(&database, &[]);
    let browser = demo_as(&server, Look::USUAL, "support staff");
    assign(&browser, &server, "mary@example.com");
    // The form has no fractions of a second.
    let assigned = chrono::Utc::now();
    let moment = poll(PATIENCE, || {
        let now = chrono::Utc::now();
        std::thread::sleep(Duration::from_millis(100));
        (now.timestamp() > assigned.timestamp()).then_some(now)
    });
    let moment = moment.expect("time passes").format("%Y-%m-%dT%H:%M:%S").to_string();
    browser.click("input[aria-label='Select mary@example.com']");
    browser.press("Revoke");
    browser.press("Revoke 1");
    browser.reads("1 license was revoked.");
    browser.press("History");
    browser.press("Set licenses back to a moment");
    browser.press("Look at what would change");
    browser.reads("Say to which moment.");
    browser.script(&format!("document.getElementById('as_of').value = '{moment}'"));
    browser.picture("revert");
    browser.press("Look at what would change");
    browser.reads("1 license becomes as it was at");
    browser.reads("Status: revoked → assigned");
    browser.reads("1 free license is deleted");
    browser.picture("revert-looked-at");
    browser.fill("#reason", "revoked by mistake");
    browser.press("Set 1 back");
    browser.reads("1 license was set back.");
    let status = "SELECT status AS text FROM license WHERE user_email = 'mary@example.com'";
    assert_eq!(database.texts(status), ["assigned"]);
    database.assert_sound();
}

fn support_staff_keeps_records(database: Database) {
    let server = quiet(&database, &[]);
    database.execute(
        "INSERT INTO notification (enterprise_customer_uuid, enterprise_customer_user_id, subscription_plan_uuid,
                                   notification_type, last_sent, created, modified)
         SELECT enterprise_customer_uuid, 5, plan.uuid, 'no_allocations_remaining', plan.created, plan.created, plan.created
         FROM subscription_plan AS plan JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid;
         INSERT INTO license_event (license_uuid, event_name, created)
         SELECT uuid, 'edx.server.license-manager.expired.license.unlinked', created FROM license WHERE user_email IS NOT NULL",
    );
    let browser = demo_as(&server, Look::USUAL, "support staff");
    browser.press("Records");
    browser.reads("B2B Paid");
    browser.picture("products");
    browser.press("B2B Paid");
    browser.fill("#description", "Subscription for a company");
    browser.press("Save");
    browser.reads("Say why.");
    browser.fill("#reason", "clearer");
    browser.press("Save");
    browser.reads("The product was saved.");
    browser.reads("Subscription for a company");

    browser.press("Plan types");
    browser.picture("plan-types");
    browser.press("Standard Paid");
    browser.fill("#description", "A plan that is paid for");
    browser.fill("#reason", "clearer");
    browser.press("Save");
    browser.reads("A plan that is paid for");

    browser.press("Roles");
    browser.reads("demo-viewer");
    assert_eq!(browser.count("#role option[value=license_manager_operator]"), 0, "only operators make operators");
    browser.fill("#username", "vera");
    browser.click("#role option[value=license_manager_viewer]");
    browser.fill("#reason", "new colleague");
    browser.picture("roles");
    browser.press("Give the role");
    browser.reads("The user has the role");
    browser.press("Take");
    browser.reads("loses the role of viewer");
    browser.fill("#reason", "left us");
    browser.press("Take it");
    browser.reads("The role was taken");

    browser.press("Users");
    browser.picture("users");
    browser.press("demo-support");
    browser.reads("What they changed");
    browser.reads("clearer");
    browser.reads("Role taken");
    browser.picture("user");

    open(&browser, &server, "records/notifications/");
    browser.reads("no allocations remaining");
    browser.picture("notifications");
    browser.click("input[name=item]");
    browser.press("Delete");
    browser.reads("its admins get the mail again");
    browser.fill("#reason", "asked for");
    browser.press("Delete 1");
    browser.reads("1 notification was deleted.");

    browser.press("License events");
    browser.reads("expired.license.unlinked");
    browser.picture("license-events");
    browser.click("input[name=all]");
    browser.press("Delete");
    browser.reads("Without it, the next scheduled run does it again");
    browser.picture("license-events-delete");
    browser.fill("#reason", "unlink again");
    browser.press("Delete 6");
    browser.reads("6 license events were deleted.");
    browser.press("Opportunities");
    browser.reads("No license has an opportunity.");
    assert_eq!(database.texts("SELECT event_name AS text FROM license_event"), Vec::<String>::new());
}

fn a_superuser_retires_a_person(database: Database) {
    let server = quiet(&database, &[]);
    database.execute(
        "INSERT INTO users (username, email, is_staff, is_superuser, created, modified)
         SELECT 'ada', 'ada@example.com', false, false, created, modified FROM customer_agreement",
    );
    let support = demo_as(&server, Look::USUAL, "support staff");
    open(&support, &server, "people/?email=ada@example.com");
    support.reads("Licenses that they have or had");
    assert_eq!(support.count("a[href^='/console/people/retire/']"), 0, "only superusers retire people");
    drop(support);
    let browser = demo_as(&server, Look::USUAL, "superuser");
    open(&browser, &server, "people/?email=ada@example.com");
    browser.press("Retire this person");
    browser.fill("#lms_user_id", "7");
    browser.fill("#username", "ada");
    browser.picture("retire");
    browser.press("Look at what is erased");
    browser.reads("This cannot be undone.");
    browser.reads("2, 2 of them live");
    browser.reads("The user is deleted");
    browser.picture("retire-looked-at");
    browser.press("Erase this for good");
    browser.reads("Say why.");
    browser.fill("#reason", "their request");
    browser.press("Erase this for good");
    browser.reads("2 licenses lost the person. The user was deleted.");
    open(&browser, &server, "people/?email=ada@example.com");
    browser.reads("No license names this person");
    for (table, column) in [("license", "user_email"), ("license_history", "user_email"), ("users", "email")] {
        let left = database.texts(&format!("SELECT {column} AS text FROM {table} WHERE {column} = 'ada@example.com'"));
        assert_eq!(left, Vec::<String>::new(), "{table}");
    }
    open(&browser, &server, "operations/actions/");
    browser.reads("Person retired");
    browser.reads("their request");
    database.assert_sound();
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

/// Every address, wide and light, and narrow and dark: nothing keeps people out. The other stories look at pages between
/// two addresses.
fn every_screen_is_for_everybody(database: Database) {
    let server = quiet(&database, &SCHEDULE);
    give_up(&database);
    database.execute(
        "INSERT INTO webhook (uuid, url, secret, event_types, is_active, created, modified, dropped)
         SELECT enterprise_customer_uuid, 'https://hooks.example.com/licenses', 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
                '{}', true, created, modified, 0 FROM customer_agreement"
            .replace("'{}'", if database.url().starts_with("sqlite") { "'[]'" } else { "'{}'" })
            .as_str(),
    );
    add_failed_jobs(&database);
    database.execute(
        r#"INSERT INTO bulk_enrollment_job (uuid, enterprise_customer_uuid, parameters, created, modified)
           SELECT uuid, enterprise_customer_uuid,
                  '{"learners":{"emails":["ada@example.com"]},"plan":null,"course_run_keys":["course-v1:edX+Demo+T1"],"notify":true}',
                  created, modified
           FROM customer_agreement"#,
    );
    let one = |query: &str| database.texts(query).remove(0);
    let plan = one("SELECT CAST(uuid AS text) AS text FROM subscription_plan WHERE title = 'Data Science'");
    let agreement = one("SELECT CAST(uuid AS text) AS text FROM customer_agreement");
    let license = one("SELECT CAST(uuid AS text) AS text FROM license WHERE user_email = 'ada@example.com'");
    let webhook = one("SELECT CAST(uuid AS text) AS text FROM webhook");
    let addresses = [
        String::new(),
        "customers/".to_owned(),
        format!("customers/{agreement}/"),
        format!("customers/{agreement}/edit/"),
        format!("customers/{agreement}/terms/"),
        "customers/new/".to_owned(),
        "plans/".to_owned(),
        "plans/?job=yes".to_owned(),
        format!("plans/new/?agreement={agreement}"),
        format!("plans/{plan}/"),
        format!("plans/{plan}/assign/"),
        format!("plans/{plan}/edit/"),
        format!("plans/{plan}/add/"),
        format!("plans/{plan}/revert/"),
        format!("plans/{plan}/utilization/"),
        format!("plans/{plan}/history/"),
        format!("plans/{plan}/as-of/"),
        "renewals/".to_owned(),
        format!("renewals/new/?plan={plan}"),
        format!("licenses/{license}/"),
        format!("licenses/{license}/edit/"),
        "search/?q=example".to_owned(),
        "people/?email=ada@example.com".to_owned(),
        "people/retire/".to_owned(),
        "sessions/".to_owned(),
        "transfers/".to_owned(),
        "transfers/new/".to_owned(),
        format!("transfers/new/?agreement={agreement}"),
        "operations/".to_owned(),
        "operations/?state=waiting".to_owned(),
        "operations/webhooks/".to_owned(),
        "operations/webhooks/new/".to_owned(),
        format!("operations/webhooks/{webhook}/"),
        format!("operations/webhooks/{webhook}/edit/"),
        "operations/schedule/".to_owned(),
        "operations/jobs/".to_owned(),
        "operations/enrollments/".to_owned(),
        format!("operations/enrollments/{agreement}/"),
        "operations/actions/".to_owned(),
        "records/".to_owned(),
        "records/products/1/".to_owned(),
        "records/products/new/".to_owned(),
        "records/plan-types/".to_owned(),
        "records/plan-types/1/".to_owned(),
        "records/roles/".to_owned(),
        "records/users/".to_owned(),
        "records/users/one/?name=demo-viewer".to_owned(),
        "records/opportunities/".to_owned(),
        "records/notifications/".to_owned(),
        "records/license-events/".to_owned(),
    ];
    for (look, prefix) in [(Look::USUAL, "wide"), (Look { width: 500, dark: true, scripts: true }, "narrow")] {
        let browser = demo_as(&server, look, "superuser");
        for address in &addresses {
            open(&browser, &server, address);
            browser.reads("Sign out");
            let known = [&plan, &agreement, &license, &webhook];
            let name = known.iter().fold(address.clone(), |name, id| name.replace(id.as_str(), "id"));
            let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
            browser.picture(&format!("{prefix}-{name}"));
            // The page fits: only tables scroll, within themselves.
            let overflow =
                browser.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
            assert_eq!(overflow.as_i64(), Some(0), "{prefix} {address} is wider than the window");
        }
    }
}
