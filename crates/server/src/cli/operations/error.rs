//! Why a command failed.

use license_manager_domain::Error;

use crate::database::MigrationError;

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

impl From<MigrationError> for CommandError {
    fn from(error: MigrationError) -> Self {
        match error {
            MigrationError::Pooler => Self::Failed(error.to_string()),
            MigrationError::Failed(error) => error.into(),
        }
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
