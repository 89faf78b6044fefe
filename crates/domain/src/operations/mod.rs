//! Recurring operations, started by the schedule or by a command, on any number of machines.
//!
//! Each works in batches, with one transaction per batch and no call to an upstream within one. Work with calls to an
//! upstream is split into tasks, which one run holds at a time ([`crate::ports::QueueRepository::claim_task`]); other
//! work locks its rows. Progress is stored with the work or right after a call, so the next run continues an
//! interrupted one (`docs/adr/0009` of the repository). A dry run writes nothing.
//!
//! Functions that are not asynchronous block their thread: run them on one for blocking work. The asynchronous ones call
//! the store where [`crate::ports::Blocking`] says.

mod auto_scaling;
mod backup;
mod catalog_queries;
mod clean_history;
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
pub(crate) mod utilization_mails;

pub use expire::Expiration;
pub use manual::TransferPreview;
pub use run::{OperationSettings, OperationSummary, Supervisor, Unsupervised};
pub use schedule::{
    CronExpression, FinishedRun, InvalidCronExpression, OperationFailure, OperationSchedule, RecurringOperation,
    RunOutcome, RunSummary, Timetable,
};
pub use scheduled_runs::ScheduledRun;
pub use unlink::UNLINKED_EVENT;
