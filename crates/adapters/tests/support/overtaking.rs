//! An import that is overtaken: while it reads its source, another one writes the same database.

use chrono::DateTime;
use license_manager_adapters::import::{Conflicts, Finding, ImportError, ImportOptions, RangeChecksum, Source, Target};

/// What the other import does at its end.
pub const COMPLETED: &str = "UPDATE imported_versions SET is_filled = true";

/// A source without rows.
pub struct Overtaken<F>(pub F);

impl<F: FnMut()> Source for Overtaken<F> {
    fn count(&mut self) -> Result<u64, ImportError> {
        Ok(0)
    }

    fn begin_checksums(&mut self) {}

    fn checksums(&mut self) -> Result<Vec<RangeChecksum>, ImportError> {
        Ok(Vec::new())
    }

    fn read(&mut self, _: &mut dyn Target) -> Result<(), ImportError> {
        (self.0)();
        Ok(())
    }
}

/// The statement that an import begins with. `moment` is a literal.
pub fn begun(moment: &str, checksums_of: &str) -> String {
    format!(
        "INSERT INTO imported_versions
             (id, imported_at, last_license_history_id, own_versions_from, checksums_of, compared_at, is_filled)
         VALUES (1, {moment}, 99, 100, '{checksums_of}', {moment}, false)"
    )
}

pub fn options() -> ImportOptions {
    ImportOptions { dry_run: false, strict: false, conflicts: Conflicts::Refuse, now: DateTime::UNIX_EPOCH }
}

/// Takes no notice of what is found.
pub fn ignore(_: &Finding) -> std::io::Result<()> {
    Ok(())
}
