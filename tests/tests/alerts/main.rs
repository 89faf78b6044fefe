//! Alerts: Prometheus watches the real server by the rules of `deploy/prometheus`. Each alert's cause is brought about, the
//! alert fires, the cause is mended, and the alert stops. `tests/alerts-live` runs these tests, because they need Prometheus.
//!
//! What has to last minutes or hours lasts a second here, and rates are those of twenty seconds ([`prometheus`]).
//! Thresholds are the real ones: where something has to be old, it is made old in the database. How long things last is
//! tested by `deploy/prometheus/alerts_test.yml`.

// These tests run outside of the service, with the real clock.
#![allow(clippy::disallowed_methods)]

mod messages;
mod operations;
mod processes;
mod prometheus;
mod requests;
mod webhooks;

use license_manager_tests::{Database, Server, borrowed};

/// The moment so many seconds ago, as a value in SQL.
fn ago(database: &Database, seconds: i64) -> String {
    let moment = chrono::Utc::now() - chrono::Duration::seconds(seconds);
    match database.url().starts_with("sqlite:") {
        true => moment.timestamp_micros().to_string(),
        false => format!("'{}'", moment.to_rfc3339()),
    }
}

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// A server with these settings.
fn start(database: &Database, settings: &[(String, String)]) -> Server {
    Server::start_with(database.url(), &borrowed(settings))
}

fn setting(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn every_alert_is_made_to_fire_and_to_stop() {
    let tests = [
        include_str!("messages.rs"),
        include_str!("operations.rs"),
        include_str!("processes.rs"),
        include_str!("requests.rs"),
        include_str!("webhooks.rs"),
    ]
    .concat();
    for alert in prometheus::alerts() {
        // Once in what fires, once in what stops.
        assert!(tests.matches(&format!("\"{alert}\"")).count() >= 2, "{alert}");
    }
}
