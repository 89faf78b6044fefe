//! After the copy, Postgres holds all of SQLite's data, and the service continues on it.

// These tests run outside of the service, with the real clock.
#![allow(clippy::disallowed_methods)]

mod compare;
mod scene;

use license_manager_tests::{
    Client, Counts, Customer, Database, FakeUpstreams, PATIENCE, PROVISIONING, Plan, Ran, Server, WebhookEndpoint,
    at_once, borrowed, poll,
};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

use compare::{answers, assert_same_rows, tables};
use scene::{Scene, activate, assign_with_key, renewal_of};

/// Without deliveries, so that messages stay, and with webhooks to the test's endpoints.
const QUIET: [(&str, &str); 2] = [("LM_WORKER__ENABLED", "false"), ("LM_WEBHOOKS__ALLOW_PRIVATE_ADDRESSES", "true")];

/// Copies a server's database.
fn copy(server: &Server, from: &Database, to: &Database, more: &[&str]) -> Ran {
    let mut arguments = vec!["copy", "--from", from.url(), "--to", to.url()];
    arguments.extend_from_slice(more);
    server.command(&arguments)
}

/// The counts of a copy, which must succeed.
#[track_caller]
fn counts(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let summary: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!(summary["operation"], "copy");
    summary["counts"].clone()
}

/// Panics unless the command failed with this status and one line with this text.
#[track_caller]
fn assert_refused(ran: &Ran, code: i32, text: &str) {
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{ran:?}");
    let complaints: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("license-manager: ")).collect();
    assert!(complaints.len() == 1 && complaints[0].contains(text), "{ran:?}");
}

fn count(database: &Database, table: &str) -> usize {
    database.texts(&format!("SELECT CAST(count(*) AS text) AS text FROM {table}"))[0].parse().expect("a count")
}

#[test]
fn everything_is_copied_and_the_service_continues() {
    let (sqlite, postgres, endpoint) = (Database::sqlite(), Database::empty_postgres(), WebhookEndpoint::start());
    let mut server = Server::start_with(sqlite.url(), &QUIET);
    let scene = Scene::new(&server, &sqlite, &endpoint.url());
    let before = answers(&server, &scene);
    server.stop_with_sigterm();
    // Otherwise, only days before the newest one are in totals.
    sqlite.execute("UPDATE seat_change SET in_total = true");
    // A server that was started too early leaves only the initial rows.
    Server::start_with(postgres.url(), &QUIET).stop_with_sigterm();

    let told = counts(&copy(&server, &sqlite, &postgres, &["--dry-run", "--output", "json"]));
    assert_eq!(count(&postgres, "license"), 0, "a dry run changes nothing");
    let copied = counts(&copy(&server, &sqlite, &postgres, &["--output", "json"]));
    assert_eq!(told, copied);
    let tables = tables(&sqlite);
    assert_eq!(copied.as_object().map(|counts| counts.keys().cloned().collect::<Vec<_>>()), Some(tables.clone()));
    for table in &tables {
        assert_ne!(copied[table], 0, "{table}: let the scene have rows of it");
        assert_same_rows(&sqlite, &postgres, table);
    }

    let server = Server::start_with(postgres.url(), &QUIET);
    for (path, answer) in answers(&server, &scene) {
        assert_eq!(before[&path], answer, "{path}");
    }
    let admin = server.client(&scene.customer.admin());
    let again = assign_with_key(&admin, &scene.plan, &scene.customer);
    assert_eq!((again.status, again.header("Idempotency-Replayed")), (200, "true"), "{again:?}");
    goes_on(&server, &postgres, &scene);
    drop(server);
    what_was_owed_is_delivered(&postgres, &scene, &endpoint);
}

