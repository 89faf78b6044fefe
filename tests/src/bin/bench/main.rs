//! Compares the server with hand-written SQL that writes the same rows, on each database: `bench [postgres|sqlite]
//! [pages|console [SIZE…]]`, or `bench [postgres|sqlite] beside SIZE`. With `pages` it only reads pages of lists, with
//! `console` only pages of the console, beside plans with these numbers of licenses. With `beside` it measures
//! everything on a database that has a plan with this number of licenses already.
//! SQLite is measured twice: waiting for the disk at every commit, as servers do by default, and not waiting.
//!
//! | module | contents |
//! |---|---|
//! | `suite` | the measurements, in order |
//! | `sql` | the hand-written SQL |
//! | `pages` | pages of lists, and searches |
//! | `console` | pages of the console |
//! | `http` | a client that uses little CPU |
//! | `mails` | mails a second |
//! | `measure` | medians, and alternating measurements |
//! | `memory` | the server's memory |
//! | `report` | the tables and the verdict |

// A benchmark runs outside of the service, with the real clock and ids.
#![allow(clippy::disallowed_methods)]

mod console;
mod http;
mod mails;
mod measure;
mod memory;
mod pages;
mod report;
mod sql;
mod suite;

use std::process::ExitCode;
use std::rc::Rc;

use license_manager_tests::Database;

/// The aim for mails in a second.
const AIM_MAILS: f64 = 500.0;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Everything,
    Pages,
    Console,
    /// Everything, on one database that has a large plan already.
    Beside,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let names: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Each with when SQLite waits for the disk.
    let all = [
        (Database::postgres as fn() -> Database, "full"),
        (Database::sqlite as fn() -> Database, "full"),
        (Database::sqlite as fn() -> Database, "normal"),
    ];
    let (databases, rest) = match names.as_slice() {
        ["postgres", rest @ ..] => (&all[..1], rest),
        ["sqlite", rest @ ..] => (&all[1..], rest),
        rest => (&all[..], rest),
    };
    let usual = || pages::SIZES.to_vec();
    let parsed = |sizes: &[&str]| sizes.iter().map(|size| size.parse().ok()).collect::<Option<Vec<usize>>>();
    let chosen = match rest {
        [] => Some((What::Everything, usual())),
        ["pages"] => Some((What::Pages, usual())),
        ["console"] => Some((What::Console, usual())),
        ["pages", sizes @ ..] => parsed(sizes).map(|sizes| (What::Pages, sizes)),
        ["console", sizes @ ..] => parsed(sizes).map(|sizes| (What::Console, sizes)),
        ["beside", size] => parsed(&[*size]).map(|sizes| (What::Beside, sizes)),
        _ => None,
    };
    let Some((what, sizes)) = chosen else {
        eprintln!("usage: bench [postgres|sqlite] [pages|console [SIZE…]|beside SIZE]");
        return ExitCode::from(2);
    };
    if cfg!(debug_assertions) {
        eprintln!("bench: this is a debug build, several times slower than what `make bench` builds");
    }
    let mut verdicts = Vec::new();
    for (database, synchronous) in databases {
        // How writes wait for the disk matters only to them.
        let waits = *synchronous == "full";
        let grown = (what == What::Beside && waits).then(|| Rc::new(database()));
        let database = || grown.clone().unwrap_or_else(|| Rc::new(database()));
        if waits && what != What::Console {
            let findings = suite::run_pages(&database(), synchronous, &sizes);
            println!("{findings}");
            verdicts.push(findings.verdict());
        }
        if what == What::Everything || grown.is_some() {
            let findings = suite::run(&database(), synchronous);
            println!("{findings}");
            verdicts.extend(findings.verdict());
        }
        if waits && what != What::Pages {
            let sizes = if grown.is_some() { &pages::SIZES[..1] } else { &sizes };
            let findings = suite::run_console(&database(), synchronous, sizes);
            println!("{findings}");
            verdicts.push(findings.verdict());
        }
    }
    if what == What::Everything {
        let mails = mails::per_second();
        println!("mails to a mail server on loopback: {mails:.0}/s\n");
        let found = format!("{mails:.0} mails a second, at least {AIM_MAILS}");
        verdicts.push(report::verdict(mails >= AIM_MAILS, "all", found));
    }
    println!("Aims");
    for verdict in verdicts {
        println!("  {verdict}");
    }
    ExitCode::SUCCESS
}
