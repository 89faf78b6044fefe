//! HAProxy before servers.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::Server;

/// A HAProxy with the settings of `deploy/compose/haproxy.cfg`, stopped when dropped.
pub struct Proxy {
    folder: TempDir,
    base: String,
}

impl Proxy {
    /// Starts one before these servers.
    pub fn before(servers: &[&Server]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let addresses: Vec<String> = servers.iter().map(|server| server.address()).collect();
        run("start", folder.path(), &addresses);
        let base = run("url", folder.path(), &[]).trim().to_owned();
        Self { folder, base }
    }

    /// Its URL.
    pub fn base(&self) -> &str {
        &self.base
    }
}

fn run(command: &str, folder: &Path, arguments: &[String]) -> String {
    let output = script(command, folder, arguments).output().expect("the script runs");
    assert!(output.status.success(), "haproxy {command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn script(command: &str, folder: &Path, arguments: &[String]) -> Command {
    let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("haproxy"));
    script.arg(command).arg(folder).args(arguments);
    script
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Err(error) = script("stop", self.folder.path(), &[]).output() {
            eprintln!("HAProxy is left running: {error}");
        }
    }
}