/// New rows continue the numbering of the copied ones.
fn goes_on(server: &Server, postgres: &Database, scene: &Scene) {
    let admin = server.client(&scene.customer.admin());
    let customer = customer_of(server, scene);
    let plan = Plan { uuid: scene.plan.uuid.clone(), admin };
    let before = plan.counts();
    plan.assign(&[scene.customer.email("late")]).expect(200);
    activate(server, &scene.customer, &plan, "late");
    let after = Counts { unassigned: before.unassigned - 1, activated: before.activated + 1, ..before };
    assert_eq!(plan.counts(), after);
    let counted =
        "SELECT concat_ws(' ', sum(unassigned), sum(assigned), sum(activated), sum(revoked)) AS text FROM seat_change
                   WHERE subscription_plan_uuid = ";
    let counted = postgres.texts(&format!("{counted}'{}'", plan.uuid));
    let Counts { unassigned, assigned, activated, revoked, .. } = after;
    assert_eq!(counted[0], format!("{unassigned} {assigned} {activated} {revoked}"), "each change is counted once");

    let post = |below: &str, body: Value| customer.post(&format!("{PROVISIONING}/{below}"), &body).expect(201);
    let renewal = post("subscription-plan-renewals/", renewal_of(&plan))["id"].as_i64().expect("a number");
    assert!(renewal > scene.deleted_renewal, "no id is given twice, not even that of a renewal that is gone");
    let product = post("products/", json!({ "name": "Late", "plan_type": 1, "netsuite_id": 1_300 }));
    assert_eq!(product["id"], 7);
    for (table, column) in [("license_history", "history_id"), ("outbox", "position"), ("webhook_delivery", "position")]
    {
        let doubled = format!("(SELECT 1 FROM {table} GROUP BY {column} HAVING count(*) > 1) AS doubled");
        assert_eq!(count(postgres, &doubled), 0, "{table}");
    }
}

fn customer_of(server: &Server, scene: &Scene) -> Client {
    server.client(
        &scene::staff()
            .role("enterprise_provisioning_admin:*")
            .role(format!("enterprise_admin:{}", scene.customer.enterprise)),
    )
}

/// A worker delivers the copied messages, in order.
fn what_was_owed_is_delivered(postgres: &Database, scene: &Scene, endpoint: &WebhookEndpoint) {
    let upstreams = FakeUpstreams::start();
    let mut settings = upstreams.settings();
    settings.push((QUIET[1].0.to_owned(), QUIET[1].1.to_owned()));
    let _server = Server::start_with(postgres.url(), &borrowed(&settings));
    let delivered = || (count(postgres, "outbox") == 0).then_some(());
    let owed = || postgres.texts("SELECT concat_ws(' ', topic, lane, last_error) AS text FROM outbox");
    assert!(poll(PATIENCE, delivered).is_some(), "{:?}", owed());
    let of_license = || {
        let told = endpoint.taken().into_iter();
        told.filter(|told| told.text.contains(&scene.license)).map(|told| told.event().to_owned()).collect::<Vec<_>>()
    };
    let all = poll(PATIENCE, || Some(of_license()).filter(|events| events.len() >= 3));
    assert_eq!(all.unwrap_or_else(of_license), ["assigned", "activated", "revoked"]);
    let mails = upstreams.mailed().into_iter().filter(|(kind, _)| kind == "reminder").count();
    assert_eq!(mails, 1, "the reminder goes out");
    assert_eq!(count(postgres, "outbox_words"), 0, "the admin's words go with their messages");
}

#[test]
fn a_database_that_is_not_empty_is_refused() {
    let (sqlite, postgres) = (Database::sqlite(), Database::empty_postgres());
    let server = Server::start_with(sqlite.url(), &QUIET);
    Customer::new(&server).plan(3);
    let other = Server::start_with(postgres.url(), &QUIET);
    let customer = Customer::new(&other);
    for more in [&[][..], &["--dry-run"]] {
        let ran = copy(&server, &sqlite, &postgres, more);
        assert_refused(&ran, 1, "is not empty, it has customer_agreement, customer_agreement_history, users");
    }
    assert_eq!((count(&postgres, "customer_agreement"), count(&postgres, "subscription_plan")), (1, 0));
    drop(customer);

    let with_products = Database::empty_postgres();
    let other = Server::start_with(with_products.url(), &QUIET);
    with_products.execute("UPDATE product SET name = 'Renamed' WHERE id = 3");
    assert_refused(&copy(&server, &sqlite, &with_products, &[]), 1, "it has products or plan types of its own");
    drop(other);
    with_products.execute("UPDATE product SET name = 'Trial' WHERE id = 3");
    let copied = copy(&server, &sqlite, &with_products, &[]);
    assert_eq!(copied.code, Some(0), "{copied:?}");
    assert!(copied.stdout.contains("\n  license: 3\n"), "{copied:?}");
    assert_refused(&copy(&server, &sqlite, &with_products, &[]), 1, "license, license_history");
}

