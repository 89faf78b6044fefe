//! Why a command failed.

use license_manager_domain::Error;

use crate::config::{Config, DatabaseUrl};
use crate::database::{MigrationError, OpenError};

/// Why a command did not start or could not report.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The arguments are invalid; one line says why.
    #[error("{0}")]
    Arguments(String),
    /// Any other failure.
    #[error("{0}")]
    Failed(String),
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(_) | Error::UnknownReference { .. } | Error::Invalid(_) => {
                Self::Arguments(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<OpenError> for CommandError {
    fn from(error: OpenError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<MigrationError> for CommandError {
    fn from(error: MigrationError) -> Self {
        match error {
            MigrationError::Pooler | MigrationError::NotAllowed { .. } => Self::Failed(error.to_string()),
            MigrationError::Failed(error) => error.into(),
        }
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Refuses a database behind a pooler, for commands that use one connection throughout.
///
/// # Errors
/// What to set.
pub(super) fn refuse_pooler(config: &Config) -> Result<(), CommandError> {
    match &config.database.url {
        Some(DatabaseUrl::Postgres(_)) if !config.database.prepared_statements => Err(CommandError::Arguments(
            "this command uses one connection throughout, which a pooler does not give: set DATABASE_URL to that of \
             Postgres itself, and LM_DATABASE__PREPARED_STATEMENTS=true"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}
