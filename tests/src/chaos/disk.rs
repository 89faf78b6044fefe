//! A disk of its own: a file system in a file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FallocateFlags, fallocate};
use tempfile::TempDir;

/// The size of the disk. The file is sparse.
const BYTES: u64 = 2 << 30;

/// A file system in a file, mounted. The file holds what was written to the disk, and not what the system keeps in memory
/// until it is written.
pub(super) struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Creates and mounts it.
    ///
    /// # Errors
    /// Why it cannot be done: mounting needs root.
    pub(super) fn mount() -> Result<Self, String> {
        let disk = Self { folder: tempfile::tempdir().map_err(|error| error.to_string())? };
        let image = File::create(disk.image()).map_err(|error| error.to_string())?;
        image.set_len(BYTES).map_err(|error| error.to_string())?;
        fs::create_dir(disk.path()).map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(disk.image()))?;
        mount(&disk.image(), &disk.path())?;
        Ok(disk)
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Its folder.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Leaves no room on it.
    pub(super) fn fill(&self) {
        let filler = File::create(self.path().join("filler")).expect("a file is created");
        let mut offset = 0;
        for step in [64 << 20, 1 << 20, 4 << 10] {
            while fallocate(&filler, FallocateFlags::empty(), offset, step).is_ok() {
                offset += step;
            }
        }
    }

    /// Makes room again.
    pub(super) fn empty(&self) {
        fs::remove_file(self.path().join("filler")).expect("the file is removed");
    }

    /// What would be on the disk after a power cut now. Nobody may write meanwhile.
    pub(super) fn cut_off(&self) -> CutOff {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        let cut_off = CutOff { folder };
        let image = cut_off.folder.path().join("image");
        run(Command::new("cp").arg("--sparse=always").arg(self.image()).arg(&image)).expect("the image is copied");
        fs::create_dir(cut_off.path()).expect("a folder is created");
        mount(&image, &cut_off.path()).expect("the copy is mounted");
        cut_off
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(&self.path());
    }
}

/// A disk after a power cut.
pub(super) struct CutOff {
    folder: TempDir,
}

impl CutOff {
    /// Its folder.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }
}

impl Drop for CutOff {
    fn drop(&mut self) {
        unmount(&self.path());
    }
}

fn mount(image: &Path, folder: &Path) -> Result<(), String> {
    run(Command::new("mount").args(["-o", "loop"]).arg(image).arg(folder))
}

/// Takes the disk away, also from processes that were not stopped.
fn unmount(folder: &Path) {
    if let Err(error) = run(Command::new("umount").arg("--lazy").arg(folder)) {
        eprintln!("a disk is left mounted: {error}");
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
