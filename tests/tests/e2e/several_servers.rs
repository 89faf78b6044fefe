//! Two servers behind the proxy of `deploy/compose`, which are upgraded, slow and killed while everybody works.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use license_manager_tests::{Client, Customer, Database, PATIENCE, Plan, Proxy, Request, Server, binary, poll};
use serde_json::json;

/// How many clients send requests all the time.
const CLIENTS: usize = 6;

/// How long the proxy may take to notice that a server is not ready, twice as long as it says.
const DELAY: (&str, &str) = ("LM_SERVER__SHUTDOWN_DELAY_SECONDS", "4");

/// What the servers run before they are upgraded: the program that `make upgrade-test` names, which is that of an earlier
/// commit, and otherwise today's.
fn previous() -> PathBuf {
    std::env::var_os("PREVIOUS_PROGRAM").map_or_else(binary, PathBuf::from)
}

/// What clients share.
struct Load<'a> {
    base: &'a str,
    customer: &'a Customer,
    plan: &'a Plan,
    /// Who was answered to have a license.
    answered: Mutex<BTreeSet<String>>,
    /// Requests that were not done at the first try.
    failed: AtomicUsize,
    is_over: AtomicBool,
}

impl Load<'_> {
    /// Assigns one license after the other and looks at the plan after each. What fails is sent again.
    fn send(&self, client: usize) {
        let _guard = EndsWith(&self.is_over);
        let admin = Client::of(self.base, &self.customer.admin());
        for number in 0.. {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let email = self.customer.email(&format!("learner-{client}-{number}"));
            let body = json!({ "user_emails": [email] });
            self.until_done(&admin, &Request::new("POST", self.plan.path("licenses/assign/")).json(&body));
            self.answered.lock().expect("nobody failed").insert(email);
            self.until_done(&admin, &Request::new("GET", self.plan.path("")));
        }
    }

    fn until_done(&self, admin: &Client, request: &Request) {
        let done = poll(PATIENCE, || match admin.try_send(request.clone()) {
            Ok(answer) if answer.status == 200 => Some(()),
            Ok(answer) => {
                assert!([502, 503, 504].contains(&answer.status), "{}: {}", answer.request, answer.body);
                self.failed.fetch_add(1, Ordering::SeqCst);
                None
            }
            Err(_) => {
                self.failed.fetch_add(1, Ordering::SeqCst);
                None
            }
        });
        done.unwrap_or_else(|| panic!("{request:?} is never done"));
    }

    /// How many requests fail while this happens, and until many more were answered.
    fn failed_during(&self, event: impl FnOnce()) -> usize {
        let failed = self.failed.load(Ordering::SeqCst);
        event();
        let answered = || self.answered.lock().expect("nobody failed").len();
        let wanted = answered() + 20 * CLIENTS;
        poll(PATIENCE, || (answered() >= wanted || self.is_over.load(Ordering::SeqCst)).then_some(()))
            .expect("requests are answered");
        self.failed.load(Ordering::SeqCst) - failed
    }
}

/// Ends the load when it is dropped by a panic.
struct EndsWith<'a>(&'a AtomicBool);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

/// Stops a server as systemd does, and starts it again with today's program.
fn upgrade(server: &mut Server) {
    assert!(server.stop_with_sigterm().success());
    server.set_program(binary());
    server.restart();
}

#[test]
fn only_requests_under_way_at_a_killed_server_fail() {
    // Not migrated yet: the previous program brings its own schema, and today's migrates that under load.
    let database = Database::empty_postgres();
    let start = || Server::start_program(previous(), database.url(), &[DELAY]);
    let (mut first, mut second) = (start(), start());
    let proxy = Proxy::before(&[&first, &second]);
    let customer = Customer::new(&first);
    let plan = customer.plan(30_000);
    let is_up = || Client::anonymous(proxy.base()).try_send(Request::new("GET", "/health/ready/"));
    poll(PATIENCE, || is_up().is_ok_and(|answer| answer.status == 200).then_some(()))
        .expect("the proxy finds a server");
    let load = Load {
        base: proxy.base(),
        customer: &customer,
        plan: &plan,
        answered: Mutex::default(),
        failed: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let load = &load;
            scope.spawn(move || load.send(client));
        }
        let _guard = EndsWith(&load.is_over);
        assert_eq!(load.failed_during(|| {}), 0, "nothing happens");
        assert_eq!(load.failed_during(|| upgrade(&mut first)), 0, "one server is upgraded, beside the other");
        let slow = || {
            first.stand_still();
            std::thread::sleep(Duration::from_secs(1));
            first.go_on();
        };
        assert_eq!(load.failed_during(slow), 0, "a server is slow");
        let failed = load.failed_during(|| second.kill());
        // Each client has one request under way.
        assert!(failed <= CLIENTS, "{failed} requests failed when a server was killed");
        second.set_program(binary());
        assert_eq!(load.failed_during(|| second.restart()), 0, "the killed server is started again, upgraded");
        assert_eq!(load.failed_during(|| upgrade(&mut first)), 0, "the other server is stopped and started again");
        load.is_over.store(true, Ordering::SeqCst);
    });
    let query = format!(
        "SELECT user_email AS text FROM license WHERE subscription_plan_uuid = '{}' AND status = 'assigned'",
        plan.uuid
    );
    let held = database.texts(&query);
    let found: BTreeSet<String> = held.iter().cloned().collect();
    assert_eq!(found.len(), held.len(), "nobody has two licenses");
    let answered = load.answered.into_inner().expect("nobody failed");
    let lost: Vec<_> = answered.difference(&found).collect();
    assert!(lost.is_empty(), "answered assignments are lost: {lost:?}");
    database.assert_sound();
}

#[test]
fn a_second_signal_ends_the_delay() {
    let database = Database::sqlite();
    let mut server = Server::start_with(database.url(), &[("LM_SERVER__SHUTDOWN_DELAY_SECONDS", "300")]);
    server.terminate();
    let is_ready = || server.anonymous().get("/health/ready/").status;
    poll(PATIENCE, || (is_ready() == 503).then_some(())).expect("it says that it is not ready");
    assert_eq!(server.anonymous().get("/health/live/").status, 200, "it goes on");
    server.terminate();
    assert!(server.wait_for_exit().success());
    let log = server.log();
    assert!(!log.contains("ERROR") && !log.contains("/health/ready/"), "a planned stop is no fault: {log}");
}
