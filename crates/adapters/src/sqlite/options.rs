//! How to open a store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Gets the text of each statement before it runs, `BEGIN` and `COMMIT` included, without the bound values.
pub type OnStatement = Arc<dyn Fn(&str) + Send + Sync>;

/// When SQLite waits for the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// At every commit: a power failure loses nothing that was committed.
    #[default]
    Full,
    /// When the write-ahead log is moved to the file: a power failure can lose the latest commits, and leaves the file
    /// intact.
    Normal,
}

impl Synchronous {
    /// Its name in SQL.
    pub(super) fn as_sql(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Normal => "NORMAL",
        }
    }
}

/// How to open a SQLite store.
#[derive(Clone)]
pub struct SqliteOptions {
    /// The file. A missing file is created, a missing directory is not. SQLite keeps two more files beside it.
    pub path: PathBuf,
    /// The maximum number of connections for reading, at least 1. There is one more for writing. A reader caches up to
    /// 2 MiB, the writer up to 8 MiB, but SQLite gives up cached pages when it uses 22 MiB in all, and 2 MiB more for
    /// each reader beyond eight. That is a setting of the whole process: it counts the connections that the program opens
    /// itself, too, and the store that is opened last decides.
    pub pool_size: u32,
    /// How long a read waits for a free connection before it fails with `Error::Unavailable`. Above 0.
    pub connect_timeout: Duration,
    /// How long a write waits for its turn, in this process and for other processes, before it fails with
    /// `Error::Unavailable`. Above 0.
    pub busy_timeout: Duration,
    /// When a commit waits for the disk.
    pub synchronous: Synchronous,
    /// Gets each statement, for example to count them in tests.
    pub on_statement: Option<OnStatement>,
}
