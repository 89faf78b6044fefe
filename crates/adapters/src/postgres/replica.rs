//! A standby that answers reads while it is close behind the primary (ADR 29).
//!
//! How far the standby is behind follows from positions in the primary's log: when the standby has replayed a position,
//! it has everything that was committed before the primary was asked for that position. So no clocks are compared, an
//! idle primary does not look like a lagging standby, and a standby that receives nothing does not look up to date.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use diesel::sql_types::{BigInt, Bool, Integer};
use diesel::{PgConnection, QueryableByName, RunQueryDsl, sql_query};
use license_manager_domain::Error;

use super::error::{Failure, Remedy};
use super::options::PostgresOptions;
use super::store::PostgresStore;
use crate::pool::PoolUse;

/// How often both servers are asked where they are.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long the standby gets to replay what the primary had, before it is asked.
const HEAD_START: Duration = Duration::from_millis(100);

/// The longest that [`Replica::bytes_behind`] waits for a standby to follow.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most positions of the primary that are remembered, an hour of them.
const MOST_MARKS: usize = 3_600;

/// After how many positions old notes of who wrote are removed.
const CLEANING: u64 = 600;

/// A standby of a primary, for reads.
pub struct Replica {
    store: PostgresStore,
    max_lag: Duration,
    state: Mutex<State>,
    answered: AtomicU64,
    passed_on: AtomicU64,
}

/// How reads were answered, and how far behind the standby is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaUse {
    /// Its connections.
    pub pool: PoolUse,
    /// Units of work that it answered.
    pub answered: u64,
    /// Units of work that it might have answered, and the primary did.
    pub passed_on: u64,
    /// An upper bound of how far behind it is; `None` if that is not known.
    pub lag: Option<Duration>,
    /// Whether it answers reads.
    pub is_used: bool,
}

/// Why a standby answers no reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaProblem {
    /// It does not answer.
    #[error("the replica does not answer: {0}")]
    Unreachable(String),
    /// The primary does not answer, or is a standby.
    #[error("the primary does not answer with its position in the log: {0}")]
    Primary(String),
    /// It takes writes: it was promoted, or never was a standby.
    #[error("the replica is no standby: it was promoted, or its URL leads to a primary")]
    Promoted,
    /// It follows another primary.
    #[error("the replica is a standby of another cluster")]
    Foreign,
    /// It has not made a restart point since the primary was promoted, or follows a former primary.
    #[error("the replica is on another timeline than the primary; this is normal for some minutes after a failover")]
    Timeline,
    /// It lacks what the primary had so many seconds ago.
    #[error("the replica is more than {0} seconds behind")]
    Behind(u64),
}

/// What is known of the standby.
#[derive(Debug, Default)]
struct State {
    /// Everything that was committed by then is in the standby. `None` if that is not known.
    has_all_until: Option<Instant>,
    problem: Option<ReplicaProblem>,
}

/// Where the primary was, and when it was asked.
#[derive(Debug, Default)]
struct Marks(VecDeque<(Instant, i64)>);

impl Marks {
    /// Remembers where the primary is.
    fn add(&mut self, asked: Instant, position: i64) {
        if self.0.len() == MOST_MARKS {
            // The first one tells how far behind the standby is.
            self.0.remove(1);
        }
        self.0.push_back((asked, position));
    }

    /// When the primary was asked for the last position that was replayed. Forgets those before it.
    fn replayed(&mut self, position: i64) -> Option<Instant> {
        let number = self.0.iter().take_while(|(_, mark)| *mark <= position).count();
        self.0.drain(..number.saturating_sub(1));
        self.0.front().filter(|_| number > 0).map(|(asked, _)| *asked)
    }

    /// When the primary was asked for the first position that is remembered: the last one that was replayed, or, if there
    /// is none, the first one that was not.
    fn first(&self) -> Option<Instant> {
        self.0.front().map(|(asked, _)| *asked)
    }
}

#[derive(QueryableByName)]
struct PrimaryRow {
    #[diesel(sql_type = BigInt)]
    position: i64,
    #[diesel(sql_type = BigInt)]
    cluster: i64,
    #[diesel(sql_type = Integer)]
    timeline: i32,
}

