//! Copies a database in use to a new file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

/// Why there is no copy. A file that was there before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no database to copy.
    #[error("there is no SQLite database {}", .0.display())]
    Missing(PathBuf),
    /// The copy would overwrite a file.
    #[error("{} exists already; name a new file", .0.display())]
    Exists(PathBuf),
    /// SQLite or the file system refused.
    #[error("cannot copy {} to {}: {cause}", from.display(), to.display())]
    Failed {
        /// The database.
        from: PathBuf,
        /// The copy.
        to: PathBuf,
        /// The first cause.
        cause: String,
    },
}

/// Copies the database `from`, as of one moment, to the new file `to`, and returns the size of the copy in bytes. Other
/// processes may read and write the database meanwhile. The file gets its name when it is complete and on the disk, and
/// only its owner can read it. Waits up to `busy_timeout` for other processes.
///
/// # Errors
/// See [`BackupError`]. Nothing is left behind.
pub fn backup(from: &Path, to: &Path, busy_timeout: Duration) -> Result<u64, BackupError> {
    // Connecting would create the file.
    if !from.is_file() {
        return Err(BackupError::Missing(from.to_owned()));
    }
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let failed = |cause: String| BackupError::Failed { from: from.to_owned(), to: to.to_owned(), cause };
    let io = |error: std::io::Error| failed(error.to_string());
    // SQLite takes an absolute path neither for a URI nor for a special name.
    let (from, target) = (std::path::absolute(from).map_err(io)?, std::path::absolute(to).map_err(io)?);
    let folder = target.parent().ok_or_else(|| failed("it is no file".to_owned()))?;
    // Its owner alone may read it. A process that is killed leaves it, so the name says what it is.
    let copy = tempfile::Builder::new().prefix(".license-manager-backup-").tempfile_in(folder).map_err(io)?;
    write_copy(text(&from).map_err(failed)?, text(copy.path()).map_err(failed)?, busy_timeout)
        .map_err(|error| failed(error.to_string()))?;
    copy.as_file().sync_all().map_err(io)?;
    let bytes = copy.as_file().metadata().map_err(io)?.len();
    copy.persist_noclobber(&target).map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => BackupError::Exists(to.to_owned()),
        _ => io(error.error),
    })?;
    // A name is on the disk when its folder is.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    Ok(bytes)
}

fn text(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("the path {} is not UTF-8", path.display()))
}

/// Has SQLite write a compact copy into an empty file.
fn write_copy(from: &str, to: &str, busy_timeout: Duration) -> Result<(), Box<dyn std::error::Error>> {
    let mut conn = SqliteConnection::establish(from)?;
    conn.batch_execute(&format!("PRAGMA busy_timeout = {}", busy_timeout.as_millis()))?;
    diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(to).execute(&mut conn)?;
    Ok(())
}
