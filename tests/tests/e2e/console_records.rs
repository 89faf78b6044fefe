//! Records and people in the console.

use license_manager_tests::{Database, FakeIdentityProvider, Look, Person, between, on_both_databases};

use super::console::{demo_as, open, quiet, scene};
use super::console_plans::{sent, visit};

on_both_databases!(
    support_staff_keeps_records,
    a_superuser_retires_a_person,
    who_has_no_account_is_retired_by_their_address,
);

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
    // Their licenses know no LMS user id, but the service knows the user.
    browser.press("Look at what is erased");
    browser.reads("They have an account: the user ada.");
    browser.press("Back");
    browser.fill("#lms_user_id", "7");
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

fn who_has_no_account_is_retired_by_their_address(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = scene(database, &provider);
    let (amy, bob) = (scene.customer.email("amy"), scene.customer.email("bob"));
    scene.plan.assign(std::slice::from_ref(&bob)).expect(200);
    scene.server.command(&["superuser", "root"]);
    let (mut root, token) = visit(&scene, &provider, Person::new(5, "root@example.com", "root"));
    let page = root.page(&format!("/console/people/?email={amy}"));
    let link = between(&page, "href=\"/console/people/retire/", "\"");
    let form = root.page(&format!("/console/people/retire/{link}"));
    assert!(form.contains(&format!("value=\"{amy}\"")), "{form}");

    let retire = "/console/people/retire/";
    let both = sent(&mut root, retire, &format!("form_token={token}&email={amy}&lms_user_id=7&username=amy"));
    assert!(both.contains("Leave this empty for who has an account."), "{both}");
    let whom = format!("form_token={token}&email={amy}&lms_user_id=&username=");
    let looked_at = sent(&mut root, retire, &whom);
    assert!(looked_at.contains("1, 1 of them live") && looked_at.contains("Erase this for good"), "{looked_at}");
    assert_eq!(scene.plan.counts().assigned, 2, "nothing happened yet");
    let done = sent(&mut root, retire, &format!("{whom}&confirmed=yes&reason=their+request"));
    assert!(done.contains("1 license lost the person."), "{done}");
    assert_eq!(scene.plan.counts().assigned, 1);
    for table in ["license", "license_history"] {
        let left = |email: &str| {
            scene.database().texts(&format!("SELECT user_email AS text FROM {table} WHERE user_email = '{email}'"))
        };
        assert_eq!((left(&amy).len(), left(&bob).is_empty()), (0, false), "{table}");
    }

    // Who has an account is named elsewhere too.
    scene.execute(&format!("UPDATE license SET lms_user_id = 77 WHERE user_email = '{bob}'"));
    let confirmed = format!("form_token={token}&email={bob}&confirmed=yes&reason=their+request");
    let refused = sent(&mut root, retire, &confirmed);
    assert!(refused.contains("LMS user 77") && !refused.contains("Erase this for good"), "{refused}");
    assert_eq!(scene.plan.counts().assigned, 1);
}
