//! Servers, workers and clients through a hundred kills and more:
//! `soak [--seed NUMBER] [--requests NUMBER] [--minutes NUMBER] [--faults NUMBER] [--clients NUMBER] [--previous BINARY]
//! [LM_NAME=VALUE] [sqlite|postgres]`.
//!
//! Without a database it takes both, one after the other. With an older binary, one of the two servers runs it in turn
//! with today's, on the database that today's has migrated.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use license_manager_tests::chaos::{Chaos, Kind, random_seed};

const USAGE: &str = "usage: soak [--seed NUMBER] [--requests NUMBER] [--minutes NUMBER] [--faults NUMBER] \
                     [--clients NUMBER] [--previous BINARY] [LM_NAME=VALUE] [sqlite|postgres]";

/// What the command line asks for; `None` if it cannot be read.
fn read(mut words: impl Iterator<Item = String>) -> Option<(Chaos, Vec<Kind>)> {
    let seed = random_seed();
    let mut chaos = Chaos {
        seed,
        requests: 100_000,
        duration: Duration::from_secs(3_600),
        clients: 8,
        faults: 190,
        previous: None,
        settings: Vec::new(),
    };
    let mut kinds = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "sqlite" => kinds.push(Kind::Sqlite),
            "postgres" => kinds.push(Kind::Postgres),
            "--seed" => chaos.seed = words.next()?.parse().ok()?,
            "--requests" => chaos.requests = words.next()?.parse().ok()?,
            "--minutes" => chaos.duration = Duration::from_secs(60 * words.next()?.parse::<u64>().ok()?),
            "--faults" => chaos.faults = words.next()?.parse().ok()?,
            "--clients" => chaos.clients = words.next()?.parse().ok().filter(|clients| *clients > 0)?,
            "--previous" => chaos.previous = Some(PathBuf::from(words.next()?).canonicalize().ok()?),
            setting => {
                let (name, value) = setting.split_once('=').filter(|(name, _)| name.starts_with("LM_"))?;
                chaos.settings.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    if kinds.is_empty() {
        kinds = vec![Kind::Sqlite, Kind::Postgres];
    }
    Some((chaos, kinds))
}

fn main() -> ExitCode {
    let Some((chaos, kinds)) = read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    for kind in kinds {
        let start = Instant::now();
        let report = chaos.run(kind);
        println!("{kind:?}, seed {}: {report}, in {} s", chaos.seed, start.elapsed().as_secs());
    }
    ExitCode::SUCCESS
}
