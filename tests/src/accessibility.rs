//! axe-core, which looks for what keeps people out of a page.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA512, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::{Browser, binary};

/// The package, at a version that is held by its checksum.
const VERSION: &str = "4.14.1";
const SHA512_BASE64: &str = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==";

/// Runs it in the page, and tells what is serious or critical. It judges no contrast over a picture, so the shades at the
/// edges of tables are taken away.
const RUN: &str = "
    for (const table of document.querySelectorAll('.wide')) table.style.backgroundImage = 'none';
    const done = arguments[arguments.length - 1];
    axe.run(document, { resultTypes: ['violations'] }).then(
        (results) => done(results.violations
            .filter((violation) => ['serious', 'critical'].includes(violation.impact))
            .map((violation) => violation.impact + ': ' + violation.help + ' (' + violation.id + ')\\n'
                + violation.nodes.slice(0, 5).map((node) => '    ' + node.html + '\\n    ' + node.failureSummary).join('\\n'))),
        (error) => done(['axe-core failed: ' + error]));
";

impl Browser {
    /// Panics if axe-core finds something serious or critical on the page. Does nothing where scripts are off.
    #[track_caller]
    pub fn is_accessible(&self) {
        if !self.runs_scripts() {
            return;
        }
        self.script(axe());
        let found = self.async_script(RUN);
        let found: Vec<&str> = found.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        assert!(found.is_empty(), "{} keeps people out:\n{}", self.address(), found.join("\n"));
    }
}

/// The source of axe-core.
fn axe() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let folder = test_tools();
        let script = folder.join(format!("axe-core-{VERSION}.js"));
        if !script.exists() {
            fetch(&folder, &script);
        }
        fs::read_to_string(&script).expect("axe-core is text")
    })
}

/// The folder for what tests fetch, in the target folder.
pub(crate) fn test_tools() -> PathBuf {
    let folder = binary().parent().expect("a binary is in a folder").join("test-tools");
    fs::create_dir_all(&folder).expect("a folder is made");
    folder
}

/// Has npm fetch the package, checks it, and takes the script out of it.
fn fetch(folder: &Path, script: &Path) {
    // Several tests may fetch it at the same time.
    let own = tempfile::tempdir_in(folder).expect("a folder is made");
    let fetched = Command::new("npm")
        .args(["pack", "--silent", &format!("axe-core@{VERSION}")])
        .current_dir(own.path())
        .output()
        .expect("npm starts: install Debian's npm, as .ci/run does");
    assert!(
        fetched.status.success(),
        "axe-core cannot be fetched from npm's registry, which these tests need once:\n{}",
        String::from_utf8_lossy(&fetched.stderr)
    );
    let name = format!("axe-core-{VERSION}.tgz");
    let package = fs::read(own.path().join(&name)).expect("npm writes the package");
    let checksum = BASE64_STANDARD.encode(digest(&SHA512, &package));
    assert_eq!(checksum, SHA512_BASE64, "{name} is not the package that is expected");
    let taken = Command::new("tar")
        .args(["-xzf", &name, "package/axe.min.js"])
        .current_dir(own.path())
        .status()
        .expect("tar is there");
    assert!(taken.success(), "the package of axe-core is unpacked");
    fs::rename(own.path().join("package/axe.min.js"), script).expect("the script is put in its place");
}
