//! The tables and the verdict.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::console;
use crate::measure::Pair;
use crate::memory::Memory;
use crate::pages::Line;

/// The aim for assignments: at most this many times the SQL's time, from this many emails on.
const AIM_RATIO: f64 = 2.0;
const AIM_RATIO_FROM: usize = 1_000;

/// The aim for learner licenses in requests per second.
const AIM_RATE: f64 = 2_000.0;

/// The aim for a customer's plans, one of them of 10,000 licenses, in requests per second.
const AIM_PLANS: f64 = 4_000.0;

/// The aim for a CSV of 20 licenses.
const AIM_CSV: Duration = Duration::from_millis(3);

/// The aims for a million licenses, and for the longest write meanwhile.
const AIM_MILLION: (Duration, Duration) = (Duration::from_secs(20), Duration::from_millis(100));

/// The aims for small writes: at most this many times the SQL's time.
const AIM_SMALL: f64 = 1.5;

/// The aim for resident memory in KiB.
const AIM_MEMORY: u64 = 64 * 1024;

/// The measurements of pages on one database.
pub struct PageFindings {
    pub name: String,
    pub lines: Vec<Line>,
}

impl Display for PageFindings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}\n\n{:<10}{:<58}{:>12}{:>10}",
            self.name, "licenses", "pages of 100, medians", "server", "limit"
        )?;
        for line in &self.lines {
            let limit = line.limit.map_or_else(|| "-".to_owned(), duration);
            let licenses = grouped(line.licenses as u64);
            writeln!(f, "{licenses:<10}{:<58}{:>12}{limit:>10}", line.what, duration(line.time))?;
        }
        Ok(())
    }
}

impl PageFindings {
    /// Whether all aims are met, and the slowest of what misses its aim.
    pub fn verdict(&self) -> String {
        let database = self.name.split(' ').next().unwrap_or_default();
        let limited = self.lines.iter().filter(|line| line.limit.is_some()).count();
        let missed: Vec<&Line> =
            self.lines.iter().filter(|line| line.limit.is_some_and(|limit| line.time > limit)).collect();
        let outcome = if missed.is_empty() { "met" } else { "missed" };
        let slowest = missed.iter().max_by_key(|line| line.time).map_or_else(String::new, |line| {
            format!(", the slowest {} ({} of {})", duration(line.time), line.what, grouped(line.licenses as u64))
        });
        let missed = missed.len();
        format!(
            "{outcome:<8}{database:<17}counts, pages and searches: {missed} of {limited} take more than their limit{slowest}"
        )
    }
}

/// The measurements of the console on one database.
pub struct ConsoleFindings {
    pub name: String,
    pub lines: Vec<console::Line>,
}

impl Display for ConsoleFindings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n{:<10}{:<66}{:>12}{:>10}", self.name, "licenses", "pages, medians", "server", "size")?;
        for line in &self.lines {
            let (licenses, size) = (grouped(line.licenses as u64), kibibytes(line.bytes));
            writeln!(f, "{licenses:<10}{:<66}{:>12}{size:>10}", line.path, duration(line.time))?;
        }
        Ok(())
    }
}

impl ConsoleFindings {
    /// Whether all pages are fast and small enough, with the slowest and the largest.
    pub fn verdict(&self) -> String {
        let slowest = self.lines.iter().map(|line| line.time).max().unwrap_or_default();
        let largest = self.lines.iter().map(|line| line.bytes).max().unwrap_or_default();
        let met = slowest < console::LIMIT && largest < console::LIMIT_OF_BYTES;
        let found = format!(
            "pages of the console: up to {} and {}, less than {} and {}",
            duration(slowest),
            kibibytes(largest),
            duration(console::LIMIT),
            kibibytes(console::LIMIT_OF_BYTES)
        );
        verdict(met, self.name.split(' ').next().unwrap_or_default(), found)
    }
}

/// The measurements on one database.
pub struct Findings {
    pub name: String,
    /// By number of emails.
    pub assignments: Vec<(usize, Pair)>,
    /// Of one license each, by many admins to one plan.
    pub assignments_per_second: f64,
    pub activation: Pair,
    pub provisioning: Pair,
    pub learner_licenses: Duration,
    pub learner_licenses_per_second: f64,
    pub plans_per_second: f64,
    pub first_page: Duration,
    pub page_50: Duration,
    pub csv: Duration,
    /// How long a million licenses took, and the longest write meanwhile.
    pub million: (Duration, Duration),
    /// By what happened before.
    pub memory: Vec<(&'static str, Memory)>,
}

impl Display for Findings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        writeln!(f, "{}; {cores} processor cores for server, database and clients\n", self.name)?;
        writeln!(f, "{:<42}{:>12}{:>12}{:>12}", "medians", "server", "SQL", "server/SQL")?;
        for (emails, pair) in &self.assignments {
            let noun = if *emails == 1 { "email" } else { "emails" };
            write_pair(f, &format!("assign {} {noun}", grouped(*emails as u64)), pair)?;
        }
        write_pair(f, "activate", &self.activation)?;
        write_pair(f, "provision 100,000 licenses", &self.provisioning)?;
        write_line(f, "learner-licenses", &duration(self.learner_licenses))?;
        for (what, rate) in [("learner-licenses", self.learner_licenses_per_second), ("plans", self.plans_per_second)] {
            write_line(f, &format!("{what}, 8 clients at once"), &format!("{}/s", grouped(rate as u64)))?;
        }
        let rate = format!("{}/s", grouped(self.assignments_per_second as u64));
        write_line(f, "assign 1 email, 16 clients at once", &rate)?;
        write_line(f, "page 1 of 10,000 licenses, 100 a page", &duration(self.first_page))?;
        write_line(f, "page 50", &duration(self.page_50))?;
        write_line(f, "CSV of 20 licenses", &duration(self.csv))?;
        write_line(f, "provision 1,000,000 licenses", &duration(self.million.0))?;
        write_line(f, "the longest assignment meanwhile", &duration(self.million.1))?;
        writeln!(f, "\n{:<42}{:>12}{:>12}", "resident memory of the server", "then", "peak")?;
        for (when, memory) in &self.memory {
            writeln!(f, "{when:<42}{:>12}{:>12}", mebibytes(memory.resident), mebibytes(memory.peak))?;
        }
        Ok(())
    }
}