#[test]
fn invalid_arguments_are_refused_in_one_line() {
    let (sqlite, postgres) = (Database::sqlite(), Database::empty_postgres());
    let server = Server::start_with(sqlite.url(), &QUIET);
    let (from, to) = (sqlite.url(), postgres.url());
    let folder = from.trim_end_matches("test.db");
    let [missing, strange] = ["missing.db", "strange.db"].map(|name| format!("{folder}{name}"));
    std::fs::write(strange.trim_start_matches("sqlite:"), "").expect("a file is written");
    let cases: [(&[&str], &str); 9] = [
        (&["copy"], "--from"),
        (&["copy", "--from", from, "--to", from], "--to: this must be a Postgres database"),
        (&["copy", "--from", from], "database.url (DATABASE_URL), used without --to: this must be a Postgres database"),
        (&["copy", "--from", to, "--to", to], "--from: this must be a SQLite database"),
        (&["copy", "--from", to, "--to", from], "--from: this must be a SQLite database"),
        (
            &["copy", "--from", "mysql://me:hidden@there/x", "--to", to],
            "--from: `mysql` is not a known kind of database",
        ),
        (&["copy", "--from", from, "--to", "hidden"], "--to: this is not a database URL"),
        (&["copy", "--from", &missing, "--to", to], "--from: there is no file"),
        (&["copy", "--from", &strange, "--to", to], "is no database of license-manager"),
    ];
    for (arguments, told) in cases {
        let ran = server.command(arguments);
        assert_refused(&ran, 2, told);
        assert!(!ran.stderr.contains("hidden"), "{ran:?}");
    }
    assert!(!std::path::Path::new(missing.trim_start_matches("sqlite:")).exists(), "a slip makes no file");
}

#[test]
fn a_failed_copy_leaves_nothing_behind() {
    let (sqlite, postgres) = (Database::sqlite(), Database::empty_postgres());
    let server = Server::start_with(sqlite.url(), &QUIET);
    Customer::new(&server).plan(3);
    let lease = "INSERT INTO operation_lease (operation, key, owner, until) VALUES ('a', 'no uuid', 'no uuid', 0)";
    sqlite.execute(lease);
    let ran = copy(&server, &sqlite, &postgres, &[]);
    assert_refused(&ran, 1, "nothing was copied: operation_lease: ");
    for table in ["product", "license", "license_history", "seat_change"] {
        assert_eq!(count(&postgres, table), 0, "{table}");
    }
    sqlite.execute("DELETE FROM operation_lease");
    let copied = counts(&copy(&server, &sqlite, &postgres, &["--output", "json"]));
    assert_eq!((&copied["license"], &copied["operation_lease"]), (&json!(3), &json!(0)));
}

#[test]
fn changes_during_the_copy_are_not_copied_in_part() {
    let (sqlite, postgres) = (Database::sqlite(), Database::empty_postgres());
    let server = Server::start_with(sqlite.url(), &QUIET);
    let customer = Customer::new(&server);
    let plan = customer.plan(2_000);
    let is_done = AtomicBool::new(false);
    let ran = at_once(2, |which| {
        if which == 0 {
            let ran = copy(&server, &sqlite, &postgres, &[]);
            is_done.store(true, Ordering::SeqCst);
            return Some(ran);
        }
        let emails = (0..).map(|number| customer.email(&format!("learner-{number}")));
        for email in emails.take_while(|_| !is_done.load(Ordering::SeqCst)).take(2_000) {
            plan.assign(&[email]).expect(200);
        }
        None
    });
    assert_eq!(ran[0].as_ref().and_then(|ran| ran.code), Some(0), "{ran:?}");
    let assigned = count(&postgres, "license WHERE status = 'assigned'");
    assert!(assigned <= plan.counts().assigned as usize);
    let told = [
        count(&postgres, "license_history WHERE history_type = '~'"),
        count(&postgres, "outbox WHERE topic = 'assignment'"),
        postgres.texts("SELECT sum(assigned)::text AS text FROM seat_change")[0].parse().expect("a number"),
    ];
    assert_eq!(told, [assigned; 3]);
}
