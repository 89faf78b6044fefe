//! Lists that a standby answers, and what the primary answers instead.

use license_manager_tests::{
    Client, Cluster, Customer, FakeIdentityProvider, PATIENCE, Person, Plan, Ran, Server, Visit, poll, text,
};
use serde_json::json;

/// Longer than a test takes: a standby that stands still is close behind all the time.
const FOR_EVER: &str = "3600";

/// A server with a replica, its databases, and a plan.
struct Scene {
    primary: Cluster,
    standby: Cluster,
    server: Server,
    customer: Customer,
    plan: Plan,
}

impl Scene {
    /// One whose replica may be so many seconds behind, and is in use.
    fn new(max_lag: &str, settings: &[(&str, &str)]) -> Self {
        let primary = Cluster::new();
        let standby = primary.standby();
        let server = server(&primary, &standby, max_lag, settings);
        let customer = Customer::new(&server);
        let plan = customer.plan(5);
        let scene = Self { primary, standby, server, customer, plan };
        scene.until_used(true);
        // The standby has the plan.
        let titles = format!("SELECT title AS text FROM subscription_plan WHERE uuid = '{}'", scene.plan.uuid);
        poll(PATIENCE, || (scene.standby.texts(&titles).len() == 1).then_some(())).expect("the standby follows");
        scene
    }

    fn until_used(&self, is_used: bool) {
        let used = format!("license_manager_replica_used {}", u8::from(is_used));
        let shown = || metrics(&self.server).lines().any(|line| line == used).then_some(());
        poll(PATIENCE, shown).unwrap_or_else(|| panic!("never {used}"));
    }

    /// Somebody who may read as the admin may, and has written nothing.
    fn reader(&self, server: &Server) -> Client {
        server.client(&self.reading_person())
    }

    fn reading_person(&self) -> Person {
        self.customer.person(2, "reader").role(format!("enterprise_admin:{}", self.customer.enterprise))
    }

    fn assign(&self, name: &str) {
        self.plan.assign(&[self.customer.email(name)]).expect(200);
    }

    /// How many assigned licenses a list shows.
    fn assigned(&self, client: &Client) -> u64 {
        let page = client.get(&self.plan.path("licenses/?status=assigned")).expect(200);
        page["count"].as_u64().expect("a number")
    }
}

fn server(primary: &Cluster, standby: &Cluster, max_lag: &str, settings: &[(&str, &str)]) -> Server {
    let url = standby.url();
    let own = [("LM_DATABASE__REPLICA_URL", url.as_str()), ("LM_DATABASE__REPLICA_MAX_LAG_SECONDS", max_lag)];
    let settings: Vec<(&str, &str)> = own.into_iter().chain(settings.iter().copied()).collect();
    Server::start_with(&primary.url(), &settings)
}

fn metrics(server: &Server) -> String {
    text(&server.anonymous().get("/metrics").expect(200))
}

/// How many reads the replica or the primary answered.
fn reads(server: &Server, target: &str) -> u64 {
    let series = format!("license_manager_list_reads_total{{target=\"{target}\"}} ");
    let metrics = metrics(server);
    let number = metrics.lines().find_map(|line| line.strip_prefix(&series));
    number.unwrap_or_else(|| panic!("no {series} in\n{metrics}")).parse().expect("a number")
}

/// Waits until so many reads are counted: metrics may be a second old.
fn until_read(server: &Server, target: &str, number: u64) {
    poll(PATIENCE, || (reads(server, target) >= number).then_some(()))
        .unwrap_or_else(|| panic!("{target} did not read"));
}

#[test]
fn lists_come_from_the_replica_but_not_for_those_who_wrote() {
    let scene = Scene::new(FOR_EVER, &[]);
    let second = server(&scene.primary, &scene.standby, FOR_EVER, &[]);
    scene.standby.pause();
    scene.assign("amy");

    let reader = scene.reader(&scene.server);
    assert_eq!(scene.assigned(&reader), 0, "the standby does not show it");
    until_read(&scene.server, "replica", 1);
    for server in [&scene.server, &second] {
        let admin = server.client(&scene.customer.admin());
        assert_eq!(scene.assigned(&admin), 1, "who wrote sees it, on every server");
    }

    // Counts and downloads are lists too; single records and what learners see are not.
    let overview = reader.get(&scene.plan.path("licenses/overview/")).expect(200);
    assert_eq!(overview, json!([{ "status": "unassigned", "count": 5 }]));
    let file = text(&reader.get(&scene.plan.path("licenses/csv/")).expect(200));
    assert!(!file.contains("amy"), "{file}");
    let plan = reader.get(&scene.plan.path("")).expect(200);
    assert_eq!(plan["licenses"]["assigned"], 1, "{plan}");
    let amy = scene.server.client(&scene.customer.learner(7, "amy"));
    let path = format!("/api/v1/learner-licenses/?enterprise_customer_uuid={}", scene.customer.enterprise);
    assert_eq!(amy.get(&path).expect(200)["count"], 1, "a learner reads the primary");

    // What the standby lacks altogether is looked up in the primary.
    let new = scene.customer.plan(1);
    let report = reader.get(&new.path("utilization/")).expect(200);
    assert_eq!(report["subscription_plan"]["uuid"], new.uuid.as_str());

    scene.standby.resume();
    poll(PATIENCE, || (scene.assigned(&reader) == 1).then_some(())).expect("the standby goes on");
    assert_eq!(scene.server.command(&["check"]).code, Some(0));
}

