//! What the console needs of storage: its sessions, lists and searches. Behind the feature `console`.
//!
//! These ports stand beside the unit of work. They read for one page at a time and change no licenses: what the console
//! changes, it changes by the use cases of [`crate::LicenseManager`].

mod queries;
mod search;
mod sessions;

pub use queries::{
    AgreementFilters, AgreementOrder, AgreementRow, ConsoleQueries, Found, LicenseRow, ListPage, MessageRow, Part,
    PlanFilters, PlanOrder, PlanRow, RenewalFilters, RenewalOrder, RenewalRow, Sorting,
};
pub use search::SearchTerm;
pub use sessions::{ConsoleSession, ConsoleSessions, NewSession, RenewedSession, SessionLimits};

/// The storage of the console.
pub trait ConsoleStore: ConsoleQueries + ConsoleSessions {}

impl<S: ConsoleQueries + ConsoleSessions> ConsoleStore for S {}
