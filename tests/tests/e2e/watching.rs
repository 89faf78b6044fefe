//! Metrics, liveness and readiness.

use license_manager_tests::{
    Client, Cluster, Customer, Database, FakeUpstreams, PATIENCE, PROVISIONING, Request, Response, Server,
    WebhookEndpoint, borrowed, on_both_databases, poll,
};
use serde_json::json;

on_both_databases!(
    requests_and_deliveries_are_counted,
    undeliverable_messages_are_counted_as_waiting_and_then_as_dead_letters,
    metrics_can_require_a_token,
    a_worker_is_monitored_at_its_own_address,
    metrics_can_have_a_listener_of_their_own,
    a_worker_that_stops_says_so_until_its_deliveries_are_done,
    deliveries_to_webhooks_are_counted,
    a_service_whose_schema_is_out_of_date_is_not_ready,
    a_service_with_a_newer_schema_keeps_working_and_says_so,
);

/// The `Accept` header of Prometheus.
const SCRAPE: &str = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";

fn scrape(server: &Server) -> String {
    let answer = server.anonymous().send(Request::new("GET", "/metrics").header("Accept", SCRAPE));
    assert!(answer.header("Content-Type").starts_with("text/plain; version=0.0.4"), "{:?}", answer.headers);
    text(answer.expect(200))
}

fn text(body: serde_json::Value) -> String {
    body.as_str().expect("a text").to_owned()
}

/// The value of the series with these labels, in alphabetical order.
fn number(metrics: &str, series: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.split(' ').next() == Some(series))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Waits until a series has a matching value.
#[track_caller]
fn becomes(server: &Server, series: &str, wanted: impl Fn(f64) -> bool) {
    let last = || format!("{series} in\n{}", scrape(server));
    poll(PATIENCE, || number(&scrape(server), series).filter(|number| wanted(*number)))
        .unwrap_or_else(|| panic!("{}", last()));
}

fn settings(upstreams: &FakeUpstreams) -> Vec<(String, String)> {
    let mut settings = upstreams.settings();
    settings.push(("LM_WORKER__RETRY_BASE_SECONDS".to_owned(), "0".to_owned()));
    settings
}

fn start(database: &Database, settings: &[(String, String)]) -> Server {
    Server::start_with(database.url(), &borrowed(settings))
}

