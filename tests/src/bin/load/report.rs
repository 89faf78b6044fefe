//! The tables and the verdict.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// The aim for all that is not bulk: 99 of 100 are answered so soon.
const AIM: Duration = Duration::from_millis(50);

/// What writes waits for bulk work on SQLite, and has no aim there.
const WRITES: [&str; 2] = ["activation", "assignment of one"];

/// The aim for memory: the last quarter of the time takes at most so much more than the second one.
const GROWTH: f64 = 1.2;

/// How long the requests of each kind took.
#[derive(Default)]
pub struct Times(BTreeMap<&'static str, Vec<Duration>>);

impl Times {
    /// Notes how long a request took.
    pub fn note(&mut self, kind: &'static str, took: Duration) {
        self.0.entry(kind).or_default().push(took);
    }

    /// Adds those of another client.
    pub fn add(&mut self, other: Self) {
        for (kind, times) in other.0 {
            self.0.entry(kind).or_default().extend(times);
        }
    }
}

/// The measurements on one database. Memory is in KiB.
pub struct Report {
    /// How long it was loaded.
    pub duration: Duration,
    pub times: Times,
    /// Resident memory over time.
    pub memory: Vec<u64>,
    /// Its peak.
    pub peak: u64,
    /// Resident memory afterwards.
    pub rest: u64,
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        writeln!(f, "{} s; {cores} processor cores for server, database and clients", self.duration.as_secs())?;
        writeln!(f, "{:<26}{:>10}{:>12}{:>12}{:>12}{:>12}", "", "number", "a second", "p50", "p99", "max")?;
        for (kind, times) in &self.times.0 {
            let [p50, p99, max] = percentiles(times).map(|time| format!("{:.1} ms", time.as_secs_f64() * 1_000.0));
            let rate = times.len() as f64 / self.duration.as_secs_f64();
            writeln!(f, "{kind:<26}{:>10}{rate:>12.1}{p50:>12}{p99:>12}{max:>12}", times.len())?;
        }
        let all: usize = self.times.0.values().map(Vec::len).sum();
        writeln!(f, "{:<26}{all:>10}{:>12.1}", "all", all as f64 / self.duration.as_secs_f64())?;
        let memory: Vec<String> = self.memory.iter().map(|kibibytes| (kibibytes / 1_024).to_string()).collect();
        let [peak, rest] = [self.peak, self.rest].map(|kibibytes| kibibytes / 1_024);
        writeln!(f, "resident memory over time in MiB: {}; peak {peak}, afterwards {rest}", memory.join(" "))
    }
}

impl Report {
    /// Prints what missed its aim, and returns whether all is reached.
    pub fn verdict(&self, is_sqlite: bool) -> bool {
        let mut reached = true;
        let mut miss = |what: String| {
            println!("missed: {what}");
            reached = false;
        };
        for (kind, times) in self.times.0.iter().filter(|(kind, _)| !kind.starts_with("BULK")) {
            let [_, p99, _] = percentiles(times);
            if p99 > AIM && !(is_sqlite && WRITES.contains(kind)) {
                miss(format!("{kind}: p99 is {p99:.1?}, at most {AIM:?}"));
            }
        }
        let quarter = self.memory.len() / 4;
        let mean = |part: &[u64]| part.iter().sum::<u64>() as f64 / part.len() as f64;
        let (early, late) = (mean(&self.memory[quarter..2 * quarter]), mean(&self.memory[3 * quarter..]));
        if late > early * GROWTH {
            miss(format!("memory grew from {:.0} to {:.0} MiB", early / 1_024.0, late / 1_024.0));
        }
        reached
    }
}

/// The median, what 99 of 100 stay below, and the longest.
fn percentiles(times: &[Duration]) -> [Duration; 3] {
    let mut times = times.to_vec();
    times.sort_unstable();
    let at = |part: usize| times.get((times.len() * part / 100).min(times.len() - 1)).copied().unwrap_or_default();
    [at(50), at(99), at(100)]
}
