//! The health and metrics of this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use actix_web::web::Bytes;
use license_manager_adapters::postgres::Replica;
use license_manager_domain::{Error, LicenseManager};

use crate::config::{Config, Secret};
use crate::database::Database;
use crate::http::turns::{Access, Turns};
use crate::telemetry::metrics::{Metrics, Observation, Stored};
use crate::telemetry::shared_reading::SharedReading;

/// The most messages counted per queue: enough to see that there are too many.
const COUNTED_MESSAGES: i64 = 10_000;

/// The timeout for reading metrics from the database. Prometheus itself waits 10 seconds.
const METRICS_TIMEOUT: Duration = Duration::from_secs(3);

/// How old the metrics may be that somebody gets: one reading serves any number of scrapers for so long.
const METRICS_AGE: Duration = Duration::from_secs(1);

/// The paths for monitoring. They need no user's token and are always answered.
pub const WATCHED: [&str; 4] = ["/health/", "/health/live/", "/health/ready/", "/metrics/"];

/// Whether the path is one of [`WATCHED`], with or without its trailing slash.
pub fn is_watched(path: &str) -> bool {
    WATCHED.iter().any(|watched| watched.trim_end_matches('/') == path.trim_end_matches('/'))
}

/// Whether the path is that of a health check, with or without its trailing slash.
pub fn is_health_check(path: &str) -> bool {
    is_watched(path) && path.starts_with("/health")
}

/// The phase of the process's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waits for the database and migrates it.
    Starting,
    /// It does its work.
    Running,
    /// Finishes what is running and starts nothing new.
    Stopping,
}

/// Whether the schema fits this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// It does.
    UpToDate,
    /// A newer version migrated it. This version keeps working, so that servers can be upgraded one by one.
    Newer,
    /// Migrations are pending.
    Outdated,
    /// The database did not answer.
    Unknown,
}

/// The readiness of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// Its phase.
    pub phase: Phase,
    /// Whether the database answers.
    pub database: bool,
    /// The state of the schema.
    pub schema: Schema,
}

impl Readiness {
    /// Whether the process can do its work.
    pub fn is_ready(self) -> bool {
        self.phase == Phase::Running && self.database && matches!(self.schema, Schema::UpToDate | Schema::Newer)
    }
}

/// The health and metrics of one process.
pub struct Monitor {
    /// Its metrics.
    pub metrics: Arc<Metrics>,
    /// Whose turn it is at the database. Reading the metrics takes one.
    pub turns: Arc<Turns>,
    /// How long a connection may take, and so how long the metrics wait for a turn, and a health check for its answer.
    connect_timeout: Duration,
    enabled: bool,
    /// Whether metrics are served by a listener of their own, and by no other.
    has_listener: bool,
    token: Option<Secret>,
    runs_schedule: bool,
    texts: SharedReading<Bytes>,
    states: SharedReading<Readiness>,
    database: Arc<Database>,
    manager: LicenseManager,
    replica: Option<Arc<Replica>>,
    phase: AtomicU8,
}

impl Monitor {
    /// A monitor of a starting process.
    pub fn new(config: &Config, metrics: Arc<Metrics>, database: Arc<Database>, manager: LicenseManager) -> Self {
        let (enabled, token) = (config.metrics.enabled, config.metrics.token.clone());
        Self {
            turns: Arc::new(Turns::new(&config.database, metrics.requests_waiting())),
            connect_timeout: config.database.connect_timeout(),
            metrics,
            enabled,
            has_listener: config.metrics.listen.is_some(),
            token,
            runs_schedule: config.schedule.enabled,
            texts: SharedReading::new(METRICS_AGE),
            states: SharedReading::new(Duration::ZERO),
            database,
            manager,
            replica: None,
            phase: AtomicU8::new(Phase::Starting as u8),
        }
    }

    /// The same monitor, which also shows how a replica is used.
    pub fn with_replica(self, replica: Option<Arc<Replica>>) -> Self {
        Self { replica, ..self }
    }

    /// Whether metrics are enabled, on the server's own listener or on one for monitoring.
    pub fn shows_metrics(&self, is_for_monitoring: bool) -> bool {
        self.enabled && (is_for_monitoring || !self.has_listener)
    }

