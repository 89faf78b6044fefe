//! Traces: from a request, a job, a scheduled run or a command through its messages to the resulting calls.

// These tests run outside of the service, with the real clock.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use license_manager_tests::{
    Customer, Database, FakeBucket, FakeCollector, FakeIdentityProvider, FakeUpstreams, PATIENCE, PROVISIONING, Person,
    Plan, Request, Server, Span, Visit, WebhookEndpoint, borrowed, free_port, on_both_databases, poll, text,
};
use serde_json::json;

on_both_databases!(
    a_request_its_deliveries_and_their_calls_are_one_trace,
    a_delivery_for_many_requests_is_linked_to_them,
    messages_of_a_delivery_belong_to_its_trace,
    messages_of_the_console_belong_to_its_request,
    each_batch_of_a_job_begins_a_trace,
    a_scheduled_run_begins_a_trace,
    a_command_begins_a_trace,
    without_a_collector_nothing_is_recorded,
    an_unreachable_collector_disturbs_nothing,
    invalid_trace_settings_stop_the_start,
);

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const OTHER_TRACE: &str = "1bf7651916cd43dd8448eb211c80319d";

type Settings = Vec<(String, String)>;

fn parent(trace: &str) -> String {
    format!("00-{trace}-{CALLER}-01")
}

/// Settings with which spans are only sent at the end.
fn settings(upstreams: &FakeUpstreams, endpoint: &str) -> Settings {
    let mut settings = upstreams.settings();
    let further = [
        ("LM_TELEMETRY__OTLP_ENDPOINT", endpoint),
        ("LM_TELEMETRY__OTLP_HEADERS", "api-key=hunter2-hunter2"),
        ("LM_TELEMETRY__SERVICE_NAME", "seats"),
        ("LM_WEBHOOKS__ALLOW_PRIVATE_ADDRESSES", "true"),
        ("LM_WORKER__RETRY_BASE_SECONDS", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ];
    settings.extend(further.map(|(name, value)| (name.to_owned(), value.to_owned())));
    settings
}

fn start(database: &Database, settings: &Settings) -> Server {
    Server::start_with(database.url(), &borrowed(settings))
}

/// Assigns licenses within a trace.
fn assign(plan: &Plan, emails: &[String], trace: &str) {
    let request = Request::new("POST", plan.path("licenses/assign/")).json(&json!({ "user_emails": emails }));
    // With an idempotency key, the work runs detached from the connection, but is still part of the trace.
    let request = request.header("Idempotency-Key", &emails.join(","));
    // tracestate and baggage can hold anything.
    let request = request.header("traceparent", &parent(trace)).header("tracestate", "vendor=mallory@example.com");
    plan.admin.send(request.header("baggage", "user=mallory@example.com")).expect(200);
}

#[track_caller]
fn only<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
    assert_eq!(found.len(), 1, "{name} in {names:?}");
    found[0]
}