fn requests_and_deliveries_are_counted(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &settings(&upstreams));
    let customer = Customer::new(&server);
    let plan = customer.plan(3);
    plan.assign(&customer.emails("learner", 2)).expect(200);
    plan.assign(&["nobody".to_owned()]).expect(400);
    plan.admin.get("/api/v1/nothing/learner@example.com/").expect(404);
    // The same route without the trailing slash.
    plan.admin.get(plan.path("").trim_end_matches('/')).expect(200);

    becomes(&server, r#"license_manager_deliveries_total{lane="mail",result="delivered",topic="assignment"}"#, |n| {
        n == 2.0
    });
    becomes(&server, r#"license_manager_deliveries_total{lane="lms",result="delivered",topic="assignment"}"#, |n| {
        n == 2.0
    });
    becomes(&server, r#"license_manager_outbox_messages{lane="mail"}"#, |n| n == 0.0);
    becomes(&server, r#"license_manager_neighbour_calls_total{neighbour="lms",outcome="answered"}"#, |n| n >= 1.0);
    becomes(&server, r#"license_manager_neighbour_calls_total{neighbour="braze",outcome="answered"}"#, |n| n >= 1.0);
    let metrics = scrape(&server);
    let at_least = |series: &str, least: f64| {
        let found = number(&metrics, series);
        assert!(found.is_some_and(|found| found >= least), "{series}: {found:?} in\n{metrics}");
    };
    let assign = "/api/v1/subscriptions/{subscription_uuid}/licenses/assign/";
    let requests = "license_manager_http_requests_total";
    at_least(&format!(r#"{requests}{{method="POST",route="{assign}",status="200"}}"#), 1.0);
    at_least(&format!(r#"{requests}{{method="POST",route="{assign}",status="400"}}"#), 1.0);
    at_least(&format!(r#"{requests}{{method="GET",route="unmatched",status="404"}}"#), 1.0);
    let plan_route = "/api/v1/subscriptions/{subscription_uuid}/";
    at_least(&format!(r#"{requests}{{method="GET",route="{plan_route}",status="200"}}"#), 1.0);
    let durations = "license_manager_http_request_duration_seconds";
    at_least(&format!(r#"{durations}_count{{method="POST",route="{assign}"}}"#), 2.0);
    at_least(&format!(r#"{durations}_bucket{{method="POST",route="{assign}",le="+Inf"}}"#), 2.0);
    // The scrape itself.
    at_least("license_manager_http_requests_in_flight", 1.0);
    for upstream in ["lms", "braze"] {
        at_least(
            &format!(r#"license_manager_neighbour_calls_total{{neighbour="{upstream}",outcome="answered"}}"#),
            1.0,
        );
        at_least(&format!(r#"license_manager_neighbour_call_duration_seconds_count{{neighbour="{upstream}"}}"#), 1.0);
    }
    at_least("license_manager_database_up", 1.0);
    let pool = if database.url().starts_with("sqlite") { "writer" } else { "all" };
    at_least(&format!(r#"license_manager_database_connections_limit{{pool="{pool}"}}"#), 1.0);
    at_least(&format!(r#"license_manager_database_connections{{pool="{pool}",state="idle"}}"#), 0.0);
    at_least(r#"license_manager_jobs{kind="provision"}"#, 0.0);
    assert!(metrics.contains("license_manager_build_info{version="), "{metrics}");
    for private in ["example.com", &plan.uuid.to_string(), "learner@"] {
        assert!(!metrics.contains(private), "{private} in\n{metrics}");
    }
}

fn undeliverable_messages_are_counted_as_waiting_and_then_as_dead_letters(database: Database) {
    let upstreams = FakeUpstreams::start();
    let mut settings = settings(&upstreams);
    settings.push(("LM_WORKER__ENABLED".to_owned(), "false".to_owned()));
    let server = start(&database, &settings);
    let customer = Customer::new(&server);
    customer.plan(3).assign(&customer.emails("learner", 2)).expect(200);
    becomes(&server, r#"license_manager_outbox_messages{lane="lms"}"#, |n| n == 2.0);
    becomes(&server, r#"license_manager_outbox_oldest_due_seconds{lane="lms"}"#, |n| n >= 1.0);
    becomes(&server, r#"license_manager_outbox_parked_messages{lane="lms"}"#, |n| n == 0.0);

    upstreams.fail(100);
    let _worker = server.run_beside(&["worker"]);
    becomes(&server, r#"license_manager_outbox_parked_messages{lane="lms"}"#, |n| n == 2.0);
    becomes(&server, r#"license_manager_outbox_messages{lane="lms"}"#, |n| n == 0.0);
    becomes(&server, r#"license_manager_outbox_oldest_due_seconds{lane="lms"}"#, |n| n == 0.0);
}

fn deliveries_to_webhooks_are_counted(database: Database) {
    let (taking, refusing) = (WebhookEndpoint::start(), WebhookEndpoint::start());
    refusing.answer(410);
    let settings = [
        ("LM_WEBHOOKS__ALLOW_PRIVATE_ADDRESSES".to_owned(), "true".to_owned()),
        ("LM_WORKER__ENABLED".to_owned(), "false".to_owned()),
    ];
    let server = start(&database, &settings);
    let customer = Customer::new(&server);
    for endpoint in [&taking, &refusing] {
        let webhook = json!({ "url": endpoint.url() });
        customer.operator().post(&format!("{PROVISIONING}/webhooks/"), &webhook).expect(201);
    }
    customer.plan(3).assign(&customer.emails("learner", 2)).expect(200);
    becomes(&server, "license_manager_webhook_waiting_deliveries", |n| n == 4.0);
    becomes(&server, "license_manager_webhook_oldest_due_seconds", |n| n >= 1.0);
    becomes(&server, "license_manager_webhook_parked_deliveries", |n| n == 0.0);
    drop(server);

    let server = start(&database, &settings[..1]);
    becomes(&server, r#"license_manager_webhook_deliveries_total{result="delivered"}"#, |n| n == 2.0);
    becomes(&server, r#"license_manager_webhook_deliveries_total{result="postponed"}"#, |n| n >= 1.0);
    becomes(&server, "license_manager_webhook_kept_deliveries", |n| n == 2.0);
    becomes(&server, "license_manager_webhooks_switched_off", |n| n == 1.0);
    becomes(&server, "license_manager_webhook_parked_deliveries", |n| n == 0.0);
    becomes(&server, "license_manager_webhook_oldest_due_seconds", |n| n == 0.0);
    let metrics = scrape(&server);
    for private in ["example.com", &taking.url()] {
        assert!(!metrics.contains(private), "{private} in\n{metrics}");
    }
}

fn metrics_can_require_a_token(database: Database) {
    let server = Server::start_with(database.url(), &[("LM_METRICS__TOKEN", "hunter2-hunter2")]);
    let asked = |authorization: Option<&str>| {
        let request = Request::new("GET", "/metrics");
        server.anonymous().send(match authorization {
            Some(credential) => request.header("Authorization", credential),
            None => request,
        })
    };
    for refused in [None, Some("Bearer hunter2"), Some("hunter2-hunter2"), Some("Basic hunter2-hunter2")] {
        let answer = asked(refused);
        assert_eq!(answer.header("WWW-Authenticate"), "Bearer realm=\"metrics\"", "{refused:?}");
        assert!(answer.expect(401)["detail"].is_string());
    }
    assert!(text(asked(Some("Bearer hunter2-hunter2")).expect(200)).contains("license_manager_build_info"));
    assert!(!server.log().contains("hunter2"));

    let server = Server::start_with(database.url(), &[("LM_METRICS__ENABLED", "false")]);
    server.anonymous().get("/metrics").expect(404);
}

fn metrics_can_have_a_listener_of_their_own(database: Database) {
    let address = format!("127.0.0.1:{}", license_manager_tests::free_port());
    let settings = [("LM_METRICS__LISTEN", address.as_str()), ("LM_METRICS__TOKEN", "hunter2-hunter2")];
    let mut server = Server::start_with(database.url(), &settings);
    server.anonymous().get("/metrics").expect(404);
    server.anonymous().get("/health/ready/").expect(200);
    let monitoring = license_manager_tests::Client::anonymous(format!("http://{address}"));
    monitoring.get("/metrics").expect(401);
    let metrics = monitoring.send(Request::new("GET", "/metrics").header("Authorization", "Bearer hunter2-hunter2"));
    assert!(text(metrics.expect(200)).contains("license_manager_database_up 1"));
    monitoring.get("/health/live/").expect(200);
    monitoring.get("/health/ready/").expect(200);
    monitoring.get("/api/v1/subscriptions/").expect(404);
    assert!(server.stop_with_sigterm().success());

    let taken = Server::start(database.url());
    let refusal = Server::start_refused(database.url(), &[("LM_METRICS__LISTEN", &taken.address())], &[]);
    assert!(refusal.stderr.contains("metrics.listen: cannot listen on"), "{}", refusal.stderr);
}

/// A server that leaves deliveries to a worker, and a client of the address at which the worker is monitored.
fn start_beside_a_worker(database: &Database, upstreams: &FakeUpstreams) -> (Server, Client) {
    let mut settings = settings(upstreams);
    let address = format!("127.0.0.1:{}", license_manager_tests::free_port());
    settings.push(("LM_WORKER__ENABLED".to_owned(), "false".to_owned()));
    settings.push(("LM_METRICS__WORKER_LISTEN".to_owned(), address.clone()));
    (start(database, &settings), Client::anonymous(format!("http://{address}")))
}

fn a_worker_is_monitored_at_its_own_address(database: Database) {
    let upstreams = FakeUpstreams::start();
    let (server, monitoring) = start_beside_a_worker(&database, &upstreams);
    let customer = Customer::new(&server);
    customer.plan(3).assign(&customer.emails("learner", 2)).expect(200);

    let mut worker = server.run_beside(&["worker"]);
    let answered =
        |path: &str| monitoring.try_send(Request::new("GET", path)).ok().filter(|answer| answer.status == 200);
    assert!(poll(PATIENCE, || answered("/health/ready/")).is_some(), "{}", worker.log());
    let delivered = poll(PATIENCE, || {
        let metrics = text(answered("/metrics")?.body);
        number(&metrics, r#"license_manager_deliveries_total{lane="mail",result="delivered",topic="assignment"}"#)
            .filter(|number| *number == 2.0)
    });
    assert!(delivered.is_some());
    assert_eq!(monitoring.get("/api/v1/subscriptions/").status, 404, "a worker answers nobody else");
    assert!(worker.stop_with_sigterm().success());
}

fn a_worker_that_stops_says_so_until_its_deliveries_are_done(database: Database) {
    let upstreams = FakeUpstreams::start();
    let (server, monitoring) = start_beside_a_worker(&database, &upstreams);
    let customer = Customer::new(&server);
    upstreams.hold();
    customer.plan(1).assign(&[customer.email("amy")]).expect(200);
    let mut worker = server.run_beside(&["worker"]);
    poll(PATIENCE, || (!upstreams.linked().is_empty()).then_some(())).expect("a delivery is under way");
    worker.terminate();
    let stops = |answer: &Response| answer.body["detailed_status"]["service_status"] == "STOPPING";
    let ready = || monitoring.try_send(Request::new("GET", "/health/ready/")).ok();
    let answer = poll(PATIENCE, || ready().filter(&stops)).unwrap_or_else(|| panic!("{}", worker.log()));
    assert_eq!(
        answer.expect(503),
        json!({
            "overall_status": "UNAVAILABLE",
            "detailed_status":
                { "service_status": "STOPPING", "database_status": "OK", "migrations_status": "OK" },
        })
    );
    monitoring.get("/health/live/").expect(200);
    monitoring.get("/health/").expect(200);
    upstreams.release();
    assert!(worker.wait_for_exit().success(), "{}", worker.log());
}

fn ready(server: &Server) -> Response {
    server.anonymous().get("/health/ready/")
}

fn a_service_whose_schema_is_out_of_date_is_not_ready(database: Database) {
    let server = Server::start(database.url());
    assert_eq!(ready(&server).expect(200)["overall_status"], "OK");
    let latest = "SELECT max(version) FROM __diesel_schema_migrations";
    let version = database.texts(&format!("SELECT ({latest}) AS text")).remove(0);
    database.execute(&format!("DELETE FROM __diesel_schema_migrations WHERE version = '{version}'"));
    let detailed = json!({ "service_status": "RUNNING", "database_status": "OK", "migrations_status": "PENDING" });
    assert_eq!(ready(&server).expect(503)["detailed_status"], detailed);
    server.anonymous().get("/health/").expect(200);
    server.anonymous().get("/health/live/").expect(200);
    database.execute(&format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{version}')"));
    ready(&server).expect(200);
}

fn a_service_with_a_newer_schema_keeps_working_and_says_so(database: Database) {
    let mut server = Server::start(database.url());
    assert!(!server.command(&["migrate"]).stderr.contains("newer version"));
    database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000001')");
    let is_ready = json!({
        "overall_status": "OK",
        "detailed_status": { "service_status": "RUNNING", "database_status": "OK", "migrations_status": "NEWER" },
    });
    assert_eq!(ready(&server).expect(200), is_ready, "the one that runs");
    server.restart();
    assert_eq!(ready(&server).expect(200), is_ready, "one that starts");
    for log in [server.log(), server.command(&["migrate"]).stderr] {
        let warning = log.lines().find(|line| line.contains("WARN"));
        let warning = warning.unwrap_or_else(|| panic!("no warning in {log}"));
        assert!(warning.contains("newer version") && warning.contains("29991231000001"), "{warning}");
    }
    assert_eq!(server.command(&["migrate"]).code, Some(0));
}

/// Checks that the server is always alive, ready while its database is reachable, and reports when it is not.
fn is_ready_while_its_database_is_there(server: &Server, away: impl FnOnce(), back: impl FnOnce()) {
    assert_eq!(
        ready(server).expect(200),
        json!({
            "overall_status": "OK",
            "detailed_status":
                { "service_status": "RUNNING", "database_status": "OK", "migrations_status": "OK" },
        })
    );
    away();
    assert_eq!(
        ready(server).expect(503),
        json!({
            "overall_status": "UNAVAILABLE",
            "detailed_status":
                { "service_status": "RUNNING", "database_status": "UNAVAILABLE", "migrations_status": "UNKNOWN" },
        })
    );
    assert_eq!(server.anonymous().get("/health/live/").expect(200), json!({ "overall_status": "OK" }));
    assert!(scrape(server).contains("license_manager_http_requests_total"), "what was counted is still told");
    back();
    poll(PATIENCE, || (ready(server).status == 200).then_some(())).expect("it is ready again with its database");
    becomes(server, "license_manager_database_up", |number| number == 1.0);
}

#[test]
fn a_service_on_postgres_is_ready_while_its_database_is_there() {
    let cluster = Cluster::new();
    let server = Server::start(&cluster.url());
    is_ready_while_its_database_is_there(
        &server,
        || {
            cluster.stop();
            becomes(&server, "license_manager_database_up", |number| number == 0.0);
        },
        || cluster.start(),
    );
}

#[test]
fn a_service_on_sqlite_is_ready_while_its_file_is_there() {
    let database = Database::sqlite();
    let server = Server::start(database.url());
    let file = database.url().strip_prefix("sqlite:").expect("a file").to_owned();
    let moved = format!("{file}.moved");
    is_ready_while_its_database_is_there(
        &server,
        || std::fs::rename(&file, &moved).expect("the file is moved"),
        || std::fs::rename(&moved, &file).expect("the file is moved back"),
    );
}

#[test]
fn a_service_that_waits_for_its_database_is_alive_but_not_ready() {
    let cluster = Cluster::new();
    let url = cluster.url();
    cluster.stop();
    let mut server = Server::start_without_waiting(&url, &[]);
    let anonymous = server.anonymous();
    let lives = || anonymous.try_send(Request::new("GET", "/health/live/")).ok().filter(|answer| answer.status == 200);
    assert!(poll(PATIENCE, lives).is_some(), "{}", server.log());
    let answer = ready(&server).expect(503);
    assert_eq!(answer["detailed_status"]["service_status"], "STARTING");
    assert_eq!(answer["detailed_status"]["database_status"], "UNAVAILABLE");
    anonymous.get("/health/").expect(503);
    let refused = anonymous.get("/api/v1/subscriptions/");
    assert_eq!((refused.status, refused.header("Retry-After")), (503, "1"));

    cluster.start();
    assert!(poll(PATIENCE, || (ready(&server).status == 200).then_some(())).is_some(), "{}", server.log());
    anonymous.get("/api/v1/subscriptions/").expect(401);

    cluster.stop();
    server.kill();
    let mut server = Server::start_without_waiting(&url, &[]);
    let anonymous = server.anonymous();
    assert!(poll(PATIENCE, || anonymous.try_send(Request::new("GET", "/health/live/")).ok()).is_some());
    assert!(server.stop_with_sigterm().success(), "one that waits can be stopped");
}
