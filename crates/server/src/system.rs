//! The system's clock and random ids. Everything else takes them from here.

pub use license_manager_domain::ports::{RandomIds, SystemClock};
