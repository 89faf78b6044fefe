//! A Postgres server that a test can stop.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A Postgres server for one test, stopped and removed when dropped.
///
/// Most tests share the server of [`Database::postgres`](crate::Database::postgres). This one is for tests in which the
/// database goes away.
pub struct Cluster {
    folder: TempDir,
}

impl Cluster {
    /// Creates and starts a server.
    pub fn new() -> Self {
        let cluster = Self { folder: tempfile::tempdir().expect("a temporary folder is created") };
        cluster.run("create");
        cluster.start();
        cluster
    }

    /// Its database's URL.
    pub fn url(&self) -> String {
        self.run("url").trim().to_owned()
    }

    /// Closes all connections and stops it.
    pub fn stop(&self) {
        self.run("stop");
    }

    /// Stops it as a crash does: it recovers when it starts.
    pub fn crash(&self) {
        self.run("crash");
    }

    /// Starts it again with the same URL and data.
    pub fn start(&self) {
        self.run("start");
    }

    fn run(&self, command: &str) -> String {
        self.try_run(command).unwrap_or_else(|error| panic!("postgres-cluster {command}: {error}"))
    }

    fn try_run(&self, command: &str) -> Result<String, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("postgres-cluster");
        let output =
            Command::new(script).arg(command).arg(self.folder.path()).output().map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.try_run("stop") {
            eprintln!("a cluster is left running: {error}");
        }
    }
}
