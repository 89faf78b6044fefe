//! Reads a process's memory from Linux.

use std::fs;

/// Resident memory in KiB.
#[derive(Clone, Copy)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// The peak since [`reset_peak`].
    pub peak: u64,
}

/// Reads a process's memory.
pub fn read(process: u32) -> Memory {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{path} has no {name}"))
    };
    Memory { resident: field("VmRSS:"), peak: field("VmHWM:") }
}

/// Resets the peak.
pub fn reset_peak(process: u32) {
    let path = format!("/proc/{process}/clear_refs");
    fs::write(&path, "5").unwrap_or_else(|error| panic!("{path}: {error}"));
}
