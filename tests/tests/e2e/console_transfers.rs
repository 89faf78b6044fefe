//! Moving licenses and setting them back to a moment in the console, in a real browser.

// These tests run outside of the service, with the real clock.
#![allow(clippy::disallowed_methods)]

use std::time::Duration;

use license_manager_tests::{Browser, Database, Look, PATIENCE, Server, on_both_databases, poll};

use super::console::{demo_as, open, quiet};

on_both_databases!(support_staff_moves_a_license_and_back, support_staff_sets_licenses_back);

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
