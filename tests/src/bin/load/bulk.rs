//! The large work beside the clients: plans that are provisioned, assigned, renewed and expired.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use chrono::{TimeDelta, Utc};
use license_manager_tests::{Customer, PROVISIONING, Response, Server, text};
use serde_json::json;

use crate::filled;
use crate::report::Times;

/// The licenses of each plan.
const LICENSES: usize = 10_000;

/// Works on one plan after another until it is done, and tells how long each step took.
pub fn work(server: &Server, customer: &Customer, done: &AtomicBool) -> Times {
    let mut times = Times::default();
    let operator = customer.operator();
    let renewals = format!("{PROVISIONING}/subscription-plan-renewals/");
    for number in 0.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let plan = timed(&mut times, "BULK provision 10,000", || filled(customer, LICENSES));
        let learners = customer.emails(&format!("bulk-{number}"), LICENSES);
        timed(&mut times, "BULK assign 10,000", || expect(plan.assign(&learners), 200));
        let renewal = operator.post(
            &renewals,
            &json!({
                "prior_subscription_plan": plan.uuid,
                "number_of_licenses": LICENSES,
                "salesforce_opportunity_id": null,
                "effective_date": "2100-01-02T00:00:00Z",
                "renewed_expiration_date": "2101-01-01T00:00:00Z",
            }),
        );
        let process = format!("{renewals}{}/process/", renewal.expect(201)["id"]);
        timed(&mut times, "BULK renew 10,000", || expect(operator.post(&process, &json!({})), 201));
        let mut ended = customer.plan_request(u32::try_from(LICENSES).expect("a plan is smaller"));
        // The command looks for plans that ended within the last day.
        ended["expiration_date"] = (Utc::now() - TimeDelta::hours(1)).to_rfc3339().into();
        let ended = text(&operator.post(&format!("{PROVISIONING}/subscriptions/"), &ended).expect(201)["uuid"]);
        let assign = format!("/api/v1/subscriptions/{ended}/licenses/assign/");
        expect(plan.admin.post(&assign, &json!({ "user_emails": learners })), 200);
        timed(&mut times, "BULK expire 10,000", || {
            let ran = server.command(&["expire-subscriptions"]);
            assert!(ran.succeeded && ran.stdout.contains("events: 10000"), "{}{}", ran.stdout, ran.stderr);
        });
    }
    times
}

fn expect(answer: Response, status: u16) {
    answer.expect(status);
}

fn timed<T>(times: &mut Times, kind: &'static str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    times.note(kind, start.elapsed());
    result
}
