//! Medians, and alternating measurements of server and SQL.

use std::time::{Duration, Instant};

/// What does the work of a round.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The server, through a request.
    Server,
    /// Hand-written SQL.
    Sql,
}

/// The median times of both sides for the same rows.
#[derive(Clone, Copy)]
pub struct Pair {
    pub server: Duration,
    pub sql: Duration,
}

impl Pair {
    /// The server's time divided by the SQL's.
    pub fn ratio(&self) -> f64 {
        self.server.as_secs_f64() / self.sql.as_secs_f64()
    }
}

/// How long `work` takes.
pub fn time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

/// The median of the measurements.
pub fn median(mut measurements: Vec<Duration>) -> Duration {
    measurements.sort_unstable();
    measurements[measurements.len() / 2]
}

/// Measures both sides in turn, each first every other time, so that noise and a growing database affect both alike.
/// Round 0 is a warm-up and does not count: `measure` is called for `rounds + 1` rounds.
pub fn in_turn(rounds: usize, mut measure: impl FnMut(Side, usize) -> Duration) -> Pair {
    let (mut server, mut sql) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let order = if round % 2 == 0 { [Side::Server, Side::Sql] } else { [Side::Sql, Side::Server] };
        for side in order {
            let duration = measure(side, round);
            match side {
                _ if round == 0 => {}
                Side::Server => server.push(duration),
                Side::Sql => sql.push(duration),
            }
        }
    }
    Pair { server: median(server), sql: median(sql) }
}
