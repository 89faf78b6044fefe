//! Implementations of the domain's ports: storage with diesel, upstream services over HTTP, and mail.
//!
//! The databases share their tables and rows (`schema`, `rows`, `sql_types`). Each has its own module with its own
//! queries. Both pass the suite of `license-manager-contract`.

mod addresses;
mod blocking;
pub mod calls;
mod certificates;
pub mod check;
mod console;
pub mod copy;
pub mod export;
mod history;
pub mod http;
pub mod import;
pub mod mail;
mod one_of;
mod plain_sql;
pub mod pool;
pub mod postgres;
mod prepared;
mod rows;
mod schema;
mod sql_types;
pub mod sqlite;
pub mod traces;

pub use blocking::SpawnBlocking;
