//! The domain's ports implemented: storage in Postgres and SQLite with diesel.
//!
//! Each database has a module of its own, plainly written for it. What they have in common is the contract suite in
//! `tests/contract`, which every store passes.

pub mod sqlite;
