//! Summaries on standard output.

use std::io::Write;

use license_manager_domain::operations::OperationSummary;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::arguments::SummaryFormat;
use crate::telemetry::work_traces;

/// The result of a command.
pub struct Report {
    /// The command.
    pub command: &'static str,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Named counts, in the order they are printed.
    pub counts: Vec<(String, i64)>,
    /// The ids of what was changed.
    pub uuids: Vec<Uuid>,
    /// What failed, and why.
    pub errors: Vec<(String, String)>,
    /// Whether the command was stopped early.
    pub interrupted: bool,
}

fn named(counts: impl IntoIterator<Item = (impl Into<String>, i64)>) -> Vec<(String, i64)> {
    counts.into_iter().map(|(name, number)| (name.into(), number)).collect()
}

/// Prints named counts, each on a line.
pub(super) fn write_counts(counts: &[(String, i64)], out: &mut impl Write) -> std::io::Result<()> {
    counts.iter().try_for_each(|(name, number)| writeln!(out, "  {}: {number}", name.replace('_', " ")))
}

/// Named counts, for programs.
pub(super) fn json_of_counts(counts: &[(String, i64)]) -> Map<String, Value> {
    counts.iter().map(|(name, number)| (name.clone(), (*number).into())).collect()
}

impl From<OperationSummary> for Report {
    fn from(summary: OperationSummary) -> Self {
        Self {
            command: summary.operation,
            dry_run: summary.dry_run,
            counts: named(summary.counts),
            uuids: summary.uuids,
            errors: summary.errors.into_iter().map(|failure| (failure.about, failure.message)).collect(),
            interrupted: summary.interrupted,
        }
    }
}

impl Report {
    /// The report of a command that did all its work.
    pub fn done(
        command: &'static str,
        dry_run: bool,
        counts: impl IntoIterator<Item = (impl Into<String>, i64)>,
        uuids: Vec<Uuid>,
    ) -> Self {
        Self { command, dry_run, counts: named(counts), uuids, errors: Vec::new(), interrupted: false }
    }

    /// Whether nothing failed.
    pub fn is_complete(&self) -> bool {
        self.errors.is_empty() && !self.interrupted
    }

    /// Prints the report, and records its counts in the command's trace.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn write(&self, format: SummaryFormat, out: &mut impl Write) -> std::io::Result<()> {
        work_traces::count(self.counts.iter().map(|(name, number)| (name.as_str(), *number)));
        match format {
            SummaryFormat::Json => {
                let errors: Vec<Value> =
                    self.errors.iter().map(|(about, message)| json!({ "about": about, "message": message })).collect();
                let report = json!({
                    "operation": self.command,
                    "dry_run": self.dry_run,
                    "counts": json_of_counts(&self.counts),
                    "uuids": self.uuids,
                    "errors": errors,
                    "interrupted": self.interrupted,
                });
                serde_json::to_writer(&mut *out, &report)?;
                writeln!(out)
            }
            SummaryFormat::Text => {
                let dry_run = if self.dry_run { " (dry run: nothing was changed)" } else { "" };
                writeln!(out, "{}{dry_run}", self.command)?;
                write_counts(&self.counts, out)?;
                for uuid in &self.uuids {
                    writeln!(out, "  {uuid}")?;
                }
                for (about, message) in &self.errors {
                    writeln!(out, "  failed: {about}: {message}")?;
                }
                if self.interrupted {
                    writeln!(out, "  interrupted: run it again to do the rest")?;
                }
                Ok(())
            }
        }
    }
}
