//! What runs by itself: operations over everything there is, started by a schedule or by hand, on any number of machines.
//!
//! Each works in batches of one transaction each, and no upstream is called within one. Work that spans calls to an upstream is
//! a task, which one run has at a time ([`crate::ports::OperationRepository`]); other work is claimed row by row. Whatever was
//! done is noted in the transaction that does it, or right after the call that did; so a run that was interrupted at any point is
//! followed by one that does the rest (docs/adr/0009). A dry run reads the same and writes nothing.
//!
//! The functions block their thread while the database works: they belong on a thread of their own.

mod auto_scaling;
mod catalog_queries;
mod expire;
mod manual;
mod process_renewals;
mod retire_old;
mod run;
pub(crate) mod schedule;
mod scheduled_runs;
mod tasks;
mod trigger_events;
mod unlink;
mod utilization_mails;

pub use expire::Expiration;
pub use manual::TransferPreview;
pub use run::{OperationSettings, OperationSummary, Supervisor, Unsupervised};
pub use schedule::{
    CronExpression, FinishedRun, InvalidCronExpression, OperationFailure, OperationSchedule, RecurringOperation,
    RunOutcome, RunSummary, Timetable,
};
pub use scheduled_runs::ScheduledRun;
pub use unlink::UNLINKED_EVENT;
