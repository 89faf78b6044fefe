//! Copies of a database in use, kept in a folder, uploaded to a bucket, or both.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDateTime, Utc};
use license_manager_domain::ports::{BackupMade, Backups};

use super::backup::backup;
use crate::http::S3ResultFiles;

/// Copies have names of this form, between which and `.db` stands the time.
const PREFIX: &str = "license-manager-";
const SUFFIX: &str = ".db";
/// The form of the time. The milliseconds tell copies of the same second apart.
const TIME: &str = "%Y%m%dT%H%M%S%.3fZ";
/// The same, to read: milliseconds may be missing.
const TIME_READ: &str = "%Y%m%dT%H%M%S%.fZ";

/// Where copies of a database go.
pub struct SqliteBackups {
    /// The database.
    pub database: PathBuf,
    /// The folder that keeps copies; `None` if only the bucket has them.
    pub folder: Option<PathBuf>,
    /// How many copies the folder keeps, at least 1.
    pub keep: usize,
    /// The bucket that copies are uploaded to.
    pub bucket: Option<Arc<S3ResultFiles>>,
    /// How long to wait for other processes.
    pub busy_timeout: Duration,
}

impl SqliteBackups {
    /// The name of the copy of a moment.
    pub fn name(at: DateTime<Utc>) -> String {
        format!("{PREFIX}{}{SUFFIX}", at.format(TIME))
    }

    /// When the newest copy in a folder was made; `None` if there is none.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn newest(folder: &Path) -> std::io::Result<Option<DateTime<Utc>>> {
        Ok(copies_in(folder)?.iter().filter_map(|name| time_of(name)).max())
    }

    async fn upload(&self, name: &str, copy: &Path) -> Result<(), String> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        bucket.put_backup(name, copy).await.map_err(|problem| format!("The bucket {problem}."))
    }

    /// Removes the oldest copies beyond those that are kept, and returns how many.
    fn remove_old(&self, folder: &Path) -> Result<usize, String> {
        let failed = |error: std::io::Error| format!("Old copies in {} cannot be removed: {error}.", folder.display());
        let mut copies = copies_in(folder).map_err(failed)?;
        // Not by name: of one second, a name without milliseconds would come last.
        copies.sort_by_key(|name| time_of(name));
        let excess = copies.len().saturating_sub(self.keep);
        for name in &copies[..excess] {
            fs::remove_file(folder.join(name)).map_err(failed)?;
        }
        Ok(excess)
    }
}

/// The names of the copies in a folder. Its other files are left alone.
fn copies_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut copies = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        copies.extend(name.to_str().filter(|name| time_of(name).is_some()).map(str::to_owned));
    }
    Ok(copies)
}

/// The time in the name of a copy; `None` if this is not the name of one.
fn time_of(name: &str) -> Option<DateTime<Utc>> {
    let time = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    NaiveDateTime::parse_from_str(time, TIME_READ).ok().map(|time| time.and_utc())
}

#[async_trait]
impl Backups for SqliteBackups {
    async fn make(&self, at: DateTime<Utc>) -> Result<BackupMade, String> {
        let name = Self::name(at);
        let refused = |error: &dyn std::fmt::Display| format!("There is no copy: {error}.");
        if let Some(folder) = &self.folder {
            let copy = folder.join(&name);
            let bytes = backup(&self.database, &copy, self.busy_timeout).map_err(|error| refused(&error))?;
            self.upload(&name, &copy).await?;
            return Ok(BackupMade { bytes, removed: self.remove_old(folder)? });
        }
        // Beside the database there is room for it.
        let beside = self.database.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = tempfile::Builder::new()
            .prefix(".license-manager-backup-")
            .tempdir_in(beside.unwrap_or(Path::new(".")))
            .map_err(|error| refused(&error))?;
        let copy = folder.path().join(&name);
        let bytes = backup(&self.database, &copy, self.busy_timeout).map_err(|error| refused(&error))?;
        self.upload(&name, &copy).await?;
        Ok(BackupMade { bytes, removed: 0 })
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_copy_is_known_by_its_name() {
        let second = DateTime::from_timestamp(1_900_000_000, 0).unwrap();
        for (milliseconds, name) in
            [(0, "license-manager-20300317T174640.000Z.db"), (12, "license-manager-20300317T174640.012Z.db")]
        {
            let at = second + TimeDelta::milliseconds(milliseconds);
            assert_eq!(SqliteBackups::name(at), name);
            assert_eq!(time_of(name), Some(at));
        }
        assert_eq!(time_of("license-manager-20300317T174640Z.db"), Some(second));
        for other in ["license-manager.db", "license-manager-20300317T174640Z.db-wal", "license-manager-old.db", "x"] {
            assert_eq!(time_of(other), None, "{other}");
        }
    }

    #[test]
    fn the_oldest_copies_of_a_second_are_removed_first() {
        let folder = tempfile::tempdir().unwrap();
        let second = DateTime::from_timestamp(1_900_000_000, 0).unwrap();
        let later = [1, 2].map(|milliseconds| SqliteBackups::name(second + TimeDelta::milliseconds(milliseconds)));
        for name in later.iter().map(String::as_str).chain(["license-manager-20300317T174640Z.db", "notes.txt"]) {
            fs::write(folder.path().join(name), "copy").unwrap();
        }
        let backups = SqliteBackups {
            database: PathBuf::new(),
            folder: Some(folder.path().to_owned()),
            keep: 2,
            bucket: None,
            busy_timeout: Duration::ZERO,
        };
        assert_eq!(backups.remove_old(folder.path()), Ok(1));
        let mut left = copies_in(folder.path()).unwrap();
        left.sort();
        assert_eq!(left, later);
        assert!(folder.path().join("notes.txt").exists());
        assert_eq!(SqliteBackups::newest(folder.path()).unwrap(), time_of(&later[1]));
    }
}
