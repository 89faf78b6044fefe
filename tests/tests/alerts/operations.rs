//! Alerts about jobs and operations on the schedule. Their schedules name New Year's night, and SQL makes runs due.

use license_manager_tests::{
    Customer, Database, FakeUpstreams, PATIENCE, PROVISIONING, Plan, Server, on_both_databases, poll, text,
};
use serde_json::json;

use crate::prometheus::Prometheus;
use crate::{DAY, HOUR, ago, setting, start};

on_both_databases!(a_job_rests, operations_fail_and_succeed, renewals_are_missed, a_run_hangs);

fn a_job_rests(database: Database) {
    let server = Server::start(database.url());
    let plan = Customer::new(&server).plan(1);
    let prometheus = Prometheus::watching(&[server.address()]);
    let (now, later) = (ago(&database, 0), ago(&database, -DAY));
    database.execute(&format!(
        "INSERT INTO plan_job (subscription_plan_uuid, kind, requested_at, not_before)
         VALUES ('{}', 'provision', {now}, {later})",
        plan.uuid
    ));
    prometheus.fires("AJobDoesNotEnd");
    database.execute(&format!("UPDATE plan_job SET not_before = {now}"));
    prometheus.stops("AJobDoesNotEnd");
}

/// A server that runs the schedule, and delivers nothing.
fn scheduled(database: &Database, upstreams: &FakeUpstreams) -> Server {
    let operations = [
        "PROCESS_RENEWALS",
        "EXPIRE_SUBSCRIPTIONS",
        "UNLINK_EXPIRED_LICENSES",
        "RETIRE_OLD_LICENSES",
        "PROCESS_AUTO_SCALABLE_PLANS",
        "SEND_LICENSE_UTILIZATION_EMAILS",
        "TRIGGER_EVENT_FOR_LICENSES",
        "VALIDATE_NUM_CATALOG_QUERIES",
    ];
    let mut settings = upstreams.settings();
    settings.extend(operations.map(|name| setting(&format!("LM_SCHEDULE__{name}"), "0 0 1 1 *")));
    settings.extend([setting("LM_SCHEDULE__ENABLED", "true"), setting("LM_WORKER__ENABLED", "false")]);
    let server = start(database, &settings);
    let is_stored = || count(database, "next_run IS NOT NULL") == operations.len();
    poll(PATIENCE, || is_stored().then_some(())).expect("the schedule is stored");
    server
}

/// The number of operations of which this is so.
fn count(database: &Database, condition: &str) -> usize {
    database.texts(&format!("SELECT operation AS text FROM operation_schedule WHERE {condition}")).len()
}

/// Changes the schedule of an operation.
fn change(database: &Database, operation: &str, column: &str, value: &str) {
    database.execute(&format!("UPDATE operation_schedule SET {column} = {value} WHERE operation = '{operation}'"));
}

/// Makes an operation due, and waits until it has run.
#[track_caller]
fn run(database: &Database, operation: &str) {
    let before = ago(database, 0);
    change(database, operation, "next_run", &before);
    let has_run = format!("operation = '{operation}' AND finished > {before} AND running_since IS NULL");
    poll(PATIENCE, || (count(database, &has_run) == 1).then_some(())).expect("the operation runs");
}

fn operations_fail_and_succeed(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = scheduled(&database, &upstreams);
    Customer::new(&server).plan(1);
    let prometheus = Prometheus::watching(&[server.address()]);

    upstreams.refuse(500);
    run(&database, "validate-num-catalog-queries");
    prometheus.fires("AnOperationFails");
    upstreams.accept();
    run(&database, "validate-num-catalog-queries");
    prometheus.stops("AnOperationFails");

    run(&database, "process-renewals");
    change(&database, "process-renewals", "last_complete", &ago(&database, 13 * HOUR));
    prometheus.fires("RenewalsHaveNotSucceededForLong");
    change(&database, "process-renewals", "last_complete", &ago(&database, 3 * DAY));
    prometheus.fires("AnOperationHasNotSucceededForLong");
    run(&database, "process-renewals");
    prometheus.stops("AnOperationHasNotSucceededForLong");
    prometheus.stops("RenewalsHaveNotSucceededForLong");

    // Nothing runs on schedule until an import is finished.
    let now = ago(&database, 0);
    database.execute(&format!(
        "INSERT INTO imported_versions (id, imported_at, last_license_history_id, own_versions_from)
         VALUES (1, {now}, 0, 9000000000)"
    ));
    change(&database, "retire-old-licenses", "next_run", &ago(&database, HOUR));
    prometheus.fires("OperationsDoNotRun");
    let finished = server.command(&["import", "--finish"]);
    assert!(finished.succeeded, "{finished:?}");
    prometheus.stops("OperationsDoNotRun");
}

fn renewals_are_missed(database: Database) {
    let server = scheduled(&database, &FakeUpstreams::start());
    let customer = Customer::new(&server);
    let plan = customer.plan(1);
    let effective = chrono::Utc::now() + chrono::Duration::days(30);
    let terms = json!({
        "prior_subscription_plan": plan.uuid,
        "number_of_licenses": 1,
        "salesforce_opportunity_id": null,
        "effective_date": effective.to_rfc3339(),
        "renewed_expiration_date": (effective + chrono::Duration::days(365)).to_rfc3339(),
    });
    let renewals = format!("{PROVISIONING}/subscription-plan-renewals/");
    let renewal = customer.operator().post(&renewals, &terms).expect(201);
    let prometheus = Prometheus::watching(&[server.address()]);
    database.execute(&format!("UPDATE subscription_plan_renewal SET effective_date = {}", ago(&database, DAY)));
    run(&database, "process-renewals");
    prometheus.fires("RenewalsWereMissed");
    customer.operator().post(&format!("{renewals}{}/process/", renewal["id"]), &json!({})).expect(201);
    run(&database, "process-renewals");
    prometheus.stops("RenewalsWereMissed");
}

fn a_run_hangs(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = scheduled(&database, &upstreams);
    let customer = Customer::new(&server);
    let mut request = customer.plan_request(1);
    request["expiration_date"] = json!((chrono::Utc::now() - chrono::Duration::minutes(5)).to_rfc3339());
    let plan = customer.operator().post(&format!("{PROVISIONING}/subscriptions/"), &request).expect(201);
    let plan = Plan { uuid: text(&plan["uuid"]), admin: server.client(&customer.admin()) };
    plan.assign(&[customer.email("amy")]).expect(200);
    let prometheus = Prometheus::watching(&[server.address()]);

    upstreams.hold();
    change(&database, "expire-subscriptions", "next_run", &ago(&database, 0));
    let running = "operation = 'expire-subscriptions' AND running_since IS NOT NULL";
    poll(PATIENCE, || (count(&database, running) == 1).then_some(())).expect("the run begins");
    change(&database, "expire-subscriptions", "running_since", &ago(&database, 3 * HOUR));
    prometheus.fires("ARunDoesNotEnd");
    upstreams.release();
    prometheus.stops("ARunDoesNotEnd");
}
