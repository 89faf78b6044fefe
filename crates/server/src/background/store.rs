//! The store of the work in the background: each of its transactions takes a turn at the database, as a request does
//! (ADR 17).

use std::sync::{Arc, mpsc};

use license_manager_domain::ports::{Store, Work};
use license_manager_domain::{Error, LicenseManager};
use tokio::runtime::Handle;

use crate::http::turns::{Access, Turn, Turns};

/// A store whose transactions wait for their turn, as long as it takes, on the thread that runs them.
///
/// No transaction may begin another one, because who holds a turn must not wait for one.
pub struct BackgroundStore {
    manager: LicenseManager,
    turns: Arc<Turns>,
    /// The turn of a transaction that writes.
    to_write: Access,
    /// Where the turns are waited for. None of its threads for asynchronous tasks may run transactions.
    runtime: Handle,
}

impl BackgroundStore {
    /// The use cases of the background, over the store of `manager`. Call this within a runtime.
    pub fn manager(manager: &LicenseManager, turns: Arc<Turns>) -> LicenseManager {
        Self::over(manager, turns, Access::Write)
    }

    /// The same, for what writes only to prolong leases ([`Access::Prolong`]).
    pub fn prolonging(manager: &LicenseManager, turns: Arc<Turns>) -> LicenseManager {
        Self::over(manager, turns, Access::Prolong)
    }

    fn over(manager: &LicenseManager, turns: Arc<Turns>, to_write: Access) -> LicenseManager {
        manager.over(Arc::new(Self { manager: manager.clone(), turns, to_write, runtime: Handle::current() }))
    }

    fn wait_for_turn(&self, access: Access) -> Result<Turn, Error> {
        let (giving, given) = mpsc::channel();
        let turns = self.turns.clone();
        // `Handle::block_on` would panic on the thread of a scheduled run, which is in `block_on` already.
        self.runtime.spawn(async move { giving.send(turns.take_patiently(access).await) });
        given.recv().ok().flatten().ok_or(Error::Unavailable)
    }
}

impl Store for BackgroundStore {
    fn run_write(&self, work: &mut Work<'_>) -> Result<(), Error> {
        let _turn = self.wait_for_turn(self.to_write)?;
        self.manager.store().run_write(work)
    }

    fn run_read(&self, work: &mut Work<'_>) -> Result<(), Error> {
        let _turn = self.wait_for_turn(Access::Read)?;
        self.manager.store().run_read(work)
    }

    fn ping(&self) -> Result<(), Error> {
        let _turn = self.wait_for_turn(Access::Read)?;
        self.manager.store().ping()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use license_manager_domain::Settings;
    use license_manager_domain::memory::MemoryStore;
    use license_manager_domain::ports::{RandomIds, StoreExt, SystemClock};
    use prometheus::IntGauge;
    use tokio::task::spawn_blocking;
    use tokio::time::timeout;

    use super::*;
    use crate::config::DatabaseConfig;

    /// The use cases over a store that writes nothing, and their turns: SQLite's, one of them to write.
    fn manager() -> (LicenseManager, Arc<Turns>) {
        let store = Arc::new(MemoryStore::default());
        let manager = LicenseManager::new(store, Arc::new(SystemClock), Arc::new(RandomIds), Settings::default());
        let waiting = IntGauge::new("waiting", "Waiting.").unwrap();
        let turns = Arc::new(Turns::new(&DatabaseConfig::default(), waiting));
        (BackgroundStore::manager(&manager, turns.clone()), turns)
    }

    fn write(manager: &LicenseManager) -> Result<(), Error> {
        manager.store().write(|_| Ok(()))
    }

    #[tokio::test]
    async fn a_transaction_that_writes_waits_for_a_request_that_does() {
        let (manager, turns) = manager();
        let request = turns.take(Access::Write).await.unwrap();
        let (writer, reader) = (manager.clone(), manager);
        let mut writing = spawn_blocking(move || write(&writer));
        assert!(timeout(Duration::from_millis(200), &mut writing).await.is_err(), "the request writes");
        let reading = spawn_blocking(move || reader.store().read(|_| Ok(())));
        assert_eq!(reading.await.unwrap(), Ok(()));
        drop(request);
        assert_eq!(writing.await.unwrap(), Ok(()));
        assert!(turns.take(Access::Write).await.is_ok(), "the turn ended with the transaction");
    }

    #[tokio::test]
    async fn a_scheduled_run_takes_turns_on_the_thread_that_polls_it() {
        let (manager, _turns) = manager();
        let runtime = Handle::current();
        let polling = move || runtime.block_on(async { [write(&manager), write(&manager)] });
        let thread = std::thread::spawn(polling);
        let ended = spawn_blocking(move || thread.join()).await.unwrap();
        assert!(ended.is_ok_and(|written| written == [Ok(()), Ok(())]));
    }
}
