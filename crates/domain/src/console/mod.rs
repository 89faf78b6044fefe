//! What the console needs of storage: its sessions, lists and searches. Behind the feature `console`.
//!
//! These ports stand beside the unit of work. They read for one page at a time and change no licenses: what the console
//! changes, it changes by the use cases of [`crate::LicenseManager`].

mod operations;
mod queries;
mod records;
mod search;
mod sessions;

pub use operations::{
    ConsoleOperations, EnrollmentFilters, EnrollmentRow, EnrollmentTry, JobFilters, JobRow, MESSAGES_LOOKED_AT,
    MessageFilters, Slice, TransferFilters, TransferRow, WebhookFilters, WebhookRow,
};
pub use queries::{
    AgreementFilters, AgreementOrder, AgreementRow, ConsoleQueries, Found, LicenseRow, ListPage, Part, PlanFilters,
    PlanOrder, PlanRow, RenewalFilters, RenewalOrder, RenewalRow, Sorting,
};
pub use records::{
    ChangeRow, ConsoleRecords, EVENTS_LOOKED_AT, Footprint, MOST_COUNTED, MarkFilters, MarkRow, SentFilters, SentRow,
    SourceRow, UserFilters, UserRow, VERSIONS_LOOKED_AT,
};
pub use search::SearchTerm;
pub use sessions::{ConsoleSession, ConsoleSessions, NewSession, ProviderIds, RenewedSession, SessionLimits};

/// The storage of the console.
pub trait ConsoleStore: ConsoleQueries + ConsoleOperations + ConsoleRecords + ConsoleSessions {}

impl<S: ConsoleQueries + ConsoleOperations + ConsoleRecords + ConsoleSessions> ConsoleStore for S {}
