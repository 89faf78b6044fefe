//! The wire format's common parts, the same for every endpoint: reading JSON bodies and queries, pages, and times.
//! Nothing here knows the business.

pub mod accept;
pub mod fields;
mod kinds;
pub mod page;
pub mod query;
pub mod time;
