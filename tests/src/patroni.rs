//! Postgres servers of which Patroni decides which one is the primary.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use diesel::{Connection, PgConnection};
use serde_json::Value;
use tempfile::TempDir;

use crate::failover::{Rejoined, Replicated, url_of};
use crate::{Client, PATIENCE, Request, poll};

/// A primary, its synchronous standby, and one more standby, which becomes synchronous when that one is promoted.
const NODES: usize = 3;

/// How many lines of each node's log a failing test shows.
const LOG_LINES: usize = 40;

/// An etcd and nodes with a Patroni and a Postgres server each, stopped and removed when dropped.
pub struct PatroniCluster {
    folder: TempDir,
    nodes: Vec<Node>,
    /// The number of the node that was killed.
    killed: Option<usize>,
}

struct Node {
    /// Counted from 1.
    number: usize,
    /// Host and port of its Postgres server.
    address: String,
    /// Its REST API.
    api: Client,
}

impl Node {
    /// The name that its Patroni and its standby have.
    fn name(&self) -> String {
        format!("node{}", self.number)
    }

    /// The state of its Postgres server, if the REST API says with 200 that the server is what the path asks for.
    fn state(&self, path: &str) -> Option<Value> {
        let response = self.api.try_send(Request::new("GET", path)).ok()?;
        (response.status == 200).then_some(response.body)
    }
}

impl PatroniCluster {
    /// Starts everything, and waits until one node is primary, the others follow it, and one of them is synchronous.
    ///
    /// # Errors
    /// If a program is missing or etcd does not start.
    pub fn start() -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let mut cluster = Self { folder, nodes: Vec::new(), killed: None };
        let addresses = cluster.run("start", Some(NODES))?;
        for (number, line) in (1..).zip(addresses.lines()) {
            let (address, api) = line.split_once(' ').expect("two addresses");
            let api = Client::anonymous(format!("http://{api}"));
            cluster.nodes.push(Node { number, address: address.to_owned(), api });
        }
        cluster.until_whole();
        Ok(cluster)
    }

    /// The primary, and the state of its Postgres server.
    fn primary(&self) -> Option<(&Node, Value)> {
        self.nodes.iter().find_map(|node| Some((node, node.state("/primary")?)))
    }

    fn until_whole(&self) {
        poll(PATIENCE, || self.is_whole().then_some(()))
            .unwrap_or_else(|| panic!("the nodes do not follow one primary:\n{}", self.logs()));
    }

    /// Whether all other nodes follow the primary, and Patroni would promote one of them.
    fn is_whole(&self) -> bool {
        let Some((primary, state)) = self.primary() else { return false };
        let standbys = state["replication"].as_array().into_iter().flatten();
        let followers: BTreeSet<&str> = standbys
            .filter(|standby| standby["state"] == "streaming")
            .filter_map(|standby| standby["application_name"].as_str())
            .collect();
        let follows = |node: &Node| node.number == primary.number || followers.contains(node.name().as_str());
        self.nodes.iter().all(follows) && self.nodes.iter().any(|node| node.state("/synchronous").is_some())
    }

    /// How often `pg_rewind` has succeeded on a node.
    fn rewinds(&self, number: usize) -> usize {
        self.log(number).matches("pg_rewind exit code=0").count()
    }

    /// The log of a node's Patroni and Postgres server.
    fn log(&self, number: usize) -> String {
        let log = fs::read(self.folder.path().join(format!("node{number}/log"))).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// The end of each node's log.
    fn logs(&self) -> String {
        let end = |node: &Node| {
            let log = self.log(node.number);
            let lines: Vec<&str> = log.lines().collect();
            let end = &lines[lines.len().saturating_sub(LOG_LINES)..];
            format!("--- the end of the log of {} ---\n{}\n", node.name(), end.join("\n"))
        };
        self.nodes.iter().map(end).collect()
    }

    /// Runs a command of the script with a node's number, or the number of nodes.
    fn run(&self, command: &str, number: Option<usize>) -> Result<String, String> {
        let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("patroni"));
        script.arg(command).arg(self.folder.path()).args(number.map(|number| number.to_string()));
        let output = script.output().map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }
}

impl Replicated for PatroniCluster {
    fn url(&self) -> String {
        let addresses: Vec<&str> = self.nodes.iter().map(|node| node.address.as_str()).collect();
        url_of(&addresses)
    }

    fn fail_over(&mut self) -> Duration {
        let number = self.primary().expect("a node is primary").0.number;
        let start = Instant::now();
        self.run("kill", Some(number)).unwrap_or_else(|error| panic!("{error}"));
        self.killed = Some(number);
        let url = self.url();
        poll(PATIENCE, || PgConnection::establish(&url).ok())
            .unwrap_or_else(|| panic!("no other node takes writes:\n{}", self.logs()));
        start.elapsed()
    }

    fn rejoin(&mut self) -> Option<Rejoined> {
        let number = self.killed.take()?;
        let (start, rewinds) = (Instant::now(), self.rewinds(number));
        self.run("start-node", Some(number)).unwrap_or_else(|error| panic!("{error}"));
        self.until_whole();
        Some(Rejoined { took: start.elapsed(), rewound: self.rewinds(number) > rewinds })
    }
}

impl Drop for PatroniCluster {
    fn drop(&mut self) {
        if let Err(error) = self.run("stop", None) {
            eprintln!("Patroni is left running: {error}");
        }
    }
}
