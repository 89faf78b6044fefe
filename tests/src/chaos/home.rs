//! The database.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

use super::Kind;
use super::disk::{CutOff, Disk};
use crate::Cluster;
use crate::database::texts;

/// The name of the SQLite file.
const FILE: &str = "chaos.db";

/// A database that can be taken away.
pub(super) enum Home {
    /// A SQLite file on a disk of its own.
    Disk(Disk),
    /// A SQLite file in a folder, where disks cannot be mounted.
    Folder(TempDir),
    /// A Postgres server.
    Postgres(Cluster),
}

impl Home {
    pub(super) fn new(kind: Kind) -> Self {
        if kind == Kind::Postgres {
            return Self::Postgres(Cluster::new());
        }
        Disk::mount().map_or_else(
            |problem| {
                eprintln!("chaos: no disk can be mounted, so none is filled or cut off: {problem}");
                Self::Folder(tempfile::tempdir().expect("a temporary folder is created"))
            },
            Self::Disk,
        )
    }

    /// The URL for `DATABASE_URL`.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Disk(disk) => url_in(&disk.path()),
            Self::Folder(folder) => url_in(folder.path()),
            Self::Postgres(cluster) => cluster.url(),
        }
    }
}

impl CutOff {
    /// The URL of the SQLite file on it.
    pub(super) fn url(&self) -> String {
        url_in(&self.path())
    }
}

fn url_in(folder: &Path) -> String {
    format!("sqlite:{}", folder.join(FILE).display())
}

/// The live licenses: status by plan and email.
pub(super) fn live_licenses(url: &str) -> BTreeMap<(String, String), String> {
    let query = "SELECT CAST(subscription_plan_uuid AS text) || ' ' || user_email || ' ' || status AS text
                 FROM license WHERE status IN ('assigned', 'activated')";
    let license = |text: String| {
        let mut words = text.split(' ').map(str::to_owned);
        let mut next = || words.next().expect("three words");
        ((next(), next()), next())
    };
    texts(url, query).into_iter().map(license).collect()
}
