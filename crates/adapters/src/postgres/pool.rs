//! Connections: how they are made, and when one is no longer worth keeping.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use diesel::connection::{Connection, InstrumentationEvent, SimpleConnection};
use diesel::r2d2::{HandleError, ManageConnection, Pool, R2D2Connection};
use diesel::{ConnectionError, PgConnection};
use license_manager_domain::Error;

use super::PostgresOptions;

/// Makes connections to one database.
#[derive(Clone)]
pub(super) struct Connector {
    url: String,
    setup: String,
    on_statement: Option<super::StatementListener>,
    /// Counts how often a connection turned out to be dead. The others of its time are likely dead, too.
    generation: Arc<AtomicU64>,
}

/// A connection of the pool.
pub(super) struct Session {
    /// The connection itself.
    pub connection: PgConnection,
    generation: u64,
    dead: bool,
}

/// Why a connection cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectorError {
    #[error("cannot connect to Postgres: {0}")]
    Connect(String),
    #[error("cannot set up a connection to Postgres: {0}")]
    SetUp(diesel::result::Error),
    #[error("a connection to Postgres is given up, because another one of its time was dead")]
    Outdated,
}

impl Connector {
    pub(super) fn new(options: &PostgresOptions) -> Result<Self, Error> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| options.url.starts_with(scheme)) {
            return Err(Error::internal("the URL of a Postgres database starts with postgres:// or postgresql://"));
        }
        if options.pool_size == 0 || options.connect_timeout.is_zero() {
            return Err(Error::internal("the pool of connections needs a size and a timeout above zero"));
        }
        let separator = if options.url.contains('?') { '&' } else { '?' };
        let seconds = options.connect_timeout.as_secs().max(1);
        Ok(Self {
            url: format!("{}{separator}connect_timeout={seconds}", options.url),
            setup: setup(options),
            on_statement: options.on_statement.clone(),
            generation: Arc::default(),
        })
    }

    /// A pool that makes its connections when they are needed, so that it can be built while the database is away.
    pub(super) fn into_pool(self, options: &PostgresOptions) -> Pool<Self> {
        Pool::builder()
            .max_size(options.pool_size)
            .min_idle(Some(1))
            .connection_timeout(options.connect_timeout)
            // Asks is_valid, which costs nothing here.
            .test_on_check_out(true)
            .error_handler(Box::new(LogError))
            .build_unchecked(self)
    }

    /// A connection beside the pool, without limits.
    pub(super) fn establish(&self) -> Result<PgConnection, ConnectorError> {
        PgConnection::establish(&self.url).map_err(|error| ConnectorError::Connect(reason(&error)))
    }
}

/// What every connection is told first; that its times are UTC, diesel tells it.
fn setup(options: &PostgresOptions) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    format!(
        "SET application_name = {}; SET statement_timeout = {}; {ENGLISH}",
        quoted(&options.application_name),
        options.statement_timeout.as_millis().min(i32::MAX as u128),
    )
}

/// Asks for English messages, which tell deadlocks and timeouts apart. Roles that may not choose keep the server's choice.
const ENGLISH: &str = "DO $$ BEGIN PERFORM set_config('lc_messages', 'C', false); \
                       EXCEPTION WHEN insufficient_privilege THEN NULL; END $$";

/// The cause without what may be part of the URL: a malformed one is repeated in libpq's message, password and all.
fn reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::BadConnection(message)
            if ["connection to server", "could not translate host name"]
                .iter()
                .any(|beginning| message.starts_with(beginning)) =>
        {
            message.trim().replace('\n', " ")
        }
        ConnectionError::CouldntSetupConfiguration(error) => error.to_string(),
        _ => "the URL is malformed, or names an option that libpq does not know".to_owned(),
    }
}

impl ManageConnection for Connector {
    type Connection = Session;
    type Error = ConnectorError;

    fn connect(&self) -> Result<Session, ConnectorError> {
        let generation = self.generation.load(Ordering::Acquire);
        let mut connection = self.establish()?;
        connection.batch_execute(&self.setup).map_err(ConnectorError::SetUp)?;
        if let Some(listener) = self.on_statement.clone() {
            connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                if let InstrumentationEvent::StartQuery { query, .. } = event {
                    let text = query.to_string();
                    // What is bound may be personal data.
                    listener(text.split(" -- binds: ").next().unwrap_or_default());
                }
            });
        }
        Ok(Session { connection, generation, dead: false })
    }

    fn is_valid(&self, session: &mut Session) -> Result<(), ConnectorError> {
        let current = self.generation.load(Ordering::Acquire);
        if session.generation == current { Ok(()) } else { Err(ConnectorError::Outdated) }
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        if session.dead {
            // Of connections that died together, one moves everybody on.
            let next = session.generation + 1;
            let _ = self.generation.compare_exchange(session.generation, next, Ordering::AcqRel, Ordering::Acquire);
        }
        // A panic leaves its transaction open.
        session.dead || std::thread::panicking() || session.connection.is_broken()
    }
}

impl Session {
    /// Marks the connection as dead: the pool drops it, and the others that are as old.
    pub(super) fn give_up(&mut self) {
        self.dead = true;
    }
}

#[derive(Debug)]
struct LogError;

impl HandleError<ConnectorError> for LogError {
    fn handle_error(&self, error: ConnectorError) {
        tracing::warn!("{error}");
    }
}
