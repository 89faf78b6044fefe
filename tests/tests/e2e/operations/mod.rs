//! Operations as commands beside a server: their output, concurrent runs, and runs that were killed.

// These tests run outside of the service, with the real clock.
#![allow(clippy::disallowed_methods)]

mod made_data;

use std::collections::BTreeMap;
use std::time::Duration;

use license_manager_tests::{
    Customer, Database, FakeUpstreams, OtherProcess, PROVISIONING, Plan, Ran, Request, Server, at_once, borrowed,
    on_both_databases, poll,
};
use serde_json::{Value, json};

on_both_databases!(
    an_expired_plan_is_processed_once_by_two_runs,
    a_run_that_was_killed_is_finished_by_the_next,
    a_stopped_run_finishes_its_batch_and_says_so,
    learners_are_unlinked_after_their_enrollments_ended,
    two_runs_process_a_renewal_once,
    old_licenses_are_retired_once_by_two_runs,
    a_plan_grows_once,
    admins_are_mailed_a_plan_s_utilization_once,
    an_event_is_sent_once_180_days_after_an_activation,
    old_history_is_removed_and_earlier_moments_are_refused,
    catalog_queries_are_counted,
    every_command_runs_with_a_mail_server,
    manual_operations_are_shown_first,
    invalid_arguments_are_refused_in_one_line,
);

const EXPIRATION: &str = "/bulk_licensed_enrollments_expiration/";
const UNLINKING: &str = "/unlink_users/";

/// A server with these upstreams, without a schedule, and with short leases.
fn start(database: &Database, upstreams: &FakeUpstreams, settings: &[(&str, &str)]) -> Server {
    let of_upstreams = upstreams.settings();
    let mut all = borrowed(&of_upstreams);
    all.extend([("LM_OPERATIONS__LEASE_SECONDS", "3"), ("LM_PROVISIONING__BATCH_SIZE", "40")]);
    all.extend_from_slice(settings);
    Server::start_with(database.url(), &all)
}

/// Without deliveries, so that messages can be counted.
const QUIET: [(&str, &str); 1] = [("LM_WORKER__ENABLED", "false")];

/// The expression for the column's value minus this many days.
fn earlier(database: &Database, column: &str, days: u32) -> String {
    match database.url().starts_with("sqlite:") {
        true => format!("{column} = {column} - {days} * 86400000000"),
        false => format!("{column} = {column} - interval '{days} days'"),
    }
}

/// A plan that expired this many days ago.
fn ended_plan(server: &Server, customer: &Customer, licenses: u32, days: i64) -> Plan {
    let now = chrono::Utc::now();
    let mut request = customer.plan_request(licenses);
    request["expiration_date"] = json!((now - chrono::Duration::days(days)).to_rfc3339());
    let plan = customer.operator().post(&format!("{PROVISIONING}/subscriptions/"), &request).expect(201);
    Plan { uuid: plan["uuid"].as_str().expect("an id").to_owned(), admin: server.client(&customer.admin()) }
}

