//! Scheduled operations: on many servers, after failures, missed, and switched off. To avoid waiting, the schedules
//! name New Year's night, and SQL makes runs due.

// These tests run outside of the service, with the real clock.
#![allow(clippy::disallowed_methods)]

use std::time::Duration;

use license_manager_tests::{
    Customer, Database, FakeUpstreams, PATIENCE, PROVISIONING, Person, Plan, Server, borrowed, on_both_databases, poll,
};
use serde_json::{Value, json};

on_both_databases!(
    a_due_renewal_is_processed_once_by_two_servers_and_a_worker,
    a_run_that_was_missed_is_caught_up_once,
    a_run_that_was_killed_is_taken_over,
    a_server_that_stops_leaves_the_rest_of_its_run_to_others,
    a_failed_run_is_shown,
    nothing_runs_on_schedule_unless_enabled,
    an_operation_can_be_switched_off,
    the_schedule_is_for_staff,
);

const PATH: &str = "/api/v1/provisioning-admins/scheduled-operations/";
const NEW_YEAR: &str = "0 0 1 1 *";
const EXPIRATION: &str = "/bulk_licensed_enrollments_expiration/";

/// All keys of the section, set to New Year's night.
const KEYS: [&str; 9] = [
    "LM_SCHEDULE__PROCESS_RENEWALS",
    "LM_SCHEDULE__EXPIRE_SUBSCRIPTIONS",
    "LM_SCHEDULE__UNLINK_EXPIRED_LICENSES",
    "LM_SCHEDULE__RETIRE_OLD_LICENSES",
    "LM_SCHEDULE__PROCESS_AUTO_SCALABLE_PLANS",
    "LM_SCHEDULE__SEND_LICENSE_UTILIZATION_EMAILS",
    "LM_SCHEDULE__TRIGGER_EVENT_FOR_LICENSES",
    "LM_SCHEDULE__VALIDATE_NUM_CATALOG_QUERIES",
    "LM_SCHEDULE__BACKUP",
];

/// A server that runs the schedule without deliveries, with short leases.
fn start(database: &Database, more: &[(&str, &str)]) -> Server {
    let mut settings =
        vec![("LM_SCHEDULE__ENABLED", "true"), ("LM_OPERATIONS__LEASE_SECONDS", "3"), ("LM_WORKER__ENABLED", "false")];
    settings.extend(KEYS.map(|key| (key, NEW_YEAR)));
    settings.extend_from_slice(more);
    Server::start_with(database.url(), &settings)
}

/// Makes an operation due since this many days ago.
fn make_due(database: &Database, operation: &str, days: i64) {
    let moment = chrono::Utc::now() - chrono::Duration::days(days);
    let moment = match database.url().starts_with("sqlite:") {
        true => moment.timestamp_micros().to_string(),
        false => format!("'{}'", moment.to_rfc3339()),
    };
    database.execute(&format!("UPDATE operation_schedule SET next_run = {moment} WHERE operation = '{operation}'"));
}

fn schedule(server: &Server) -> Value {
    let staff = Person::new(5, "staff@example.com", "staff").claim("administrator", json!(true));
    server.client(&staff).get(PATH).expect(200)
}

fn told(server: &Server, operation: &str) -> Value {
    let body = schedule(server);
    let operations = body["operations"].as_array().expect("a list");
    assert_eq!(operations.len(), KEYS.len(), "{body}");
    operations.iter().find(|found| found["operation"] == operation).expect("the operation").clone()
}

/// Waits until the schedule is stored.
fn wait_until_scheduled(server: &Server, operation: &str) {
    let scheduled = poll(PATIENCE, || (!told(server, operation)["next_run"].is_null()).then_some(()));
    assert!(scheduled.is_some(), "{}", schedule(server));
}

/// Waits until the operation's last run has this outcome, and returns the operation.
#[track_caller]
fn ends(server: &Server, operation: &str, outcome: &str) -> Value {
    let ended = poll(PATIENCE, || {
        let told = told(server, operation);
        (told["last_run"]["outcome"] == outcome && told["running_since"].is_null()).then_some(told)
    });
    ended.unwrap_or_else(|| panic!("{}", schedule(server)))
}

