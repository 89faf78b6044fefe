//! Measures the operations as commands on each database: `bench-operations [LICENSES]`, by default a million.
//!
//! There is a plan per thousand licenses, and each operation has a tenth of the plans to process. No upstream is
//! configured, so calls cost nothing. The aim is at most a minute and 128 MiB per command.

// A benchmark runs outside of the service, with the real clock and ids.
#![allow(clippy::disallowed_methods)]

mod data;

use std::fs;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use license_manager_tests::{Database, binary};

/// The limits of each command.
const AIM: (Duration, u64) = (Duration::from_secs(60), 128 * 1024);

/// The commands, in an order in which none removes the work of another.
const COMMANDS: [&str; 7] = [
    "process-renewals",
    "unlink-expired-licenses",
    "expire-subscriptions",
    "trigger-event-for-licenses",
    "process-auto-scalable-plans",
    "send-license-utilization-emails",
    "retire-old-licenses",
];

fn main() -> ExitCode {
    let licenses = match std::env::args().nth(1).map(|text| text.parse::<i64>()) {
        None => 1_000_000,
        Some(Ok(licenses)) if licenses >= 10_000 => licenses,
        Some(_) => {
            eprintln!("usage: bench-operations [LICENSES], at least 10000");
            return ExitCode::from(2);
        }
    };
    if cfg!(debug_assertions) {
        eprintln!(
            "bench-operations: this is a debug build, several times slower than what `make bench-operations` builds"
        );
    }
    let mut all_reached = true;
    for (name, database) in [("Postgres", Database::postgres as fn() -> Database), ("SQLite", Database::sqlite)] {
        let database = database();
        run(&database, &["migrate"]);
        run(&database, &["seed"]);
        eprintln!("{name}: making {licenses} licenses");
        data::fill(&database, licenses);
        println!("{name}, {licenses} licenses in {} plans", data::plans(licenses));
        for command in COMMANDS {
            let (took, peak, summary) = run(&database, &[command, "--output", "json"]);
            let reached = took <= AIM.0 && peak <= AIM.1;
            all_reached &= reached;
            let verdict = if reached { "" } else { "  MISSED" };
            println!(
                "  {command:32} {:7.2} s {:6.1} MiB{verdict}  {}",
                took.as_secs_f64(),
                peak as f64 / 1024.0,
                counts(&summary)
            );
        }
    }
    println!(
        "Aim: {} s and {} MiB each: {}",
        AIM.0.as_secs(),
        AIM.1 / 1024,
        if all_reached { "reached" } else { "missed" }
    );
    ExitCode::SUCCESS
}

fn counts(summary: &str) -> String {
    let summary: serde_json::Value = serde_json::from_str(summary).unwrap_or_default();
    summary["counts"].to_string()
}

/// Runs a command, which must succeed. Returns its time, its peak memory in KiB, and its output.
fn run(database: &Database, arguments: &[&str]) -> (Duration, u64, String) {
    let customers = data::customers().join(",");
    let start = Instant::now();
    let child = Command::new(binary())
        .args(arguments)
        .env("DATABASE_URL", database.url())
        .env("LM_OPERATIONS__UNLINK_CUSTOMERS", &customers)
        .env("LM_OPERATIONS__CUSTOM_EVENT_CUSTOMERS", &customers)
        .env("LM_LOGGING__FILTER", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let path = format!("/proc/{}/status", child.id());
    let watch = std::thread::spawn(move || {
        let mut peak = 0;
        // An ended process has no memory information.
        while let Some(now) = fs::read_to_string(&path).ok().and_then(|status| high_water(&status)) {
            peak = peak.max(now);
            std::thread::sleep(Duration::from_millis(5));
        }
        peak
    });
    let output = child.wait_with_output().expect("the command ends");
    let took = start.elapsed();
    assert!(output.status.success(), "{arguments:?}: {:?}", output.status);
    let peak = watch.join().expect("the watch ends");
    (took, peak, String::from_utf8_lossy(&output.stdout).into_owned())
}

fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
