//! Servers, workers and clients on one database, while everything fails that can.
//!
//! Clients assign, remind, activate, revoke, transfer, renew and retire at random. Meanwhile processes are killed, the
//! database goes away, its disk is full or loses power, clocks are set, and the upstream services fail. At the end every answered request
//! has had its effect, every promised message went out to the right person, and `license-manager check` finds nothing.
//!
//! | module | contents |
//! |---|---|
//! | `clients` | what clients do, and what they remember of it |
//! | `records` | what was answered about each person |
//! | `faults` | what fails, and when |
//! | `home` | the database, which can be taken away |
//! | `clock` | clocks of servers and workers, to be set wrong |
//! | `disk` | a disk of its own for SQLite, to be filled or cut off |
//! | `verdict` | what must be true at the end |
//! | `dice` | random numbers from a seed |
//!
//! Not covered: a power cut under Postgres, whose test servers do not wait for the disk; a full disk under Postgres.

mod clients;
mod clock;
mod dice;
mod disk;
mod faults;
mod home;
mod records;
mod verdict;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::{Customer, FakeUpstreams, Plan, Server, borrowed};
use clients::Client;
use clock::SteppedClock;
use dice::Dice;
pub use dice::random_seed;
use faults::Faults;
use home::Home;
use records::{People, Slot};

/// The percentage of writes to upstream services that fail.
const FAILING: u32 = 15;

/// The people of each client.
const PEOPLE: usize = 24;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SQLite.
    Sqlite,
    /// Postgres, on a server of its own.
    Postgres,
}

/// How much happens.
#[derive(Debug, Clone)]
pub struct Chaos {
    /// Decides what clients do and what fails. What the scheduler of the machine decides is not repeated.
    pub seed: u64,
    /// The number of answered requests after which it ends.
    pub requests: usize,
    /// How long that takes at least: clients send requests at an even pace.
    pub duration: Duration,
    /// The number of clients.
    pub clients: usize,
    /// The number of failures besides those of upstream services.
    pub faults: usize,
    /// An older binary that takes turns with today's at every restart of the second server.
    pub previous: Option<PathBuf>,
    /// More settings of servers and workers, as environment variables.
    pub settings: Vec<(String, String)>,
}

/// What happened.
#[derive(Debug, Default)]
pub struct Report {
    /// Answered requests.
    pub answered: usize,
    /// Requests that were answered with 503 or 408, and sent again.
    pub refused: usize,
    /// Requests without an answer, sent again.
    pub unanswered: usize,
    /// How often each fault happened, by name.
    pub faults: Vec<(&'static str, usize)>,
    /// Mails that upstream services accepted, repeated ones included.
    pub mails: usize,
    /// Events that upstream services accepted, repeated ones included.
    pub events: usize,
    /// Live licenses at the end.
    pub live: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered, refused, unanswered, faults, mails, events, live } = self;
        write!(
            f,
            "{answered} requests answered, {refused} refused for now and {unanswered} without an answer sent again; "
        )?;
        for (name, number) in faults {
            write!(f, "{number} x {name}, ")?;
        }
        write!(f, "{mails} mails and {events} events accepted, {live} live licenses")
    }
}

/// What clients and faults share.
struct Shared<'a> {
    bases: Vec<String>,
    answered: AtomicUsize,
    refused: AtomicUsize,
    unanswered: AtomicUsize,
    requests: usize,
    /// The least time between two requests of any clients.
    pace: Duration,
    start: Instant,
    has_failed: AtomicBool,
    people: Vec<People<'a>>,
}

impl Shared<'_> {
    fn goes_on(&self) -> bool {
        self.answered() < self.requests && !self.has_failed.load(Ordering::SeqCst)
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// Waits while more requests are answered than the pace allows.
    fn keep_pace(&self) {
        let due = || self.pace.mul_f64(self.answered() as f64);
        while self.goes_on()
            && let ahead = due().saturating_sub(self.start.elapsed())
            && !ahead.is_zero()
        {
            std::thread::sleep(ahead.min(PAUSE));
        }
    }
}

/// The plans of a client.
struct Plans {
    /// Shared by all clients.
    shared: Plan,
    /// Renewed at some time.
    old: Plan,
    /// Where licenses of the old plan are transferred to.
    new: Plan,
}

