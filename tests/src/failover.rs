//! A Postgres server that is killed under load while its synchronous standby takes over.
//!
//! Clients assign licenses on two servers, a worker delivers mails and events. Then the primary is killed, and a standby is
//! promoted: at once by the test, or by Patroni. At the end every answered assignment is there, once, and its mail and its
//! webhook have arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    Client, Cluster, Customer, FakeUpstreams, PATIENCE, PROVISIONING, Plan, Request, Server, WebhookEndpoint,
    assert_sound, borrowed, poll, texts,
};

/// How long clients pause before they send a request again.
const PAUSE: Duration = Duration::from_millis(20);

/// Postgres servers with a primary that can be killed, and whatever promotes a standby then.
pub trait Replicated {
    /// The `DATABASE_URL` that leads to whichever server takes writes.
    fn url(&self) -> String;

    /// Kills the primary, and returns when another server takes writes: how long that took.
    fn fail_over(&mut self) -> Duration;

    /// Starts the killed server again, and returns when it follows the new primary. `None` if these servers never do.
    fn rejoin(&mut self) -> Option<Rejoined>;
}

/// How a killed server became a standby.
#[derive(Debug)]
pub struct Rejoined {
    /// How long it took.
    pub took: Duration,
    /// Whether `pg_rewind` took back what only this server had written.
    pub rewound: bool,
}

/// The URL that leads to whichever of the servers at these addresses takes writes.
pub(crate) fn url_of(addresses: &[&str]) -> String {
    format!("postgres://postgres@{}/postgres?target_session_attrs=read-write", addresses.join(","))
}

/// A primary and its synchronous standby, which the test promotes at once.
pub struct Pair {
    primary: Cluster,
    standby: Cluster,
}

impl Pair {
    /// Starts both.
    pub fn start() -> Self {
        let primary = Cluster::new();
        let standby = primary.standby();
        primary.wait_for_standbys();
        Self { primary, standby }
    }
}

impl Replicated for Pair {
    fn url(&self) -> String {
        url_of(&[&self.primary.address(), &self.standby.address()])
    }

    fn fail_over(&mut self) -> Duration {
        self.primary.crash();
        let stopped = Instant::now();
        self.standby.promote();
        stopped.elapsed()
    }

    fn rejoin(&mut self) -> Option<Rejoined> {
        None
    }
}

/// How much happens.
#[derive(Debug, Clone)]
pub struct Failover {
    /// The number of clients.
    pub clients: usize,
    /// The number of answered assignments before the primary is killed, and again after a standby took over.
    pub assignments: usize,
    /// More settings of servers and the worker, as environment variables.
    pub settings: Vec<(String, String)>,
}

/// What happened.
#[derive(Debug)]
pub struct Report {
    /// Assignments that were answered before the primary was killed.
    pub before: usize,
    /// Assignments that were answered afterwards.
    pub after: usize,
    /// Requests that were answered 503, or not at all, and sent again.
    pub failed: usize,
    /// How long it took until another server took writes.
    pub promoted: Duration,
    /// The longest time for which no request was answered.
    pub silent: Duration,
    /// Events that the webhook's endpoint took, repeated ones included.
    pub events: usize,
    /// Mails that were accepted, repeated ones included.
    pub mails: usize,
    /// How the killed server came back, if it did.
    pub rejoined: Option<Rejoined>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, after, failed, promoted, silent, events, mails, rejoined } = self;
        write!(
            f,
            "no request was answered for {:.2} s, and another server took writes after {:.2} s; {before} assignments were \
             answered before the primary was killed and {after} afterwards, {failed} requests were sent again; {events} \
             events and {mails} mails arrived",
            silent.as_secs_f64(),
            promoted.as_secs_f64()
        )?;
        if let Some(Rejoined { took, rewound }) = rejoined {
            let how = if *rewound { "by pg_rewind" } else { "without pg_rewind" };
            write!(f, "; the killed server was a standby after {:.2} s, {how}", took.as_secs_f64())?;
        }
        Ok(())
    }
}

