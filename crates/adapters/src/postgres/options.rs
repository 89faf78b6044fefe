//! How to connect.

use std::sync::Arc;
use std::time::Duration;

/// Gets the text of each statement before it runs, transaction control included, without the bound values.
pub type StatementListener = Arc<dyn Fn(&str) + Send + Sync>;

/// How to connect to a Postgres database.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`. Options of libpq are query parameters, such as
    /// `sslmode=verify-full`.
    pub url: String,
    /// The maximum number of connections, at least 1.
    pub pool_size: u32,
    /// How long a caller waits for a connection, and how long connecting may take (in whole seconds, at least 1). Above
    /// 0.
    pub connect_timeout: Duration,
    /// How long a statement may take, including waits for locks. 0 means no limit.
    pub statement_timeout: Duration,
    /// Whether a connection keeps prepared statements and settings from one transaction to the next. It does not behind a
    /// pooler that gives each transaction another connection, such as PgBouncer in transaction mode. If this is false,
    /// each statement is prepared when it runs, and everything runs in a transaction that has the settings.
    pub prepared_statements: bool,
    /// The name in the database server's views and logs.
    pub application_name: String,
    /// Gets each statement.
    pub on_statement: Option<StatementListener>,
}

impl PostgresOptions {
    /// The default options: 10 connections, 5 seconds to get one, 30 seconds for a statement, prepared statements.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            pool_size: 10,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            prepared_statements: true,
            application_name: "license-manager".to_owned(),
            on_statement: None,
        }
    }
}
