//! The same work runs the same number of SQL statements however many rows it touches, and none of a request scans the
//! licenses. What runs them takes turns.

mod console;
mod deliveries;
mod operations;
mod permissions;
mod recorded;
mod renewals;
mod requests;
mod scans;
mod screens;
mod service;
mod turns;
