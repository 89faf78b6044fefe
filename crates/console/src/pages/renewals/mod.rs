//! Renewals: the list, one renewal, the guided form, and processing.

mod choice;
pub(crate) mod form;
pub(crate) mod list;
pub(crate) mod process;
pub(crate) mod show;
