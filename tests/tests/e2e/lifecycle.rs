//! Starting, stopping, crashing, logging, and losing the database.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use license_manager_tests::{
    Client, Cluster, Customer, Database, Ran, Request, SECRET, Server, at_once, on_both_databases, poll,
};
use serde_json::json;

on_both_databases!(
    a_request_id_is_echoed_or_made,
    sigterm_finishes_what_is_in_flight,
    the_log_names_requests_but_no_people_and_no_secrets,
    seeding_reports_what_exists,
    statements_may_take_as_long_as_they_like,
    ten_thousand_people_are_assigned_in_one_request,
    memory_is_returned_after_large_requests,
);

fn a_request_id_is_echoed_or_made(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(1);
    let answers = |header: Option<&str>| {
        let send = |client: &Client, method: &str, path: &str| {
            let request = Request::new(method, path);
            let answer = client.send(match header {
                Some(id) => request.header("X-Request-ID", id),
                None => request,
            });
            (answer.status, answer.header("X-Request-ID").to_owned())
        };
        [
            send(&plan.admin, "GET", &plan.path("")),
            send(&plan.admin, "POST", &plan.path("licenses/assign/")),
            send(&server.anonymous(), "GET", &plan.path("")),
            send(&plan.admin, "GET", "/api/v1/nothing-here/"),
        ]
    };
    let echoed = |status: u16| (status, "request-4711".to_owned());
    assert_eq!(answers(Some("request-4711")), [200, 400, 401, 404].map(echoed));

    let made: BTreeSet<String> = answers(None).map(|(_, id)| id).into();
    assert!(!made.contains(""));
    assert_eq!(made.len(), 4, "{made:?}");
}

fn sigterm_finishes_what_is_in_flight(database: Database) {
    let mut server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(1);

    let body = json!({"user_emails": [customer.email("amy")]}).to_string();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = [
        format!("POST {} HTTP/1.1", plan.path("licenses/assign/")),
        format!("Host: {}", server.address()),
        format!("Authorization: {}", customer.admin().authorization()),
        format!("Content-Length: {}", body.len()),
        "Content-Type: application/json".to_owned(),
        "Connection: close".to_owned(),
        "Expect: 100-continue".to_owned(),
    ];
    write!(stream, "{}\r\n\r\n", head.join("\r\n")).unwrap();
    // The server answers 100 Continue when it starts reading the body.
    let mut answer = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    answer.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");

    server.terminate();
    let refuses = || TcpStream::connect(server.address()).is_err().then_some(());
    poll(Duration::from_secs(30), refuses).expect("a stopping server takes no new connections");
    stream.write_all(body.as_bytes()).unwrap();
    let mut rest = String::new();
    answer.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("HTTP/1.1 200 OK\r\n"), "{rest}");
    assert_eq!(server.wait_for_exit().code(), Some(0));

    server.restart();
    assert_eq!(plan.counts().assigned, 1);
}

fn the_log_names_requests_but_no_people_and_no_secrets(database: Database) {
    let mut server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(3);
    let amy = customer.learner(7, "amy");
    let post = |client: &Client, path: &str, emails: &[&str]| {
        let request = Request::new("POST", path).header("X-Request-ID", "request-4711");
        client.send(request.json(&json!({"user_emails": emails})))
    };

    // Each of these has an email address in its path, body or token; some are refused.
    post(&plan.admin, &plan.path("licenses/assign/"), &[amy.email()]).expect(200);
    post(&plan.admin, &plan.path("licenses/assign/"), &["@example.com"]).expect(400);
    let key = plan.activation_key(amy.email());
    let activate = format!("/api/v1/license-activation/?activation_key={key}");
    post(&server.client(&amy), &activate, &[]).expect(200);
    let search = plan.path(&format!("licenses/?search={}", amy.email()));
    plan.admin.get(&search).expect(200);
    plan.admin.get(&search.replace('@', "%40")).expect(200);
    post(&server.client(&amy), &plan.path("licenses/assign/"), &[amy.email()]).expect(403);
    let expired = server.client(&amy.clone().expiring_in(-60));
    expired.get(&search).expect(401);
    server.client(&amy.clone().signed_with("forged")).get(&search).expect(401);
    post(&plan.admin, &plan.path("licenses/bulk-revoke/"), &[amy.email()]).expect(200);
    server.stop_with_sigterm();

    let log = server.log();
    assert!(log.contains("request-4711"), "{log}");
    for secret in ["example.com", "eyJ", SECRET, &key] {
        assert!(!log.contains(secret), "{secret:?} is in the log:\n{log}");
    }
}

/// Stories of a database that was never migrated.
mod on_an_empty_database {
    use super::*;

