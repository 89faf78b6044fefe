//! Replays the seeds of the fuzzers. `make fuzz` lets them search further.

mod targets;

use std::fs;
use std::path::{Path, PathBuf};

/// Gives each seed of a target to it.
fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parsers/seeds").join(target);
    let mut seeds: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{target} has seeds");
    for seed in seeds {
        println!("{}", seed.display());
        run(&fs::read(&seed).unwrap());
    }
}

#[test]
fn tokens() {
    replay("token", targets::token);
}

#[test]
fn queries() {
    replay("query", targets::query);
}

#[test]
fn emails() {
    replay("email", targets::email);
}

#[test]
fn cron_expressions() {
    replay("cron", targets::cron);
}

#[test]
fn results_of_enrollments() {
    replay("results", targets::results);
}

#[test]
fn requests() {
    replay("request", targets::request);
}
