//! Jobs on whole plans and bulk enrollments in the console: how far they are, why they fail, and what is done about it.

use license_manager_tests::{
    Database, FakeIdentityProvider, Look, PATIENCE, PROVISIONING, Person, Scene, between, on_both_databases, poll,
};
use serde_json::json;

use super::console::{demo_as, open, quiet, scene_with};
use super::console_plans::{sent, visit};

on_both_databases!(
    an_operator_tries_a_job_again_and_cancels_another,
    support_staff_sees_why_a_plan_does_not_grow,
    an_operator_looks_after_a_bulk_enrollment,
);

/// Jobs that failed on every plan, which has fewer licenses than it should have. They rest for decades.
pub(super) fn add_failed_jobs(database: &Database) {
    let in_decades = if database.url().starts_with("sqlite") { "4102444800000000" } else { "'2100-01-01'" };
    database.execute(&format!(
        "UPDATE subscription_plan SET desired_num_licenses = 50;
         UPDATE subscription_plan_history SET desired_num_licenses = 50;
         INSERT INTO plan_job (subscription_plan_uuid, kind, requested_by, requested_at, not_before, attempts, last_error, reason)
         SELECT uuid, 'provision', 'zoe', created, {in_decades}, 2, 'The database cannot be reached.', 'a new class'
         FROM subscription_plan"
    ));
}

fn jobs(database: &Database) -> Vec<String> {
    database.texts("SELECT kind AS text FROM plan_job")
}

fn an_operator_tries_a_job_again_and_cancels_another(database: Database) {
    let server = quiet(&database, &[]);
    let browser = demo_as(&server, Look::USUAL, "operator");
    open(&browser, &server, "operations/jobs/");
    browser.reads("No job runs or waits.");
    add_failed_jobs(&database);
    open(&browser, &server, "plans/?job=yes");
    browser.reads("It failed, and is tried again: The database cannot be reached.");
    browser.picture("plans-with-jobs");

    open(&browser, &server, "operations/jobs/?state=failed&title=data");
    browser.reads("failed 2 times");
    browser.reads("a new class");
    assert_eq!(browser.count("input[name=item]"), 1, "those that match");
    browser.picture("jobs");
    browser.click("input[name=item]");
    browser.press("Try again now");
    browser.reads("1 job is tried again at once");
    browser.picture("jobs-retry");
    browser.press("Try again: 1 job");
    browser.reads("1 job is being tried again.");
    let done = poll(PATIENCE, || (jobs(&database).len() == 1).then_some(()));
    assert!(done.is_some(), "it adds the licenses");

    open(&browser, &server, "operations/jobs/");
    browser.click("input[name=item]");
    browser.press("Cancel");
    browser.reads("1 job is given up.");
    browser.press("Cancel 1 job");
    browser.reads("Say why.");
    browser.fill("#reason", "a mistake");
    browser.press("Cancel 1 job");
    browser.reads("1 job was canceled.");
    assert_eq!(jobs(&database), Vec::<String>::new());
    open(&browser, &server, "operations/actions/?kind=jobs_canceled");
    browser.reads("a mistake");
    browser.reads("Add licenses");
    browser.press("Plans");
    browser.press("Data Science");
    browser.reads("Free\n47");
    // A check names the plan whose job was canceled until its number is that of its licenses.
    for table in ["subscription_plan", "subscription_plan_history"] {
        database.execute(&format!(
            "UPDATE {table} SET desired_num_licenses = (
                 SELECT count(*) FROM license WHERE license.subscription_plan_uuid = {table}.uuid AND status <> 'revoked'
             )"
        ));
    }
    database.assert_sound();
}

fn support_staff_sees_why_a_plan_does_not_grow(database: Database) {
    let server = quiet(&database, &[]);
    add_failed_jobs(&database);
    let browser = demo_as(&server, Look::USUAL, "support staff");
    open(&browser, &server, "plans/?title=data");
    browser.press("Data Science");
    browser.reads("Add licenses: 20 of 50");
    browser.reads("It failed 2 times");
    browser.reads("The database cannot be reached.");
    assert_eq!(browser.count("button[value=provision]"), 0, "it is asked for already");
    browser.picture("plan-with-a-job");
    browser.press("Cancel the job");
    browser.fill("#reason", "a mistake");
    browser.press("Cancel 1 job");
    browser.reads("1 job was canceled. What was done stays.");
    assert_eq!(jobs(&database).len(), 1, "that of the other plan goes on");
    browser.reads("Add missing licenses");
}

