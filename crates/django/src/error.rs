//! Why the Django service's database cannot be read.

/// Why the database cannot be read. Each message is one line and quotes no row.
#[derive(Debug, thiserror::Error)]
pub enum DjangoError {
    /// The URL is invalid.
    #[error("{0}")]
    Address(String),
    /// The server cannot be reached, or refuses the user.
    #[error("cannot connect to the database of the Django service: {0}")]
    Connection(String),
    /// The database is not one of the service, or its layout is too old.
    #[error("{0}")]
    Layout(String),
    /// The server refused a statement. Its message is left out where it may quote a row.
    #[error("the database of the Django service refused a statement: error {code}: {message}")]
    Refused {
        /// The server's error number.
        code: u16,
        /// The server's message.
        message: String,
    },
    /// The server sent something unexpected.
    #[error("the database of the Django service sent something unexpected: {0}")]
    Protocol(&'static str),
    /// A value that cannot be read.
    #[error("{table}.{column} has a value that is no {expected}, in the row {key}")]
    Value {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What it should be.
        expected: &'static str,
        /// The row's key.
        key: String,
    },
}

impl From<std::io::Error> for DjangoError {
    fn from(error: std::io::Error) -> Self {
        Self::Connection(error.to_string())
    }
}
