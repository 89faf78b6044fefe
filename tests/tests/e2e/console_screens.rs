//! Every page of the console in a real browser: it keeps nobody out.

use license_manager_tests::{Database, Look, on_both_databases};

use super::console::{demo_as, open, quiet};
use super::console_jobs::add_failed_jobs;
use super::console_operations::{SCHEDULE, give_up};

on_both_databases!(every_screen_is_for_everybody);

/// The number of boxes in which a table may scroll that have no shade at the edges where it goes on, or no cover that
/// hides the shade at its ends.
const WITHOUT_SHADES: &str = "
    const layers = (box) => getComputedStyle(box).backgroundAttachment.split(', ');
    return [...document.querySelectorAll('.wide')]
        .filter((box) => !['local', 'scroll'].every((kind) => layers(box).includes(kind))).length";

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
            if prefix == "narrow" {
                assert_eq!(browser.script(WITHOUT_SHADES), 0, "{address}: a table does not show that it scrolls");
            }
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
