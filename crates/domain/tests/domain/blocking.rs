//! Asynchronous use cases over a store that waits for an async library, on runtimes of tokio.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::Duration;
use license_manager_domain::memory::MemoryStore;
use license_manager_domain::operations::{
    CronExpression, Expiration, OperationSummary, RecurringOperation, Supervisor, Timetable,
};
use license_manager_domain::ports::{Blocking, Store, Work};
use license_manager_domain::use_cases::WebhookChanges;
use license_manager_domain::webhooks::WebhookSecret;
use license_manager_domain::*;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::support::upstreams::Town;
use crate::support::*;

/// A store that waits for something asynchronous before every transaction, as one over sqlx does.
struct Bridging {
    store: Arc<MemoryStore>,
    transactions: AtomicUsize,
}

impl Bridging {
    fn wait(&self) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        Handle::current().block_on(tokio::task::yield_now());
    }
}

impl Store for Bridging {
    fn run_write(&self, work: &mut Work<'_>) -> Result<(), Error> {
        self.wait();
        self.store.run_write(work)
    }

    fn run_read(&self, work: &mut Work<'_>) -> Result<(), Error> {
        self.wait();
        self.store.run_read(work)
    }

    fn ping(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Runs blocking work on the runtime's threads for it.
struct SpawnBlocking;

#[async_trait]
impl Blocking for SpawnBlocking {
    async fn run(&self, work: Box<dyn FnOnce() + Send>) {
        tokio::task::spawn_blocking(work).await.unwrap();
    }
}

/// Loses all work, as a runtime that is shutting down does.
struct Lost;

#[async_trait]
impl Blocking for Lost {
    async fn run(&self, work: Box<dyn FnOnce() + Send>) {
        drop(work);
    }
}

/// Never stops an operation, and lets the runtime's other tasks run in its pauses.
struct Patient;

#[async_trait]
impl Supervisor for Patient {
    async fn pause(&self, _: std::time::Duration) {
        tokio::task::yield_now().await;
    }
}

fn runtimes() -> [Runtime; 2] {
    [Builder::new_current_thread().build().unwrap(), Builder::new_multi_thread().worker_threads(2).build().unwrap()]
}

/// A world with something to do for every operation, and its manager over a store that bridges.
fn bridged() -> (Town, LicenseManager, Arc<Bridging>) {
    let town = Town::with(|manager| manager);
    let world = &town.world;
    let ended = world.plan(2);
    world.activate(ended, "amy@example.com", 7);
    world.clock.advance(Duration::days(365) + Duration::hours(1));
    let renewed = world.plan(3);
    world.assign(renewed, &learners(["bob@example.com"])).unwrap();
    let terms = model::RenewalTerms {
        effective_date: world.manager.now() + Duration::hours(1),
        renewed_expiration_date: world.manager.now() + Duration::days(400),
        ..world.terms(renewed, 3)
    };
    world.schedule(&terms);
    let store = Arc::new(Bridging { store: world.store.clone(), transactions: AtomicUsize::new(0) });
    let manager = world.manager.over(store.clone());
    (town, manager, store)
}

/// The operations that call the store.
fn operations() -> impl Iterator<Item = RecurringOperation> {
    RecurringOperation::ALL.into_iter().filter(|operation| *operation != RecurringOperation::Backup)
}

/// Calls every asynchronous use case that calls the store.
async fn call_all(manager: &LicenseManager) -> Vec<OperationSummary> {
    let mut summaries = vec![
        manager.process_renewals(Duration::days(1), false, &Patient).await,
        manager.expire_subscriptions(&Expiration::before(manager.now()), &Patient).await,
        manager.unlink_expired_licenses(Some(&[customer()]), false, &Patient).await,
        manager.validate_num_catalog_queries(false, &Patient).await,
    ];
    let every_minute: CronExpression = "* * * * *".parse().unwrap();
    let timetable: Timetable = operations().map(|operation| (operation, every_minute.clone())).collect();
    for operation in operations() {
        let (scheduling, timetable) = (manager.clone(), timetable.clone());
        let claim = move || {
            scheduling.set_timetable(&timetable)?;
            scheduling.claim_run(operation)
        };
        let Some(run) = tokio::task::spawn_blocking(claim).await.unwrap().unwrap() else { continue };
        summaries.push(manager.execute_run(&run, Arc::new(Patient)).await);
    }
    summaries
}

#[test]
fn a_store_that_bridges_works_on_every_runtime() {
    for runtime in runtimes() {
        let (town, manager, store) = bridged();
        // Every operation is due.
        let every_minute: CronExpression = "* * * * *".parse().unwrap();
        let timetable = operations().map(|operation| (operation, every_minute.clone())).collect();
        town.world.manager.set_timetable(&timetable).unwrap();
        town.world.clock.advance(Duration::minutes(2));
        let manager = manager.with_blocking(Arc::new(SpawnBlocking));
        let calls = async move { call_all(&manager).await };
        let summaries = runtime.block_on(async { tokio::spawn(calls).await.unwrap() });
        assert_eq!(summaries.len(), 4 + operations().count());
        for summary in &summaries {
            assert!(summary.is_complete(), "{summary:?}");
        }
        assert_eq!(summaries[0].counts["renewals"], 1, "{:?}", summaries[0]);
        assert_eq!(summaries[1].counts["plans"], 1, "{:?}", summaries[1]);
        assert!(store.transactions.load(Ordering::Relaxed) > 20);
    }
}

#[test]
fn a_ping_of_a_webhook_calls_a_store_that_bridges_where_the_port_says() {
    for runtime in runtimes() {
        let (town, manager, store) = bridged();
        let (url, secret) = ("https://hooks.example.com/".to_owned(), WebhookSecret::of_key(&[7; 32]));
        let webhook = town.world.manager.create_webhook(&admin(), url, secret, WebhookChanges::default()).unwrap().id;
        let manager = manager.with_blocking(Arc::new(SpawnBlocking));
        let ping = async move { manager.ping_webhook(&admin(), webhook).await };
        let answer = runtime.block_on(async { tokio::spawn(ping).await.unwrap() }).unwrap();
        assert!(answer.is_err(), "nothing posts to webhooks here: {answer:?}");
        assert_eq!(store.transactions.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn a_store_that_bridges_panics_without_the_port_as_its_docs_say() {
    for runtime in runtimes() {
        let (_town, manager, _store) = bridged();
        let call = manager.process_renewals(Duration::days(1), false, &Patient);
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(call)));
        let panic = outcome.expect_err("it cannot wait here");
        let told = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        assert!(told.is_some_and(|told| told.starts_with("Cannot start a runtime from within a runtime")), "{told:?}");
    }
}

#[test]
fn the_store_is_called_on_the_calling_thread_by_default() {
    let (town, _, _) = bridged();
    let summary =
        crate::operations::world::now(town.world.manager.process_renewals(Duration::days(1), false, &Patient));
    assert_eq!(summary.counts["renewals"], 1, "it waited for nothing: {summary:?}");
}

#[test]
fn lost_work_is_a_failure() {
    let (town, _, _) = bridged();
    let manager = town.world.manager.clone().with_blocking(Arc::new(Lost));
    let summary = crate::operations::world::now(manager.process_renewals(Duration::days(1), false, &Patient));
    assert_eq!(summary.errors.len(), 1, "{summary:?}");
    assert_eq!(summary.counts["renewals"], 0);
}
