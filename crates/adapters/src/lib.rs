//! The domain's ports implemented: storage with diesel, one module for each database, and neighbouring services over HTTP.
//!
//! Every database has a room of its own, plainly written for it: the dialects share no queries. All of them pass the contract
//! suite in `tests/contract`.

pub mod http;
mod log;
pub mod postgres;
pub mod sqlite;
