//! Compares the server with hand-written SQL that writes the same rows, on each database: `bench [postgres|sqlite]`.
//! SQLite is measured twice: waiting for the disk at every commit, as servers do by default, and not waiting.
//!
//! | module | contents |
//! |---|---|
//! | `suite` | the measurements, in order |
//! | `sql` | the hand-written SQL |
//! | `http` | a client that uses little CPU |
//! | `mails` | mails a second |
//! | `measure` | medians, and alternating measurements |
//! | `memory` | the server's memory |
//! | `report` | the tables and the verdict |

// A benchmark runs outside of the service, with the real clock and ids.
#![allow(clippy::disallowed_methods)]

mod http;
mod mails;
mod measure;
mod memory;
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
    let databases = match names[..] {
        [] => &all[..],
        ["postgres"] => &all[..1],
        ["sqlite"] => &all[1..],
        _ => {
            eprintln!("usage: bench [postgres|sqlite]");
            return ExitCode::from(2);
        }
    };
    if cfg!(debug_assertions) {
        eprintln!("bench: this is a debug build, several times slower than what `make bench` builds");
    }
    let mut verdicts = Vec::new();
    for (database, synchronous) in databases {
        let findings = suite::run(&database(), synchronous);
        println!("{findings}");
        verdicts.extend(findings.verdict());
    }
    let mails = mails::per_second();
    println!("mails to a mail server on loopback: {mails:.0}/s\n");
    verdicts.push(report::verdict(
        mails >= AIM_MAILS,
        "all",
        format!("{mails:.0} mails a second, at least {AIM_MAILS}"),
    ));
    println!("Aims");
    for verdict in verdicts {
        println!("  {verdict}");
    }
    ExitCode::SUCCESS
}
