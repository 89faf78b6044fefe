//! Why a copy fails.

use license_manager_domain::Error;

/// Why nothing was copied. Each message is one line; Postgres is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The Postgres database has rows of its own.
    #[error("the Postgres database is not empty, it has {0}: nothing was copied. Copy into a new database")]
    NotEmpty(String),
    /// A table or column is missing on one side, or cannot be converted.
    #[error("nothing was copied: {0}")]
    Unknown(String),
    /// The row counts differ.
    #[error("nothing was copied: {table} has {expected} rows in SQLite and {found} in Postgres")]
    Incomplete {
        /// The table.
        table: String,
        /// Rows in SQLite.
        expected: i64,
        /// Rows in Postgres.
        found: i64,
    },
    /// The run was stopped.
    #[error("it was stopped: nothing was copied")]
    Stopped,
    /// A database error.
    #[error("nothing was copied: {0}")]
    Failed(String),
}

impl From<diesel::result::Error> for CopyError {
    fn from(error: diesel::result::Error) -> Self {
        // Only the first line: Postgres puts the row's values, perhaps personal data, into the others.
        Self::Failed(error.to_string().lines().next().unwrap_or_default().to_owned())
    }
}

impl From<Error> for CopyError {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl CopyError {
    /// The error with the table it is about.
    pub(super) fn about(what: &str, error: diesel::result::Error) -> Self {
        match Self::from(error) {
            Self::Failed(cause) => Self::Failed(format!("{what}: {cause}")),
            other => other,
        }
    }
}