#[derive(QueryableByName)]
struct StandbyRow {
    #[diesel(sql_type = Bool)]
    is_standby: bool,
    #[diesel(sql_type = BigInt)]
    position: i64,
    #[diesel(sql_type = BigInt)]
    cluster: i64,
    #[diesel(sql_type = Integer)]
    timeline: i32,
}

// What was written but not flushed is left out: its commits are not answered yet.
const PRIMARY: &str = "
    SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint AS position, system_identifier AS cluster,
           ('x' || substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8))::bit(32)::integer AS timeline
    FROM pg_control_system()";

// The timeline is that of the last restart point, so a new one is noticed late, but never too early.
const STANDBY: &str = "
    SELECT pg_is_in_recovery() AS is_standby, system_identifier AS cluster, timeline_id AS timeline,
           coalesce(pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0'), 0)::bigint AS position
    FROM pg_control_system(), pg_control_checkpoint()";

impl Replica {
    /// A standby. It is not used until it is watched.
    ///
    /// # Errors
    /// [`Error::Internal`] if an option is outside of its limits.
    pub fn connect(options: &PostgresOptions, max_lag: Duration) -> Result<Self, Error> {
        Ok(Self {
            store: PostgresStore::connect(options)?,
            max_lag,
            state: Mutex::default(),
            answered: AtomicU64::new(0),
            passed_on: AtomicU64::new(0),
        })
    }

    /// Asks both servers every second where they are, on a thread of its own, until the replica is dropped.
    ///
    /// # Errors
    /// [`Error::Internal`] if there can be no thread.
    pub fn watch(self: &Arc<Self>, primary: &PostgresStore) -> Result<(), Error> {
        let (replica, primary) = (Arc::downgrade(self), primary.clone());
        let look = move || watch(&replica, &primary);
        thread::Builder::new().name("replica-watch".to_owned()).spawn(look).map(drop).map_err(Error::internal)
    }

    /// How it is used.
    pub fn usage(&self) -> ReplicaUse {
        let lag = self.lag();
        ReplicaUse {
            pool: PoolUse { name: "replica", ..self.store.usage() },
            answered: self.answered.load(Ordering::Relaxed),
            passed_on: self.passed_on.load(Ordering::Relaxed),
            lag,
            is_used: lag.is_some_and(|lag| lag <= self.max_lag),
        }
    }

    /// How far behind it may be.
    pub fn max_lag(&self) -> Duration {
        self.max_lag
    }

    /// How many bytes of what the primary has in its log now it does not replay within the time that it may be behind,
    /// or a few seconds.
    ///
    /// # Errors
    /// Why it could not be used.
    pub fn bytes_behind(&self, primary: &PostgresStore) -> Result<i64, ReplicaProblem> {
        self.store.examine().map_err(ReplicaProblem::Unreachable)?;
        let (asked, begun) = (ask_primary(primary)?, Instant::now());
        loop {
            let behind = asked.position - self.ask(&asked)?;
            if behind <= 0 || begun.elapsed() >= self.max_lag.min(PATIENCE) {
                return Ok(behind.max(0));
            }
            thread::sleep(HEAD_START);
        }
    }

    /// What the standby answers; `None` if the primary has to be asked: the standby may be behind, or cannot answer.
    pub(super) fn read<T>(&self, read: impl FnOnce(&PostgresStore) -> Result<T, Failure>) -> Option<Result<T, Error>> {
        let outcome = self.try_read(read);
        let counter = if outcome.is_some() { &self.answered } else { &self.passed_on };
        counter.fetch_add(1, Ordering::Relaxed);
        outcome
    }

    fn try_read<T>(&self, read: impl FnOnce(&PostgresStore) -> Result<T, Failure>) -> Option<Result<T, Error>> {
        if self.lag().is_none_or(|lag| lag > self.max_lag) {
            return None;
        }
        match read(&self.store) {
            Ok(value) => Some(Ok(value)),
            // The statement took too long. The primary would take as long.
            Err(Failure { error: Error::Unavailable, remedy: Remedy::None }) => Some(Err(Error::Unavailable)),
            Err(Failure { remedy: Remedy::Reconnect, error }) => {
                self.note(Err(ReplicaProblem::Unreachable(error.to_string())));
                None
            }
            // It may lack a row or a column that the primary has, or give up a query that keeps it from following.
            Err(_) => None,
        }
    }

    fn lag(&self) -> Option<Duration> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).has_all_until.map(|until| until.elapsed())
    }

    /// Asks both servers where they are, and notes what follows.
    fn look(&self, primary: &PostgresStore, marks: &mut Marks) {
        let asked = Instant::now();
        let found = ask_primary(primary).and_then(|at| {
            marks.add(asked, at.position);
            thread::sleep(HEAD_START);
            let until = marks.replayed(self.ask(&at)?);
            Ok((until, marks.first().is_some_and(|first| first.elapsed() > self.max_lag)))
        });
        if found.is_err() {
            // The next primary may be at another place in another log.
            *marks = Marks::default();
        }
        self.note(found);
    }

    /// The position that the standby has replayed.
    fn ask(&self, primary: &PrimaryRow) -> Result<i64, ReplicaProblem> {
        let rows = self.store.attempt(|connection: &mut PgConnection| sql_query(STANDBY).load(connection));
        let rows: Vec<StandbyRow> = rows.map_err(|failure| ReplicaProblem::Unreachable(failure.error.to_string()))?;
        match rows.first() {
            None | Some(StandbyRow { is_standby: false, .. }) => Err(ReplicaProblem::Promoted),
            Some(standby) if standby.cluster != primary.cluster => Err(ReplicaProblem::Foreign),
            Some(standby) if standby.timeline != primary.timeline => Err(ReplicaProblem::Timeline),
            Some(standby) => Ok(standby.position),
        }
    }

    /// Notes until when the standby has everything and whether that is too long ago, or why it cannot be used.
    fn note(&self, found: Result<(Option<Instant>, bool), ReplicaProblem>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let problem = match found {
            Ok((until, is_behind)) => {
                state.has_all_until = until;
                is_behind.then_some(ReplicaProblem::Behind(self.max_lag.as_secs()))
            }
            Err(problem) => {
                state.has_all_until = None;
                Some(problem)
            }
        };
        if problem != state.problem {
            match &problem {
                Some(problem) => tracing::warn!(%problem, "the replica answers no reads"),
                None => tracing::info!("the replica answers reads again"),
            }
            state.problem = problem;
        }
    }
}

