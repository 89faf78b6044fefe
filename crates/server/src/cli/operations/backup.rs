//! `license-manager backup`: copies a SQLite database in use to a file.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use license_manager_adapters::sqlite::{BackupError, SqliteBackups, backup as copy_file};
use license_manager_domain::ports::Clock as _;
use license_manager_domain::words::counted;

use super::error::CommandError;
use crate::cli::runtime::command_runtime;
use crate::config::{Config, DatabaseUrl};
use crate::database::{busy_timeout, no_database};
use crate::system::SystemClock;
use crate::upstreams::Upstreams;

/// Options of `backup`.
#[derive(Debug, Args)]
pub struct BackupArguments {
    /// The file to create. Its folder must exist. Without FILE, the copy goes to the folder and the bucket of the
    /// settings (`backup.…`), and the oldest copies are removed.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

impl From<BackupError> for CommandError {
    fn from(error: BackupError) -> Self {
        match &error {
            BackupError::Missing(path) => Self::Arguments(no_database(path)),
            BackupError::Exists(_) => Self::Arguments(error.to_string()),
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
    let Some(file) = &arguments.file else { return to_configured_places(config, out) };
    let bytes = copy_file(&path, file, busy_timeout(config))?;
    writeln!(out, "{} is a copy of {}, {bytes} bytes", file.display(), path.display())?;
    Ok(())
}

fn to_configured_places(config: &Config, out: &mut impl Write) -> Result<(), CommandError> {
    let runtime = command_runtime()?;
    let _entered = runtime.enter();
    let Some(backups) = Upstreams::from_config(config).map_err(CommandError::Failed)?.backups else {
        let advice = "name a FILE, or set backup.folder or backup.to_bucket";
        return Err(CommandError::Arguments(advice.to_owned()));
    };
    let at = SystemClock.now();
    let made = runtime.block_on(backups.make(at)).map_err(CommandError::Failed)?;
    let removed = counted(made.removed, "older copy", "older copies");
    writeln!(out, "{}: {} bytes, {removed} removed", SqliteBackups::name(at), made.bytes)?;
    Ok(())
}
