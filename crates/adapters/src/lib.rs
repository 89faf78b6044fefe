//! Implementations of the domain's ports: storage with diesel, upstream services over HTTP, and mail.
//!
//! Each database has its own module and its own queries. Both pass the contract suite in `tests/contract`.

pub mod calls;
pub mod copy;
pub mod http;
pub mod mail;
pub mod pool;
pub mod postgres;
mod schedule;
pub mod sqlite;
pub mod traces;
