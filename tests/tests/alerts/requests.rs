//! Alerts about requests, and about upstream services that requests need.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use license_manager_tests::{Customer, Database, FakeUpstreams, Server, on_both_databases};
use serde_json::json;

use crate::prometheus::Prometheus;

on_both_databases!(requests_fail_with_their_upstream_service, requests_wait_for_a_lock);

fn requests_fail_with_their_upstream_service(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = Server::start_with(database.url(), &[("LM_CATALOG__URL", &upstreams.url())]);
    let customer = Customer::new(&server);
    let plan = customer.plan(1);
    let email = customer.email("amy");
    plan.assign(std::slice::from_ref(&email)).expect(200);
    let amy = server.client(&customer.learner(7, "amy"));
    let key = plan.activation_key(&email);
    amy.post(&format!("/api/v1/license-activation/?activation_key={key}"), &json!({})).expect(200);
    let asked = AtomicU32::new(0);
    // The catalog service is asked about each course once.
    let ask = || {
        let course = format!("course-v1:edX%2BDemo%2BT{}", asked.fetch_add(1, Ordering::Relaxed));
        let of = customer.enterprise;
        amy.get(&format!("/api/v1/license-subsidy/?enterprise_customer_uuid={of}&course_key={course}")).status
    };
    assert_eq!(ask(), 200);
    let prometheus = Prometheus::watching(&[server.address()]);

    upstreams.refuse(500);
    prometheus.fires_while("RequestsFail", || assert_eq!(ask(), 503));
    prometheus.fires_while("AnUpstreamServiceFails", || assert_eq!(ask(), 503));
    upstreams.refuse(403);
    prometheus.fires_while("AnUpstreamServiceRefusesCalls", || {
        ask();
    });
    upstreams.refuse(429);
    prometheus.fires_while("AnUpstreamServiceLimitsTheRate", || {
        (0..5).for_each(|_| {
            ask();
        })
    });
    upstreams.accept();
    assert_eq!(ask(), 200);
    prometheus.stops("RequestsFail");
    prometheus.stops("AnUpstreamServiceFails");
    prometheus.stops("AnUpstreamServiceRefusesCalls");
    prometheus.stops("AnUpstreamServiceLimitsTheRate");
}

fn requests_wait_for_a_lock(database: Database) {
    // One connection, which who waits for the lock keeps. Nothing else writes.
    let settings = [
        ("LM_DATABASE__POOL_SIZE", "1"),
        ("LM_DATABASE__CONNECT_TIMEOUT_SECONDS", "1"),
        ("LM_WORKER__ENABLED", "false"),
    ];
    let server = Server::start_with(database.url(), &settings);
    let customer = Customer::new(&server);
    let plan = customer.plan(1);
    let emails = [customer.email("amy")];
    plan.assign(&emails).expect(200);
    let remind = || plan.admin.post(&plan.path("licenses/remind/"), &json!({ "user_emails": emails })).expect(204);
    remind();
    let prometheus = Prometheus::watching(&[server.address()]);

    prometheus.fires_while("RequestsAreSlow", || {
        let locks = database.hold_locks();
        scope(|scope| {
            scope.spawn(remind);
            sleep(Duration::from_secs(2));
            drop(locks);
        });
    });
    prometheus.stops("RequestsAreSlow");

    let locks = database.hold_locks();
    scope(|scope| {
        scope.spawn(remind);
        prometheus.fires("ConnectionsRunOut");
        drop(locks);
    });
    prometheus.stops("ConnectionsRunOut");
}
