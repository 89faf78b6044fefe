//! Measures what hostile clients cost the others, on each database: `bench-hostile [postgres|sqlite]`.
//!
//! Ten clients at once send what is expensive to refuse, or to accept. Meanwhile `/health/live/` and a page of licenses are read, one
//! request after another, and the server's memory is watched.
//!
//! | module | contents |
//! |---|---|
//! | `attacks` | what the clients send |
//! | `probe` | how long others wait, and the memory |

// A benchmark runs outside of the service, with the real clock and ids.
#![allow(clippy::disallowed_methods)]

mod attacks;
#[path = "../bench/http.rs"]
mod http;
#[path = "../bench/memory.rs"]
mod memory;
mod probe;

use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use license_manager_tests::{Customer, Database, Plan, Server};
use serde_json::json;

use crate::attacks::Attack;
use crate::http::{Connection, request};
use crate::probe::{Costs, Target};

/// The clients that attack at once.
const CLIENTS: usize = 10;

/// How long each attack lasts.
const DURATION: Duration = Duration::from_secs(5);

/// The aim for the others: how long they wait at most.
const AIM_WAIT: Duration = Duration::from_millis(200);

/// The aim for memory beyond rest and the bytes of the bodies, in KiB.
const AIM_MEMORY: u64 = 64 * 1024;

/// The numbers of addresses of accepted bodies.
const ACCEPTED: [usize; 4] = [1_000, 5_000, 10_000, 20_000];

/// Seconds that a client may be slow, in this benchmark.
const CLIENT_TIMEOUT: &str = "2";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let names: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let databases: &[fn() -> Database] = match names[..] {
        [] => &[Database::postgres, Database::sqlite],
        ["postgres"] => &[Database::postgres],
        ["sqlite"] => &[Database::sqlite],
        _ => {
            eprintln!("usage: bench-hostile [postgres|sqlite]");
            return ExitCode::from(2);
        }
    };
    if cfg!(debug_assertions) {
        eprintln!("bench-hostile: this is a debug build, several times slower than what `make bench-hostile` builds");
    }
    let reached = databases.iter().map(|database| measure(&database())).fold(true, |all, reached| all & reached);
    if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the measurements on a new database, and returns whether the aims are reached.
fn measure(database: &Database) -> bool {
    let settings = [("LM_WORKER__ENABLED", "false"), ("LM_SERVER__CLIENT_TIMEOUT_SECONDS", CLIENT_TIMEOUT)];
    let server = Server::start_with(database.url(), &settings);
    let customer = Customer::new(&server);
    let name = database.url().split(':').next().unwrap_or_default();
    let plan = filled(&customer, 20_000);
    assign(&server, &customer, &plan, "learner", 20_000);
    let target = Target::new(&server, &customer, &plan);
    println!("{name}, {CLIENTS} clients at once for {} s each; waits: the longest, and 99 of 100", DURATION.as_secs());
    println!(
        "{:<44}{:>9}{:>18}{:>18}{:>22}{:>12}",
        "", "answers", "/health/live/", "a read", "beyond rest and bytes", "afterwards"
    );
    let mut reached = print(&target, "nothing", &target.watch(DURATION, || 0), 0, true);
    for attack in Attack::all(&server, &customer, &plan) {
        let costs = target.watch(DURATION, || attack.run(&server, CLIENTS, DURATION));
        reached &= print(&target, attack.name, &costs, (attack.bytes * CLIENTS) as u64 / 1024, attack.is_bounded);
    }
    println!("\n{:<44}{:>18}{:>18}{:>22}{:>12}", "an accepted body", "/health/live/", "a read", "beyond rest", "each");
    for addresses in ACCEPTED {
        let plan = filled(&customer, addresses);
        let costs = target.watch(Duration::ZERO, || assign(&server, &customer, &plan, "accepted", addresses));
        let (live, read) = (costs.live.longest(), costs.read.longest());
        let beyond = costs.peak.saturating_sub(costs.rest);
        println!(
            "{:<44}{:>18}{:>18}{:>22}{:>12}",
            format!("assign {addresses} addresses"),
            milliseconds(live),
            milliseconds(read),
            mebibytes(beyond),
            format!("{:.1} KiB", beyond as f64 / addresses as f64),
        );
        reached &= live < AIM_WAIT && read < AIM_WAIT;
    }
    println!("{name}: the aims are {}\n", if reached { "reached" } else { "NOT reached" });
    reached
}

/// A plan with this many licenses.
fn filled(customer: &Customer, licenses: usize) -> Plan {
    let plan = customer.plan(u32::try_from(licenses).expect("a plan is smaller"));
    while plan.counts().total < licenses as u64 {
        sleep(Duration::from_millis(20));
    }
    plan
}

/// Assigns licenses to this many addresses by one request, and returns 1, the number of answers.
fn assign(server: &Server, customer: &Customer, plan: &Plan, name: &str, addresses: usize) -> usize {
    let body = json!({ "user_emails": customer.emails(name, addresses) });
    let request = request("POST", &plan.path("licenses/assign/"), &customer.admin(), Some(&body));
    Connection::open(&server.address()).exchange(&request, 200);
    1
}

/// Prints a line, and returns whether it is within the aims. `own` are the KiB of the clients' bodies.
fn print(target: &Target, name: &str, costs: &Costs, own: u64, is_bounded: bool) -> bool {
    let beyond = costs.peak.saturating_sub(costs.rest + own);
    let waits = |waits: &probe::Waits| format!("{} {}", milliseconds(waits.longest()), milliseconds(waits.usual()));
    println!(
        "{name:<44}{:>9}{:>18}{:>18}{:>22}{:>12}",
        costs.answers,
        waits(&costs.live),
        waits(&costs.read),
        mebibytes(beyond),
        mebibytes(target.memory().resident.saturating_sub(costs.rest)),
    );
    let is_quick = costs.live.longest() < AIM_WAIT && costs.read.longest() < AIM_WAIT;
    is_quick && (!is_bounded || beyond <= AIM_MEMORY)
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.0} ms", duration.as_secs_f64() * 1_000.0)
}

fn mebibytes(kibibytes: u64) -> String {
    format!("{:.1} MiB", kibibytes as f64 / 1024.0)
}
