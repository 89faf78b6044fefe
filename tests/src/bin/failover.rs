//! A Postgres server that is killed under load while its synchronous standby takes over:
//! `failover [--patroni] [--rounds NUMBER] [--clients NUMBER] [--assignments NUMBER] [LM_NAME=VALUE]`.
//!
//! The program promotes the standby at once, each round with new servers. With `--patroni`, Patroni notices the loss and
//! promotes, the killed server comes back as a standby, and the next round kills the new primary.
//!
//! Each round prints how long requests were not answered. It fails if anything that was answered is lost.

use std::process::ExitCode;

use license_manager_tests::PatroniCluster;
use license_manager_tests::failover::{Failover, Pair};

const USAGE: &str =
    "usage: failover [--patroni] [--rounds NUMBER] [--clients NUMBER] [--assignments NUMBER] [LM_NAME=VALUE]";

/// What the command line asks for.
struct Wanted {
    failover: Failover,
    rounds: usize,
    /// Whether Patroni promotes.
    patroni: bool,
}

/// `None` if the command line cannot be read.
fn read(mut words: impl Iterator<Item = String>) -> Option<Wanted> {
    let mut failover = Failover { clients: 8, assignments: 1_000, settings: Vec::new() };
    let (mut rounds, mut patroni) = (3, false);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--patroni" => patroni = true,
            "--rounds" => rounds = words.next()?.parse().ok()?,
            "--clients" => failover.clients = words.next()?.parse().ok().filter(|clients| *clients > 0)?,
            "--assignments" => failover.assignments = words.next()?.parse().ok()?,
            setting => {
                let (name, value) = setting.split_once('=').filter(|(name, _)| name.starts_with("LM_"))?;
                failover.settings.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    Some(Wanted { failover, rounds, patroni })
}

fn main() -> ExitCode {
    let Some(Wanted { failover, rounds, patroni }) = read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut cluster = match patroni.then(PatroniCluster::start).transpose() {
        Ok(cluster) => cluster,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    for round in 1..=rounds {
        let report = match &mut cluster {
            Some(cluster) => failover.run(cluster),
            None => failover.run(&mut Pair::start()),
        };
        println!("round {round}: {report}");
    }
    ExitCode::SUCCESS
}
