//! Plays a day of many customers' learners and admins in minutes, on each database: `load [flat-out] [SECONDS]
//! [postgres|sqlite]`, by default a minute on each.
//!
//! Sixty-four clients send what the service is asked most, at random moments: together 320 requests a second, as many as
//! fifty million seats bring in their busiest hour (docs/SCALING.md). With `flat-out`, each sends its next one as
//! soon as it got its last answer. Meanwhile plans are provisioned, assigned, renewed and expired, ten thousand licenses
//! at a time. It prints how many requests a second there were, how long they took, and the server's memory over time.
//!
//! | module | contents |
//! |---|---|
//! | `clients` | the sixty-four |
//! | `bulk` | the large work beside them |
//! | `report` | the tables and the verdict |

// A benchmark runs outside of the service, with the real clock and ids.
#![allow(clippy::disallowed_methods)]

mod bulk;
mod clients;
#[path = "../bench/http.rs"]
mod http;
#[path = "../bench/memory.rs"]
mod memory;
mod report;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use license_manager_tests::{Customer, Database, Plan, Server};

use crate::clients::{CLIENTS, World};
use crate::report::{Report, Times};

/// The mean time between two requests of a client.
const PACE: Duration = Duration::from_millis(200);

/// How often memory is read in a run.
const SAMPLES: u32 = 20;

fn main() -> ExitCode {
    let mut pace = Some(PACE);
    let (mut duration, mut databases) = (Duration::from_secs(60), vec!["postgres", "sqlite"]);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for argument in &arguments {
        match (argument.as_str(), argument.parse()) {
            (name @ ("postgres" | "sqlite"), _) => databases = vec![name],
            ("flat-out", _) => pace = None,
            (_, Ok(seconds @ 1..)) => duration = Duration::from_secs(seconds),
            _ => {
                eprintln!("usage: load [flat-out] [SECONDS] [postgres|sqlite]");
                return ExitCode::from(2);
            }
        }
    }
    if cfg!(debug_assertions) {
        eprintln!("load: this is a debug build, several times slower than what `make load` builds");
    }
    let mut reached = true;
    for name in databases {
        let database = if name == "sqlite" { Database::sqlite() } else { Database::postgres() };
        let report = run(&database, pace, duration);
        println!("{name}\n{report}");
        reached &= report.verdict(name == "sqlite");
        database.assert_sound();
    }
    if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Loads a new database for so long.
fn run(database: &Database, pace: Option<Duration>, duration: Duration) -> Report {
    // Without deliveries: there is nobody to deliver to.
    let server = Server::start_with(database.url(), &[("LM_WORKER__ENABLED", "false")]);
    let customer = Customer::new(&server);
    eprintln!("load: making a plan and its learners");
    let world = World::new(&server, &customer);
    let done = AtomicBool::new(false);
    memory::reset_peak(server.id());
    let (times, memory) = scope(|scope| {
        let (world, done, server, customer) = (&world, &done, &server, &customer);
        let clients: Vec<_> =
            (0..CLIENTS).map(|number| scope.spawn(move || world.client(number, pace, done))).collect();
        let bulk = scope.spawn(move || bulk::work(server, customer, done));
        let memory: Vec<u64> = (0..SAMPLES)
            .map(|_| {
                sleep(duration / SAMPLES);
                memory::read(server.id()).resident
            })
            .collect();
        done.store(true, Ordering::Relaxed);
        let mut times = Times::default();
        for client in clients {
            times.add(client.join().expect("a client failed"));
        }
        times.add(bulk.join().expect("the large work failed"));
        (times, memory)
    });
    sleep(Duration::from_secs(2));
    let memory::Memory { resident, peak } = memory::read(server.id());
    Report { duration, times, memory, peak, rest: resident }
}

/// A plan with all its licenses.
fn filled(customer: &Customer, licenses: usize) -> Plan {
    let plan = customer.plan(u32::try_from(licenses).expect("a plan is smaller"));
    while plan.counts().total < licenses as u64 {
        sleep(Duration::from_millis(20));
    }
    plan
}
