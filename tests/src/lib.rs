//! What end-to-end tests need: databases of their own, the real server on them, people with tokens, and a client.
//!
//! A test names its story, and [`on_both_databases!`] runs it on SQLite and on Postgres:
//!
//! ```no_run
//! use license_manager_tests::{Customer, Database, Server, on_both_databases};
//!
//! on_both_databases!(an_assigned_seat_is_taken);
//!
//! fn an_assigned_seat_is_taken(database: Database) {
//!     let server = Server::start(database.url());
//!     let customer = Customer::new(&server);
//!     let plan = customer.plan(2);
//!     plan.assign(&[customer.email("amy")]).expect(200);
//!     assert_eq!(plan.counts().unassigned, 1);
//! }
//! # fn main() {}
//! ```
//!
//! Every helper panics with what went wrong, and a server that is dropped by a panic prints the end of its log.

// These tests stand outside the service, where time and ids are the real ones.
#![allow(clippy::disallowed_methods)]

mod bucket;
mod client;
mod cluster;
mod collector;
pub mod conformance;
mod customer;
mod database;
mod person;
mod scene;
mod server;
mod upstreams;
mod webhook_endpoint;

pub use bucket::FakeBucket;
pub use client::{Answer, Client, Request};
pub use cluster::Cluster;
pub use collector::{FakeCollector, Span};
pub use customer::{Counts, Customer, PROVISIONING, Plan};
pub use database::Database;
pub use person::{AUDIENCE, ISSUER, Person, SECRET};
pub use scene::{Scene, assert_detail};
pub use server::{Beside, Ran, Refusal, Server, binary, free_port};
pub use upstreams::{FakeUpstreams, NOT_IN_CATALOG};
pub use webhook_endpoint::{Told, WebhookEndpoint};

use std::time::{Duration, Instant};

/// Declares each listed story as two tests, `story::sqlite` and `story::postgres`.
///
/// A story is a function that takes a fresh [`Database`] by value.
#[macro_export]
macro_rules! on_both_databases {
    ($($story:ident),+ $(,)?) => {
        $(
            mod $story {
                #[test]
                fn sqlite() {
                    super::$story($crate::Database::sqlite());
                }

                #[test]
                fn postgres() {
                    super::$story($crate::Database::postgres());
                }
            }
        )+
    };
}

/// Does the same from `clients` threads that start at one moment; `work` is told which of them it is, from 0.
///
/// Returns what each of them returned, in order. Panics where one of them does.
pub fn at_once<T: Send>(clients: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = std::sync::Barrier::new(clients);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|client| {
                let (start, work) = (&start, &work);
                scope.spawn(move || {
                    start.wait();
                    work(client)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a client failed")).collect()
    })
}

/// Asks again until there is an answer, for at most `patience`; `None` where there was none in that time.
pub fn poll<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