fn a_request_its_deliveries_and_their_calls_are_one_trace(database: Database) {
    let (upstreams, collector, hook) = (FakeUpstreams::start(), FakeCollector::start(), WebhookEndpoint::start());
    let mut server = start(&database, &settings(&upstreams, &collector.url()));
    let customer = Customer::new(&server);
    customer.operator().post(&format!("{PROVISIONING}/webhooks/"), &json!({ "url": hook.url() })).expect(201);
    let plan = customer.plan(3);
    let emails = customer.emails("learner", 2);
    assign(&plan, &emails, TRACE);
    plan.admin.get("/api/v1/nothing/learner@example.com/?email=learner@example.com").expect(404);
    server.anonymous().get("/health/ready/").expect(200);
    poll(PATIENCE, || (upstreams.mailed().len() == 2 && hook.taken().len() == 2).then_some(())).expect("all is done");
    assert!(server.log().contains(&format!("trace_id=\"{TRACE}\"")), "{}", server.log());
    assert_eq!(collector.spans().len(), 0, "nothing is sent yet");
    assert!(server.stop_with_sigterm().success());

    let spans = collector.of_trace(TRACE);
    assert!(spans.iter().all(|span| span.service == "seats" && !span.failed && span.links.is_empty()), "{spans:?}");
    let route = "/api/v1/subscriptions/{subscription_uuid}/licenses/assign/";
    let request = only(&spans, &format!("POST {route}"));
    assert_eq!((request.parent.as_str(), request.kind as i32), (CALLER, 2), "a server's");
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", route),
        ("http.response.status_code", "200"),
        ("url.scheme", "http"),
    ] {
        assert_eq!(request.attribute(name), value, "{name}");
    }

    for (destination, call, path) in [
        ("lms", "POST lms", "/enterprise/api/v1/pending-enterprise-learner/"),
        ("mail", "POST braze", "/campaigns/trigger/send"),
        ("webhooks", "POST webhook", "/"),
    ] {
        let delivery = only(&spans, &format!("deliver {destination}"));
        assert_eq!((&delivery.parent, delivery.kind as i32), (&request.id, 5), "a consumer's");
        assert_eq!(delivery.attribute("messaging.destination.name"), destination);
        assert_eq!(delivery.attribute("messaging.batch.message_count"), "2");
        let calls: Vec<_> = spans.iter().filter(|span| span.parent == delivery.id && span.name == call).collect();
        let calls: Vec<_> = calls.into_iter().filter(|span| span.attribute("url.full").ends_with(path)).collect();
        assert!(!calls.is_empty(), "{call} in {spans:?}");
        assert!(calls.iter().all(|call| call.kind as i32 == 3), "a client's");
        let answered: BTreeSet<_> = calls.iter().map(|call| call.attribute("http.response.status_code")).collect();
        assert_eq!(answered, BTreeSet::from([if destination == "webhooks" { "204" } else { "200" }]));
        let told: BTreeSet<_> = match destination {
            "webhooks" => hook.told().iter().map(|told| told.headers.get("traceparent").cloned()).collect(),
            _ => upstreams.trace_parents(path).into_iter().collect(),
        };
        assert_eq!(told, calls.iter().map(|call| Some(call.as_parent())).collect(), "{call}");
    }
    assert!(!hook.told()[0].headers.contains_key("tracestate"), "what vendors add is not passed on");

    let all = collector.spans();
    let unmatched: Vec<_> = all.iter().filter(|span| span.attribute("http.response.status_code") == "404").collect();
    assert!(unmatched.iter().any(|span| span.name == "GET" && span.kind as i32 == 2 && span.parent.is_empty()));
    assert!(!all.iter().any(|span| span.attribute("http.route").starts_with("/health/")));
    for private in ["@example", "example.com", "learner-", "mallory", "/hooks", "hunter2", "whsec_", "email"] {
        assert!(!collector.was_told(private), "{private}");
    }
    let texts = all.iter().flat_map(|span| span.attributes.values().chain([&span.name]));
    assert!(!texts.into_iter().any(|text| text.contains(['@', '?'])), "{all:?}");
    assert!(collector.headers("api-key").iter().all(|key| key.as_deref() == Some("hunter2-hunter2")));
    assert!(!server.log().contains("hunter2"));
}

