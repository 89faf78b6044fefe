//! Connections: how they are opened, and when the pool drops one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use diesel::connection::{
    AnsiTransactionManager, CacheSize, Connection, InstrumentationEvent, SimpleConnection, TransactionManager,
};
use diesel::r2d2::{HandleError, ManageConnection, Pool, R2D2Connection};
use diesel::{ConnectionError, PgConnection};
use license_manager_domain::Error;

use super::options::{PostgresOptions, StatementListener};

/// How soon a connection to a machine that is gone is noticed: probes after 10 seconds of silence, and 5 seconds later
/// each. Without them the system waits for hours.
const KEEPALIVES: [(&str, u32); 3] = [("keepalives_idle", 10), ("keepalives_interval", 5), ("keepalives_count", 3)];

/// For how many milliseconds a statement that is sent may stay without any sign that it arrived. Only for connections of
/// the pool: what copies and migrates may send for longer than the database takes to read it.
const UNACKNOWLEDGED: (&str, u32) = ("tcp_user_timeout", 30_000);

/// Opens connections to one database.
#[derive(Clone)]
pub(super) struct Connector {
    url: String,
    /// The same, for connections of the pool.
    pooled_url: String,
    /// The first statements of every connection.
    setup: String,
    /// The first statements of every transaction where a connection keeps nothing between transactions.
    beginning: Option<Arc<str>>,
    on_statement: Option<StatementListener>,
    /// Counts how often a connection was found dead. The connections of the same generation are probably dead, too.
    generation: Arc<AtomicU64>,
}

/// A connection of the pool.
pub(super) struct Session {
    /// The connection itself.
    pub connection: PgConnection,
    beginning: Option<Arc<str>>,
    generation: u64,
    dead: bool,
}

/// Why a connection cannot be opened or kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectorError {
    #[error("cannot connect to Postgres: {0}")]
    Connect(String),
    #[error("cannot set up a connection to Postgres: {0}")]
    SetUp(diesel::result::Error),
    #[error("a connection to Postgres is dropped, because another connection that was opened before it is broken")]
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
        let url = with_defaults(format!("{}{separator}connect_timeout={seconds}", options.url), &KEEPALIVES);
        Ok(Self {
            pooled_url: with_defaults(url.clone(), &[UNACKNOWLEDGED]),
            url,
            setup: setup(options),
            beginning: (!options.prepared_statements).then(|| beginning(options).into()),
            on_statement: options.on_statement.clone(),
            generation: Arc::default(),
        })
    }

    /// A pool that connects when a connection is needed, so that it can be built while the database is unavailable.
    pub(super) fn into_pool(self, options: &PostgresOptions) -> Pool<Self> {
        Pool::builder()
            .max_size(options.pool_size)
            .min_idle(Some(1))
            .connection_timeout(options.connect_timeout)
            // Calls is_valid, which is cheap.
            .test_on_check_out(true)
            .error_handler(Box::new(LogError))
            .build_unchecked(self)
    }

    /// A connection without a statement timeout.
    pub(super) fn establish(&self) -> Result<PgConnection, ConnectorError> {
        self.establish_at(&self.url)
    }

    fn establish_at(&self, url: &str) -> Result<PgConnection, ConnectorError> {
        let mut connection = PgConnection::establish(url).map_err(|error| ConnectorError::Connect(reason(&error)))?;
        if self.beginning.is_some() {
            connection.set_prepared_statement_cache_size(CacheSize::Disabled);
        }
        Ok(connection)
    }

    /// Whether a connection keeps prepared statements and settings from one transaction to the next.
    pub(super) fn keeps_sessions(&self) -> bool {
        self.beginning.is_none()
    }
}

/// The URL, which has options, with more of them. Those that it has stay as they are.
fn with_defaults(url: String, options: &[(&str, u32)]) -> String {
    options.iter().fold(url, |url, (name, value)| {
        let is_given = ['?', '&'].iter().any(|separator| url.contains(&format!("{separator}{name}=")));
        if is_given { url } else { format!("{url}&{name}={value}") }
    })
}

/// Compiling a statement takes tens of milliseconds. Postgres does it if it expects the statement to read much. Statements of
/// requests stop early or are short, so they never earn it back.
const JIT: &str = "jit = off";

