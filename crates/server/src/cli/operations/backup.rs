//! `license-manager backup`: copies a SQLite database in use to a file.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use license_manager_adapters::sqlite::{BackupError, backup as copy_file};

use super::error::CommandError;
use crate::config::{Config, DatabaseUrl};
use crate::database::busy_timeout;

/// Options of `backup`.
#[derive(Debug, Args)]
pub struct BackupArguments {
    /// The file to create. Its folder must be there.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

impl From<BackupError> for CommandError {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Missing(_) | BackupError::Exists(_) => Self::Arguments(error.to_string()),
            BackupError::Failed { .. } => Self::Failed(error.to_string()),
        }
    }
}

/// Copies the configured database and prints the size of the copy. Does not migrate it: a backup is made before an
/// upgrade.
///
/// # Errors
/// See [`CommandError`]; there is no copy.
pub fn backup(config: &Config, arguments: &BackupArguments, out: &mut impl Write) -> Result<(), CommandError> {
    let DatabaseUrl::Sqlite(path) = config.database.url_or_default() else {
        let advice = "back up Postgres with its own program: pg_dump --format=custom --file=FILE \"$DATABASE_URL\"";
        return Err(CommandError::Arguments(advice.to_owned()));
    };
    let bytes = copy_file(&path, &arguments.file, busy_timeout(config))?;
    writeln!(out, "{} is a copy of {}, {bytes} bytes", arguments.file.display(), path.display())?;
    Ok(())
}
