//! A Postgres server that is killed under load while its synchronous standby takes over:
//! `failover [--rounds NUMBER] [--clients NUMBER] [--assignments NUMBER] [LM_NAME=VALUE]`.
//!
//! Each round prints how long requests were not answered. It fails if anything that was answered is lost.

use std::process::ExitCode;

use license_manager_tests::failover::Failover;

const USAGE: &str = "usage: failover [--rounds NUMBER] [--clients NUMBER] [--assignments NUMBER] [LM_NAME=VALUE]";

/// What the command line asks for, and how often; `None` if it cannot be read.
fn read(mut words: impl Iterator<Item = String>) -> Option<(Failover, usize)> {
    let mut failover = Failover { clients: 8, assignments: 1_000, settings: Vec::new() };
    let mut rounds = 3;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--rounds" => rounds = words.next()?.parse().ok()?,
            "--clients" => failover.clients = words.next()?.parse().ok().filter(|clients| *clients > 0)?,
            "--assignments" => failover.assignments = words.next()?.parse().ok()?,
            setting => {
                let (name, value) = setting.split_once('=').filter(|(name, _)| name.starts_with("LM_"))?;
                failover.settings.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    Some((failover, rounds))
}

fn main() -> ExitCode {
    let Some((failover, rounds)) = read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    for round in 1..=rounds {
        println!("round {round}: {}", failover.run());
    }
    ExitCode::SUCCESS
}
