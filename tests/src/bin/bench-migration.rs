//! Measures an import from the Django service, and its verification: `bench-migration [LICENSES [postgres|sqlite]]`, by
//! default of a million, with three versions of each. The aim is three minutes for the import, 20 seconds for another one
//! where nothing has changed, two minutes for the verification, and 128 MiB.

// A benchmark runs outside of the service, with the real clock.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use license_manager_tests::{Database, DjangoIds, DjangoServer, binary};

/// The most memory, in KiB.
const MEMORY: u64 = 128 * 1024;

/// A database to import into, and how a new one is made.
type Target = (&'static str, fn() -> Database);

fn main() -> ExitCode {
    let usage = || {
        eprintln!("usage: bench-migration [LICENSES [postgres|sqlite]], at least 1000");
        ExitCode::from(2)
    };
    let licenses = match std::env::args().nth(1).map(|text| text.parse::<u32>()) {
        None => 1_000_000,
        Some(Ok(licenses)) if licenses >= 1_000 => licenses,
        Some(_) => return usage(),
    };
    let targets: &[Target] = match std::env::args().nth(2).as_deref() {
        None => &[("Postgres", Database::postgres), ("SQLite", Database::sqlite)],
        Some("postgres") => &[("Postgres", Database::postgres)],
        Some("sqlite") => &[("SQLite", Database::sqlite)],
        Some(_) => return usage(),
    };
    if cfg!(debug_assertions) {
        eprintln!(
            "bench-migration: this is a debug build, several times slower than what `make bench-migration` builds"
        );
    }
    eprintln!("making {licenses} licenses");
    let server = DjangoServer::new();
    let source = server.empty("many", DjangoIds::Text);
    server.execute("many", &include_str!("../../django/many.sql").replace(":LICENSES", &licenses.to_string()));
    let mut all_reached = true;
    for (name, database) in targets {
        let database = database();
        println!("{name}, {licenses} licenses with {} versions", u64::from(licenses) * 3);
        for (what, aim, arguments) in [("import", 180, &[][..]), ("again", 20, &[]), ("verify", 120, &["--verify"])] {
            let (took, peak) = run(&database, &source, arguments);
            let reached = took <= Duration::from_secs(aim) && peak <= MEMORY;
            all_reached &= reached;
            let verdict = if reached { "" } else { "  MISSED" };
            println!("  {what:8} {:7.2} s {:6.1} MiB{verdict}", took.as_secs_f64(), peak as f64 / 1024.0);
        }
    }
    println!(
        "Aim: 180 s for the import, 20 s for another one where nothing changed, 120 s for the verification, {} MiB each: {}",
        MEMORY / 1024,
        if all_reached { "reached" } else { "missed" }
    );
    ExitCode::SUCCESS
}

/// Imports or verifies, which must succeed. Returns its time and its peak memory in KiB.
fn run(database: &Database, source: &str, arguments: &[&str]) -> (Duration, u64) {
    let start = Instant::now();
    let mut child = Command::new(binary())
        .args(["import", "--from", source])
        .args(arguments)
        .env("DATABASE_URL", database.url())
        .env("LM_LOGGING__FILTER", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        // The peak goes with the process, so it is read until then.
        let status = fs::read_to_string(&status_file).unwrap_or_default();
        let shown = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = shown.and_then(|value| value.parse().ok()).unwrap_or(peak).max(peak);
        if let Some(status) = child.try_wait().expect("the program is waited for") {
            assert!(status.success(), "the import failed");
            return (start.elapsed(), peak);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
