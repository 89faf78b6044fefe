//! Concurrent transactions.

mod idempotency;
mod learners;
mod locks;
mod renewals;
mod transfers;

use std::sync::{Arc, Barrier};
use std::thread;

use license_manager_domain::ports::{FixedClock, SequentialIds, Store};
use license_manager_domain::{LicenseManager, Settings};

use super::fixtures::day;
pub use idempotency::*;
pub use learners::*;
pub use locks::*;
pub use renewals::*;
pub use transfers::*;

/// Runs `work` in many threads at the same time, and returns their results.
pub(crate) fn at_once<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(threads);
    let (start, work) = (&start, &work);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    start.wait();
                    work(thread)
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn manager(store: &Arc<dyn Store>) -> LicenseManager {
    let (clock, ids) = (FixedClock::new(day(2)), SequentialIds::default());
    LicenseManager::new(store.clone(), Arc::new(clock), Arc::new(ids), Settings::default())
}
