//! The HTTP code that all endpoints share: bodies, queries, pages, answers, errors. It has no business rules.

pub mod accept;
pub mod body;
pub mod body_limits;
pub mod client_timeout;
pub mod cors;
pub mod error;
pub mod field_errors;
pub mod fields;
pub mod hardening;
pub mod idempotency;
pub mod kinds;
pub mod measure;
pub mod page;
pub mod paging;
pub mod problem;
pub mod query;
pub mod response;
pub mod sending;
pub mod time;
pub mod timestamp;
mod tree;
pub mod turns;

pub use body::WithBody;
pub use error::ApiError;
pub use paging::{NumberedPageBody, PageBody, Paging, PositionedPageBody};
pub use query::Query;
pub use response::{ApiResult, Response, blocking, on_thread, reading, without_content, writing};
pub use timestamp::Timestamp;
