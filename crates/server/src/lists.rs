//! Decides where lists, searches, CSV files, reports and histories are read: from a replica, if one is close behind the
//! primary, or from the primary (ADR 29).
//!
//! A handler that may read from a replica asks for [`Lists`] in its signature. All others read from the primary.

use std::pin::Pin;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpRequest};
use license_manager_adapters::postgres::{PostgresStore, Replica, ReplicaProblem};
use license_manager_domain::console::ConsoleStore;
use license_manager_domain::{Error, LicenseManager};

use crate::auth::identity;
use crate::http::{ApiError, ApiResult, blocking, reading, turns};
use crate::state::{AppState, State};

/// A primary with a replica.
pub struct Replicated {
    primary: Arc<PostgresStore>,
    replica: Arc<Replica>,
    /// The primary, which reads from the replica.
    store: Arc<PostgresStore>,
}

impl Replicated {
    /// The primary with this replica.
    pub fn new(primary: Arc<PostgresStore>, replica: Arc<Replica>) -> Self {
        let store = Arc::new(primary.reading_from(replica.clone()));
        Self { primary, replica, store }
    }

    /// The replica.
    pub fn replica(&self) -> &Arc<Replica> {
        &self.replica
    }

    /// Begins to use the replica while it is close behind.
    ///
    /// # Errors
    /// [`Error::Internal`] if it cannot be watched.
    pub fn watch(&self) -> Result<(), Error> {
        self.replica.watch(&self.primary)
    }

    /// How many bytes of the primary's log the replica has not replayed, after it had time to. Blocks.
    ///
    /// # Errors
    /// Why it could not be used.
    pub fn bytes_behind(&self) -> Result<i64, ReplicaProblem> {
        self.replica.bytes_behind(&self.primary)
    }

    /// The use cases, which read from the replica.
    pub fn manager(&self, manager: &LicenseManager) -> LicenseManager {
        manager.over(self.store.clone())
    }

    /// The console's lists and searches, from the replica.
    pub fn console_store(&self) -> Arc<dyn ConsoleStore> {
        self.store.clone()
    }

    /// Whether the replica may lack what the user wrote. Blocks.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the primary does not answer.
    pub fn has_written(&self, username: &str) -> Result<bool, Error> {
        self.primary.has_written(username)
    }

    /// Notes that the user wrote. Blocks. A note that fails is not worth the answer to the write: at worst the user does
    /// not see it in a list for some seconds.
    pub fn note_write(&self, username: &str) {
        if let Err(error) = self.primary.note_write(username, self.replica.max_lag()) {
            tracing::warn!(%error, "it cannot be noted that a user wrote: lists from the replica may lack their change");
        }
    }
}

/// The use cases for a list: they read from a replica, unless the caller wrote lately.
pub struct Lists {
    /// The use cases. They write to the primary.
    pub manager: LicenseManager,
    /// What handlers share. Its use cases read from the primary.
    pub state: State,
}

impl FromRequest for Lists {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let state = AppState::of(&request)?;
            let Some(replicated) = state.replicated.clone() else {
                return Ok(Self { manager: state.manager.clone(), state });
            };
            let (asked, username) = (replicated.clone(), identity::token(&request)?.username);
            let manager = match reading(move || Ok(asked.has_written(&username)?)).await? {
                true => state.manager.clone(),
                false => replicated.manager(&state.manager),
            };
            Ok(Self { manager, state })
        })
    }
}

/// Middleware for `from_fn`: notes who wrote, before they get the answer.
pub async fn note_writes(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let replicated = AppState::of(request.request())?.replicated.clone().filter(|_| !request.method().is_safe());
    let response = next.call(request).await?;
    if let Some(replicated) = replicated
        && may_have_written(response.status(), turns::got_one_to_write())
        && let Ok(token) = identity::token(response.request())
        && let Err(error) = note(replicated, token.username).await
    {
        tracing::warn!(%error, "it cannot be noted that a user wrote: lists from the replica may lack their change");
    }
    Ok(response)
}

async fn note(replicated: Arc<Replicated>, username: String) -> ApiResult<()> {
    let note = move || {
        replicated.note_write(&username);
        Ok(())
    };
    blocking(note).await
}

/// Whether a request with this answer may have written. Some write a part and refuse the rest. Who waited in vain for a
/// turn to write is answered without waiting for another one.
fn may_have_written(status: StatusCode, got_turn_to_write: bool) -> bool {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED => false,
        StatusCode::SERVICE_UNAVAILABLE => got_turn_to_write,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_got_no_turn_to_write_did_not_write() {
        for (status, got_turn, noted) in [(503, false, false), (503, true, true), (422, true, true), (200, false, true)]
        {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(may_have_written(status, got_turn), noted, "{status}");
        }
    }
}
