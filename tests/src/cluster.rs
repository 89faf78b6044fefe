//! A Postgres server that a test can stop, and its standbys.

use std::path::Path;
use std::process::Command;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use tempfile::TempDir;

use crate::{PATIENCE, poll, texts};

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
        let cluster = Self::in_new_folder();
        cluster.run("create");
        cluster.start();
        cluster
    }

    /// Creates and starts a standby that follows this server.
    pub fn standby(&self) -> Self {
        let standby = Self::in_new_folder();
        standby.run_with("standby", &[&self.url()]).unwrap_or_else(|error| panic!("postgres-cluster standby: {error}"));
        standby.start();
        standby
    }

    fn in_new_folder() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder is created") }
    }

    /// Lets commits wait until a standby has them as well.
    pub fn wait_for_standbys(&self) {
        self.set_standbys("*");
        let is_synchronous = || self.texts("SELECT sync_state AS text FROM pg_stat_replication") == ["sync"];
        poll(PATIENCE, || is_synchronous().then_some(())).expect("the standby is synchronous");
    }

    /// Names the standbys that commits wait for; nobody is waited for if there is no name.
    pub fn set_standbys(&self, names: &str) {
        self.execute(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
        self.execute("SELECT pg_reload_conf()");
    }

    /// Lets a standby take writes.
    pub fn promote(&self) {
        self.run("promote");
    }

    /// Lets a standby stand still: it receives what the primary writes, and does not show it.
    pub fn pause(&self) {
        self.execute("SELECT pg_wal_replay_pause()");
        let state = "SELECT pg_get_wal_replay_pause_state() AS text";
        poll(PATIENCE, || (self.texts(state) == ["paused"]).then_some(())).expect("it stands still");
    }

    /// Lets a standby go on.
    pub fn resume(&self) {
        self.execute("SELECT pg_wal_replay_resume()");
    }

    /// Runs a statement.
    pub fn execute(&self, statement: &str) {
        let mut connection = PgConnection::establish(&self.url()).expect("the server is reached");
        connection.batch_execute(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// The column `text` of a query, with empty texts for NULL.
    pub fn texts(&self, query: &str) -> Vec<String> {
        texts(&self.url(), query)
    }

    /// Its database's URL.
    pub fn url(&self) -> String {
        self.run("url").trim().to_owned()
    }

    /// Its host and port.
    pub fn address(&self) -> String {
        let url = self.url();
        let address = url.split_once('@').and_then(|(_, rest)| rest.split_once('/'));
        address.expect("a user and a database").0.to_owned()
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
        self.run_with(command, &[])
    }

    fn run_with(&self, command: &str, arguments: &[&str]) -> Result<String, String> {
        let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("postgres-cluster"));
        let output = script.arg(command).arg(self.folder.path()).args(arguments).output();
        let output = output.map_err(|error| error.to_string())?;
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