fn a_delivery_for_many_requests_is_linked_to_them(database: Database) {
    let (upstreams, collector) = (FakeUpstreams::start(), FakeCollector::start());
    let mut settings = settings(&upstreams, &collector.url());
    settings.push(("LM_WORKER__ENABLED".to_owned(), "false".to_owned()));
    let mut server = start(&database, &settings);
    let customer = Customer::new(&server);
    let plan = customer.plan(3);
    assign(&plan, &[customer.email("amy")], TRACE);
    assign(&plan, &[customer.email("bob")], OTHER_TRACE);
    let mut worker = server.run_beside(&["worker"]);
    poll(PATIENCE, || (upstreams.mailed().len() == 2).then_some(())).expect("all is done");
    assert!(worker.stop_with_sigterm().success() && server.stop_with_sigterm().success());

    let spans = collector.spans();
    let delivery = only(&spans, "deliver lms");
    let requests = spans.iter().filter(|span| span.name.starts_with("POST") && span.parent == CALLER);
    let requests: BTreeSet<_> = requests.map(|span| (span.trace.clone(), span.id.clone())).collect();
    assert_eq!(requests.len(), 2);
    assert_eq!(delivery.links.iter().cloned().collect::<BTreeSet<_>>(), requests);
    assert_eq!(delivery.parent, "");
    assert!(![TRACE, OTHER_TRACE].contains(&delivery.trace.as_str()));
    let call = spans.iter().find(|span| span.parent == delivery.id).expect("a call is below it");
    assert_eq!(upstreams.trace_parents("/pending-enterprise-learner/"), [Some(call.as_parent())]);
}

fn messages_of_a_delivery_belong_to_its_trace(database: Database) {
    let (upstreams, collector, bucket) = (FakeUpstreams::start(), FakeCollector::start(), FakeBucket::start());
    let settings = [settings(&upstreams, &collector.url()), bucket.settings()].concat();
    let mut server = start(&database, &settings);
    let customer = Customer::new(&server);
    let plan = customer.plan(1);
    plan.assign(&[customer.email("amy")]).expect(200);
    upstreams.add_admin(11, 1, "ann@example.com");
    let path = format!("/api/v1/bulk-license-enrollment/?enterprise_customer_uuid={}", customer.enterprise);
    let body =
        json!({ "emails": [customer.email("amy")], "course_run_keys": ["course-v1:edX+Demo+T1"], "notify": true });
    let request = Request::new("POST", &path).json(&body).header("traceparent", &parent(TRACE));
    plan.admin.send(request).expect(201);
    let mailed = || upstreams.mailed().iter().any(|(campaign, _)| campaign == "bulk_enrollment_result");
    poll(PATIENCE, || mailed().then_some(())).expect("whoever asked is mailed");
    assert!(server.stop_with_sigterm().success());

    let spans = collector.of_trace(TRACE);
    let above = |span: &Span| spans.iter().find(|other| other.id == span.parent).cloned();
    let call = |name: &str, path: &str| {
        let call = spans.iter().find(|span| span.name == name && span.attribute("url.full").contains(path));
        call.unwrap_or_else(|| panic!("{name} {path} in {spans:?}"))
    };
    let enrollment = above(call("POST lms", "/enroll_learners_in_courses/")).expect("a delivery");
    let request = above(&enrollment).expect("the request");
    assert_eq!(request.attribute("http.route"), "/api/v1/bulk-license-enrollment/");
    // The file's message, and then the mail's, were stored when the enrollment was settled.
    let file = above(call("PUT s3", "/results/bulk-enrollments/")).expect("a delivery");
    assert_eq!((file.name.as_str(), &file.parent), ("deliver enrollment", &enrollment.id));
    let mail = above(call("POST braze", "/campaigns/trigger/send")).expect("a delivery");
    assert_eq!(mail.name, "deliver mail");
    assert!([&enrollment.id, &file.id].contains(&&mail.parent), "{spans:?}");
    for private in ["X-Amz", "example.com", "edX+Demo", "amy-"] {
        assert!(!collector.was_told(private), "{private}");
    }
}

/// Waits until this many events with a name were tracked.
#[track_caller]
fn tracked(upstreams: &FakeUpstreams, name: &str, number: usize) {
    let tracked = || upstreams.events().iter().filter(|(event, _)| event == name).count();
    poll(PATIENCE, || (tracked() == number).then_some(())).expect("the events are tracked");
}

/// The number of deliveries right below the span, or linked to it.
fn deliveries_of(spans: &[Span], source: &Span) -> usize {
    let link = (source.trace.clone(), source.id.clone());
    let is_below = |span: &Span| (&span.trace, &span.parent) == (&source.trace, &source.id);
    let deliveries = spans.iter().filter(|span| span.name.starts_with("deliver "));
    deliveries.filter(|span| is_below(span) || span.links.contains(&link)).count()
}

