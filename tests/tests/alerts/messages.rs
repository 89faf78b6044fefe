//! Alerts about messages.

use license_manager_tests::{Customer, Database, FakeUpstreams, PATIENCE, free_port, on_both_databases, poll};
use serde_json::json;

use crate::prometheus::Prometheus;
use crate::{HOUR, ago, setting, start};

on_both_databases!(messages_wait_and_cannot_be_delivered);

/// As many messages as the metric counts.
const MANY: usize = 10_000;

fn messages_wait_and_cannot_be_delivered(database: Database) {
    let upstreams = FakeUpstreams::start();
    let worker_address = format!("127.0.0.1:{}", free_port());
    let mut settings = upstreams.settings();
    settings.extend([
        setting("LM_WORKER__ENABLED", "false"),
        setting("LM_WORKER__RETRY_BASE_SECONDS", "0"),
        setting("LM_METRICS__WORKER_LISTEN", &worker_address),
    ]);
    let server = start(&database, &settings);
    let customer = Customer::new(&server);
    let plan = customer.plan(MANY as u32 + 1_000);
    let assign = |emails: &[String]| {
        let request = json!({ "user_emails": emails, "notify_users": false });
        plan.admin.post(&plan.path("licenses/assign/"), &request).expect(200);
    };
    let prometheus = Prometheus::watching(&[server.address(), worker_address]);

    // No worker runs.
    customer.emails("learner", MANY).chunks(1_000).for_each(assign);
    prometheus.fires("MessagesPileUp");
    database.execute(&format!("UPDATE outbox SET not_before = {}", ago(&database, HOUR)));
    prometheus.fires("MessagesAreLate");
    let _worker = server.run_beside(&["worker"]);
    prometheus.stops("MessagesPileUp");
    prometheus.stops("MessagesAreLate");
    all_delivered(&database);

    upstreams.refuse(400);
    let mut number = 0;
    prometheus.fires_while("DeliveriesFail", || {
        number += 1;
        assign(&[customer.email(&format!("late-{number}"))]);
    });
    prometheus.fires("ThereAreDeadLetters");
    upstreams.accept();
    // Those that were refused last may be recorded as dead letters only after the first retry.
    prometheus.stops_while("ThereAreDeadLetters", || {
        let retried = server.command(&["outbox", "retry", "--all-parked"]);
        assert!(retried.succeeded, "{retried:?}");
    });
    all_delivered(&database);
    prometheus.stops("DeliveriesFail");
}

/// Waits until no message is left.
fn all_delivered(database: &Database) {
    let is_empty = || database.texts("SELECT topic AS text FROM outbox LIMIT 1").is_empty().then_some(());
    poll(PATIENCE * 5, is_empty).expect("all messages are delivered");
}
