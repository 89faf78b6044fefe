//! The domain's storage ports implemented with diesel, one module for each database.
//!
//! Every database has a room of its own, plainly written for it: the dialects share no queries. All of them pass the contract
//! suite in `tests/contract`.

pub mod postgres;
pub mod sqlite;
