//! The domain's ports implemented: storage with diesel, one module for each database, upstream services over HTTP,
//! and mails.
//!
//! Every database has a room of its own, plainly written for it: the dialects share no queries. All of them pass the contract
//! suite in `tests/contract`.

pub mod calls;
pub mod copy;
pub mod http;
pub mod mail;
pub mod pool;
pub mod postgres;
mod schedule;
pub mod sqlite;
pub mod traces;
