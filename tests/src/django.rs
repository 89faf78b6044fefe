//! Databases of the Django license manager, which an import reads and an export writes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A MariaDB server for one test, stopped and removed when dropped.
pub struct DjangoServer {
    folder: TempDir,
}

/// The types of ids in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DjangoIds {
    /// `uuid`, as MariaDB has them.
    Native,
    /// `char(32)`, as in MySQL.
    Text,
    /// `char(32)` in the tables of licenses, `uuid` elsewhere.
    Mixed,
}

impl DjangoIds {
    /// All forms.
    pub const ALL: [Self; 3] = [Self::Native, Self::Text, Self::Mixed];

    fn types(self) -> (&'static str, &'static str) {
        match self {
            Self::Native => ("uuid", "uuid"),
            Self::Text => ("char(32)", "char(32)"),
            Self::Mixed => ("uuid", "char(32)"),
        }
    }
}

impl DjangoServer {
    /// Creates and starts a server. Installs MariaDB where it is missing.
    pub fn new() -> Self {
        let server = Self { folder: tempfile::tempdir().expect("a temporary folder is created") };
        server.run("create", "");
        server.run("start", "");
        server
    }

    /// Creates a database with every oddity, and returns its URL.
    pub fn oddities(&self, name: &str, ids: DjangoIds) -> String {
        let url = self.empty(name, ids);
        self.execute(name, include_str!("../django/oddities.sql"));
        url
    }

    /// Creates a database with the tables alone, and returns its URL.
    pub fn empty(&self, name: &str, ids: DjangoIds) -> String {
        let (id, license) = ids.types();
        let layout = include_str!("../django/layout.sql").replace("@LICENSE", license).replace("@ID", id);
        self.run("load", &format!("CREATE DATABASE {name};"));
        self.execute(name, &layout);
        format!("{}/{name}", self.run("url", "").trim())
    }

    /// Creates a database as the migrations of the service leave it: with its constraints and first rows. Returns its URL.
    pub fn fresh(&self, name: &str, ids: DjangoIds) -> String {
        let url = self.empty(name, ids);
        self.execute(name, include_str!("../django/fresh.sql"));
        url
    }

    /// The rows of a query, their values separated by tabs.
    pub fn rows(&self, name: &str, query: &str) -> Vec<String> {
        let printed = self.run("load", &format!("USE {name};\n{query}"));
        printed.lines().skip(1).map(str::to_owned).collect()
    }

    /// Removes a database, if it is there.
    pub fn remove(&self, name: &str) {
        self.run("load", &format!("DROP DATABASE IF EXISTS {name};"));
    }

    /// Creates and starts a server that has a certificate for `localhost`, and returns it with the file of the authority.
    pub fn with_certificate() -> (Self, std::path::PathBuf) {
        let server = Self { folder: tempfile::tempdir().expect("a temporary folder is created") };
        server.run("create", "");
        server.run("certificate", "");
        server.run("start", "");
        let authority = server.folder.path().join("authority.pem");
        (server, authority)
    }

    /// Runs statements in a database.
    pub fn execute(&self, name: &str, statements: &str) {
        self.run("load", &format!("USE {name};\n{statements}"));
    }

    fn run(&self, command: &str, input: &str) -> String {
        self.try_run(command, input).unwrap_or_else(|error| panic!("mariadb-server {command}: {error}"))
    }

    fn try_run(&self, command: &str, input: &str) -> Result<String, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("mariadb-server");
        let mut child = Command::new(script)
            .arg(command)
            .arg(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut stdin = child.stdin.take().expect("it was asked for");
        stdin.write_all(input.as_bytes()).map_err(|error| error.to_string())?;
        drop(stdin);
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

impl Default for DjangoServer {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for DjangoServer {
    fn drop(&mut self) {
        if let Err(error) = self.try_run("stop", "") {
            eprintln!("a MariaDB server is left running: {error}");
        }
    }
}
