//! PgBouncer between a server and Postgres.

use std::path::Path;
use std::process::Command;

use reqwest::Url;
use tempfile::TempDir;

/// A PgBouncer in transaction mode, stopped when dropped. Its clients share two connections for each database.
pub struct Pooler {
    folder: TempDir,
    address: String,
}

impl Pooler {
    /// Starts one before the Postgres server of a database.
    pub fn before(database_url: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        run("start", folder.path(), &[database_url]);
        let address = run("url", folder.path(), &[]).trim().to_owned();
        Self { folder, address }
    }

    /// The URL that leads to the database through it.
    pub fn url_of(&self, database_url: &str) -> String {
        let direct = Url::parse(database_url).expect("the URL of a database");
        format!("{}{}", self.address, direct.path())
    }
}

fn run(command: &str, folder: &Path, arguments: &[&str]) -> String {
    let output = script(command, folder, arguments).output().expect("the script runs");
    assert!(output.status.success(), "pgbouncer {command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn script(command: &str, folder: &Path, arguments: &[&str]) -> Command {
    let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("pgbouncer"));
    script.arg(command).arg(folder).args(arguments);
    script
}

impl Drop for Pooler {
    fn drop(&mut self) {
        if let Err(error) = script("stop", self.folder.path(), &[]).output() {
            eprintln!("PgBouncer is left running: {error}");
        }
    }
}