    /// The bearer token required to read the metrics.
    pub fn metrics_token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    /// Whether this process runs the schedule.
    pub fn runs_schedule(&self) -> bool {
        self.runs_schedule
    }

    /// The current phase.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            phase if phase == Phase::Starting as u8 => Phase::Starting,
            phase if phase == Phase::Running as u8 => Phase::Running,
            _ => Phase::Stopping,
        }
    }

    /// Ends the start, unless the process was already told to stop.
    pub fn started(&self) {
        let (starting, running) = (Phase::Starting as u8, Phase::Running as u8);
        let _ = self.phase.compare_exchange(starting, running, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Begins the shutdown.
    pub fn stopping(&self) {
        self.phase.store(Phase::Stopping as u8, Ordering::Release);
    }

    /// Reads the readiness. Who asks while another reading is made shares the next one.
    ///
    /// It takes no turn at the database, because it must not wait behind requests. One reading at a time takes a connection
    /// for some milliseconds. If all are in use, the store opens one more. A database that does not answer within the
    /// timeout of connections counts as unavailable.
    ///
    /// # Errors
    /// When the reading panics.
    pub async fn readiness(self: Arc<Self>) -> Result<Readiness, Error> {
        let monitor = self.clone();
        let read = move || async move {
            let reading = tokio::task::spawn_blocking(move || {
                let database = monitor.database.ping().is_ok();
                let schema = if database { monitor.schema().unwrap_or(Schema::Unknown) } else { Schema::Unknown };
                Readiness { phase: monitor.phase(), database, schema }
            });
            reading.await.map_err(Error::internal)
        };
        let unavailable = Readiness { phase: self.phase(), database: false, schema: Schema::Unknown };
        let in_time = tokio::time::timeout(self.connect_timeout, self.states.get(read)).await;
        let readiness = in_time.unwrap_or(Ok(unavailable))?;
        Ok(Readiness { phase: self.phase(), ..readiness })
    }

    fn schema(&self) -> Result<Schema, Error> {
        if !self.database.pending_migrations()?.is_empty() {
            return Ok(Schema::Outdated);
        }
        Ok(if self.database.unknown_migrations()?.is_empty() { Schema::UpToDate } else { Schema::Newer })
    }

    /// The metrics in Prometheus's text format, up to [`METRICS_AGE`] old.
    ///
    /// # Errors
    /// When they cannot be written, which tests rule out.
    pub async fn metrics_text(self: Arc<Self>) -> Result<Bytes, Error> {
        let monitor = self.clone();
        self.texts.get(move || monitor.read_metrics()).await
    }

    async fn read_metrics(self: Arc<Self>) -> Result<Bytes, Error> {
        let (monitor, mut pools) = (self.clone(), self.database.pools());
        let replica = self.replica.as_ref().map(|replica| replica.usage());
        pools.extend(replica.map(|replica| replica.pool));
        let stored = match tokio::time::timeout(METRICS_TIMEOUT, monitor.stored_in_turn()).await {
            Ok(Ok(stored)) => Some(stored),
            Ok(Err(error)) => {
                tracing::warn!(%error, "reading metrics from the database failed");
                None
            }
            Err(_) => {
                tracing::warn!("reading metrics from the database timed out");
                None
            }
        };
        self.metrics.text(&Observation { pools, replica, stored }).map(Bytes::from).map_err(Error::internal)
    }

    async fn stored_in_turn(self: Arc<Self>) -> Result<Stored, Error> {
        let turn = tokio::time::timeout(self.connect_timeout, self.turns.take_patiently(Access::Read)).await;
        let turn = turn.map_err(|_| Error::Unavailable)?;
        let reading = move || {
            let _turn = turn;
            self.stored()
        };
        tokio::task::spawn_blocking(reading).await.map_err(Error::internal)?
    }

    fn stored(&self) -> Result<Stored, Error> {
        let jobs = self.manager.waiting_jobs()?.into_iter().collect();
        let backlog = self.manager.backlog(COUNTED_MESSAGES)?;
        let webhooks = self.manager.webhook_backlog(COUNTED_MESSAGES)?;
        let schedule = if self.runs_schedule { self.manager.schedule()? } else { Vec::new() };
        Ok(Stored { now: self.manager.now(), backlog, webhooks, jobs, schedule })
    }
}