fn write_pair(f: &mut Formatter<'_>, what: &str, pair: &Pair) -> fmt::Result {
    let (server, sql) = (duration(pair.server), duration(pair.sql));
    writeln!(f, "{what:<42}{server:>12}{sql:>12}{:>12.2}", pair.ratio())
}

fn write_line(f: &mut Formatter<'_>, what: &str, server: &str) -> fmt::Result {
    writeln!(f, "{what:<42}{server:>12}")
}

impl Findings {
    /// One line per aim: whether it is met, and the measured value.
    pub fn verdict(&self) -> Vec<String> {
        let database = match self.name.ends_with("normal") {
            true => "SQLite (normal)",
            false => self.name.split(' ').next().unwrap_or_default(),
        };
        let line = |met: bool, found: String| verdict(met, database, found);
        let small = self.assignments.iter().filter(|(emails, _)| *emails < AIM_RATIO_FROM);
        let small = small.map(|(emails, pair)| (format!("assigning {emails}"), pair));
        let others = [("activating", &self.activation), ("provisioning 100,000", &self.provisioning)];
        let small = small.chain(others.map(|(what, pair)| (what.to_owned(), pair)));
        let small = small.map(|(what, pair)| {
            let ratio = pair.ratio();
            line(ratio <= AIM_SMALL, format!("{what}: {ratio:.2} times the SQL, at most {AIM_SMALL}"))
        });
        let limits = [
            ("CSV of 20 licenses", self.csv, AIM_CSV),
            ("provisioning 1,000,000", self.million.0, AIM_MILLION.0),
            ("the longest assignment meanwhile", self.million.1, AIM_MILLION.1),
        ];
        let limits = limits.map(|(what, found, aim)| {
            line(found < aim, format!("{what}: {}, less than {}", duration(found), duration(aim)))
        });
        let large = self.assignments.iter().filter(|(emails, _)| *emails >= AIM_RATIO_FROM);
        let assignments = large.map(|(emails, pair)| {
            let (ratio, emails) = (pair.ratio(), grouped(*emails as u64));
            line(
                ratio <= AIM_RATIO,
                format!("assigning {emails} emails: {ratio:.2} times the SQL, at most {AIM_RATIO}"),
            )
        });
        let rates = [
            ("learner-licenses", self.learner_licenses_per_second, AIM_RATE),
            ("plans", self.plans_per_second, AIM_PLANS),
        ];
        let rates = rates.map(|(what, rate, aim)| {
            let (found, least) = (grouped(rate as u64), grouped(aim as u64));
            line(rate > aim, format!("{what}: {found} requests a second, more than {least}"))
        });
        let resident = self.memory.iter().map(|(_, memory)| memory.resident).max().unwrap_or_default();
        let peak = self.memory.iter().map(|(_, memory)| memory.peak).max().unwrap_or_default();
        let aim = mebibytes(AIM_MEMORY);
        let memory = [("between the tasks", resident), ("within them", peak)].map(|(when, found)| {
            line(found < AIM_MEMORY, format!("resident memory {when}: up to {}, less than {aim}", mebibytes(found)))
        });
        small.chain(assignments).chain(rates).chain(limits).chain(memory).collect()
    }
}

/// One aim: whether it is met, where, and the measured value.
pub fn verdict(met: bool, database: &str, found: String) -> String {
    let outcome = if met { "met" } else { "missed" };
    format!("{outcome:<8}{database:<17}{found}")
}

/// With three significant digits.
fn duration(duration: Duration) -> String {
    match duration.as_secs_f64() * 1_000.0 {
        milliseconds if milliseconds < 10.0 => format!("{milliseconds:.2} ms"),
        milliseconds if milliseconds < 100.0 => format!("{milliseconds:.1} ms"),
        milliseconds if milliseconds < 1_000.0 => format!("{milliseconds:.0} ms"),
        milliseconds => format!("{:.2} s", milliseconds / 1_000.0),
    }
}

fn kibibytes(bytes: usize) -> String {
    format!("{:.1} KiB", bytes as f64 / 1024.0)
}

fn mebibytes(kibibytes: u64) -> String {
    format!("{:.1} MiB", kibibytes as f64 / 1024.0)
}

/// With a comma for the thousands.
fn grouped(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1_000), number % 1_000),
    }
}
