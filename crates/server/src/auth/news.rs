//! The data of a user that a token has and the database does not have yet, and the store that writes it in the
//! transaction of the user's request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use license_manager_domain::ports::{Store, UnitOfWork, User, Work};
use license_manager_domain::{Error, LicenseManager};

use super::AccessToken;

/// A user whose name, address or rights are not stored as the token has them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct UserNews {
    username: String,
    /// The token's address, if it is verified. Otherwise what is stored stays.
    email: Option<String>,
    is_staff: bool,
}

impl UserNews {
    /// What is new in the token. An unverified address is not: retiring the user would erase the licenses of its owner.
    pub(super) fn in_token(token: &AccessToken, user: Option<&User>) -> Option<Self> {
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
    /// What is not stored yet of the caller of the request under way.
    static OF_REQUEST: Unstored;
}

/// What is new of a request's caller, until it is stored.
#[derive(Clone, Default)]
pub struct Unstored(Arc<Mutex<Option<UserNews>>>);

impl Unstored {
    /// What is not stored yet of the caller of the request under way; `None` outside of requests.
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
            Some(unstored) => OF_REQUEST.sync_scope(unstored, work),
            None => work(),
        }
    }

    /// Adds what is new.
    pub(super) fn add(&self, news: UserNews) {
        *self.lock() = Some(news);
    }

    /// Takes what is new, to store it or because it is stored.
    pub(super) fn take(&self) -> Option<UserNews> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<UserNews>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is new of users who have written nothing, until it is stored.
#[derive(Default)]
pub struct ToBeStored(Mutex<HashMap<String, UserNews>>);

impl ToBeStored {
    /// Adds the latest news of a user. Returns whether there were none.
    pub(super) fn add(&self, news: UserNews) -> bool {
        self.lock().insert(news.username.clone(), news).is_none()
    }

    /// Whether there is something of this user.
    pub(super) fn has(&self, username: &str) -> bool {
        self.lock().contains_key(username)
    }

    /// Takes it, to store it or because it is stored.
    pub(super) fn take(&self, username: &str) -> Option<UserNews> {
        self.lock().remove(username)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, UserNews>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store of requests: the first transaction of a request also stores what is new of its caller, so that this takes
/// none of its own.
pub struct StoreOfRequests {
    manager: LicenseManager,
    to_be_stored: Arc<ToBeStored>,
}

impl StoreOfRequests {
    /// The use cases of requests, over the store of `manager`.
    pub fn manager(manager: &LicenseManager, to_be_stored: Arc<ToBeStored>) -> LicenseManager {
        manager.over(Arc::new(Self { manager: manager.clone(), to_be_stored }))
    }
}

impl Store for StoreOfRequests {
    fn run_write(&self, work: &mut Work<'_>) -> Result<(), Error> {
        let store = self.manager.store();
        let Some(unstored) = Unstored::of_request() else { return store.run_write(work) };
        let news = unstored.lock().clone();
        let Some(news) = news else { return store.run_write(work) };
        let now = self.manager.now();
        store.run_write(&mut |unit| {
            work(unit)?;
            // Last: other requests of the user wait for this row no longer than the commit takes.
            news.store(unit, now)
        })?;
        unstored.take();
        self.to_be_stored.take(&news.username);
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

    fn news(email: &str) -> UserNews {
        UserNews { username: "amy".to_owned(), email: Some(email.to_owned()), is_staff: false }
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
        let to_be_stored = Arc::new(ToBeStored::default());
        let manager = StoreOfRequests::manager(&manager, to_be_stored.clone());
        let failing = || manager.store().write(|_| Err::<(), _>(Error::Unavailable));
        let unstored = Unstored::default();
        unstored.add(news("amy@example.com"));
        to_be_stored.add(news("old@example.com"));
        manager.store().write(|_| Ok(())).unwrap();
        assert_eq!(stored(&manager), None, "it is nobody's request");
        Unstored::on_thread(Some(unstored.clone()), || {
            assert_eq!(failing(), Err(Error::Unavailable));
            assert_eq!(stored(&manager), None, "nothing of a failed transaction stays");
            assert!(to_be_stored.has("amy"));
            manager.store().write(|_| Ok(())).unwrap();
            assert_eq!(stored(&manager).as_deref(), Some("amy@example.com"));
            assert!(!to_be_stored.has("amy"), "what an earlier request left is outdated");
            let rename = |unit: &mut dyn UnitOfWork| news("new@example.com").store(unit, DateTime::UNIX_EPOCH);
            manager.store().write(rename).unwrap();
            assert_eq!(stored(&manager).as_deref(), Some("new@example.com"), "it is stored once");
        });
        assert!(unstored.take().is_none());
    }

    #[test]
    fn the_latest_news_of_a_user_are_stored() {
        let to_be_stored = ToBeStored::default();
        assert!(to_be_stored.add(news("old@example.com")));
        assert!(!to_be_stored.add(news("new@example.com")), "somebody stores them already");
        assert!(to_be_stored.take("amy").is_some_and(|found| found == news("new@example.com")));
        assert!(!to_be_stored.has("amy") && to_be_stored.take("amy").is_none());
    }
}