/// Panics unless the span is the first of its trace, and no request.
#[track_caller]
fn assert_first(span: &Span) {
    assert_eq!((span.parent.as_str(), span.kind as i32, span.links.len()), ("", 1, 0), "an internal one");
}

fn messages_of_the_console_belong_to_its_request(database: Database) {
    let (upstreams, collector) = (FakeUpstreams::start(), FakeCollector::start());
    let provider = FakeIdentityProvider::start();
    let mut settings = settings(&upstreams, &collector.url());
    settings.extend(Visit::settings(&provider.url()).map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut server = start(&database, &settings);
    let plan = Customer::new(&server).plan(1);
    provider.set_person(Some(Person::new(3, "ann@example.com", "ann").role("enterprise_admin:*")));
    let mut visit = Visit::new(&server);
    visit.sign_in();
    let form = format!("form_token={}&addresses=bob%40example.com&confirmed=yes", visit.form_token());
    assert_eq!(visit.post(&format!("/console/plans/{}/assign/", plan.uuid), &form).status, 303);
    tracked(&upstreams, "assigned", 1);
    assert!(server.stop_with_sigterm().success());
    let spans = collector.spans();
    let request = spans.iter().find(|span| span.name.starts_with("POST /console/") && span.name.ends_with("/assign/"));
    let request = request.unwrap_or_else(|| panic!("no request in {spans:?}"));
    assert!(deliveries_of(&spans, request) > 0, "{spans:?}");
}

fn each_batch_of_a_job_begins_a_trace(database: Database) {
    let (upstreams, collector) = (FakeUpstreams::start(), FakeCollector::start());
    let mut settings = settings(&upstreams, &collector.url());
    settings.push(("LM_PROVISIONING__INLINE_LIMIT".to_owned(), "0".to_owned()));
    settings.push(("LM_PROVISIONING__BATCH_SIZE".to_owned(), "1".to_owned()));
    let mut server = start(&database, &settings);
    let customer = Customer::new(&server);
    let plan = customer.plan(3);
    poll(PATIENCE, || (plan.counts().total == 3).then_some(())).expect("the plan is filled");
    plan.assign(&customer.emails("learner", 2)).expect(200);
    // Nothing else is to be delivered together with the messages of the job.
    tracked(&upstreams, "assigned", 2);
    let request = Request::new("POST", plan.path("licenses/revoke-all/")).json(&json!({}));
    plan.admin.send(request.header("traceparent", &parent(TRACE))).expect(204);
    tracked(&upstreams, "revoked", 2);
    assert!(server.stop_with_sigterm().success());

    let spans = collector.spans();
    for (kind, licenses) in [("provision", 3), ("revoke_all", 2)] {
        let batches: Vec<_> = spans.iter().filter(|span| span.name == format!("job {kind}")).collect();
        let traces: BTreeSet<_> = batches.iter().map(|batch| &batch.trace).collect();
        assert!(traces.len() == batches.len() && !traces.contains(&TRACE.to_owned()), "{batches:?}");
        let counts = batches.iter().map(|batch| batch.attribute("license_manager.count.licenses"));
        let worked: Vec<&str> = counts.filter(|&count| count != "0").collect();
        assert_eq!(worked, vec!["1"; licenses]);
        for batch in &batches {
            assert_first(batch);
            assert_eq!(batch.attribute("license_manager.job.kind"), kind);
            assert_eq!(batch.attribute("license_manager.plan"), plan.uuid);
            assert!(!batch.failed);
        }
        let deliveries: usize = batches.iter().map(|batch| deliveries_of(&spans, batch)).sum();
        assert!(kind == "provision" || deliveries > 0, "its messages are in its trace: {spans:?}");
    }
}

/// A plan with two learners that ended at this time. Nothing about it waits to be tracked.
fn ended_plan(server: &Server, customer: &Customer, upstreams: &FakeUpstreams, end: &str) -> Plan {
    let mut request = customer.plan_request(2);
    request["expiration_date"] = json!(end);
    let plan = customer.operator().post(&format!("{PROVISIONING}/subscriptions/"), &request).expect(201);
    let plan = Plan { uuid: text(&plan["uuid"]), admin: server.client(&customer.admin()) };
    plan.assign(&customer.emails("learner", 2)).expect(200);
    tracked(upstreams, "assigned", 2);
    plan
}

/// Checks the trace of an expiration of such a plan.
#[track_caller]
fn check_expiration(upstreams: &FakeUpstreams, collector: &FakeCollector, name: &str) -> Span {
    const EXPIRATION: &str = "/bulk_licensed_enrollments_expiration/";
    let spans = collector.spans();
    let expiration = only(&spans, name);
    assert_first(expiration);
    assert!(deliveries_of(&spans, expiration) > 0 && !expiration.failed);
    assert_eq!(expiration.attribute("license_manager.count.plans"), "1");
    assert_eq!(expiration.attribute("license_manager.count.licenses"), "2");
    let call =
        spans.iter().find(|span| span.parent == expiration.id && span.attribute("url.full").contains(EXPIRATION));
    assert_eq!(upstreams.trace_parents(EXPIRATION), [call.map(Span::as_parent)]);
    for private in ["@example", "example.com", "learner-"] {
        assert!(!collector.was_told(private), "{private}");
    }
    expiration.clone()
}

fn a_scheduled_run_begins_a_trace(database: Database) {
    let (upstreams, collector) = (FakeUpstreams::start(), FakeCollector::start());
    let mut settings = settings(&upstreams, &collector.url());
    for (name, value) in [("ENABLED", "true"), ("EXPIRE_SUBSCRIPTIONS", "0 0 1 1 *")] {
        settings.push((format!("LM_SCHEDULE__{name}"), value.to_owned()));
    }
    let mut server = start(&database, &settings);
    let customer = Customer::new(&server);
    let end = chrono::Utc::now() - chrono::Duration::minutes(5);
    ended_plan(&server, &customer, &upstreams, &end.to_rfc3339());
    let of_operation = "operation = 'expire-subscriptions' AND next_run IS NOT NULL";
    let scheduled = format!("SELECT operation AS text FROM operation_schedule WHERE {of_operation}");
    poll(PATIENCE, || (!database.texts(&scheduled).is_empty()).then_some(())).expect("the schedule is stored");
    let past = if database.url().starts_with("sqlite:") { "1" } else { "'2020-01-01'" };
    database.execute(&format!("UPDATE operation_schedule SET next_run = {past} WHERE {of_operation}"));
    tracked(&upstreams, "expired", 2);
    assert!(server.stop_with_sigterm().success());
    let run = check_expiration(&upstreams, &collector, "scheduled expire-subscriptions");
    assert_eq!(run.attribute("license_manager.operation"), "expire-subscriptions");
}

fn a_command_begins_a_trace(database: Database) {
    let (upstreams, collector) = (FakeUpstreams::start(), FakeCollector::start());
    let mut server = start(&database, &settings(&upstreams, &collector.url()));
    let customer = Customer::new(&server);
    let plan = ended_plan(&server, &customer, &upstreams, "2021-01-01T00:00:00Z");
    let ran = server.command(&["expire-subscriptions", "--subscription-uuids", &plan.uuid]);
    assert!(ran.succeeded, "{ran:?}");
    only(&collector.spans(), "command expire-subscriptions");
    tracked(&upstreams, "expired", 2);
    assert!(server.stop_with_sigterm().success());
    let command = check_expiration(&upstreams, &collector, "command expire-subscriptions");
    assert_eq!(
        (command.service.as_str(), command.attribute("license_manager.command")),
        ("seats", "expire-subscriptions")
    );

    assert!(server.command(&["superuser", "mallory"]).succeeded);
    assert!(!server.command(&["outbox", "retry", &plan.uuid]).succeeded, "there is no such message");
    let spans = collector.spans();
    assert!(!only(&spans, "command superuser").failed && !collector.was_told("mallory"));
    let retry = only(&spans, "command outbox retry");
    assert!(retry.failed);
    assert_eq!(retry.attribute("license_manager.count.messages"), "0");
}

fn without_a_collector_nothing_is_recorded(database: Database) {
    let upstreams = FakeUpstreams::start();
    let mut settings = upstreams.settings();
    settings.push(("LM_WORKER__ENABLED".to_owned(), "false".to_owned()));
    let server = start(&database, &settings);
    let customer = Customer::new(&server);
    assign(&customer.plan(1), &[customer.email("amy")], TRACE);
    assert_eq!(database.texts("SELECT trace_parent AS text FROM outbox"), ["", ""]);
    let _worker = server.run_beside(&["worker"]);
    poll(PATIENCE, || (upstreams.mailed().len() == 1).then_some(())).expect("all is done");
    let told = upstreams.trace_parents("/");
    assert!(told.len() >= 2 && told.iter().all(Option::is_none), "{told:?}");
    assert!(!server.log().contains(TRACE));
}

fn an_unreachable_collector_disturbs_nothing(database: Database) {
    const LOST: &str = "the collector does not take traces";
    let upstreams = FakeUpstreams::start();
    let port = free_port();
    let mut settings = settings(&upstreams, &format!("http://127.0.0.1:{port}"));
    settings.push(("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "50".to_owned()));
    let mut server = start(&database, &settings);
    let customer = Customer::new(&server);
    let plan = customer.plan(20);
    assert!(server.command(&["migrate"]).succeeded);
    let lost = |server: &Server| server.log().matches(LOST).count();
    poll(PATIENCE, || (lost(&server) > 0).then_some(())).expect("the log tells of it");
    for email in customer.emails("learner", 10) {
        assign(&plan, &[email], TRACE);
    }
    poll(PATIENCE, || (upstreams.mailed().len() == 10).then_some(())).expect("all is done");
    assert_eq!(lost(&server), 1, "and does so once");

    let collector = FakeCollector::start_at(([127, 0, 0, 1], port).into());
    let sent = || {
        plan.admin.get(&plan.path("")).expect(200);
        (!collector.spans().is_empty()).then_some(())
    };
    poll(PATIENCE, sent).expect("spans are sent once it is there");
    poll(PATIENCE, || server.log().contains("the collector takes traces again").then_some(())).expect("the log tells");
    assert!(server.stop_with_sigterm().success());

    // It accepts connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = silent.local_addr().expect("a listener has an address");
    let mut server = start(&database, &self::settings(&upstreams, &format!("http://{address}")));
    Customer::new(&server);
    let stopping = Instant::now();
    assert!(server.stop_with_sigterm().success());
    assert!(stopping.elapsed() < Duration::from_secs(30), "{:?}", stopping.elapsed());
}

fn invalid_trace_settings_stop_the_start(database: Database) {
    for (name, value, problem) in [
        ("LM_TELEMETRY__OTLP_ENDPOINT", "collector:4318", "is not an http or https address"),
        ("LM_TELEMETRY__OTLP_HEADERS", "api-key=hunter2", "telemetry.otlp_endpoint is not"),
        ("LM_TELEMETRY__SAMPLE_RATIO", "7", "`7` is not a number from 0 to 1"),
        ("LM_TELEMETRY__SAMPLE_RATIO", "NaN", "`NaN` is not a number from 0 to 1"),
        ("LM_TELEMETRY__SERVICE_NAME", " ", "it must not be empty"),
    ] {
        let refusal = Server::start_refused(database.url(), &[(name, value)], &[]);
        assert!(!refusal.status.success() && refusal.stderr.contains(problem), "{}", refusal.stderr);
        assert!(!refusal.stderr.contains("hunter2"), "{}", refusal.stderr);
    }
}
