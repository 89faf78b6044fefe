//! Updates of users: what a token says of its user and the database does not have yet, and the store that writes it in
//! the transaction of the user's request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use license_manager_domain::ports::{Store, UnitOfWork, User, Work};
use license_manager_domain::{Error, LicenseManager};

use super::AccessToken;

/// What to store of a user, whose name, address or rights in the database are not those of the token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct UserUpdate {
    username: String,
    /// The token's address, if it is verified. Otherwise what is stored stays.
    email: Option<String>,
    is_staff: bool,
}

impl UserUpdate {
    /// The update that a token brings; `None` if the database has it all. An unverified address is left out: retiring the
    /// user would erase the licenses of its owner.
    pub(super) fn from_token(token: &AccessToken, user: Option<&User>) -> Option<Self> {
        let email = token.email.as_deref().filter(|_| token.email_is_verified);
        let is_known = user
            .is_some_and(|user| (email.is_none() || user.email.as_deref() == email) && user.is_staff == token.is_staff);
        (!is_known).then(|| Self {
            username: token.username.clone(),
            email: email.map(str::to_owned),
            is_staff: token.is_staff,
        })
    }

    /// The user's name.
    pub(super) fn username(&self) -> &str {
        &self.username
    }

    /// Stores the name, address and rights.
    pub(super) fn store(&self, unit: &mut dyn UnitOfWork, now: DateTime<Utc>) -> Result<(), Error> {
        unit.users().remember(&self.username, self.email.as_deref(), self.is_staff, now)
    }
}

tokio::task_local! {
    /// The update of the caller of the request under way.
    static OF_REQUEST: PendingUpdate;
}

/// The update of a request's caller, until it is stored.
#[derive(Clone, Default)]
pub struct PendingUpdate(Arc<Mutex<Option<UserUpdate>>>);

impl PendingUpdate {
    /// The update of the caller of the request under way; `None` outside of requests.
    pub fn of_request() -> Option<Self> {
        OF_REQUEST.try_with(Self::clone).ok()
    }

    /// Does a request, whose transactions store this.
    pub(super) async fn during<T>(self, request: impl Future<Output = T>) -> T {
        OF_REQUEST.scope(self, request).await
    }

    /// Does work of a request on this thread. The work's transactions store what `of_request` has.
    pub fn on_thread<T>(of_request: Option<Self>, work: impl FnOnce() -> T) -> T {
        match of_request {
            Some(pending) => OF_REQUEST.sync_scope(pending, work),
            None => work(),
        }
    }

    /// Sets the update.
    pub(super) fn set(&self, update: UserUpdate) {
        *self.lock() = Some(update);
    }

    /// Takes the update, to store it or because it is stored.
    pub(super) fn take(&self) -> Option<UserUpdate> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<UserUpdate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The updates of users whose requests have written nothing, by user name, until they are stored.
#[derive(Default)]
pub struct DeferredUpdates(Mutex<HashMap<String, UserUpdate>>);

impl DeferredUpdates {
    /// Adds the latest update of a user. Returns whether there was none.
    pub(super) fn add(&self, update: UserUpdate) -> bool {
        self.lock().insert(update.username.clone(), update).is_none()
    }

    /// Whether there is an update of this user.
    pub(super) fn has(&self, username: &str) -> bool {
        self.lock().contains_key(username)
    }

    /// Takes the update of this user, to store it or because it is stored.
    pub(super) fn take(&self, username: &str) -> Option<UserUpdate> {
        self.lock().remove(username)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, UserUpdate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store of requests: the first transaction of a request also stores the update of its caller, so that this takes
/// none of its own.
pub struct RequestStore {
    manager: LicenseManager,
    deferred: Arc<DeferredUpdates>,
}

impl RequestStore {
    /// The use cases of requests, over the store of `manager`.
    pub fn manager(manager: &LicenseManager, deferred: Arc<DeferredUpdates>) -> LicenseManager {
        manager.over(Arc::new(Self { manager: manager.clone(), deferred }))
    }
}

impl Store for RequestStore {
    fn run_write(&self, work: &mut Work<'_>) -> Result<(), Error> {
        let store = self.manager.store();
        let Some(pending) = PendingUpdate::of_request() else { return store.run_write(work) };
        let update = pending.lock().clone();
        let Some(update) = update else { return store.run_write(work) };
        let now = self.manager.now();
        store.run_write(&mut |unit| {
            work(unit)?;
            // Last: other requests of the user wait for this row no longer than the commit takes.
            update.store(unit, now)
        })?;
        pending.take();
        self.deferred.take(&update.username);
        Ok(())
    }

    fn run_read(&self, work: &mut Work<'_>) -> Result<(), Error> {
        self.manager.store().run_read(work)
    }

    fn ping(&self) -> Result<(), Error> {
        self.manager.store().ping()
    }
}

#[cfg(test)]
mod tests {
    use license_manager_domain::Settings;
    use license_manager_domain::memory::MemoryStore;
    use license_manager_domain::ports::{FixedClock, RandomIds, StoreExt};

    use super::*;

    fn update(email: &str) -> UserUpdate {
        UserUpdate { username: "amy".to_owned(), email: Some(email.to_owned()), is_staff: false }
    }

    /// The address that is stored of Amy.
    fn stored(manager: &LicenseManager) -> Option<String> {
        manager.store().read(|unit| unit.users().find("amy")).unwrap().and_then(|user| user.email)
    }

    #[test]
    fn what_a_request_writes_first_stores_its_caller() {
        let clock = Arc::new(FixedClock::new(DateTime::UNIX_EPOCH));
        let manager =
            LicenseManager::new(Arc::new(MemoryStore::default()), clock, Arc::new(RandomIds), Settings::default());
        let deferred = Arc::new(DeferredUpdates::default());
        let manager = RequestStore::manager(&manager, deferred.clone());
        let failing = || manager.store().write(|_| Err::<(), _>(Error::Unavailable));
        let pending = PendingUpdate::default();
        pending.set(update("amy@example.com"));
        deferred.add(update("old@example.com"));
        manager.store().write(|_| Ok(())).unwrap();
        assert_eq!(stored(&manager), None, "it is nobody's request");
        PendingUpdate::on_thread(Some(pending.clone()), || {
            assert_eq!(failing(), Err(Error::Unavailable));
            assert_eq!(stored(&manager), None, "nothing of a failed transaction stays");
            assert!(deferred.has("amy"));
            manager.store().write(|_| Ok(())).unwrap();
            assert_eq!(stored(&manager).as_deref(), Some("amy@example.com"));
            assert!(!deferred.has("amy"), "what an earlier request left is outdated");
            let rename = |unit: &mut dyn UnitOfWork| update("new@example.com").store(unit, DateTime::UNIX_EPOCH);
            manager.store().write(rename).unwrap();
            assert_eq!(stored(&manager).as_deref(), Some("new@example.com"), "it is stored once");
        });
        assert!(pending.take().is_none());
    }

    #[test]
    fn the_latest_update_of_a_user_is_stored() {
        let deferred = DeferredUpdates::default();
        assert!(deferred.add(update("old@example.com")));
        assert!(!deferred.add(update("new@example.com")), "somebody stores it already");
        assert!(deferred.take("amy").is_some_and(|found| found == update("new@example.com")));
        assert!(!deferred.has("amy") && deferred.take("amy").is_none());
    }
}
