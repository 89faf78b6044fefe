//! What a token tells that is not stored of its user yet.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use actix_web::rt;
use license_manager_domain::ports::{StoreExt, User};

use super::AccessToken;
use crate::http::ApiResult;
use crate::http::response::{blocking, in_turn};
use crate::http::turns::Access;
use crate::state::State;

/// A user whose name, address or rights are not stored as the token has them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UserNews {
    username: String,
    email: Option<String>,
    is_staff: bool,
}

/// The names of users who are being stored while their requests are answered.
#[derive(Debug, Default)]
pub struct BeingStored(Mutex<HashSet<String>>);

impl UserNews {
    /// What is new in the token. An unverified address is not: retiring the user would erase the licenses of its owner.
    pub(super) fn in_token(token: &AccessToken, user: Option<&User>) -> Option<Self> {
        let named = token.email.as_deref().filter(|_| token.email_is_verified);
        let stored = user.and_then(|user| user.email.as_deref());
        let email = named.or(stored);
        let is_known = user.is_some_and(|user| stored == email && user.is_staff == token.is_staff);
        (!is_known).then(|| Self {
            username: token.username.clone(),
            email: email.map(str::to_owned),
            is_staff: token.is_staff,
        })
    }

    /// Stores it. A request that only reads does not wait for it: another one stores it if this fails.
    pub(super) async fn remember(self, state: &State, access: Access) -> ApiResult<()> {
        let (manager, username) = (state.manager.clone(), self.username.clone());
        let store = move || {
            let Self { username, email, is_staff } = &self;
            let now = manager.now();
            Ok(manager.store().write(|unit| unit.users().remember(username, email.as_deref(), *is_staff, now))?)
        };
        if access == Access::Write {
            return blocking(store).await;
        }
        if state.being_stored.begin(&username) {
            let state = state.clone();
            rt::spawn(async move {
                let stored = match state.turns.take(Access::Write).await {
                    Ok(turn) => in_turn(Some(turn), store).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = stored {
                    tracing::debug!(%error, "a user was not stored; their next request does it");
                }
                state.being_stored.end(&username);
            });
        }
        Ok(())
    }
}

impl BeingStored {
    /// Whether nobody else stores this user at the moment.
    fn begin(&self, username: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(username.to_owned())
    }

    fn end(&self, username: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(username);
    }
}
