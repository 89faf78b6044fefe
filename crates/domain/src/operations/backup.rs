//! `backup`: copies the database to a place for copies.

use super::run::{OperationSummary, Run, Supervisor};
use crate::use_cases::manager::LicenseManager;

impl LicenseManager {
    /// Copies the database and removes the oldest copies. Writes nothing to the database.
    ///
    /// The summary counts `copies`, their `bytes`, and the copies that were `removed`.
    pub async fn back_up(&self, supervisor: &dyn Supervisor) -> OperationSummary {
        let mut run = Run::new(self, supervisor, "backup", false, &["copies", "bytes", "removed"]);
        run.supervisor.found(1);
        match self.backups.make(run.started).await {
            Ok(made) => {
                run.supervisor.advanced(1);
                run.summary.count("copies", 1);
                run.summary.count("bytes", usize::try_from(made.bytes).unwrap_or(usize::MAX));
                run.summary.count("removed", made.removed);
            }
            Err(problem) => run.summary.fail("backup", problem),
        }
        run.end(Ok(()))
    }
}
