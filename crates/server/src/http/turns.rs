//! Turns at the database. Requests wait for their turn without a thread. Neither writers nor readers get all turns, so
//! requests that wait for a lock do not keep readers waiting, and slow reads do not keep writers waiting (ADR 17).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::{DatabaseConfig, DatabaseUrl};
use crate::http::error::ApiError;
use crate::http::response::ApiResult;
use crate::state::AppState;

/// The most requests that wait.
const MAX_WAITING: i64 = 1_024;

/// How long a request waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a request does at the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It reads.
    Read,
    /// It may write.
    Write,
    /// It looks up who asks and what they may do: short reads, before a request reads or writes. They wait neither behind
    /// those who write nor behind those who read, unless both have all connections.
    Check,
    /// It prolongs a lease: a short transaction on rows for which hardly anybody else waits. On Postgres it waits neither
    /// behind those who write nor behind those who read, unless both have all connections.
    Prolong,
}

impl Access {
    /// The access that a request with this method needs.
    pub fn of(method: &Method) -> Self {
        if method.is_safe() { Self::Read } else { Self::Write }
    }
}

/// The turns of one process.
pub struct Turns {
    /// As many as there are connections. Everybody takes one.
    all: Arc<Semaphore>,
    /// Fewer, so that a writer finds a connection. A reader takes one of these first.
    reads: Arc<Semaphore>,
    /// Fewer, so that a reader finds a connection. A writer takes one of these first.
    writes: Arc<Semaphore>,
    /// Who checks a permission takes one of these first. Otherwise a request that writes would wait for slow reads.
    checks: Arc<Semaphore>,
    /// Who prolongs a lease takes one of these first: one of `writes` where only one may write.
    prolongs: Arc<Semaphore>,
    waiting: IntGauge,
}

/// A turn, which ends when it is dropped.
pub struct Turn {
    _all: OwnedSemaphorePermit,
    _kind: OwnedSemaphorePermit,
}

/// How many turns there are. There are as many to check permissions as there are to read.
struct Numbers {
    all: usize,
    reads: usize,
    writes: usize,
    /// Those only to prolong leases; 0 where they are prolonged in turns to write.
    prolongs: usize,
}

/// The numbers of turns for these connections.
///
/// A connection is kept for who writes: on SQLite, which has one writer beside the connections for reads, for what they
/// read. A quarter of Postgres' connections is kept for reads, and one for who prolongs leases. One connection is shared
/// by all, and two by readers and writers.
fn numbers(database: &DatabaseConfig) -> Numbers {
    let connections = (database.pool_size as usize).max(1);
    let reads = (connections - 1).max(1);
    match database.url_or_default() {
        DatabaseUrl::Sqlite(_) => Numbers { all: reads + 1, reads, writes: 1, prolongs: 0 },
        DatabaseUrl::Postgres(_) => match connections - connections.div_ceil(4) {
            0 | 1 => Numbers { all: connections, reads, writes: 1, prolongs: 0 },
            writing => Numbers { all: connections, reads, writes: writing - 1, prolongs: 1 },
        },
    }
}

impl Turns {
    /// The turns of a database. `waiting` shows how many requests wait.
    pub fn new(database: &DatabaseConfig, waiting: IntGauge) -> Self {
        let Numbers { all, reads, writes, prolongs } = numbers(database);
        let [all, reads, writes] = [all, reads, writes].map(|number| Arc::new(Semaphore::new(number)));
        let checks = Arc::new(Semaphore::new(reads.available_permits()));
        let prolongs = if prolongs == 0 { writes.clone() } else { Arc::new(Semaphore::new(prolongs)) };
        Self { all, reads, writes, checks, prolongs, waiting }
    }

