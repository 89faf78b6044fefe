//! Why an import fails.

use license_manager_domain::Error;

use super::Imported;

/// Why an import ended. Each message is one line. The database is unchanged, but for [`ImportError::Partly`] and
/// [`ImportError::Overtaken`].
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The source cannot be read.
    #[error("nothing was imported: {0}")]
    Source(String),
    /// The database has rows of its own.
    #[error("the database is not empty, it has {0}: nothing was imported. Import into a new database")]
    NotEmpty(String),
    /// There is nothing to compare or to finish.
    #[error("nothing was imported into this database yet")]
    NeverImported,
    /// Licenses would lose their holder, and the run is strict; or rows were changed on both sides.
    #[error("nothing was imported: licenses would lose their holder, or rows were changed on both sides")]
    Refused(Box<Imported>),
    /// The import is finished.
    #[error("nothing was imported: the import into this database is finished. Import into a new database")]
    Finished,
    /// The checksums of what was imported are of another database.
    #[error(
        "nothing was imported: this database is a copy, which does not tell what was changed here. \
         Import into a new database"
    )]
    Moved,
    /// The source has no agreements or no licenses any more. The text counts those that were imported.
    #[error(
        "nothing was imported: the source had {0} at the last import, and has none now. Check its URL. --force goes on, \
         and deletes them here"
    )]
    Blank(String),
    /// Another run wrote the database meanwhile.
    #[error("another import wrote this database at the same time, so this one ended. Start it again")]
    Overtaken,
    /// The run was stopped.
    #[error("it was stopped: nothing was imported")]
    Stopped,
    /// The run ended while the database was filled for the first time. What was committed stays.
    #[error("a part was imported: {0}. Start the import again: it writes what is missing")]
    Partly(String),
    /// The database holds a part of the source.
    #[error(
        "the import was interrupted, and the database holds a part of the source. Start the import again, and finish \
         it then"
    )]
    Unfilled,
    /// The report cannot be written.
    #[error("nothing was imported: the report cannot be written: {0}")]
    Report(#[from] std::io::Error),
    /// A database error.
    #[error("nothing was imported: {0}")]
    Failed(String),
}

impl From<diesel::result::Error> for ImportError {
    fn from(error: diesel::result::Error) -> Self {
        // The other lines of a message of Postgres may quote a row.
        Self::Failed(error.to_string().lines().next().unwrap_or_default().to_owned())
    }
}

impl From<Error> for ImportError {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl ImportError {
    /// The error of a run that leaves a part of the rows in the database.
    pub(super) fn partly(self) -> Self {
        match self {
            Self::Stopped => Self::Partly("it was stopped".to_owned()),
            Self::Source(cause) | Self::Failed(cause) => Self::Partly(cause),
            other => other,
        }
    }

    /// The error with what it is about.
    pub(super) fn about(what: &str, error: diesel::result::Error) -> Self {
        match Self::from(error) {
            Self::Failed(cause) => Self::Failed(format!("{what}: {cause}")),
            other => other,
        }
    }
}