/// The output of a command, which must succeed.
#[track_caller]
fn summary(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn run(server: &Server, command: &str, arguments: &[&str]) -> Value {
    let mut all = vec![command, "--output", "json"];
    all.extend_from_slice(arguments);
    summary(&server.command(&all))
}

/// How often each license was sent to the LMS as expired.
fn expired(upstreams: &FakeUpstreams) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for call in upstreams.taken(EXPIRATION) {
        for license in call["expired_license_uuids"].as_array().into_iter().flatten() {
            *times.entry(license.as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
    }
    times
}

fn count(database: &Database, query: &str) -> usize {
    database.texts(query)[0].parse().expect("a count")
}

fn owed(database: &Database, text: &str) -> usize {
    count(database, &format!("SELECT CAST(count(*) AS text) AS text FROM outbox WHERE payload LIKE '%{text}%'"))
}

fn is_processed(database: &Database, plan: &Plan) -> bool {
    let query = format!(
        "SELECT CAST(count(*) AS text) AS text FROM subscription_plan WHERE uuid = '{}' AND expiration_processed",
        plan.uuid
    );
    count(database, &query) == 1
}

fn an_expired_plan_is_processed_once_by_two_runs(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let customer = Customer::new(&server);
    let plans = [0, 1, 2].map(|_| ended_plan(&server, &customer, 130, 0));
    for plan in &plans {
        plan.assign(&customer.emails("learner", 120)).expect(200);
    }
    let preview = run(&server, "expire-subscriptions", &["--dry-run"]);
    assert_eq!(preview["counts"]["licenses"], 360);
    assert!(upstreams.taken(EXPIRATION).is_empty(), "a dry run tells nobody");
    assert_eq!(owed(&database, "license-lifecycle.expired"), 0);

    upstreams.slow(Duration::from_millis(100));
    let both = at_once(2, |_| run(&server, "expire-subscriptions", &[]));
    let sum = |name: &str| both.iter().map(|summary| summary["counts"][name].as_i64().unwrap_or(-1)).sum::<i64>();
    assert_eq!((sum("plans"), sum("licenses"), sum("events")), (3, 360, 360));
    let told = expired(&upstreams);
    assert_eq!(told.len(), 360);
    assert!(told.values().all(|&times| times == 1), "each once");
    assert_eq!(owed(&database, "license-lifecycle.expired"), 360);
    assert!(plans.iter().all(|plan| is_processed(&database, plan)));
    assert_eq!(run(&server, "expire-subscriptions", &[])["counts"]["plans"], 0);
}

/// A plan with 650 learners, and a run that slowly tells of them, after so many calls.
fn begin_to_expire(server: &Server, upstreams: &FakeUpstreams, calls: usize) -> (Plan, OtherProcess) {
    let customer = Customer::new(server);
    let plan = ended_plan(server, &customer, 700, 0);
    plan.assign(&customer.emails("learner", 650)).expect(200);
    upstreams.slow(Duration::from_millis(400));
    let run = server.run_beside(&["expire-subscriptions"]);
    let begun = poll(Duration::from_secs(60), || (upstreams.taken(EXPIRATION).len() >= calls).then_some(()));
    assert!(begun.is_some(), "nothing was told");
    (plan, run)
}

fn a_run_that_was_killed_is_finished_by_the_next(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let (plan, mut first) = begin_to_expire(&server, &upstreams, 3);
    first.kill();
    database.assert_sound();
    let before = upstreams.taken(EXPIRATION).len();
    assert!(before < 7, "killed in between");
    upstreams.slow(Duration::ZERO);
    run(&server, "expire-subscriptions", &[]);
    let told = expired(&upstreams);
    assert_eq!(told.len(), 650);
    let twice = told.values().filter(|&&times| times > 1).count();
    assert!(twice <= 100, "only the call that was under way is made again: {twice}");
    assert_eq!(owed(&database, "license-lifecycle.expired"), 650);
    assert!(is_processed(&database, &plan));
}

fn a_stopped_run_finishes_its_batch_and_says_so(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let (plan, mut first) = begin_to_expire(&server, &upstreams, 1);
    assert_eq!(first.stop_with_sigterm().code(), Some(1), "not everything was done");
    upstreams.slow(Duration::ZERO);
    assert!(!is_processed(&database, &plan));
    run(&server, "expire-subscriptions", &[]);
    let told = expired(&upstreams);
    assert_eq!(told.len(), 650);
    assert!(told.values().all(|&times| times == 1), "nothing is done twice");
}

fn learners_are_unlinked_after_their_enrollments_ended(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let customer = Customer::new(&server);
    let plan = ended_plan(&server, &customer, 130, 100);
    plan.assign(&customer.emails("learner", 120)).expect(200);
    let enterprise = customer.enterprise.to_string();
    let of_customer = ["--enterprise-customer-uuids", &enterprise];
    assert_eq!(run(&server, "unlink-expired-licenses", &of_customer)["counts"]["licenses"], 0, "not before that");
    run(&server, "expire-subscriptions", &["--subscription-uuids", &plan.uuid]);
    let both = at_once(2, |_| run(&server, "unlink-expired-licenses", &of_customer));
    let sum: i64 = both.iter().map(|summary| summary["counts"]["licenses"].as_i64().unwrap_or(-1)).sum();
    assert_eq!(sum, 120);
    let calls = upstreams.taken(UNLINKING);
    assert!(calls.iter().all(|call| call["is_relinkable"] == true), "{calls:?}");
    let emails: Vec<&Value> =
        calls.iter().flat_map(|call| call["user_emails"].as_array().into_iter().flatten()).collect();
    assert_eq!((calls.len(), emails.len()), (2, 120));
    assert_eq!(expired(&upstreams).len(), 120);
}

fn two_runs_process_a_renewal_once(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let customer = Customer::new(&server);
    let renewals: Vec<Value> = (0..3)
        .map(|_| {
            let plan = customer.plan(20);
            plan.assign(&customer.emails("learner", 15)).expect(200);
            let effective = chrono::Utc::now() + chrono::Duration::hours(2);
            let terms = json!({
                "prior_subscription_plan": plan.uuid,
                "number_of_licenses": 20,
                "salesforce_opportunity_id": null,
                "effective_date": effective.to_rfc3339(),
                "renewed_expiration_date": (effective + chrono::Duration::days(365)).to_rfc3339(),
            });
            let path = format!("{PROVISIONING}/subscription-plan-renewals/");
            customer.operator().post(&path, &terms).expect(201).clone()
        })
        .collect();
    assert_eq!(renewals.len(), 3);
    assert_eq!(run(&server, "process-renewals", &["--dry-run"])["counts"]["licenses"], 45);
    let both = at_once(2, |_| run(&server, "process-renewals", &["--processing-window-length-hours", "12"]));
    let sum = |name: &str| both.iter().map(|summary| summary["counts"][name].as_i64().unwrap_or(-1)).sum::<i64>();
    assert_eq!((sum("renewals"), sum("licenses")), (3, 45));
    assert_eq!(owed(&database, "\"is_auto_renewed\":true"), 45);
}

fn old_licenses_are_retired_once_by_two_runs(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let customer = Customer::new(&server);
    let [old, waiting] = [ended_plan(&server, &customer, 110, 91), customer.plan(90)];
    old.assign(&customer.emails("old", 100)).expect(200);
    waiting.assign(&customer.emails("waiting", 80)).expect(200);
    database.execute(&format!(
        "UPDATE license SET {} WHERE subscription_plan_uuid = '{}' AND assigned_date IS NOT NULL",
        earlier(&database, "assigned_date", 91),
        waiting.uuid
    ));
    let webhook = json!({ "url": "https://hooks.example.com/" });
    customer.operator().post(&format!("{PROVISIONING}/webhooks/"), &webhook).expect(201);
    let cleared = customer.plan(50);
    let learners = customer.emails("cleared", 50);
    cleared.assign(&learners).expect(200);
    cleared.admin.post(&cleared.path("licenses/bulk-revoke/"), &json!({ "user_emails": learners })).expect(200);
    let path = format!("{PROVISIONING}/subscriptions/{}/delete-revoked/", cleared.uuid);
    customer.operator().post(&path, &json!({})).expect(200);
    assert_eq!(owed(&database, ".deleted"), 50);
    database.execute(&format!(
        "UPDATE license_history SET {} WHERE history_type = '-'",
        earlier(&database, "history_date", 91)
    ));
    let preview = run(&server, "retire-old-licenses", &["--dry-run"]);
    assert_eq!(preview["counts"]["deleted"], 50);
    assert_eq!(old.counts().assigned, 100);
    let both = at_once(2, |_| run(&server, "retire-old-licenses", &[]));
    for name in ["plan_expired", "never_activated", "revoked", "deleted"] {
        let sum: i64 = both.iter().map(|summary| summary["counts"][name].as_i64().unwrap_or(-1)).sum();
        assert_eq!(sum, preview["counts"][name].as_i64().unwrap_or(-1), "{name}");
    }
    let counts = (old.counts().revoked, old.counts().assigned, waiting.counts().assigned, waiting.counts().unassigned);
    assert_eq!(counts, (100, 0, 0, 90));
    for query in [
        "SELECT CAST(count(*) AS text) AS text FROM license_history WHERE user_email IS NOT NULL",
        "SELECT CAST(count(*) AS text) AS text FROM license WHERE user_email IS NOT NULL",
        "SELECT CAST(count(*) AS text) AS text FROM outbox WHERE payload LIKE '%@example.com%'",
        "SELECT CAST(count(*) AS text) AS text FROM webhook_delivery",
    ] {
        assert_eq!(count(&database, query), 0, "{query}");
    }
}

fn a_plan_grows_once(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let customer = Customer::new(&server);
    let plan = customer.plan(20);
    plan.assign(&customer.emails("learner", 18)).expect(200);
    database.execute(
        "UPDATE customer_agreement SET enable_auto_scaling_of_current_plan = true, auto_scaling_max_licenses = 100,
         auto_scaling_threshold_percentage = 90, auto_scaling_increment_percentage = 25",
    );
    assert_eq!(run(&server, "process-auto-scalable-plans", &["--dry-run"])["counts"]["licenses"], 5);
    assert_eq!(plan.counts().total, 20);
    at_once(3, |_| run(&server, "process-auto-scalable-plans", &[]));
    assert_eq!(plan.counts().total, 25);
}

fn admins_are_mailed_a_plan_s_utilization_once(database: Database) {
    let upstreams = FakeUpstreams::start();
    upstreams.add_admin(1, 11, "ann@example.com");
    upstreams.add_admin(2, 12, "kim@example.com");
    let server = start(&database, &upstreams, &[]);
    let customer = Customer::new(&server);
    let mut request = customer.plan_request(10);
    request["should_auto_apply_licenses"] = json!(true);
    let plan = customer.operator().post(&format!("{PROVISIONING}/subscriptions/"), &request).expect(201);
    database.execute("UPDATE subscription_plan SET should_auto_apply_licenses = true");
    database.execute("UPDATE subscription_plan_history SET should_auto_apply_licenses = true");
    let told = |server: &Server| at_once(2, |_| run(server, "send-license-utilization-emails", &[]));
    let sum = |both: &[Value]| both.iter().map(|one| one["counts"]["plans"].as_i64().unwrap_or(-1)).sum::<i64>();
    assert_eq!(sum(&told(&server)), 0, "a week is not over yet");
    database.execute(&format!("UPDATE subscription_plan_history SET {}", earlier(&database, "history_date", 8)));
    assert_eq!(sum(&told(&server)), 1, "{plan:?}");
    assert_eq!(sum(&told(&server)), 0);
    let mailed = || {
        let mails = upstreams.mailed().into_iter().filter(|(kind, _)| kind == "initial_utilization");
        let mut addresses: Vec<String> = mails.map(|(_, address)| address).collect();
        addresses.sort_unstable();
        addresses
    };
    poll(Duration::from_secs(60), || (mailed().len() >= 2).then_some(()));
    assert_eq!(mailed(), ["ann@example.com", "kim@example.com"]);
}

fn an_event_is_sent_once_180_days_after_an_activation(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let customer = Customer::new(&server);
    let plan = customer.plan(3);
    for (number, name) in [(7, "amy"), (8, "bob")] {
        let learner = customer.learner(number, name);
        plan.assign(&[learner.email().to_owned()]).expect(200);
        let path = format!("/api/v1/license-activation/?activation_key={}", plan.activation_key(learner.email()));
        server.client(&learner).send(Request::new("POST", path)).expect(200);
    }
    database.execute(&format!(
        "UPDATE license SET {} WHERE user_email LIKE 'amy%'",
        earlier(&database, "activation_date", 181)
    ));
    let enterprise = customer.enterprise.to_string();
    let trigger = || run(&server, "trigger-event-for-licenses", &["--enterprise-customer-uuids", &enterprise]);
    assert_eq!(run(&server, "trigger-event-for-licenses", &[])["counts"]["licenses"], 0, "nobody is configured");
    let both = at_once(2, |_| trigger());
    let sum: i64 = both.iter().map(|summary| summary["counts"]["licenses"].as_i64().unwrap_or(-1)).sum();
    assert_eq!((sum, owed(&database, "activated.180.days.ago")), (1, 1));
    assert_eq!(trigger()["counts"]["licenses"], 0);
}

fn every_command_runs_with_a_mail_server(database: Database) {
    // Nothing listens at this port, and nothing is sent.
    let mails = [("LM_SMTP__URL", "smtp://127.0.0.1:1"), ("LM_SMTP__FROM", "no-reply@example.com"), QUIET[0]];
    let server = Server::start_with(database.url(), &mails);
    Customer::new(&server).plan(1);
    for command in ["process-renewals", "expire-subscriptions", "send-license-utilization-emails"] {
        let ran = server.command(&[command]);
        assert!(ran.succeeded, "{command}: {ran:?}");
    }
}

fn old_history_is_removed_and_earlier_moments_are_refused(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let customer = Customer::new(&server);
    let plan = customer.plan(100);
    plan.assign(&customer.emails("learner", 60)).expect(200);
    for table in ["license_history", "subscription_plan_history"] {
        database.execute(&format!("UPDATE {table} SET {}", earlier(&database, "history_date", 40)));
    }
    plan.admin
        .post(&plan.path("licenses/bulk-revoke/"), &json!({ "user_emails": customer.emails("learner", 10) }))
        .expect(200);
    let entries = || count(&database, "SELECT CAST(count(*) AS text) AS text FROM license_history");
    let before = entries();
    let now = chrono::Utc::now();
    let moment = |days: i64| (now - chrono::Duration::days(days)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let as_of = |days| plan.admin.get(&plan.path(&format!("history/?as_of={}", moment(days))));
    as_of(50).expect(404);

    let preview = run(&server, "clean_old_history", &["--days", "30", "--dry-run"]);
    assert_eq!((preview["counts"]["license"].clone(), entries()), (json!(60), before));
    as_of(50).expect(404);
    let done = run(&server, "clean-old-history", &["--days", "30"]);
    assert_eq!((&done["counts"], entries()), (&preview["counts"], before - 60));
    let refused = as_of(31).expect(422);
    assert!(refused.as_str().is_some_and(|text| text.contains("was removed")), "{refused}");
    as_of(29).expect(200);
    let revert = |days| {
        let body = json!({ "as_of": moment(days), "dry_run": true });
        customer.operator().post(&plan.path("revert/"), &body)
    };
    revert(31).expect(422);
    assert_eq!(revert(29).expect(200)["num_changed"], 10, "as it was before they were revoked");
    assert_eq!(server.command(&["clean-old-history"]).code, Some(2), "the retention must be named");
    assert_eq!(server.command(&["clean-old-history", "--days", "6"]).code, Some(2));
}

fn catalog_queries_are_counted(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let customer = Customer::new(&server);
    customer.plan(1);
    assert_eq!(run(&server, "validate-num-catalog-queries", &[])["counts"]["queries"], 1);
    Customer::new(&server).plan(1);
    let ran = server.command(&["validate-num-catalog-queries", "--output", "json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let told: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(told["errors"].as_array().map(Vec::len), Some(1), "{told}");
}

fn manual_operations_are_shown_first(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let customer = Customer::new(&server);
    let [from, to] = [0, 1].map(|_| customer.plan(5));
    from.assign(&[customer.email("amy")]).expect(200);
    let license = from.licenses("assigned")[0]["uuid"].as_str().expect("an id").to_owned();
    let arguments = ["--from", &from.uuid, "--to", &to.uuid, "--license-uuids", &license];
    let preview = run(&server, "transfer", &arguments);
    assert_eq!((&preview["dry_run"], &preview["uuids"]), (&json!(true), &json!([license])));
    assert_eq!(to.counts().assigned, 0);
    let really = [&arguments[..], &["--really"]].concat();
    assert_eq!(run(&server, "transfer", &really)["counts"]["licenses"], 1);
    assert_eq!((from.counts().assigned, to.counts().assigned), (0, 1));

    let refused = server.command(&["freeze", &from.uuid]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    database.execute("UPDATE subscription_plan SET can_freeze_unused_licenses = true");
    assert_eq!(run(&server, "freeze", &[&from.uuid])["counts"]["deleted"], 4);
    assert_eq!(from.counts().unassigned, 4);
    assert_eq!(run(&server, "freeze", &[&from.uuid, "--no-dry-run"])["counts"]["deleted"], 4);
    assert_eq!(from.counts().unassigned, 0);
    database.execute("UPDATE subscription_plan SET desired_num_licenses = 9");
    assert_eq!(run(&server, "provision", &[&to.uuid])["counts"]["added"], 3);
    assert_eq!(run(&server, "provision", &[&to.uuid, "--really"])["counts"]["total"], 9);

    let history = run(&server, "history", &["license", &license]);
    assert_eq!(history["changes"][0]["changes"]["subscription_plan_uuid"]["to"], json!(to.uuid));
}

fn invalid_arguments_are_refused_in_one_line(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let nobody = "00000000-0000-4000-8000-000000000001";
    for (arguments, about) in [
        (vec!["expire-subscriptions", "--expired-after", "yesterday"], "yesterday"),
        (vec!["expire-subscriptions", "--expired-after", "2025-02-30"], "2025-02-30"),
        (
            vec!["expire-subscriptions", "--expired-after", "2025-02-02", "--expired-before", "2025-02-01"],
            "lies before",
        ),
        (vec!["expire-subscriptions", "--subscription-uuids", "xyz"], "xyz"),
        (vec!["expire-subscriptions", "--subscription-uuids", nobody], nobody),
        (vec!["unlink-expired-licenses", "--enterprise-customer-uuids", nobody], nobody),
        (vec!["trigger-event-for-licenses", "--enterprise-customer-uuids", nobody], nobody),
        (vec!["process-renewals", "--processing-window-length-hours", "0"], "0"),
        (vec!["freeze", nobody], nobody),
        (vec!["provision", nobody, "--really"], nobody),
        (vec!["transfer", "--from", nobody, "--to", nobody, "--transfer-all"], nobody),
        (vec!["history", "plan", nobody], nobody),
        (vec!["history", "plan", "7"], "7"),
        (vec!["retire-old-licenses", "--output", "xml"], "xml"),
        (vec!["seed-enterprise-devstack-data", "--enterprise-customer-slug", "no slug"], "slug"),
        (vec!["manufacture-data", "--name", "no/slug", "--dry-run"], "slug"),
        (
            vec!["manufacture-data", "--customers", "10000", "--plans", "1000", "--licenses", "1000000"],
            "10000000000000",
        ),
    ] {
        let ran = server.command(&arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        let lines: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("license-manager: ")).collect();
        assert_eq!((lines.len(), ran.stdout.as_str()), (1, ""), "{arguments:?}: {ran:?}");
        assert!(lines[0].contains(about), "{arguments:?}: {ran:?}");
    }
}