fn ask_primary(primary: &PostgresStore) -> Result<PrimaryRow, ReplicaProblem> {
    let rows = primary.attempt(|connection: &mut PgConnection| sql_query(PRIMARY).load(connection));
    let rows: Vec<PrimaryRow> = rows.map_err(|failure| ReplicaProblem::Primary(failure.error.to_string()))?;
    rows.into_iter().next().ok_or_else(|| ReplicaProblem::Primary("it returned nothing".to_owned()))
}

fn watch(replica: &Weak<Replica>, primary: &PostgresStore) {
    let mut marks = Marks::default();
    for look in 1_u64.. {
        let Some(replica) = replica.upgrade() else { return };
        replica.look(primary, &mut marks);
        drop(replica);
        if look.is_multiple_of(CLEANING)
            && let Err(error) = primary.remove_old_notes()
        {
            tracing::debug!(%error, "old notes about users who wrote cannot be removed; retrying later");
        }
        thread::sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_has_what_was_committed_before_the_last_position_that_it_replayed() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut marks = Marks::default();
        marks.add(start, 100);
        assert_eq!(marks.replayed(99), None);
        assert_eq!(marks.first(), Some(start), "it is behind since then");
        assert_eq!(marks.replayed(100), Some(start));
        marks.add(start + second, 250);
        marks.add(start + 2 * second, 300);
        assert_eq!(marks.replayed(249), Some(start), "a standby that does not follow gets older");
        assert_eq!(marks.replayed(260), Some(start + second));
        marks.add(start + 3 * second, 300);
        assert_eq!(marks.replayed(300), Some(start + 3 * second), "an idle primary has nothing to follow");
    }

    #[test]
    fn the_marks_of_a_standby_that_does_not_follow_are_bounded() {
        let start = Instant::now();
        let mut marks = Marks::default();
        for number in 0..10_000 {
            marks.add(start + INTERVAL * number, i64::from(number));
        }
        assert_eq!(marks.0.len(), MOST_MARKS);
        assert_eq!(marks.replayed(0), Some(start));
        assert_eq!(marks.replayed(9_999), Some(start + INTERVAL * 9_999));
    }
}
