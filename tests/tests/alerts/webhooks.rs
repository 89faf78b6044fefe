//! Alerts about webhooks.

use license_manager_tests::{Customer, Database, PROVISIONING, WebhookEndpoint, free_port, on_both_databases, text};
use serde_json::json;

use crate::prometheus::Prometheus;
use crate::{HOUR, ago, setting, start};

on_both_databases!(events_for_a_webhook_wait_and_cannot_be_delivered);

fn events_for_a_webhook_wait_and_cannot_be_delivered(database: Database) {
    let endpoint = WebhookEndpoint::start();
    let worker_address = format!("127.0.0.1:{}", free_port());
    let settings = [
        setting("LM_WEBHOOKS__ALLOW_PRIVATE_ADDRESSES", "true"),
        setting("LM_WORKER__ENABLED", "false"),
        setting("LM_WORKER__RETRY_BASE_SECONDS", "0"),
        setting("LM_METRICS__WORKER_LISTEN", &worker_address),
    ];
    let server = start(&database, &settings);
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let webhook = operator.post(&format!("{PROVISIONING}/webhooks/"), &json!({ "url": endpoint.url() })).expect(201);
    let path = format!("{PROVISIONING}/webhooks/{}/", text(&webhook["uuid"]));
    let plan = customer.plan(1_000);
    let prometheus = Prometheus::watching(&[server.address(), worker_address]);

    // No worker runs.
    plan.assign(&[customer.email("amy")]).expect(200);
    database.execute(&format!("UPDATE webhook_delivery SET not_before = {}", ago(&database, HOUR)));
    prometheus.fires("WebhookEventsAreLate");
    let _worker = server.run_beside(&["worker"]);
    prometheus.stops("WebhookEventsAreLate");

    endpoint.answer(500);
    let mut number = 0;
    prometheus.fires_while("WebhooksFail", || {
        number += 1;
        plan.assign(&[customer.email(&format!("learner-{number}"))]).expect(200);
    });
    // Without pauses, all attempts are soon made.
    prometheus.fires("ThereAreWebhookDeadLetters");
    endpoint.answer(204);
    // Those that were refused last may be recorded as dead letters only after the first replay.
    prometheus.stops_while("ThereAreWebhookDeadLetters", || {
        operator.post(&format!("{path}replay/"), &json!({})).expect(200);
    });
    prometheus.stops("WebhooksFail");

    operator.patch(&path, &json!({ "is_active": false })).expect(200);
    prometheus.fires("AWebhookIsOff");
    operator.patch(&path, &json!({ "is_active": true })).expect(200);
    prometheus.stops("AWebhookIsOff");
}