    #[test]
    fn servers_that_start_together_share_it() {
        super::servers_that_start_together_share_a_new_database(Database::sqlite());
        super::servers_that_start_together_share_a_new_database(Database::empty_postgres());
    }

    #[test]
    fn it_can_be_asked_for_messages() {
        super::a_new_database_can_be_asked_for_messages(Database::sqlite());
        super::a_new_database_can_be_asked_for_messages(Database::empty_postgres());
    }
}

fn servers_that_start_together_share_a_new_database(database: Database) {
    let servers = at_once(3, |_| Server::start(database.url()));
    for server in &servers {
        let customer = Customer::new(server);
        let plan = customer.plan(2);
        for server in &servers {
            let admin = server.client(&customer.admin());
            admin.get(&plan.path("")).expect(200);
        }
    }
}

fn a_new_database_can_be_asked_for_messages(database: Database) {
    if let Some(path) = database.url().strip_prefix("sqlite:") {
        // An empty file is a database without migrations.
        std::fs::write(path, "").expect("a file is written");
    }
    let ran = Ran::alone(database.url(), &["outbox", "list", "--output", "json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "[]\n"), "{}", ran.stderr);
    let ran = Ran::alone(database.url(), &["outbox", "retry", "--all-parked"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "0 messages to be tried again\n"), "{}", ran.stderr);
}

#[test]
fn a_command_begins_no_database_where_there_is_none() {
    let database = Database::sqlite();
    let plan = "27fe5134-4bc7-4025-a8d3-b46c22a58565";
    let django = "mysql://me:secret@127.0.0.1:1/django";
    for arguments in [
        &["outbox", "list"][..],
        &["superuser", "amy"],
        &["check"],
        &["process-renewals"],
        &["provision", plan],
        &["history", "plan", plan],
        &["export", "--to", django],
        &["import", "--from", django, "--verify"],
        &["import", "--finish"],
    ] {
        let ran = Ran::alone(database.url(), arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{arguments:?}: {ran:?}");
        let told = ran.stderr.contains("there is no SQLite database") && ran.stderr.contains("--config");
        assert!(told, "{arguments:?}: {ran:?}");
    }
    let path = database.url().strip_prefix("sqlite:").expect("it is a file");
    assert!(!std::path::Path::new(path).exists(), "none has created it");
}

fn seeding_reports_what_exists(database: Database) {
    let seed = |arguments: &[&str]| {
        let ran = Ran::alone(database.url(), &[&["seed"], arguments].concat());
        assert!(ran.succeeded && ran.stdout.lines().count() == 1, "{ran:?}");
        ran.stdout
    };
    assert_eq!(seed(&[]), "the products and plan types are there\n");
    let told = seed(&["--demo"]);
    let ids = ["customer_agreement", "subscription_plan"].map(|table| {
        let uuid = if database.url().starts_with("sqlite:") { "uuid" } else { "uuid::text" };
        database.texts(&format!("SELECT {uuid} AS text FROM {table}"))
    });
    assert_eq!(ids.each_ref().map(Vec::len), [1, 2]);
    assert!(ids.iter().flatten().all(|id| told.contains(id)), "{told}");
    assert_eq!(seed(&["--demo"]), told, "the second time they are there");
}

fn statements_may_take_as_long_as_they_like(database: Database) {
    let server = Server::start_with(database.url(), &[("LM_DATABASE__STATEMENT_TIMEOUT_SECONDS", "0")]);
    let customer = Customer::new(&server);
    customer.plan(1).assign(&[customer.email("amy")]).expect(200);
}

fn ten_thousand_people_are_assigned_in_one_request(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(10_001);
    let people = customer.emails("learner", 10_000);

    let answer = plan.assign(&people).expect(200);
    assert_eq!(answer["num_successful_assignments"], 10_000);
    let assignments = answer["license_assignments"].as_array().unwrap();
    let field = |name: &str| -> BTreeSet<String> {
        let values = assignments.iter().map(|assignment| &assignment[name]);
        values.map(|value| value.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(field("user_email"), people.iter().cloned().collect());
    assert_eq!(field("license").len(), 10_000);

    let again = plan.assign(&people).expect(200);
    assert_eq!(again["num_already_associated"], 10_000);
    assert_eq!((plan.counts().assigned, plan.counts().unassigned), (10_000, 1));
}

mod a_large_plan_is_provisioned_across_a_crash {
    use license_manager_tests::Database;

    #[test]
    fn sqlite() {
        super::provision_across_a_crash(Database::sqlite(), 200_000);
    }

    #[test]
    fn postgres() {
        super::provision_across_a_crash(Database::postgres(), 1_000_000);
    }
}

fn provision_across_a_crash(database: Database, licenses: u32) {
    let mut server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(licenses);
    // Early enough to interrupt the work, late enough that it has started.
    let begun = || (plan.counts().total > 0).then_some(());
    poll(Duration::from_millis(200), begun);
    server.kill();
    database.assert_sound();
    server.restart();

    let wanted = u64::from(licenses);
    let complete = || (plan.counts().total >= wanted).then_some(());
    poll(Duration::from_secs(180), complete).unwrap_or_else(|| panic!("{:?}", plan.counts()));
    // Neither the interrupted work nor another start adds licenses.
    server.restart();
    assert_eq!(plan.counts().total, wanted);
    assert_eq!(plan.counts().unassigned, wanted);
    database.assert_sound();
}

#[test]
fn the_service_is_unavailable_while_the_database_is_down() {
    let cluster = Cluster::new();
    let server = Server::start(&cluster.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(2);
    let amy = [customer.email("amy")];

    cluster.stop();
    for _ in 0..3 {
        plan.admin.get(&plan.path("")).expect(503);
        plan.assign(&amy).expect(503);
        server.anonymous().get("/health/").expect(503);
    }

    cluster.start();
    let healthy = || (server.anonymous().get("/health/").status == 200).then_some(());
    poll(Duration::from_secs(60), healthy).expect("the service is back with its database");
    plan.assign(&amy).expect(200);
    assert_eq!(plan.counts().assigned, 1);
}

/// Panics unless the server refuses to start with these settings and arguments, with one line on standard error that
/// contains `word`.
#[track_caller]
fn assert_start_refused(settings: &[(&str, &str)], arguments: &[&str], word: &str) {
    let database = Database::sqlite();
    let refusal = Server::start_refused(database.url(), settings, arguments);
    let context = format!("{settings:?} {arguments:?}: {refusal:?}");
    assert!(!refusal.status.success(), "{context}");
    assert_eq!(refusal.stderr.lines().count(), 1, "{context}");
    assert!(refusal.stderr.to_lowercase().contains(word), "{context}");
    assert!(!refusal.stderr.contains("hunter2"), "{context}");
}

#[test]
fn a_wrong_environment_variable_stops_the_start_and_is_named() {
    for (name, value, word) in [
        ("LM_SERVER__LISTENN", "127.0.0.1:8080", "listenn"),
        ("LM_NONSENSE__KEY", "1", "nonsense"),
        ("LM_SERVER__LISTEN", "nowhere", "listen"),
        ("LM_THROTTLE__ENABLED", "perhaps", "enabled"),
        ("LM_DATABASE__POOL_SIZE", "many", "pool_size"),
        ("DATABASE_URL", "mysql://root:hunter2@localhost/licenses", "mysql"),
        ("DATABASE_URL", "licenses.db", "database"),
    ] {
        assert_start_refused(&[(name, value)], &[], word);
        assert_start_refused(&[(name, value)], &["config"], word);
    }
}

#[test]
fn an_incomplete_upstream_stops_the_start_and_is_named() {
    let url = ("LM_SMTP__URL", "smtp://me:hunter2@mail");
    for (settings, word) in [
        (&[url][..], "smtp.from"),
        (&[url, ("LM_SMTP__FROM", "nobody")], "smtp.from"),
        (&[("LM_CATALOG__VALIDATE", "true")], "catalog.url"),
    ] {
        for arguments in [&["serve"][..], &["worker"], &["config"]] {
            assert_start_refused(settings, arguments, word);
        }
    }
}

#[test]
fn a_wrong_configuration_file_stops_the_start_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content, word) in [
        ("key.toml", "[server]\nlistenn = \"127.0.0.1:8080\"\n", "listenn"),
        ("type.toml", "[database]\npool_size = \"many\"\n", "pool_size"),
        ("syntax.toml", "[server\n", "syntax.toml"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        assert_start_refused(&[], &["--config", path.to_str().unwrap()], word);
    }
    assert_start_refused(&[], &["--config", "absent.toml"], "absent.toml");
}

fn memory_is_returned_after_large_requests(database: Database) {
    const MIB: u64 = 1024;
    // Deliveries would continue long after the requests.
    let server = Server::start_with(database.url(), &[("LM_WORKER__ENABLED", "false")]);
    let customer = Customer::new(&server);
    let plan = customer.plan(30_000);
    for part in 0..3 {
        let people = customer.emails(&format!("learner{part}"), 10_000);
        plan.admin.post(&plan.path("licenses/assign/"), &json!({ "user_emails": people })).expect(200);
    }
    // In KiB, from the kernel. Without the pages of the program itself: a debug build has twice as many as a release.
    let resident = || {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("the server runs on Linux");
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("it has memory");
        line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).expect("a number")
    };
    let small = poll(Duration::from_secs(30), || (resident() < 32 * MIB).then_some(()));
    assert!(small.is_some(), "{} MiB are still in use", resident() / MIB);
}
