//! How this process is, for those who watch it: whether it can do its work, and what it counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use license_manager_domain::{Error, LicenseManager};

use crate::config::{Config, Secret};
use crate::database::Database;
use crate::telemetry::metrics::{Metrics, Observation, Stored};

/// How many messages of a lane are counted at most when somebody looks: enough to see that there are too many.
const COUNTED_MESSAGES: i64 = 10_000;

/// How long the database may take to tell the numbers. Prometheus itself waits 10 seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// The paths that machines ask which watch the service. They have no user's token, and get an answer at any time.
pub const WATCHED: [&str; 4] = ["/health/", "/health/live/", "/health/ready/", "/metrics/"];

/// What a process is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It waits for its database and brings it up to date.
    Starting,
    /// It does its work.
    Running,
    /// It finishes what is under way, and begins nothing.
    Stopping,
}

/// Whether the schema is what this version needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// It is.
    UpToDate,
    /// A newer version has migrated it. This one goes on working: so servers are upgraded one after another.
    Newer,
    /// Migrations have yet to run.
    Outdated,
    /// The database does not say.
    Unknown,
}

/// Whether a process can do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// What it is at.
    pub phase: Phase,
    /// Whether the database answers.
    pub database: bool,
    /// The state of the schema.
    pub schema: Schema,
}

impl Readiness {
    /// Whether nothing is in the way.
    pub fn is_ready(self) -> bool {
        self.phase == Phase::Running && self.database && matches!(self.schema, Schema::UpToDate | Schema::Newer)
    }
}

/// Watches one process.
pub struct Monitor {
    /// What it counts.
    pub metrics: Arc<Metrics>,
    enabled: bool,
    token: Option<Secret>,
    runs_schedule: bool,
    database: Arc<Database>,
    manager: LicenseManager,
    phase: AtomicU8,
}

impl Monitor {
    /// Of a process that starts.
    pub fn new(config: &Config, metrics: Arc<Metrics>, database: Arc<Database>, manager: LicenseManager) -> Self {
        let (enabled, token) = (config.metrics.enabled, config.metrics.token.clone());
        let phase = AtomicU8::new(Phase::Starting as u8);
        Self { metrics, enabled, token, runs_schedule: config.schedule.enabled, database, manager, phase }
    }

    /// Whether the numbers are shown at all.
    pub fn shows_metrics(&self) -> bool {
        self.enabled
    }

    /// What whoever asks for the numbers must know.
    pub fn metrics_token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    /// Whether recurring operations run by themselves here.
    pub fn runs_schedule(&self) -> bool {
        self.runs_schedule
    }

    /// What the process is at.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            phase if phase == Phase::Starting as u8 => Phase::Starting,
            phase if phase == Phase::Running as u8 => Phase::Running,
            _ => Phase::Stopping,
        }
    }

    /// The start is over. A process that was told to stop meanwhile goes on stopping.
    pub fn started(&self) {
        let (starting, running) = (Phase::Starting as u8, Phase::Running as u8);
        let _ = self.phase.compare_exchange(starting, running, Ordering::AcqRel, Ordering::Acquire);
    }

    /// The end begins.
    pub fn stopping(&self) {
        self.phase.store(Phase::Stopping as u8, Ordering::Release);
    }

    /// Whether the database answers. It blocks.
    pub fn ping(&self) -> bool {
        self.database.ping().is_ok()
    }

    /// Whether the process can do its work. It blocks.
    pub fn readiness(&self) -> Readiness {
        let database = self.ping();
        let schema = if database { self.schema().unwrap_or(Schema::Unknown) } else { Schema::Unknown };
        Readiness { phase: self.phase(), database, schema }
    }

    fn schema(&self) -> Result<Schema, Error> {
        if !self.database.pending_migrations()?.is_empty() {
            return Ok(Schema::Outdated);
        }
        Ok(if self.database.unknown_migrations()?.is_empty() { Schema::UpToDate } else { Schema::Newer })
    }

    /// The numbers, in Prometheus's text format.
    ///
    /// # Errors
    /// Where they cannot be written, which tests rule out.
    pub async fn metrics_text(self: Arc<Self>) -> Result<String, Error> {
        let (monitor, pools) = (self.clone(), self.database.pools());
        let reading = tokio::task::spawn_blocking(move || monitor.stored());
        let stored = match tokio::time::timeout(PATIENCE, reading).await {
            Ok(Ok(Ok(stored))) => Some(stored),
            Ok(Ok(Err(error))) => {
                tracing::warn!(%error, "the database did not tell its metrics");
                None
            }
            _ => {
                tracing::warn!("the database did not tell its metrics in time");
                None
            }
        };
        self.metrics.text(&Observation { pools, stored }).map_err(Error::storage)
    }

    fn stored(&self) -> Result<Stored, Error> {
        let jobs = self.manager.waiting_jobs()?.into_iter().collect();
        let backlog = self.manager.backlog(COUNTED_MESSAGES)?;
        let webhooks = self.manager.webhook_backlog(COUNTED_MESSAGES)?;
        let schedule = if self.runs_schedule { self.manager.schedule()? } else { Vec::new() };
        Ok(Stored { now: self.manager.now(), backlog, webhooks, jobs, schedule })
    }
}
