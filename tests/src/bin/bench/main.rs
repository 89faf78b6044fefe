//! Compares the server with hand-written SQL that writes the same rows, on each database: `bench [postgres|sqlite]
//! [pages|console [SIZE…]]`. With `pages` it only reads pages of lists, with `console` only pages of the console, beside
//! plans with these numbers of licenses.
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

use license_manager_tests::Database;

/// The aim for mails in a second.
const AIM_MAILS: f64 = 500.0;

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
    let sizes: Result<Vec<usize>, ()> = match rest {
        [] | ["pages" | "console"] => Ok(pages::SIZES.to_vec()),
        ["pages" | "console", sizes @ ..] => sizes.iter().map(|size| size.parse().map_err(drop)).collect(),
        _ => Err(()),
    };
    let Ok(sizes) = sizes else {
        eprintln!("usage: bench [postgres|sqlite] [pages|console [SIZE…]]");
        return ExitCode::from(2);
    };
    if cfg!(debug_assertions) {
        eprintln!("bench: this is a debug build, several times slower than what `make bench` builds");
    }
    let mut verdicts = Vec::new();
    for (database, synchronous) in databases {
        if rest.is_empty() {
            let findings = suite::run(&database(), synchronous);
            println!("{findings}");
            verdicts.extend(findings.verdict());
        }
        // Reading is the same however writes wait for the disk.
        if *synchronous == "full" {
            if rest.first() != Some(&"console") {
                let findings = suite::run_pages(&database(), synchronous, &sizes);
                println!("{findings}");
                verdicts.push(findings.verdict());
            }
            if rest.first() != Some(&"pages") {
                let findings = suite::run_console(&database(), synchronous, &sizes);
                println!("{findings}");
                verdicts.push(findings.verdict());
            }
        }
    }
    if rest.is_empty() {
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
