//! Implementations of the domain's ports: storage with diesel, upstream services over HTTP, and mail.
//!
//! The databases share their tables and rows (`schema`, `rows`, `sql_types`). Each has its own module with its own
//! queries. Both pass the suite of `license-manager-contract`.
//!
//! # Features
//!
//! All are on by default.
//!
//! | feature | provides |
//! |---|---|
//! | `postgres` | storage in Postgres, with libpq |
//! | `sqlite` | storage in SQLite |
//! | `http` | clients of the upstream services, webhooks and buckets |
//! | `mail` | mails over SMTP and in the log |
//!
//! What works on two databases needs both: `check`, `copy`, `export` and `import`.

// What serves a feature that is left out has no other use.
#![cfg_attr(
    not(all(feature = "http", feature = "mail", feature = "postgres", feature = "sqlite")),
    allow(dead_code, unused_imports)
)]

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod addresses;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod backends;
mod blocking;
#[cfg(any(feature = "http", feature = "mail"))]
pub mod calls;
#[cfg(any(feature = "http", feature = "mail"))]
mod certificates;
#[cfg(all(feature = "postgres", feature = "sqlite"))]
pub mod check;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod console;
#[cfg(all(feature = "postgres", feature = "sqlite"))]
pub mod copy;
#[cfg(all(feature = "postgres", feature = "sqlite"))]
pub mod export;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod history;
#[cfg(feature = "http")]
pub mod http;
#[cfg(all(feature = "postgres", feature = "sqlite"))]
pub mod import;
#[cfg(feature = "mail")]
pub mod mail;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod one_of;
#[cfg(all(feature = "postgres", feature = "sqlite"))]
mod plain_sql;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub mod pool;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod prepared;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod rows;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod schema;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql_types;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod traces;

pub use blocking::SpawnBlocking;
