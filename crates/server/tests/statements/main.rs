//! The same work runs the same number of SQL statements however many rows it touches.

mod console;
mod deliveries;
mod operations;
mod recorded;
mod requests;
mod screens;
