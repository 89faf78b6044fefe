//! Copies of the database.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// A copy that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupMade {
    /// The size of the copy in bytes.
    pub bytes: u64,
    /// How many older copies were removed.
    pub removed: usize,
}

/// A place for copies of the database.
#[async_trait]
pub trait Backups: Send + Sync {
    /// Copies the database as of one moment, and removes the oldest copies beyond those that are kept. The copy's name
    /// tells the time `at`. Called outside of any transaction; blocks while the database is copied.
    ///
    /// # Errors
    /// What went wrong, in a sentence. Then no older copy was removed.
    async fn make(&self, at: DateTime<Utc>) -> Result<BackupMade, String>;
}
