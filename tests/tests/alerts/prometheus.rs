//! A Prometheus that watches by the rules of `deploy/prometheus`, with short times.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use license_manager_tests::{free_port, poll};
use serde_json::Value;
use tempfile::TempDir;

/// What the names of all alerts begin with.
const PREFIX: &str = "LicenseManager";

/// How long to wait for an alert.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running Prometheus, killed when dropped.
pub struct Prometheus {
    process: Child,
    port: u16,
    folder: TempDir,
}

/// The rules.
fn rules() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/prometheus/alerts.yml");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all alerts, without the part that they share.
pub fn alerts() -> Vec<String> {
    let lines = rules();
    let names = lines.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")?.strip_prefix(PREFIX));
    names.map(str::to_owned).collect()
}

/// The rules with short times: what has to last lasts a second, and rates are those of the last twenty seconds.
fn short_rules() -> String {
    let short = |line: &str| match line.trim_start().starts_with("for: ") {
        true => "        for: 1s\n".to_owned(),
        false => ["[5m]", "[15m]", "[1h]"].iter().fold(format!("{line}\n"), |line, range| line.replace(range, "[20s]")),
    };
    rules().lines().map(short).collect()
}

impl Prometheus {
    /// Starts one that watches processes at these addresses.
    pub fn watching(addresses: &[String]) -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a temporary folder is created"), free_port());
        let targets = serde_json::to_string(addresses).expect("addresses are JSON");
        let settings = format!(
            "global: {{ scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s }}\n\
             rule_files: [alerts.yml]\n\
             scrape_configs: [{{ job_name: license-manager, static_configs: [{{ targets: {targets} }}] }}]\n"
        );
        fs::write(folder.path().join("alerts.yml"), short_rules()).expect("the rules are written");
        fs::write(folder.path().join("prometheus.yml"), settings).expect("the settings are written");
        let log = File::create(folder.path().join("log")).expect("a log is created");
        let process = Command::new("prometheus")
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Prometheus is installed: run tests/alerts-live");
        let prometheus = Self { process, port, folder };
        let is_watching = || {
            let up = prometheus.ask("query?query=count(up)")?;
            (up["result"][0]["value"][1].as_str()?.parse() == Ok(addresses.len())).then_some(())
        };
        poll(PATIENCE, is_watching).unwrap_or_else(|| panic!("Prometheus does not watch:\n{}", prometheus.log()));
        prometheus
    }

    /// Waits until an alert fires.
    #[track_caller]
    pub fn fires(&self, alert: &str) {
        self.fires_while(alert, || {});
    }

    /// Waits until an alert fires, and does something again and again meanwhile.
    #[track_caller]
    pub fn fires_while(&self, alert: &str, mut work: impl FnMut()) {
        let fires = || {
            work();
            self.is(alert, "firing")
        };
        assert!(poll(PATIENCE, fires).is_some(), "{alert} does not fire: {:#?}", self.rules());
    }

    /// Waits until an alert that fired has stopped.
    #[track_caller]
    pub fn stops(&self, alert: &str) {
        self.stops_while(alert, || {});
    }

    /// Waits until an alert that fired has stopped, and does something again and again meanwhile.
    #[track_caller]
    pub fn stops_while(&self, alert: &str, mut work: impl FnMut()) {
        let stops = || {
            work();
            self.is(alert, "inactive")
        };
        assert!(poll(PATIENCE, stops).is_some(), "{alert} does not stop: {:#?}", self.rules());
    }

    fn is(&self, alert: &str, state: &str) -> Option<()> {
        let rules = self.rules();
        let rule = rules.get(alert)?;
        assert_eq!(rule["lastError"].as_str().unwrap_or_default(), "", "{rule}");
        (rule["state"] == state).then_some(())
    }

    /// The alerts by name.
    fn rules(&self) -> BTreeMap<String, Value> {
        let told = self.ask("rules?type=alert").unwrap_or_default();
        let groups = told["groups"].as_array().cloned().unwrap_or_default();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default());
        rules.filter_map(|rule| Some((rule["name"].as_str()?.strip_prefix(PREFIX)?.to_owned(), rule.clone()))).collect()
    }

    fn ask(&self, what: &str) -> Option<Value> {
        let answer = reqwest::blocking::get(format!("http://127.0.0.1:{}/api/v1/{what}", self.port)).ok()?;
        Some(answer.json::<Value>().ok()?["data"].clone())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Both fail if it has already exited.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
