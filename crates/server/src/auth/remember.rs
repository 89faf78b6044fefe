//! Stores new data of callers after requests that have written nothing.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, rt};
use license_manager_domain::ports::StoreExt;

use super::news::{Unstored, UserNews};
use crate::http::response::in_turn;
use crate::http::turns::Access;
use crate::state::{AppState, State};

/// Middleware for `from_fn`, around the handlers: what is new of a caller is stored with what the request writes, and
/// otherwise after it.
pub async fn callers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let state = AppState::of(request.request())?;
    let unstored = Unstored::default();
    let answered = unstored.clone().during(next.call(request)).await;
    if let Some(news) = unstored.take() {
        store_soon(state, news);
    }
    answered
}

/// Stores it after a pause. Nobody waits for it: another request stores it if this fails.
fn store_soon(state: State, news: UserNews) {
    let username = news.username().to_owned();
    if !state.to_be_stored.add(news) {
        return;
    }
    rt::spawn(async move {
        rt::time::sleep(state.remember_after).await;
        if !state.to_be_stored.has(&username) {
            return;
        }
        let turn = state.turns.take(Access::Write).await;
        let Some(news) = state.to_be_stored.take(&username) else { return };
        let manager = state.manager.clone();
        let store = move || {
            let now = manager.now();
            Ok(manager.store().write(|unit| news.store(unit, now))?)
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