impl Plans {
    fn of(&self, slot: Slot) -> &Plan {
        match slot {
            Slot::Shared => &self.shared,
            Slot::Old => &self.old,
            Slot::New => &self.new,
        }
    }
}

impl Chaos {
    /// Lets it happen. Prints the seed first.
    ///
    /// Panics if a server answers what it must not, or if something is wrong at the end.
    pub fn run(&self, kind: Kind) -> Report {
        eprintln!("chaos on {kind:?} with the seed {}", self.seed);
        let home = Home::new(kind);
        let upstreams = FakeUpstreams::start();
        let mut settings = settings(&upstreams);
        settings.extend_from_slice(&self.settings);
        let clocks = [SteppedClock::new(), SteppedClock::new()];
        let servers = [&clocks[0], &clocks[1]].map(|clock| {
            let settings: Vec<(String, String)> = settings.iter().cloned().chain(clock.settings()).collect();
            Server::start_with(&home.url(), &borrowed(&settings))
        });
        let customer = Customer::new(&servers[0]);
        let plans = self.plans(&servers[0], &customer);
        upstreams.fail(FAILING);

        let shared = Shared {
            bases: servers.iter().map(Server::base).collect(),
            answered: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            requests: self.requests,
            pace: self.duration.div_f64(self.requests.max(1) as f64),
            start: Instant::now(),
            has_failed: AtomicBool::new(false),
            people: (0..self.clients).map(|client| People::new(&customer, client, PEOPLE)).collect(),
        };
        let mut dice = Dice::new(self.seed);
        let mut faults = Faults::new(self, &home, &clocks, servers, &shared, &plans, Dice::new(dice.next()));
        std::thread::scope(|scope| {
            for (number, plans) in plans.iter().enumerate() {
                let client = Client::new(&shared, &customer, plans, number, Dice::new(dice.next()));
                scope.spawn(move || client.run());
            }
            let _guard = FailureOfOthers(&shared);
            faults.run();
        });
        upstreams.fail(0);
        clocks.iter().for_each(SteppedClock::put_right);
        let counts = faults.counts();
        let servers = faults.into_servers();
        let live = verdict::judge(&home, &servers[0], &upstreams, &shared, &plans);
        for server in &servers {
            assert!(!server.log().contains("panicked"), "a server panicked:\n{}", server.log());
        }
        Report {
            answered: shared.answered(),
            refused: shared.refused.load(Ordering::SeqCst),
            unanswered: shared.unanswered.load(Ordering::SeqCst),
            faults: counts,
            mails: upstreams.mailed().len(),
            events: upstreams.events().len(),
            live,
        }
    }

    fn plans(&self, server: &Server, customer: &Customer) -> Vec<Plans> {
        let size = |people: usize| u32::try_from(people).expect("there are fewer people");
        let shared = customer.plan(size(PEOPLE * self.clients + 20));
        let again = || Plan { uuid: shared.uuid.clone(), admin: server.client(&customer.admin()) };
        (0..self.clients)
            .map(|_| Plans { shared: again(), old: customer.plan(size(PEOPLE)), new: customer.plan(size(PEOPLE)) })
            .collect()
    }
}

/// Ends everything if it is dropped by a panic.
struct FailureOfOthers<'a>(&'a Shared<'a>);

impl Drop for FailureOfOthers<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.has_failed.store(true, Ordering::SeqCst);
        }
    }
}

/// Short pauses, so that what failed is soon tried again.
fn settings(upstreams: &FakeUpstreams) -> Vec<(String, String)> {
    let mut settings = upstreams.settings();
    for (name, value) in [
        ("LM_WORKER__RETRY_BASE_SECONDS", "1"),
        ("LM_WORKER__LEASE_SECONDS", "2"),
        ("LM_DATABASE__CONNECT_TIMEOUT_SECONDS", "1"),
        ("LM_DATABASE__STATEMENT_TIMEOUT_SECONDS", "20"),
    ] {
        settings.push((name.to_owned(), value.to_owned()));
    }
    settings
}

/// How long clients pause before they send a request again.
const PAUSE: Duration = Duration::from_millis(50);
