//! Why an export fails.

use license_manager_domain::Error;

use super::Exported;

/// Why nothing was exported. Each message is one line; the destination is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The destination fails.
    #[error("nothing was exported: {0}")]
    Destination(String),
    /// The destination has rows.
    #[error(
        "the database is not empty, it has {0}: nothing was exported. Export into a new database, or with \
         --changes-since to the old database"
    )]
    NotEmpty(String),
    /// An import filled a part of the source.
    #[error(
        "an import was interrupted, and this database holds a part of the rows: nothing was exported. Start the import \
         again first"
    )]
    Unfilled,
    /// Rows have no place there.
    #[error("nothing was exported: rows have no place in the database of the Django service")]
    Refused(Box<Exported>),
    /// The run was stopped.
    #[error("it was stopped: nothing was exported")]
    Stopped,
    /// The report cannot be written.
    #[error("nothing was exported: the report cannot be written: {0}")]
    Report(#[from] std::io::Error),
    /// A database error.
    #[error("nothing was exported: {0}")]
    Failed(String),
}

impl From<diesel::result::Error> for ExportError {
    fn from(error: diesel::result::Error) -> Self {
        // The other lines of a message of Postgres may quote a row.
        Self::Failed(error.to_string().lines().next().unwrap_or_default().to_owned())
    }
}

impl From<Error> for ExportError {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}