    /// The number of threads that the turns can block at once.
    pub fn number(database: &DatabaseConfig) -> usize {
        numbers(database).all
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// 503 if too many wait, or if it takes too long.
    pub async fn take(&self, access: Access) -> ApiResult<Turn> {
        if let Some(turn) = self.try_take(access) {
            return Ok(turn);
        }
        let _waiting = Waiting::among(&self.waiting).ok_or_else(busy)?;
        tokio::time::timeout(PATIENCE, self.take_patiently(access)).await.ok().flatten().ok_or_else(busy)
    }

    /// Waits for a turn as long as it takes: for work that nobody waits for. `None` if nobody gives turns any more.
    ///
    /// Who has a turn of their kind waits for one of all behind few others, because the crowd waits for turns of its kind.
    pub async fn take_patiently(&self, access: Access) -> Option<Turn> {
        let kind = self.kind(access).clone().acquire_owned().await.ok()?;
        Some(Turn { _all: self.all.clone().acquire_owned().await.ok()?, _kind: kind })
    }

    fn try_take(&self, access: Access) -> Option<Turn> {
        let kind = self.kind(access).clone().try_acquire_owned().ok()?;
        Some(Turn { _all: self.all.clone().try_acquire_owned().ok()?, _kind: kind })
    }

    /// The turns of a kind, of which one is taken before one of all.
    fn kind(&self, access: Access) -> &Arc<Semaphore> {
        match access {
            Access::Read => &self.reads,
            Access::Write => &self.writes,
            Access::Check => &self.checks,
            Access::Prolong => &self.prolongs,
        }
    }
}

fn busy() -> ApiError {
    let message = "The service is busy with other requests. Nothing was done; try again shortly.";
    ApiError::detail(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(5)
}

/// One of those who wait.
struct Waiting<'a>(&'a IntGauge);

impl<'a> Waiting<'a> {
    fn among(waiting: &'a IntGauge) -> Option<Self> {
        waiting.inc();
        let waiting = Self(waiting);
        (waiting.0.get() <= MAX_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

tokio::task_local! {
    /// The turns of the request under way.
    static REQUEST: Request;
}

/// The turns that a request takes, and what for.
#[derive(Clone)]
struct Request {
    turns: Arc<Turns>,
    access: Access,
    /// Whether it got a turn to write.
    got_one_to_write: Arc<AtomicBool>,
}

impl Request {
    fn new(turns: Arc<Turns>, access: Access) -> Self {
        Self { turns, access, got_one_to_write: Arc::default() }
    }

    async fn take(&self, access: Access) -> ApiResult<Turn> {
        let turn = self.turns.take(access).await?;
        if access == Access::Write {
            self.got_one_to_write.store(true, Ordering::Relaxed);
        }
        Ok(turn)
    }
}

/// Middleware for `from_fn`: the request's work on blocking threads takes turns, by the method of the request.
pub async fn by_method(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let turns = AppState::of(request.request())?.turns.clone();
    let access = Access::of(request.method());
    REQUEST.scope(Request::new(turns, access), next.call(request)).await
}

/// The turns of a request, for the part of its work that runs in a task of its own.
pub(super) struct OfRequest(Option<Request>);

impl OfRequest {
    /// Those of the request under way.
    pub(super) fn under_way() -> Self {
        Self(REQUEST.try_with(Clone::clone).ok())
    }

    /// Does work that takes them.
    pub(super) async fn during<T>(self, work: impl Future<Output = T>) -> T {
        match self.0 {
            Some(request) => REQUEST.scope(request, work).await,
            None => work.await,
        }
    }
}

/// The turn of the request under way, once it comes; with [`Access::Write`], only to read if the request reads. Outside of
/// requests, and in answers that are still being sent, there is no request under way.
pub(super) async fn of_request(access: Access) -> ApiResult<Option<Turn>> {
    let Ok(request) = REQUEST.try_with(Clone::clone) else { return Ok(None) };
    let access = if access == Access::Write { request.access } else { access };
    request.take(access).await.map(Some)
}

/// A turn to write for the request under way, whatever its method. Outside of requests, nobody takes turns.
///
/// Who holds another turn must not wait for it.
pub(super) async fn to_write() -> ApiResult<Option<Turn>> {
    let Ok(request) = REQUEST.try_with(Clone::clone) else { return Ok(None) };
    request.take(Access::Write).await.map(Some)
}

/// Whether the request under way got a turn to write. One that did not has written nothing, and was refused at most.
pub fn got_one_to_write() -> bool {
    REQUEST.try_with(|request| request.got_one_to_write.load(Ordering::Relaxed)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use actix_web::rt;

    use super::*;

    fn turns(url: &str, connections: u32) -> Turns {
        let url = Some(DatabaseUrl::try_from(url.to_owned()).unwrap());
        let database = DatabaseConfig { url, pool_size: connections, ..DatabaseConfig::default() };
        Turns::new(&database, IntGauge::new("waiting", "Waiting.").unwrap())
    }

    /// All turns that are left for this.
    fn rest(turns: &Turns, access: Access) -> Vec<Turn> {
        std::iter::from_fn(|| turns.try_take(access)).take(100).collect()
    }

    #[actix_web::test]
    async fn writers_and_readers_leave_turns_to_each_other() {
        for (url, connections, writers, readers_beside, readers, writers_beside) in [
            ("sqlite:a.db", 8, 1, 7, 7, 1),
            ("sqlite:a.db", 2, 1, 1, 1, 1),
            ("sqlite:a.db", 1, 1, 1, 1, 1),
            ("postgres://localhost/a", 8, 5, 3, 7, 1),
            ("postgres://localhost/a", 4, 2, 2, 3, 1),
            ("postgres://localhost/a", 3, 1, 2, 2, 1),
            ("postgres://localhost/a", 2, 1, 1, 1, 1),
            ("postgres://localhost/a", 1, 1, 0, 1, 0),
        ] {
            let turns = turns(url, connections);
            for (first, number, beside, left) in [
                (Access::Write, writers, Access::Read, readers_beside),
                (Access::Read, readers, Access::Write, writers_beside),
            ] {
                let taken = rest(&turns, first);
                let others = rest(&turns, beside);
                assert_eq!((taken.len(), others.len()), (number, left), "{url} {connections} {first:?}");
                drop((taken, others));
                assert!(turns.try_take(first).is_some(), "a turn ends when it is dropped");
            }
        }
    }

    #[actix_web::test]
    async fn a_writer_does_not_wait_behind_a_crowd_of_readers() {
        let turns = turns("postgres://localhost/a", 4);
        let mut reading = rest(&turns, Access::Read);
        let writing = turns.try_take(Access::Write);
        assert!(reading.len() == 3 && writing.is_some(), "all connections are in use");
        let mut crowd: Vec<_> = (0..50).map(|_| Box::pin(turns.take_patiently(Access::Read))).collect();
        for reader in &mut crowd {
            assert!(futures_util::poll!(reader.as_mut()).is_pending());
        }
        let mut writer = std::pin::pin!(turns.take_patiently(Access::Write));
        assert!(futures_util::poll!(writer.as_mut()).is_pending());
        drop(reading.pop());
        assert!(futures_util::poll!(writer.as_mut()).is_ready(), "it waits only for a connection");
    }

    #[actix_web::test]
    async fn who_prolongs_a_lease_waits_neither_behind_writers_nor_behind_readers() {
        let turns = turns("postgres://localhost/a", 4);
        for crowd in [Access::Write, Access::Read] {
            let taken = rest(&turns, crowd);
            let mut waiting = std::pin::pin!(turns.take_patiently(crowd));
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
            assert_eq!(rest(&turns, Access::Prolong).len(), 1, "{crowd:?}");
            drop(taken);
        }
        let writing = (rest(&turns, Access::Write), rest(&turns, Access::Prolong));
        assert_eq!(rest(&turns, Access::Read).len(), 1, "a connection is left for who reads");
        drop(writing);
    }

    #[actix_web::test]
    async fn who_checks_a_permission_waits_neither_behind_writers_nor_behind_readers() {
        for url in ["sqlite:a.db", "postgres://localhost/a"] {
            let turns = turns(url, 4);
            for crowd in [Access::Write, Access::Read] {
                let taken = rest(&turns, crowd);
                let mut waiting = std::pin::pin!(turns.take_patiently(crowd));
                assert!(futures_util::poll!(waiting.as_mut()).is_pending());
                assert!(turns.try_take(Access::Check).is_some(), "{url} {crowd:?}");
                drop(taken);
            }
        }
    }

    #[actix_web::test]
    async fn on_sqlite_who_prolongs_a_lease_writes_before_those_who_ask_later() {
        let turns = turns("sqlite:a.db", 4);
        let writing = turns.try_take(Access::Write);
        let mut prolonging = std::pin::pin!(turns.take_patiently(Access::Prolong));
        assert!(futures_util::poll!(prolonging.as_mut()).is_pending(), "there is one writer");
        let mut later = std::pin::pin!(turns.take_patiently(Access::Write));
        assert!(futures_util::poll!(later.as_mut()).is_pending());
        drop(writing);
        assert!(futures_util::poll!(later.as_mut()).is_pending());
        assert!(futures_util::poll!(prolonging.as_mut()).is_ready());
    }

    #[actix_web::test]
    async fn a_waiting_request_gets_the_next_turn_and_counts_until_then() {
        let turns = turns("sqlite:a.db", 4);
        let first = turns.take(Access::Write).await.unwrap();
        let mut second = std::pin::pin!(turns.take(Access::Write));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        assert_eq!(turns.waiting.get(), 1);
        assert!(turns.take(Access::Read).await.is_ok(), "who reads does not wait for who writes");
        drop(first);
        assert!(second.await.is_ok());
        assert_eq!(turns.waiting.get(), 0);
    }

    #[actix_web::test]
    async fn a_job_takes_its_turn_after_the_requests_that_wait() {
        let turns = turns("sqlite:a.db", 4);
        let first = turns.take(Access::Write).await.unwrap();
        let mut request = std::pin::pin!(turns.take(Access::Write));
        assert!(futures_util::poll!(request.as_mut()).is_pending());
        let mut job = std::pin::pin!(turns.take_patiently(Access::Write));
        assert!(futures_util::poll!(job.as_mut()).is_pending());
        drop(first);
        assert!(futures_util::poll!(job.as_mut()).is_pending(), "the request asked first");
        drop(request.await.unwrap());
        assert!(job.await.is_some());
    }

    #[actix_web::test]
    async fn a_request_takes_its_turns_in_another_task_too() {
        async fn takes_one() -> bool {
            of_request(Access::Write).await.is_ok_and(|turn| turn.is_some())
        }

        let request = Request::new(Arc::new(turns("sqlite:a.db", 4)), Access::Write);
        assert!(REQUEST.scope(request.clone(), takes_one()).await);
        let kept = REQUEST.scope(request, async { OfRequest::under_way() }).await;
        assert!(rt::spawn(kept.during(takes_one())).await.unwrap());
        assert!(!rt::spawn(OfRequest::under_way().during(takes_one())).await.unwrap(), "this is no request");
    }

    fn got_one(request: &Request) -> bool {
        REQUEST.sync_scope(request.clone(), got_one_to_write)
    }

    #[actix_web::test]
    async fn a_request_that_reads_waits_its_turn_where_it_has_to_write() {
        let turns = Arc::new(turns("sqlite:a.db", 4));
        let reading = Request::new(turns.clone(), Access::Read);
        let writer = turns.take(Access::Write).await.unwrap();
        assert!(REQUEST.scope(reading.clone(), of_request(Access::Write)).await.unwrap().is_some());
        let mut waiting = std::pin::pin!(REQUEST.scope(reading.clone(), to_write()));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending(), "somebody else writes");
        drop(writer);
        assert!(!got_one(&reading), "it waits");
        assert!(waiting.await.unwrap().is_some());
        assert!(got_one(&reading));
        assert!(to_write().await.unwrap().is_none(), "this is no request");
    }

    #[actix_web::test]
    async fn beyond_the_queue_nobody_waits() {
        let turns = turns("sqlite:a.db", 4);
        let _held = turns.take(Access::Write).await.unwrap();
        turns.waiting.set(MAX_WAITING);
        let refused = turns.take(Access::Write).await.map(drop).unwrap_err();
        assert_eq!(actix_web::ResponseError::status_code(&refused), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(turns.waiting.get(), MAX_WAITING);
    }
}
