//! A real OpenID Connect provider: npm's `oidc-provider`, installed when a test needs it.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::accessibility::test_tools;
use crate::{CLIENT_ID, CLIENT_SECRET, PATIENCE, poll};

/// What is installed, with the checksum of every package, and the program that uses it.
const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("../oidc-provider/package.json")),
    ("package-lock.json", include_str!("../oidc-provider/package-lock.json")),
    ("provider.mjs", include_str!("../oidc-provider/provider.mjs")),
];

/// The provider, stopped when it is dropped. It signs in whoever gives a name.
pub struct OidcProvider {
    process: Child,
    port: u16,
}

impl OidcProvider {
    /// Starts it for a client at this URL.
    ///
    /// Panics without Node.js, and if npm's registry cannot be reached at the first time: this test is never skipped.
    pub fn start(port: u16, client: &str) -> Self {
        let folder = installed();
        let process = Command::new("node")
            .arg("provider.mjs")
            .arg(port.to_string())
            .arg(format!("{client}/console/sign-in/callback"))
            .arg(format!("{client}/console/back-channel-logout/"))
            .args([CLIENT_ID, CLIENT_SECRET])
            .current_dir(folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("node starts: install Debian's nodejs, as .ci/run does");
        let provider = Self { process, port };
        let listens = poll(PATIENCE, || TcpStream::connect(("127.0.0.1", port)).ok());
        assert!(listens.is_some(), "the provider listens");
        provider
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        // The test is over; what fails here is no news.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The folder with the provider.
fn installed() -> PathBuf {
    let tools = test_tools();
    let folder = tools.join("oidc-provider");
    if !is_current(&folder) {
        // Several tests may install it at the same time.
        let own = tempfile::tempdir_in(&tools).expect("a folder is made");
        for (name, text) in FILES {
            fs::write(own.path().join(name), text).expect("a file is written");
        }
        let done = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(own.path())
            .output()
            .expect("npm starts: install Debian's npm, as .ci/run does");
        assert!(
            done.status.success(),
            "oidc-provider cannot be installed from npm's registry, which this test needs once:\n{}",
            String::from_utf8_lossy(&done.stderr)
        );
        if !is_current(&folder) {
            // It may be another version.
            let _ = fs::remove_dir_all(&folder);
            if let Err(error) = fs::rename(own.path(), &folder) {
                assert!(is_current(&folder), "the provider is put in its place: {error}");
            }
        }
    }
    folder
}

/// Whether the folder has what these tests expect.
fn is_current(folder: &Path) -> bool {
    folder.join("node_modules").is_dir()
        && FILES.iter().all(|(name, text)| fs::read_to_string(folder.join(name)).is_ok_and(|found| found == *text))
}
