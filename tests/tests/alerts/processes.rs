//! Alerts about processes and their database.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use license_manager_tests::{Cluster, Database, Server, on_both_databases};

use crate::prometheus::Prometheus;

on_both_databases!(processes_that_do_not_run_and_several_versions);

/// Something else that shows metrics.
struct Exporter {
    address: String,
    text: Arc<Mutex<String>>,
}

impl Exporter {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        let text = Arc::<Mutex<String>>::default();
        let shown = text.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                // The lines of the request, up to the empty one.
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                let text = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let length = text.len();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
                // Who asked may be gone.
                let _ = write!(stream, "{head}Content-Length: {length}\r\n\r\n{text}");
            }
        });
        Self { address, text }
    }

    fn show(&self, text: &str) {
        text.clone_into(&mut self.text.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn processes_that_do_not_run_and_several_versions(database: Database) {
    let mut server = Server::start(database.url());
    let other = Exporter::start();
    let prometheus = Prometheus::watching(&[server.address(), other.address.clone()]);
    other.show("license_manager_build_info{version=\"0.0.1\"} 1\n");
    prometheus.fires("SeveralVersionsAreRunning");
    other.show("");
    prometheus.stops("SeveralVersionsAreRunning");

    server.kill();
    prometheus.fires("NoProcessIsRunning");
    prometheus.fires("AProcessIsNotRunning");
    server.restart();
    prometheus.stops("NoProcessIsRunning");
    prometheus.stops("AProcessIsNotRunning");
}

/// Only on Postgres: the file of SQLite does not go away while it is open.
#[test]
fn the_database_is_unavailable() {
    let cluster = Cluster::new();
    let server = Server::start_with(&cluster.url(), &[("LM_DATABASE__CONNECT_TIMEOUT_SECONDS", "1")]);
    let prometheus = Prometheus::watching(&[server.address()]);
    cluster.stop();
    prometheus.fires("TheDatabaseIsUnavailable");
    cluster.start();
    prometheus.stops("TheDatabaseIsUnavailable");
}

/// Only Postgres has replicas.
#[test]
fn the_replica_is_not_used() {
    let primary = Cluster::new();
    let standby = primary.standby();
    let replica = standby.url();
    let settings = [("LM_DATABASE__REPLICA_URL", replica.as_str()), ("LM_DATABASE__CONNECT_TIMEOUT_SECONDS", "1")];
    let server = Server::start_with(&primary.url(), &settings);
    let prometheus = Prometheus::watching(&[server.address()]);
    standby.stop();
    prometheus.fires("TheReplicaIsNotUsed");
    standby.start();
    prometheus.stops("TheReplicaIsNotUsed");
}