/// The first statements of every connection. Diesel sets the time zone. PgBouncer carries both of these along; any other
/// setting would reach whoever gets the connection next.
fn setup(options: &PostgresOptions) -> String {
    let name = format!("SET application_name = '{}'", options.application_name.replace('\'', "''"));
    match options.prepared_statements {
        true => format!("{name}; SET statement_timeout = {}; SET {JIT}; {}", timeout(options), english(false)),
        false => name,
    }
}

/// The first statements of a transaction that has the settings of a connection.
fn beginning(options: &PostgresOptions) -> String {
    format!("BEGIN; SET LOCAL statement_timeout = {}; SET LOCAL {JIT}; {}", timeout(options), english(true))
}

fn timeout(options: &PostgresOptions) -> u128 {
    options.statement_timeout.as_millis().min(i32::MAX as u128)
}

/// The statement that sets English messages, which `error` reads. A role that may not set them keeps the server's language.
pub(crate) fn english(for_transaction: bool) -> String {
    format!(
        "SELECT set_config('lc_messages', 'C', {for_transaction}) WHERE has_parameter_privilege('lc_messages', 'SET')"
    )
}

/// The cause without parts of the URL: libpq's message quotes a malformed URL with its password.
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
        let mut connection = self.establish_at(&self.pooled_url)?;
        connection.batch_execute(&self.setup).map_err(ConnectorError::SetUp)?;
        if let Some(listener) = self.on_statement.clone() {
            connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                if let InstrumentationEvent::StartQuery { query, .. } = event {
                    let text = query.to_string();
                    // Bound values may be personal data.
                    listener(text.split(" -- binds: ").next().unwrap_or_default());
                }
            });
        }
        Ok(Session { connection, beginning: self.beginning.clone(), generation, dead: false })
    }

    fn is_valid(&self, session: &mut Session) -> Result<(), ConnectorError> {
        let current = self.generation.load(Ordering::Acquire);
        if session.generation == current { Ok(()) } else { Err(ConnectorError::Outdated) }
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        if session.dead {
            // One of the connections that died together starts the next generation.
            let next = session.generation + 1;
            let _ = self.generation.compare_exchange(session.generation, next, Ordering::AcqRel, Ordering::Acquire);
        }
        // A panic leaves the transaction open.
        session.dead || std::thread::panicking() || session.connection.is_broken()
    }
}

impl Session {
    /// Runs statements in a transaction, which is committed unless they fail.
    pub(super) fn transaction<T, E: From<diesel::result::Error>>(
        &mut self,
        run: impl FnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let Some(beginning) = &self.beginning else { return self.connection.transaction(run) };
        AnsiTransactionManager::begin_transaction_sql(&mut self.connection, beginning)?;
        match run(&mut self.connection) {
            Ok(value) => {
                AnsiTransactionManager::commit_transaction(&mut self.connection).map(|()| value).map_err(E::from)
            }
            Err(error) => {
                // A connection that cannot roll back is broken, and the pool drops it.
                let _ = AnsiTransactionManager::rollback_transaction(&mut self.connection);
                Err(error)
            }
        }
    }

    /// Runs statements that need no transaction. They get one where only that has the settings.
    pub(super) fn run<T, E: From<diesel::result::Error>>(
        &mut self,
        run: impl FnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.beginning.is_some() { self.transaction(run) } else { run(&mut self.connection) }
    }

    /// Marks the connection as dead. The pool drops it and the others of its generation.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_in_the_url_win() {
        let connector = |url: &str| Connector::new(&PostgresOptions::new(url)).unwrap();
        let plain = connector("postgres://one,two/name");
        let defaults = "connect_timeout=5&keepalives_idle=10&keepalives_interval=5&keepalives_count=3";
        assert_eq!(plain.url, format!("postgres://one,two/name?{defaults}"));
        assert_eq!(plain.pooled_url, format!("{}&tcp_user_timeout=30000", plain.url));
        let given = connector("postgres://one/name?keepalives_idle=60&tcp_user_timeout=0");
        assert!(given.pooled_url.matches("keepalives_idle=").eq(["keepalives_idle="]), "{}", given.pooled_url);
        assert!(given.pooled_url.ends_with("&keepalives_interval=5&keepalives_count=3"), "{}", given.pooled_url);
    }
}
