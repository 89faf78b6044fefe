//! Delivery: sends messages of the outbox to upstreams, and events to webhooks.
//!
//! Use cases add messages to the [outbox](crate::outbox) in the transaction that causes them. A worker, which may be a
//! thread of your program or a process of its own, delivers them. It repeats three steps for each queue with work,
//! because no transaction may wait for an upstream:
//!
//! 1. [`Deliveries::claim`] takes the next messages in one transaction. They are leased: until the lease ends, no other
//!    worker gets them. It also reads what the calls need, and finds messages that are out of date.
//! 2. [`Deliveries::deliver`] calls the upstreams, without the store. It is asynchronous. If it takes long, prolong the
//!    lease meanwhile with [`Deliveries::prolong`].
//! 3. [`Deliveries::settle`] writes the results in another transaction: it removes what was delivered, and sets the time
//!    of the next try for the rest. If it may wait for long, prolong the lease until it is done: otherwise another worker
//!    claims what was sent, and sends it again. A message that fails too often is dead-lettered, and waits for an
//!    operator ([`LicenseManager::retry_messages`](crate::LicenseManager::retry_messages)).
//!
//! If the process dies in between, the messages are claimed again when their lease ends: each is delivered at least
//! once, with the same id. The messages of one license are delivered in their order. Any number of workers may run.
//!
//! ```
//! use std::sync::Arc;
//! use license_manager_domain::delivery::{Deliveries, DeliverySettings};
//! use license_manager_domain::queue::QueueKind;
//! use license_manager_domain::{Error, LicenseManager};
//!
//! /// Delivers what is due now, and returns how much that was. A worker calls it again and again.
//! async fn deliver_due(deliveries: &Arc<Deliveries>) -> Result<usize, Error> {
//!     let mut number = 0;
//!     for kind in [QueueKind::Messages, QueueKind::Webhooks] {
//!         for queue in blocking(deliveries, move |deliveries| deliveries.due(kind)).await? {
//!             let batch = Arc::new(blocking(deliveries, move |deliveries| deliveries.claim(queue)).await?);
//!             let outcome = deliveries.deliver(&batch).await;
//!             number += batch.len();
//!             blocking(deliveries, move |deliveries| deliveries.settle(&batch, &outcome)).await?;
//!         }
//!     }
//!     Ok(number)
//! }
//!
//! /// Runs work that calls the store on a thread for blocking work.
//! async fn blocking<T: Send + 'static>(
//!     deliveries: &Arc<Deliveries>,
//!     work: impl FnOnce(&Deliveries) -> Result<T, Error> + Send + 'static,
//! ) -> Result<T, Error> {
//!     let deliveries = deliveries.clone();
//!     tokio::task::spawn_blocking(move || work(&deliveries)).await.map_err(Error::internal)?
//! }
//! # use license_manager_domain::{memory::MemoryStore, ports::{RandomIds, SystemClock}, Settings};
//! # let manager =
//! #     LicenseManager::new(Arc::new(MemoryStore::default()), Arc::new(SystemClock), Arc::new(RandomIds), Settings::default());
//! # let settings = DeliverySettings::new("https://learn.example.com", "https://admin.example.com");
//! # let deliveries = Arc::new(manager.deliveries(settings));
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # assert_eq!(runtime.block_on(deliver_due(&deliveries)), Ok(0));
//! ```
//!
//! The manager sends to the ports that it was given ([`LicenseManager::with_mail`](crate::LicenseManager::with_mail) and
//! others); those that are missing only write to the log. The use cases are in `deliveries.rs`; `docs/adr/0008` of the
//! repository gives the reasons.

mod builder;
mod context;
mod customers;
mod deliveries;
mod enrollment;
mod files;
mod mails;
mod outbound;
mod owed;
mod plan_use;
mod results;
mod settlement;
mod webhooks;
mod work;

pub use deliveries::{Batch, Deliveries, DeliveryResult, DeliverySettings, Outcome};
