//! How long others wait while something happens, and how much memory the server takes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use license_manager_tests::{Customer, Person, Plan, Server};

use crate::http::{Connection, request};
use crate::memory::{self, Memory};

/// The pause of a reader between two requests.
const PAUSE: Duration = Duration::from_millis(5);

/// What others read, and the server they read it from.
pub struct Target {
    address: String,
    process: u32,
    live: Vec<u8>,
    read: Vec<u8>,
}

/// How long requests took.
pub struct Waits(Vec<Duration>);

impl Waits {
    /// The longest time.
    pub fn longest(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    /// The time in which 99 of 100 were answered.
    pub fn usual(&self) -> Duration {
        self.0.get(self.0.len() * 99 / 100).copied().unwrap_or_default()
    }
}

/// What something cost. Memory is in KiB.
pub struct Costs {
    /// The answers that those who caused it got.
    pub answers: usize,
    /// How long `/health/live/` took.
    pub live: Waits,
    /// How long a page of licenses took.
    pub read: Waits,
    /// Resident memory before.
    pub rest: u64,
    /// Its peak.
    pub peak: u64,
}

impl Target {
    /// A server, and a plan that is read.
    pub fn new(server: &Server, customer: &Customer, plan: &Plan) -> Self {
        // Its token must outlive all measurements.
        let reader: Person = customer.admin().expiring_in(24 * 3_600);
        let path = plan.path("licenses/?page_size=20&status=assigned");
        Self {
            address: server.address(),
            process: server.id(),
            live: request("GET", "/health/live/", &reader, None),
            read: request("GET", &path, &reader, None),
        }
    }

    /// The server's memory.
    pub fn memory(&self) -> Memory {
        memory::read(self.process)
    }

    /// Does something, and watches for at least so long.
    pub fn watch(&self, least: Duration, work: impl FnOnce() -> usize) -> Costs {
        self.settle();
        let rest = self.memory().resident;
        memory::reset_peak(self.process);
        let (start, done) = (Instant::now(), AtomicBool::new(false));
        let (answers, live, read) = scope(|scope| {
            let live = scope.spawn(|| self.waits(&self.live, &done));
            let read = scope.spawn(|| self.waits(&self.read, &done));
            let answers = work();
            sleep(least.saturating_sub(start.elapsed()));
            done.store(true, Ordering::Relaxed);
            (answers, live.join().expect("a reader failed"), read.join().expect("a reader failed"))
        });
        Costs { answers, live, read, rest, peak: self.memory().peak }
    }

    /// Reads for a while, and leaves time to return memory to the system.
    fn settle(&self) {
        let mut connection = Connection::open(&self.address);
        for _ in 0..20 {
            connection.exchange(&self.read, 200);
        }
        sleep(Duration::from_secs(1));
    }

    fn waits(&self, request: &[u8], done: &AtomicBool) -> Waits {
        let mut waits = Vec::new();
        let mut connection = Connection::open(&self.address);
        while !done.load(Ordering::Relaxed) || waits.is_empty() {
            let start = Instant::now();
            connection.exchange(request, 200);
            waits.push(start.elapsed());
            sleep(PAUSE);
        }
        waits.sort_unstable();
        Waits(waits)
    }
}