/// An operator who is signed in, on a server that delivers nothing.
fn operating(database: Database, provider: &FakeIdentityProvider) -> Scene {
    let scene = scene_with(database, provider, &[("LM_WORKER__ENABLED", "false")]);
    scene.server.command(&["superuser", "root"]);
    let role = json!({ "username": "oscar", "role": "license_manager_operator" });
    let root = Person::new(5, "root@example.com", "root");
    scene.server.client(&root).post(&format!("{PROVISIONING}/role-assignments/"), &role).expect(201);
    scene
}

fn an_operator_looks_after_a_bulk_enrollment(database: Database) {
    let provider = FakeIdentityProvider::start();
    let scene = operating(database, &provider);
    let path = format!("/api/v1/bulk-license-enrollment/?enterprise_customer_uuid={}", scene.customer.enterprise);
    let emails = [scene.customer.email("amy"), scene.customer.email("bob")];
    let asked = json!({ "emails": emails, "course_run_keys": ["course-v1:edX+Demo+T1"], "notify": true });
    scene.plan.admin.post(&path, &asked).expect(201);
    let (mut visit, token) = visit(&scene, &provider, Person::new(6, "oscar@example.com", "oscar"));
    let list = "/console/operations/enrollments/";
    let page = visit.page(&format!("{list}?unfinished=yes"));
    let (_, rows) = page.split_once("<tbody>").expect("a row");
    let own = format!("{list}{}/", between(rows, &format!("href=\"{list}"), "/\""));
    assert!(page.contains("enrolling"), "{page}");
    assert!(visit.page(&format!("{list}?customer=nobody")).contains("There is no customer with"));
    let page = visit.page(&own);
    assert!(page.contains("0 of 2") && page.contains("It goes on by itself.") && !page.contains("csv/"), "{page}");
    assert_eq!(visit.get(&format!("{own}csv/")).status, 404, "there is no result yet");

    // It was given up: the page says why, and it is tried again.
    scene.execute(
        "UPDATE outbox SET attempts = 5, last_error = 'answered 500 Internal Server Error', parked_at = created
         WHERE topic = 'bulk_enrollment'",
    );
    assert!(visit.page(list).contains("given up"));
    let page = visit.page(&own);
    assert!(page.contains("answered 500 Internal Server Error") && page.contains("It failed 5 times"), "{page}");
    let (item, enrollment) =
        (between(&page, "name=\"item\" value=\"", "\""), between(&page, "name=\"enrollment\" value=\"", "\""));
    let form = format!("form_token={token}&act=retry&item={item}&enrollment={enrollment}");
    assert!(sent(&mut visit, "/console/operations/messages/act/", &form).contains("1 message is tried again at once"));
    let page = sent(&mut visit, "/console/operations/messages/act/", &format!("{form}&confirmed=yes"));
    assert!(page.contains("It goes on by itself.") && !page.contains("It failed"), "back on its page: {page}");

    // It was dropped.
    scene.execute("DELETE FROM outbox WHERE topic = 'bulk_enrollment'");
    assert!(visit.page(&own).contains("Its message was dropped"));
    // It is done.
    scene.execute(
        "UPDATE bulk_enrollment_job SET stage = 'done', successes = 1, failures = 1, results = 'email,result'",
    );
    let page = visit.page(&own);
    assert!(page.contains("2 of 2") && page.contains("1 enrolled, 0 pending"), "{page}");
    let results = visit.get(&format!("{own}csv/"));
    assert_eq!((results.status, results.header("Content-Type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(results.body.as_str(), Some("email,result"));
    assert!(visit.page(&format!("{list}?unfinished=yes")).contains("No such bulk enrollment."));
    assert_eq!(visit.get(&format!("{list}nonsense/")).status, 404);
}