/// How many runs the logs report.
fn runs(logs: &[String]) -> usize {
    logs.iter().map(|log| log.matches("a scheduled run begins").count()).sum()
}

fn metric(server: &Server, name: &str, operation: &str) -> Option<f64> {
    let text = server.anonymous().get("/metrics").expect(200).as_str().expect("a text").to_owned();
    let series = format!("license_manager_schedule_{name}{{operation=\"{operation}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok())
}

/// A plan with learners, and its renewal within the next hours.
fn renewal_of(customer: &Customer, learners: usize) -> Plan {
    let plan = customer.plan(20);
    plan.assign(&customer.emails("learner", learners)).expect(200);
    let effective = chrono::Utc::now() + chrono::Duration::hours(2);
    let terms = json!({
        "prior_subscription_plan": plan.uuid,
        "number_of_licenses": 20,
        "salesforce_opportunity_id": null,
        "effective_date": effective.to_rfc3339(),
        "renewed_expiration_date": (effective + chrono::Duration::days(365)).to_rfc3339(),
    });
    customer.operator().post(&format!("{PROVISIONING}/subscription-plan-renewals/"), &terms).expect(201);
    plan
}

/// A plan that has just expired, with this many learners.
fn ended_plan(server: &Server, customer: &Customer, learners: usize) -> Plan {
    let mut request = customer.plan_request(learners as u32);
    request["expiration_date"] = json!((chrono::Utc::now() - chrono::Duration::minutes(5)).to_rfc3339());
    let made = customer.operator().post(&format!("{PROVISIONING}/subscriptions/"), &request).expect(201);
    let plan = Plan { uuid: made["uuid"].as_str().expect("an id").to_owned(), admin: server.client(&customer.admin()) };
    plan.assign(&customer.emails("learner", learners)).expect(200);
    plan
}

fn count(database: &Database, table: &str, condition: &str) -> usize {
    let query = format!("SELECT CAST(count(*) AS text) AS text FROM {table} WHERE {condition}");
    database.texts(&query)[0].parse().expect("a count")
}

fn a_due_renewal_is_processed_once_by_two_servers_and_a_worker(database: Database) {
    let (one, other) = (start(&database, &[]), start(&database, &[]));
    let worker = one.run_beside(&["worker"]);
    let customer = Customer::new(&one);
    renewal_of(&customer, 15);
    wait_until_scheduled(&other, "process-renewals");
    assert_eq!(told(&one, "process-renewals")["last_run"], Value::Null);
    make_due(&database, "process-renewals", 0);
    let ended = ends(&other, "process-renewals", "complete");
    assert_eq!(ended["last_run"]["counts"], json!({ "renewals": 1, "licenses": 15, "overdue": 0 }));
    assert_eq!((&ended["last_run"]["failure_count"], &ended["expression"]), (&json!(0), &json!(NEW_YEAR)));
    assert_eq!(ended["last_complete"], ended["last_run"]["started"]);
    let next = ended["next_run"].as_str().expect("a moment");
    assert!(next.ends_with("-01-01T00:00:00Z"), "{next}");
    assert_eq!(count(&database, "license", "renewed_to_uuid IS NOT NULL"), 15);
    assert_eq!(count(&database, "subscription_plan", "true"), 2);
    assert_eq!(runs(&[one.log(), other.log(), worker.log()]), 1);

    assert_eq!(schedule(&one)["enabled"], true);
    for server in [&one, &other] {
        let number = |name: &str| metric(server, name, "process-renewals");
        let moment = |text: &Value| {
            let text = text.as_str().expect("a moment");
            chrono::DateTime::parse_from_rfc3339(text).expect("a moment").timestamp() as f64
        };
        assert_eq!(number("next_run_timestamp_seconds"), Some(moment(&ended["next_run"])));
        assert_eq!(number("last_run_timestamp_seconds"), Some(moment(&ended["last_run"]["started"])));
        assert_eq!(number("last_success_timestamp_seconds"), Some(moment(&ended["last_complete"])));
        assert_eq!((number("last_run_success"), number("running_seconds")), (Some(1.0), Some(0.0)));
        assert!(number("last_run_duration_seconds").is_some_and(|seconds| seconds < 60.0));
        assert_eq!(metric(server, "last_run_success", "retire-old-licenses"), None, "it has not run yet");
        assert!(metric(server, "next_run_timestamp_seconds", "retire-old-licenses").is_some());
    }
}

fn a_run_that_was_missed_is_caught_up_once(database: Database) {
    let mut server = start(&database, &[]);
    wait_until_scheduled(&server, "retire-old-licenses");
    let customer = Customer::new(&server);
    renewal_of(&customer, 3);
    assert!(server.stop_with_sigterm().success());
    make_due(&database, "process-renewals", 1_000);
    make_due(&database, "retire-old-licenses", 30);
    server.restart();
    ends(&server, "retire-old-licenses", "complete");
    let renewals = ends(&server, "process-renewals", "complete");
    assert_eq!(renewals["last_run"]["counts"]["licenses"], 3);
    // Another run ends later, which shows that the first one did not run twice.
    make_due(&database, "trigger-event-for-licenses", 0);
    ends(&server, "trigger-event-for-licenses", "complete");
    assert_eq!(runs(&[server.log()]), 3);
}

fn a_run_that_was_killed_is_taken_over(database: Database) {
    let upstreams = FakeUpstreams::start();
    let settings = upstreams.settings();
    let mut first = start(&database, &borrowed(&settings));
    let customer = Customer::new(&first);
    let plan = ended_plan(&first, &customer, 650);
    wait_until_scheduled(&first, "expire-subscriptions");
    // Seven calls take longer than another server takes to start.
    upstreams.slow(Duration::from_secs(3));
    make_due(&database, "expire-subscriptions", 0);
    let begun = poll(PATIENCE, || (!upstreams.taken(EXPIRATION).is_empty()).then_some(()));
    assert!(begun.is_some(), "nothing was told: {}", first.log());
    let second = start(&database, &borrowed(&settings));
    assert!(told(&second, "expire-subscriptions")["running_since"].is_string());
    first.kill();
    database.assert_sound();
    upstreams.slow(Duration::ZERO);
    let ended = ends(&second, "expire-subscriptions", "complete");
    assert_eq!(ended["last_run"]["counts"]["plans"], 1);
    assert_eq!(runs(&[first.log(), second.log()]), 2);
    let calls = upstreams.taken(EXPIRATION).len();
    assert!((7..=8).contains(&calls), "only the call under way is made again: {calls}");
    assert_eq!(count(&database, "subscription_plan", &format!("uuid = '{}' AND expiration_processed", plan.uuid)), 1);
}

fn a_server_that_stops_leaves_the_rest_of_its_run_to_others(database: Database) {
    let upstreams = FakeUpstreams::start();
    let mut settings = upstreams.settings();
    // Long enough that nobody takes over a lease that is not released.
    settings.push(("LM_OPERATIONS__LEASE_SECONDS".to_owned(), "600".to_owned()));
    let mut server = start(&database, &borrowed(&settings));
    let customer = Customer::new(&server);
    ended_plan(&server, &customer, 650);
    wait_until_scheduled(&server, "expire-subscriptions");
    upstreams.slow(Duration::from_secs(1));
    make_due(&database, "expire-subscriptions", 0);
    let begun = poll(PATIENCE, || (!upstreams.taken(EXPIRATION).is_empty()).then_some(()));
    assert!(begun.is_some(), "nothing was told: {}", server.log());
    assert!(server.stop_with_sigterm().success());
    assert!(upstreams.taken(EXPIRATION).len() < 7, "it stopped in between");
    upstreams.slow(Duration::ZERO);
    server.restart();
    ends(&server, "expire-subscriptions", "complete");
    let told: usize = upstreams
        .taken(EXPIRATION)
        .iter()
        .map(|call| call["expired_license_uuids"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(told, 650, "each once");
}

fn a_failed_run_is_shown(database: Database) {
    // Nothing listens at this port, which no process may use.
    let server = start(&database, &[("LM_CATALOG__URL", "http://127.0.0.1:1")]);
    Customer::new(&server).plan(1);
    wait_until_scheduled(&server, "validate-num-catalog-queries");
    make_due(&database, "validate-num-catalog-queries", 0);
    let ended = ends(&server, "validate-num-catalog-queries", "failed");
    assert_eq!((&ended["last_run"]["failure_count"], &ended["last_complete"]), (&json!(1), &Value::Null));
    let failure = &ended["last_run"]["failures"][0];
    assert!(failure["message"].as_str().expect("a message").contains("catalog"), "{failure}");
    assert_eq!(metric(&server, "last_run_success", "validate-num-catalog-queries"), Some(0.0));
    assert_eq!(metric(&server, "last_success_timestamp_seconds", "validate-num-catalog-queries"), None);
}

fn nothing_runs_on_schedule_unless_enabled(database: Database) {
    let server = Server::start_with(database.url(), &[("LM_WORKER__ENABLED", "false")]);
    let body = schedule(&server);
    assert_eq!(body["enabled"], false);
    for operation in body["operations"].as_array().expect("a list") {
        assert_eq!((&operation["expression"], &operation["next_run"]), (&Value::Null, &Value::Null), "{operation}");
    }
    let metrics = server.anonymous().get("/metrics").expect(200);
    assert!(!metrics.as_str().expect("a text").contains("license_manager_schedule"), "{metrics}");

    // Runs of other servers are shown as well.
    let enabled = start(&database, &[]);
    wait_until_scheduled(&enabled, "process-renewals");
    drop(enabled);
    make_due(&database, "process-renewals", 1);
    assert_eq!(told(&server, "process-renewals")["expression"], NEW_YEAR);
    let manual = server.command(&["process-renewals"]);
    assert_eq!((manual.code, &told(&server, "process-renewals")["last_run"]), (Some(0), &Value::Null), "{manual:?}");
    assert_eq!(runs(&[server.log()]), 0);
}

fn an_operation_can_be_switched_off(database: Database) {
    let on = start(&database, &[]);
    wait_until_scheduled(&on, "process-renewals");
    drop(on);
    make_due(&database, "process-renewals", 1);
    // An operation that only a later version knows.
    database.execute("INSERT INTO operation_schedule (operation, expression) VALUES ('tidy-up', '* * * * *')");
    let off = start(
        &database,
        &[("LM_SCHEDULE__PROCESS_RENEWALS", "off"), ("LM_SCHEDULE__RETIRE_OLD_LICENSES", "0 0 31 12 *")],
    );
    make_due(&database, "trigger-event-for-licenses", 1);
    ends(&off, "trigger-event-for-licenses", "complete");
    let renewals = told(&off, "process-renewals");
    assert_eq!((&renewals["expression"], &renewals["next_run"]), (&Value::Null, &Value::Null));
    assert_eq!(renewals["last_run"], Value::Null);
    let next = told(&off, "retire-old-licenses")["next_run"].as_str().expect("a moment").to_owned();
    assert!(next.ends_with("-12-31T00:00:00Z"), "{next}");
    assert_eq!(metric(&off, "next_run_timestamp_seconds", "process-renewals"), None);

    let settings = [("LM_SCHEDULE__PROCESS_RENEWALS", "every day")];
    let refused = Server::start_refused(database.url(), &settings, &[]);
    let line = "license-manager: LM_SCHEDULE__PROCESS_RENEWALS: `every day` is not a cron expression";
    assert!(!refused.status.success() && refused.stderr.starts_with(line), "{refused:?}");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
}

fn the_schedule_is_for_staff(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    customer.operator().get(PATH).expect(200);
    server.client(&customer.admin()).get(PATH).expect(403);
    server.client(&customer.learner(7, "amy")).get(PATH).expect(403);
    server.anonymous().get(PATH).expect(401);
}