#[test]
fn lists_of_the_console_come_from_the_replica_too() {
    let provider = FakeIdentityProvider::start();
    let url = provider.url();
    let scene = Scene::new(FOR_EVER, &Visit::settings(&url));
    provider.set_person(Some(scene.reading_person()));
    let mut visit = Visit::new(&scene.server);
    visit.sign_in();
    let page = format!("/console/plans/{}/", scene.plan.uuid);
    scene.standby.pause();
    scene.assign("amy");
    let amy = scene.customer.email("amy");
    assert!(!visit.page(&page).contains(&amy), "the standby does not show her");

    // A write of the console counts like any other.
    let bob = scene.customer.email("bob");
    let form = format!("form_token={}&addresses={bob}&confirmed=yes", visit.form_token());
    let answer = visit.post(&format!("{page}assign/"), &form);
    assert_eq!(answer.status, 303, "{}", answer.body);
    let shown = visit.page(&page);
    assert!(shown.contains(&amy), "who wrote reads the primary: {shown}");
}

#[test]
fn a_replica_that_is_behind_or_gone_answers_nothing() {
    let scene = Scene::new("2", &[]);
    let reader = scene.reader(&scene.server);
    scene.standby.pause();
    scene.assign("amy");
    scene.until_used(false);
    poll(PATIENCE, || scene.server.log().contains("more than 2 seconds behind").then_some(()))
        .expect("the log says why");
    assert_eq!(scene.assigned(&reader), 1, "the primary answers for a standby that is behind");
    until_read(&scene.server, "primary", 1);
    scene.standby.resume();
    scene.until_used(true);

    scene.standby.stop();
    scene.assign("bob");
    assert_eq!(scene.assigned(&reader), 2, "the primary answers for a standby that is down");
    scene.until_used(false);
    scene.standby.start();
    scene.until_used(true);

    scene.standby.promote();
    scene.until_used(false);
    scene.assign("cy");
    assert_eq!(scene.assigned(&reader), 3, "a standby that was promoted goes its own way");
    assert!(scene.server.log().contains("it was promoted"), "the log says why");
}

#[test]
fn an_idle_primary_leaves_its_replica_close_behind() {
    let scene = Scene::new("2", &[]);
    let reader = scene.reader(&scene.server);
    // The user is stored after the first request.
    scene.assigned(&reader);
    let before = reads(&scene.server, "replica");
    poll(PATIENCE, || {
        scene.assigned(&reader);
        (reads(&scene.server, "replica") >= before + 40).then_some(())
    })
    .expect("the replica answers while nobody writes");
    let lag = metrics(&scene.server);
    let lag = lag.lines().find_map(|line| line.strip_prefix("license_manager_replica_lag_seconds "));
    assert!(lag.is_some_and(|lag| lag.parse::<f64>().is_ok()), "{lag:?}");
}

#[test]
fn doctor_looks_at_the_replica() {
    let (primary, other) = (Cluster::new(), Cluster::new());
    let (standby, of_other) = (primary.standby(), other.standby());
    assert!(Ran::alone(&primary.url(), &["migrate"]).succeeded);
    let found = |url: &str, state: &str, words: &str| {
        let settings = [("LM_DATABASE__REPLICA_URL", url), ("LM_DATABASE__REPLICA_MAX_LAG_SECONDS", "2")];
        let ran = Ran::alone_with(&primary.url(), &["doctor"], &settings);
        let line = ran.stdout.lines().find(|line| line.contains(" replica: ")).unwrap_or_else(|| panic!("{ran:?}"));
        assert!(line.contains(state) && line.contains(words), "{line}");
    };
    found(&standby.url(), "ok", "it follows");
    found(&primary.url(), "failed", "is no standby");
    found(&of_other.url(), "failed", "of another cluster");
    standby.pause();
    primary.execute("CREATE TABLE something_to_replay ()");
    found(&standby.url(), "warning", "it is behind");
    standby.resume();
    standby.stop();
    found(&standby.url(), "failed", "does not answer");
}

#[test]
fn a_database_that_only_reads_is_named() {
    let primary = Cluster::new();
    let standby = primary.standby();
    assert!(Ran::alone(&primary.url(), &["migrate"]).succeeded);
    let told = |url: &str| Ran::alone(url, &["doctor"]).stdout;
    let found = told(&standby.url());
    assert!(found.contains("  failed   database: Postgres ") && found.contains("target_session_attrs"), "{found}");
    primary.execute("CREATE ROLE reader LOGIN");
    let reader = format!("postgres://reader@{}/postgres", primary.address());
    let found = told(&reader);
    assert!(found.contains("  failed   database: this role may not create or change tables"), "{found}");
    for command in ["serve", "migrate"] {
        let refusal = Server::start_refused(&reader, &[], &[command]);
        let told = refusal.stderr.lines().find(|line| line.starts_with("license-manager: ")).unwrap_or_default();
        assert!(told.contains("permission denied for schema public: the role"), "{}", refusal.stderr);
        assert!(!refusal.stderr.contains("internal error"), "{}", refusal.stderr);
    }
    let several = format!("postgres://postgres@{},{}/postgres", primary.address(), standby.address());
    assert!(told(&several).contains("  warning  database: connections may go to a standby"), "{}", told(&several));
    let found = told(&format!("{several}?target_session_attrs=read-write"));
    assert!(found.contains("  ok       database: ") && !found.contains("standby"), "{found}");
    // The log of what writes says it too.
    let ran = Ran::alone(&standby.url(), &["superuser", "amy"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("this Postgres only reads"), "{ran:?}");
}

#[test]
fn sqlite_refuses_a_replica() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let refusal = Server::start_refused(&url, &[("LM_DATABASE__REPLICA_URL", "postgres://localhost/other")], &[]);
    let told = "LM_DATABASE__REPLICA_URL: the database is SQLite, which has no replicas";
    assert!(refusal.stderr.contains(told), "{}", refusal.stderr);
}
