//! The clocks of processes, which a preloaded library sets wrong.
//!
//! The library is compiled from `clock.c` when it is needed. Debian's libfaketime does the same and more, but waits for
//! itself in a process whose allocator asks for the time, as jemalloc does.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::dice::Dice;

/// How many seconds a clock is wrong after a step. Longer than any lease or pause of the servers.
const STEPS: [i64; 4] = [-15, -4, 4, 15];

/// A clock that its processes share and nobody else. Time that is measured, as in pauses, goes on as ever.
pub(super) struct SteppedClock {
    folder: TempDir,
    file: File,
}

impl SteppedClock {
    /// A clock that is right.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/chaos/clock.c");
        let library = folder.path().join("clock.so");
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(library).arg(source).status();
        assert!(compiled.expect("a C compiler is there, as for SQLite").success(), "clock.c is compiled");
        let file = File::create(folder.path().join("clock")).expect("a file is created");
        let clock = Self { folder, file };
        clock.put_right();
        clock
    }

    /// The environment of a process that goes by it.
    pub(super) fn settings(&self) -> [(String, String); 2] {
        [("LD_PRELOAD", "clock.so"), ("STEPPED_CLOCK", "clock")]
            .map(|(name, file)| (name.to_owned(), self.path(file).display().to_string()))
    }

    /// Sets it wrong by one of [`STEPS`].
    pub(super) fn step(&self, dice: &mut Dice) {
        self.set(STEPS[dice.below(STEPS.len())]);
    }

    /// Sets it right.
    pub(super) fn put_right(&self) {
        self.set(0);
    }

    /// Sets it, for processes that run as well.
    fn set(&self, seconds: i64) {
        self.file.write_all_at(&seconds.to_ne_bytes(), 0).expect("the clock is set");
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }
}
