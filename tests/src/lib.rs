//! The tools of the end-to-end tests: databases, the real server, people with tokens, and a client.
//!
//! A test is a function, which [`on_both_databases!`] runs on SQLite and on Postgres:
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
//! Every tool panics with the problem. A server dropped by a panic prints the end of its log.

// These tests run outside of the service, with the real clock and ids.
#![allow(clippy::disallowed_methods)]

mod accessibility;
mod browser;
mod bucket;
pub mod chaos;
mod client;
mod cluster;
mod collector;
pub mod conformance;
mod customer;
mod database;
mod django;
pub mod failover;
mod fake_service;
mod identity_provider;
mod oidc_provider;
mod patroni;
mod person;
mod pooler;
mod proxy;
mod scene;
mod server;
mod upstreams;
mod visit;
mod webhook_endpoint;

pub use browser::{Browser, Look};
pub use bucket::FakeBucket;
pub use client::{Client, Request, Response};
pub use cluster::Cluster;
pub use collector::{FakeCollector, Span};
pub use customer::{Counts, Customer, PROVISIONING, Plan};
pub use database::{Database, assert_sound, texts};
pub use django::{DjangoIds, DjangoServer};
pub use identity_provider::{CLIENT_ID, CLIENT_SECRET, FakeIdentityProvider};
pub use oidc_provider::OidcProvider;
pub use patroni::PatroniCluster;
pub use person::{AUDIENCE, ISSUER, Person, SECRET};
pub use pooler::Pooler;
pub use proxy::Proxy;
pub use scene::{Scene, assert_detail};
pub use server::{OtherProcess, Ran, Refusal, Server, binary, free_port};
pub use upstreams::{FakeUpstreams, Mail, NOT_IN_CATALOG};
pub use visit::{Visit, between};
pub use webhook_endpoint::{Told, WebhookEndpoint};

use std::time::{Duration, Instant};

use serde_json::Value;

/// How long to wait for something that takes a second or two on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Declares two tests per function, `name::sqlite` and `name::postgres`.
///
/// The function takes a new [`Database`].
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

/// Runs `work` in `clients` threads at the same time; each gets its number, starting at 0.
///
/// Returns their results in order. Panics if one panics.
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

/// Settings that a test has put together, as the functions that start a [`Server`] take them.
pub fn borrowed<N: AsRef<str>>(settings: &[(N, String)]) -> Vec<(&str, &str)> {
    settings.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect()
}

/// A JSON text. Panics for any other value.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text")).to_owned()
}

/// Repeats `ask` until it returns something; `None` after `patience`.
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