/// What clients share.
struct Shared {
    plan: Plan,
    bases: Vec<String>,
    /// The license of each address, as it was answered; `None` if the address had one when the request was repeated.
    answered: Mutex<BTreeMap<String, Option<String>>>,
    /// When requests were answered.
    times: Mutex<Vec<Instant>>,
    failed: AtomicUsize,
    is_over: AtomicBool,
}

impl Shared {
    fn answers(&self) -> usize {
        self.answered.lock().expect("nobody failed").len()
    }

    /// Waits for more answered assignments.
    fn until_answered(&self, more: usize) {
        let wanted = self.answers() + more;
        poll(PATIENCE, || (self.answers() >= wanted || self.is_over.load(Ordering::SeqCst)).then_some(()))
            .expect("assignments are answered");
    }

    /// Assigns one license after the other, each as often as it takes.
    fn assign(&self, customer: &Customer, client: usize) {
        let _guard = EndsWith(&self.is_over);
        for number in 0.. {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let email = customer.email(&format!("learner-{client}-{number}"));
            let request = Request::new("POST", self.plan.path("licenses/assign/"));
            let request = request.json(&json!({ "user_emails": [email] }));
            let license = self.send(customer, client + number, &request);
            self.answered.lock().expect("nobody failed").insert(email, license);
        }
    }

    /// Sends the request to one server after the other until it is done. Returns the license, if it was this time.
    fn send(&self, customer: &Customer, first: usize, request: &Request) -> Option<String> {
        let start = Instant::now();
        for tries in first.. {
            let base = &self.bases[tries % self.bases.len()];
            match Client::of(base, &customer.admin()).try_send(request.clone()) {
                Ok(answer) if answer.status != 503 => {
                    let body = answer.expect(200);
                    self.times.lock().expect("nobody failed").push(Instant::now());
                    let counted = ["num_successful_assignments", "num_already_associated"].map(|name| &body[name]);
                    assert!(counted == [1, 0] || (counted == [0, 1] && tries > first), "{body}");
                    return body["license_assignments"][0]["license"].as_str().map(str::to_owned);
                }
                _ => {
                    self.failed.fetch_add(1, Ordering::SeqCst);
                }
            }
            assert!(start.elapsed() < PATIENCE, "no server answers {request:?}");
            std::thread::sleep(PAUSE);
        }
        unreachable!("there is always another try")
    }
}

/// Ends everything when it is dropped by a panic.
struct EndsWith<'a>(&'a AtomicBool);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

impl Failover {
    /// Lets it happen. Panics if something that was answered is missing at the end.
    pub fn run(&self, postgres: &mut impl Replicated) -> Report {
        let (upstreams, endpoint) = (FakeUpstreams::start(), WebhookEndpoint::start());
        let settings = self.settings(&upstreams);
        let settings = borrowed(&settings);
        let url = postgres.url();
        let servers = [Server::start_with(&url, &settings), Server::start_with(&url, &settings)];
        let worker = servers[0].run_beside(&["worker"]);
        let customer = Customer::new(&servers[0]);
        let webhook = json!({ "url": endpoint.url() });
        customer.operator().post(&format!("{PROVISIONING}/webhooks/"), &webhook).expect(201);
        let size = u32::try_from(4 * self.assignments + 2_000).expect("a small number");
        let shared = Shared {
            plan: customer.plan(size),
            bases: servers.iter().map(Server::base).collect(),
            answered: Mutex::default(),
            times: Mutex::default(),
            failed: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        };
        let (before, promoted) = std::thread::scope(|scope| {
            for client in 0..self.clients {
                let (shared, customer) = (&shared, &customer);
                // Each client has addresses of its own.
                scope.spawn(move || shared.assign(customer, client));
            }
            let _guard = EndsWith(&shared.is_over);
            shared.until_answered(self.assignments);
            let before = shared.answers();
            let promoted = postgres.fail_over();
            shared.until_answered(self.assignments);
            shared.is_over.store(true, Ordering::SeqCst);
            (before, promoted)
        });
        let rejoined = postgres.rejoin();
        let answered = shared.answered.into_inner().expect("nobody failed");
        assignments_are_there(&url, &shared.plan, &answered);
        messages_arrived(&url, &upstreams, &endpoint, &answered);
        assert_sound(&url);
        for log in servers.iter().map(Server::log).chain([worker.log()]) {
            assert!(!log.contains("panicked"), "a process panicked:\n{log}");
        }
        let mut times = shared.times.into_inner().expect("nobody failed");
        times.sort_unstable();
        let silent = times.windows(2).map(|times| times[1] - times[0]).max();
        Report {
            before,
            after: answered.len() - before,
            failed: shared.failed.load(Ordering::SeqCst),
            promoted,
            silent: silent.expect("requests were answered"),
            events: endpoint.taken().len(),
            mails: upstreams.mails().len(),
            rejoined,
        }
    }

