//! Servers behind PgBouncer in transaction mode, which gives each transaction any of its connections.

use std::collections::BTreeSet;

use license_manager_tests::conformance::assert_conforms;
use license_manager_tests::{
    Cluster, Customer, Database, FakeUpstreams, PATIENCE, Pooler, Ran, Request, Server, at_once, borrowed, poll, text,
    texts,
};

const SETTING: (&str, &str) = ("LM_DATABASE__PREPARED_STATEMENTS", "false");

/// How many clients there are. PgBouncer has two connections for all of them.
const CLIENTS: usize = 8;

#[test]
fn a_server_that_expects_connections_of_its_own_says_which_setting_it_needs() {
    let database = Database::postgres();
    let pooler = Pooler::before(database.url());
    let refusal = Server::start_refused(&pooler.url_of(database.url()), &[], &[]);
    let complaints: Vec<&str> = refusal.stderr.lines().filter(|line| line.starts_with("license-manager: ")).collect();
    assert_eq!(refusal.status.code(), Some(1), "{}", refusal.stderr);
    assert!(
        complaints.len() == 1 && complaints[0].contains("LM_DATABASE__PREPARED_STATEMENTS=false"),
        "{}",
        refusal.stderr
    );
    let migrated = Ran::alone(&pooler.url_of(database.url()), &["migrate"]);
    assert!(migrated.stderr.contains("LM_DATABASE__PREPARED_STATEMENTS=false"), "{migrated:?}");
}

#[test]
fn an_import_and_an_export_want_a_connection_of_their_own() {
    let database = Database::postgres();
    let django = "mysql://me:secret@127.0.0.1:1/django";
    for command in [["import", "--from", django], ["export", "--to", django]] {
        let refusal = Server::start_refused(database.url(), &[SETTING], &command);
        assert_eq!(refusal.status.code(), Some(2), "{}", refusal.stderr);
        assert!(refusal.stderr.contains("set DATABASE_URL to that of Postgres itself"), "{}", refusal.stderr);
    }
}

#[test]
fn servers_behind_a_pooler_migrate_an_empty_database_and_hand_out_each_license_once() {
    let database = Database::empty_postgres();
    let pooler = Pooler::before(database.url());
    let url = pooler.url_of(database.url());
    let upstreams = FakeUpstreams::start();
    let mut settings = upstreams.settings();
    settings.push((SETTING.0.to_owned(), SETTING.1.to_owned()));
    settings.push(("LM_SCHEDULE__ENABLED".to_owned(), "true".to_owned()));
    let settings = borrowed(&settings);
    let first = Server::start_without_waiting(&url, &settings);
    let second = Server::start_with(&url, &settings);
    let customer = Customer::new(&second);
    let plan = customer.plan(40);
    let is_ready =
        || first.anonymous().try_send(Request::new("GET", "/health/ready/")).is_ok_and(|answer| answer.status == 200);
    poll(PATIENCE, || is_ready().then_some(())).expect("it is ready");

    let assigned = at_once(CLIENTS, |client| {
        let server = if client % 2 == 0 { &first } else { &second };
        let admin = server.client(&customer.admin());
        let assign = |number: usize| {
            let email = customer.email(&format!("learner-{client}-{number}"));
            let body = serde_json::json!({ "user_emails": [email] });
            let answer = admin.post(&plan.path("licenses/assign/"), &body).expect(200);
            let license = text(&answer["license_assignments"][0]["license"]);
            assert_eq!(admin.get(&plan.path("licenses/?status=assigned&page_size=5")).status, 200);
            license
        };
        (0..4).map(assign).collect::<Vec<_>>()
    });
    let licenses: BTreeSet<String> = assigned.concat().into_iter().collect();
    assert_eq!(licenses.len(), CLIENTS * 4, "each license has one learner");
    poll(PATIENCE, || (upstreams.mails().len() == CLIENTS * 4).then_some(())).expect("everybody gets a mail");

    for command in [&["check"][..], &["outbox", "list"], &["process-renewals"], &["expire-subscriptions", "--dry-run"]]
    {
        let ran = second.command(command);
        assert!(ran.succeeded, "{command:?}: {ran:?}");
    }
    let logs = first.log() + &second.log();
    let complaints: Vec<_> = logs.lines().filter(|line| line.contains("ERROR") || line.contains("WARN")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    drop((first, second));

    // Whoever gets the connection next finds neither the statements nor the settings of these servers.
    let left = texts(&url, "SELECT name AS text FROM pg_prepared_statements");
    assert!(left.is_empty(), "{left:?}");
    let timeout = texts(&url, "SELECT current_setting('statement_timeout') AS text");
    assert_eq!(timeout, ["0"]);
    database.assert_sound();
}

#[test]
fn a_server_behind_a_pooler_answers_like_any_other() {
    let database = Database::postgres();
    let pooler = Pooler::before(database.url());
    let catalog = FakeUpstreams::start().url();
    let settings = [SETTING, ("LM_CATALOG__URL", catalog.as_str())];
    let server = Server::start_with(&pooler.url_of(database.url()), &settings);
    for case in ["activation", "assign", "license_listing", "plan_provisioning", "renewals", "retirement", "revoke"] {
        assert_conforms(case, &server);
    }
}

#[test]
fn a_server_behind_a_pooler_survives_the_restart_of_postgres() {
    let cluster = Cluster::new();
    let pooler = Pooler::before(&cluster.url());
    let server = Server::start_with(&pooler.url_of(&cluster.url()), &[SETTING]);
    let customer = Customer::new(&server);
    let plan = customer.plan(5);
    cluster.stop();
    let answer = plan.admin.get(&plan.path(""));
    assert_eq!(answer.status, 503, "{:?}", answer.body);
    cluster.start();
    poll(PATIENCE, || plan.admin.get(&plan.path("")).status.eq(&200).then_some(())).expect("it answers again");
    plan.assign(&[customer.email("amy")]).expect(200);
}
