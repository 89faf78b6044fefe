//! Stores the updates of users after requests that have written nothing.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, rt};
use license_manager_domain::ports::StoreExt;

use super::user_updates::{PendingUpdate, UserUpdate};
use crate::http::response::in_turn;
use crate::http::turns::Access;
use crate::state::{AppState, State};

/// Middleware for `from_fn`, around the handlers: the update of a caller is stored with what the request writes, and
/// otherwise after it.
pub async fn store_callers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let state = AppState::of(request.request())?;
    let pending = PendingUpdate::default();
    let answered = pending.clone().during(next.call(request)).await;
    if let Some(update) = pending.take() {
        store_soon(state, update);
    }
    answered
}

/// Stores it after a pause. Nobody waits for it: another request stores it if this fails.
fn store_soon(state: State, update: UserUpdate) {
    let username = update.username().to_owned();
    if !state.deferred_updates.add(update) {
        return;
    }
    rt::spawn(async move {
        rt::time::sleep(state.update_delay).await;
        if !state.deferred_updates.has(&username) {
            return;
        }
        let turn = state.turns.take(Access::Write).await;
        let Some(update) = state.deferred_updates.take(&username) else { return };
        let manager = state.manager.clone();
        let store = move || {
            let now = manager.now();
            Ok(manager.store().write(|unit| update.store(unit, now))?)
        };
        let stored = match turn {
            Ok(turn) => in_turn(Some(turn), store).await,
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            tracing::debug!(%error, "a user was not stored; their next request does it");
        }
    });
}