    /// Short pauses, so that what failed is soon tried again.
    fn settings(&self, upstreams: &FakeUpstreams) -> Vec<(String, String)> {
        let mut settings = upstreams.settings();
        for (name, value) in [
            ("LM_WORKER__ENABLED", "false"),
            ("LM_WORKER__RETRY_BASE_SECONDS", "1"),
            ("LM_WORKER__LEASE_SECONDS", "2"),
            ("LM_DATABASE__CONNECT_TIMEOUT_SECONDS", "1"),
            ("LM_WEBHOOKS__ALLOW_PRIVATE_ADDRESSES", "true"),
        ] {
            settings.push((name.to_owned(), value.to_owned()));
        }
        settings.extend_from_slice(&self.settings);
        settings
    }
}

/// Each answered assignment is there, and each address has one license.
fn assignments_are_there(url: &str, plan: &Plan, answered: &BTreeMap<String, Option<String>>) {
    let query = format!(
        "SELECT user_email || ' ' || uuid AS text FROM license
         WHERE subscription_plan_uuid = '{}' AND status = 'assigned'",
        plan.uuid
    );
    let held = texts(url, &query);
    let found: BTreeMap<String, String> = held
        .iter()
        .map(|license| license.split_once(' ').expect("two words"))
        .map(|(email, license)| (email.to_owned(), license.to_owned()))
        .collect();
    assert_eq!(found.len(), held.len(), "nobody has two licenses");
    let is_there = |email: &str, license: Option<&String>| {
        found.get(email).is_some_and(|found| license.is_none_or(|license| license == found))
    };
    let lost: Vec<_> = answered.iter().filter(|&(email, license)| !is_there(email, license.as_ref())).collect();
    assert!(lost.is_empty(), "{} answered assignments are lost: {lost:?}", lost.len());
}

/// The mail and the event of each answered assignment arrived.
fn messages_arrived(
    url: &str,
    upstreams: &FakeUpstreams,
    endpoint: &WebhookEndpoint,
    answered: &BTreeMap<String, Option<String>>,
) {
    let waiting = "SELECT CAST((SELECT count(*) FROM outbox)
                        + (SELECT count(*) FROM webhook_delivery WHERE state <> 'delivered') AS text) AS text";
    let waiting = || texts(url, waiting).concat();
    poll(PATIENCE, || (waiting() == "0").then_some(()))
        .unwrap_or_else(|| panic!("{} messages and events still wait", waiting()));
    let told = endpoint.taken();
    let told: BTreeSet<&str> = told
        .iter()
        .filter(|told| told.event() == "assigned")
        .filter_map(|told| told.body["data"]["assigned_email"].as_str())
        .collect();
    let mails = upstreams.mails();
    let mailed: BTreeSet<&str> = mails.iter().map(|mail| mail.address.as_str()).collect();
    let missing = |arrived: &BTreeSet<&str>| -> Vec<String> {
        answered.keys().filter(|email| !arrived.contains(email.as_str())).cloned().collect()
    };
    assert!(missing(&told).is_empty(), "events that did not arrive: {:?}", missing(&told));
    assert!(missing(&mailed).is_empty(), "mails that did not arrive: {:?}", missing(&mailed));
}
