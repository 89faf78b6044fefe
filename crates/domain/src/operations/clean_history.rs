//! `clean-old-history`: removes history that is older than a retention.

use chrono::{DateTime, Duration, Utc};

use super::run::{OperationSummary, Run, Supervisor};
use crate::error::Error;
use crate::ports::{HistoryPart, StoreExt};
use crate::saturating_time;
use crate::use_cases::manager::LicenseManager;

impl LicenseManager {
    /// The shortest retention of history. The mail about the utilization of a plan reads the history of a week.
    pub const LEAST_HISTORY: Duration = Duration::days(7);

    /// Removes versions that are older than the retention, at least [`LicenseManager::LEAST_HISTORY`], from all
    /// histories. Of each row the newest version stays, and the last one before the retention begins: what it was then.
    /// Earlier moments are refused from now on, also if the run is interrupted.
    ///
    /// The summary counts the removed versions of each table.
    pub fn clean_old_history(
        &self,
        retention: Duration,
        dry_run: bool,
        supervisor: &dyn Supervisor,
    ) -> OperationSummary {
        let mut run = Run::new(self, supervisor, "clean-old-history", dry_run, &[]);
        let until = saturating_time::before(run.started, retention.max(Self::LEAST_HISTORY));
        let outcome = self.clean_histories(&mut run, until);
        run.end(outcome)
    }

    fn clean_histories(&self, run: &mut Run<'_>, until: DateTime<Utc>) -> Result<(), Error> {
        let tables = self.store.read(|unit| unit.history().tables())?;
        tables.iter().for_each(|table| run.summary.count(table, 0));
        if !run.dry_run() {
            self.store.write(|unit| unit.history().set_complete_since(until))?;
        }
        tables.into_iter().try_for_each(|table| self.clean_history(run, table, until))
    }

    fn clean_history(&self, run: &mut Run<'_>, table: &'static str, until: DateTime<Utc>) -> Result<(), Error> {
        let mut part = HistoryPart { table, until, after: 0, limit: self.batch_size() };
        while !run.stops() {
            let found = self.store.read(|unit| unit.history().superseded(&part))?;
            let Some(last) = found.last else { break };
            run.supervisor.found(found.count.unsigned_abs());
            let removed = match (run.dry_run(), usize::try_from(found.count).unwrap_or(0)) {
                (true, count) => count,
                (false, 0) => 0,
                (false, _) => self.store.write(|unit| unit.history().remove_superseded(&part, last))?,
            };
            run.supervisor.advanced(found.count.unsigned_abs());
            run.summary.count(table, removed);
            part.after = last;
        }
        Ok(())
    }
}
